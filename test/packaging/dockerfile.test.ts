import { existsSync } from 'node:fs';
import { join } from 'node:path';
import ignore from '@balena/dockerignore';
import { ValidationSeverity, validate } from 'dockerfile-utils';
import { describe, expect, it } from 'vitest';
import { contextSources, finalStage, nodeFlags } from './dockerfile.ts';
import { filesBelow, projectFile, ROOT } from './project.ts';

const text = projectFile('Dockerfile');
const ERROR = ValidationSeverity.ERROR;
const STRICT = {
  directiveCasing: ERROR,
  emptyContinuationLine: ERROR,
  instructionCasing: ERROR,
  instructionCmdMultiple: ERROR,
  instructionEntrypointMultiple: ERROR,
  instructionHealthcheckMultiple: ERROR,
  instructionJSONInSingleQuotes: ERROR,
  instructionWorkdirRelative: ERROR,
};

describe('Dockerfile', () => {
  it('has no syntax problem', () => {
    expect(validate(text, STRICT)).toEqual([]);
  });

  it.each([
    ['an unknown instruction', 'ENTRYPOINT [', 'ENTRIPOINT ['],
    ['a wrong flag', '--interval=30s', '--intervall=30s'],
    ['a relative folder', 'WORKDIR /config', 'WORKDIR config'],
  ])('would have with %s', (_what, right, wrong) => {
    expect(validate(text.replace(right, wrong), STRICT)).not.toEqual([]);
  });

  it('runs as a numeric user that is not root, with its code owned by root', () => {
    const users = [...finalStage().matchAll(/^USER (.+)$/gm)].map((match) => match[1]);
    expect(users).toEqual(['1000:1000']);
    // What V8 compiled is taken by the same user alone.
    expect(text.match(/^USER .+$/gm)).toEqual(['USER 1000:1000', 'USER 1000:1000']);
    expect([...finalStage().matchAll(/^COPY .*--chown.*$/gm)].map((match) => match[0])).toEqual([
      'COPY --from=build --chown=1000:1000 /empty /data',
    ]);
  });

  it('runs nothing in its last stage, so that another platform can be built without emulation', () => {
    expect(finalStage()).not.toMatch(/^RUN /m);
  });

  it('compiles with the flags that it starts with, at the place that it starts from', () => {
    expect(text).toContain(`RUN node ${nodeFlags().join(' ')} scripts/make-compile-cache.ts dist/main.js`);
    expect(nodeFlags()).not.toEqual([]);
    expect(finalStage()).toContain('NODE_COMPILE_CACHE=/app/.compile-cache');
    expect(finalStage()).toContain('NODE_PRESERVE_SYMLINKS=1');
    expect(finalStage()).toContain('COPY --from=compiled /app/.compile-cache /app/.compile-cache');
  });

  it('copies only what exists and reaches the builder', () => {
    const ignored = ignore.default().add(projectFile('.dockerignore'));
    const sources = contextSources();
    expect(sources).toEqual(expect.arrayContaining(['package.json', 'package-lock.json', 'src', 'LICENSE']));
    for (const source of sources) {
      expect(existsSync(join(ROOT, source)), `${source} exists`).toBe(true);
      expect(ignored.ignores(source), `${source} is ignored`).toBe(false);
    }
  });
});

describe('.dockerignore', () => {
  const ignored = ignore.default().add(projectFile('.dockerignore'));

  it.each([
    '.env',
    '.env.production',
    'clusters.json',
    'secrets/mcp_jwt_secret',
    'secrets/clusters.json',
    '.git/config',
    'node_modules/zod/index.js',
    'dist/main.js',
    'test/packaging/project.ts',
    'state.sqlite',
    'id_rsa.key',
    'src/.env',
    'src/config/clusters.json',
    'src/simulator/ca.pem',
  ])('keeps %s out', (path) => {
    expect(ignored.ignores(path)).toBe(true);
  });

  it('lets every source through', () => {
    expect(filesBelow('src').filter((path) => ignored.ignores(path))).toEqual([]);
  });
});
