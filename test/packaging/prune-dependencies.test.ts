import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { entries, prune, sizeOf, twins } from '../../scripts/prune-dependencies.ts';

function modulesWith(files: Record<string, string>): string {
  const modules = mkdtempSync(join(tmpdir(), 'proxmox-mcp-prune-'));
  onTestFinished(() => rmSync(modules, { recursive: true, force: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(modules, path)), { recursive: true });
    writeFileSync(join(modules, path), text);
  }
  return modules;
}

describe('what Node may begin at', () => {
  it.each([
    ['a text', { exports: './a.js' }, ['a.js']],
    [
      'conditions, of which the first that fits counts',
      { exports: { import: './a.mjs', default: './b.js' } },
      ['a.mjs', 'b.js'],
    ],
    [
      'one for bundlers',
      { exports: { '.': { browser: './web.js', esnext: './next.js', default: './a.js' } } },
      ['a.js'],
    ],
    [
      'conditions in conditions',
      { exports: { node: { require: './a.cjs' }, default: './b.js' } },
      ['b.js', 'a.cjs'],
    ],
    ['a pattern', { exports: { './*': './dist/esm/*.js' } }, ['dist/esm/']],
    [
      'imports of its own',
      { exports: './a.js', imports: { '#x': { node: './x-node.js', default: './x.js' } } },
      ['a.js', 'x-node.js'],
    ],
    ['a main that Node ignores, as it is a list', { main: ['a.js', 'b.js'] }, []],
  ])('is found in %s', (_what, manifest, wanted) => {
    expect([...entries(manifest)].sort()).toEqual([...wanted].sort());
  });
});

describe('twins for bundlers', () => {
  it.each([
    [
      'folders',
      { main: 'build/src/index.js', module: 'build/esm/index.js', esnext: 'build/esnext/index.js' },
      ['build/esm/', 'build/esnext/'],
    ],
    ['a file', { main: 'build/x.cjs.js', module: 'build/x.es.js' }, ['build/x.es.js']],
    [
      'none where exports lead there',
      { exports: { import: './esm/index.js', require: './cjs/index.js' }, module: './esm/index.js' },
      [],
    ],
    ['none where a pattern leads there', { exports: { './*': './esm/*' }, module: 'esm/index.js' }, []],
    ['none where main is the same', { main: 'index.js', module: 'index.js' }, []],
  ])('are %s', (_what, manifest, wanted) => {
    expect(twins(manifest)).toEqual(wanted);
  });
});

describe('pruning', () => {
  const manifest = (more: object) => JSON.stringify({ name: 'x', version: '1.0.0', ...more });

  it('takes away what is never loaded and leaves code, data, licences and packages inside', () => {
    const modules = modulesWith({
      'x/package.json': manifest({ main: 'lib/index.js', module: 'esm/index.js' }),
      'x/lib/index.js': '',
      'x/lib/test/helper.js': '',
      'x/lib/data.json': '{}',
      'x/lib/index.js.map': '{}',
      'x/lib/index.d.ts': '',
      'x/esm/index.js': '',
      'x/src/index.ts': '',
      'x/test/index.js': '',
      'x/docs/more.html': '',
      'x/README.md': '',
      'x/LICENSE.md': '',
      'x/node_modules/@y/z/package.json': manifest({ exports: './docs/index.js' }),
      'x/node_modules/@y/z/docs/index.js': '',
      'x/node_modules/@y/z/index.d.mts': '',
    });
    const before = sizeOf(modules);
    expect(prune(modules)).toEqual({ before, after: sizeOf(modules) });
    const is = (path: string) => existsSync(join(modules, path));
    expect(
      [
        'x/lib/index.js',
        'x/lib/test/helper.js',
        'x/lib/data.json',
        'x/LICENSE.md',
        'x/node_modules/@y/z/docs/index.js',
      ].filter((path) => !is(path)),
    ).toEqual([]);
    expect(
      [
        'x/lib/index.js.map',
        'x/lib/index.d.ts',
        'x/esm',
        'x/src',
        'x/test',
        'x/docs',
        'x/README.md',
        'x/node_modules/@y/z/index.d.mts',
      ].filter(is),
    ).toEqual([]);
  });

  it('refuses a folder without packages: a wrong path must not pass for work done', () => {
    expect(() => prune(modulesWith({ 'notes.txt': '' }))).toThrow('holds no package');
    expect(() => prune('/nowhere/node_modules')).toThrow('holds no package');
  });
});
