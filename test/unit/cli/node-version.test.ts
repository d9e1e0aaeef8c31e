import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { join, resolve } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { nodeVersionProblem } from '../../../src/cli/node-version.ts';
import { folderWith } from '../../support/config-folder.ts';

const SOURCES = resolve(import.meta.dirname, '../../../src');

describe('nodeVersionProblem', () => {
  it.each(['v24.0.0', 'v24.21.0', 'v25.1.0-nightly', 'v100.0.0'])('accepts %s', (version) => {
    expect(nodeVersionProblem(version)).toBeUndefined();
  });

  it.each(['v20.19.2', 'v23.11.0', 'v4.2.4', 'unknown'])('refuses %s, and says what to do', (version) => {
    const problem = nodeVersionProblem(version);
    expect(problem).toContain(`needs Node 24 or later, and this is ${version}`);
    expect(problem).toContain('node_modules/.bin/node');
  });
});

describe('main under an older Node', () => {
  const older = olderNode();

  test.skipIf(older === undefined)(
    older === undefined
      ? 'skipped: /usr/bin/node is not there, or not older than 24'
      : `/usr/bin/node ${older}`,
    () => {
      const folder = folderWith({ 'package.json': { type: 'module' } });
      mkdirSync(join(folder, 'cli'));
      // As the build leaves it; cli/program.js is not there, so that to import it would fail.
      for (const file of ['main', 'cli/node-version']) {
        const script = stripTypeScriptTypes(readFileSync(join(SOURCES, `${file}.ts`), 'utf8'));
        writeFileSync(join(folder, `${file}.js`), script.replaceAll(".ts'", ".js'"));
      }
      const { status, stdout, stderr } = spawnSync('/usr/bin/node', [join(folder, 'main.js'), '--help'], {
        encoding: 'utf8',
      });
      expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
      expect(stderr).toBe(`${nodeVersionProblem(older ?? '')}\n`);
    },
  );
});

function olderNode(): string | undefined {
  const version = spawnSync('/usr/bin/node', ['--version'], { encoding: 'utf8' }).stdout?.trim();
  return version && nodeVersionProblem(version) !== undefined ? version : undefined;
}
