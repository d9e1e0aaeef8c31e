import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { selfCommand } from '../../../src/cli/self-command.ts';

let root: string;
const at = (...parts: string[]): string => join(root, ...parts);

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'proxmox-mcp-self-'));
  for (const folder of ['usr/bin', 'repo/src', 'repo/node_modules/.bin', 'repo/node_modules/node/bin']) {
    mkdirSync(at(folder), { recursive: true });
  }
  writeFileSync(at('usr/bin/node'), 'the machine’s own');
  writeFileSync(at('repo/node_modules/node/bin/node'), 'the project’s own');
  symlinkSync('../node/bin/node', at('repo/node_modules/.bin/node'));
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

const invocation = (execPath: string, script = at('repo/src/main.ts'), cwd = at('repo')) => ({
  argv: [execPath, script],
  execPath,
  cwd,
  path: [at('repo/node_modules/.bin'), at('usr/bin')].join(':'),
});

describe('selfCommand', () => {
  it('is the bare name where it was installed', () => {
    expect(selfCommand(invocation(at('usr/bin/node'), '/usr/local/bin/proxmox-mcp'))).toBe('proxmox-mcp');
  });

  it('is node where that is the Node that runs', () => {
    expect(selfCommand(invocation(at('usr/bin/node')))).toBe('node src/main.ts');
  });

  it('names the project’s own Node, because npm alone puts it into PATH', () => {
    expect(selfCommand(invocation(at('repo/node_modules/node/bin/node')))).toBe(
      'node_modules/.bin/node src/main.ts',
    );
  });

  it('gives whole paths from another folder, quoted where a shell needs it', () => {
    mkdirSync(at('my repo'));
    writeFileSync(at('my repo/main.ts'), '');
    const own = at('repo/node_modules/node/bin/node');
    expect(selfCommand(invocation(own, at('my repo/main.ts'), at('usr')))).toBe(
      `${own} '${at('my repo/main.ts')}'`,
    );
  });
});
