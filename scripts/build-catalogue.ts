/**
 * Derives the built-in catalogue from the type declarations of the installed `proxmox-api` package
 * (GPL-3.0).
 *
 * `node scripts/build-catalogue.ts [FILE]`, by default src/catalogue/builtin.jsonl.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';
import { readDeclarations } from './catalogue-declarations.ts';
import { MEANINGS } from './catalogue-glossary.ts';

/**
 * The built-in catalogue as JSON Lines: a line about the package, one per parameter type, one per method.
 * Always the same for the same version of the package.
 */
export function buildCatalogue(): string {
  const root = packageRoot();
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  const { types, methods } = readDeclarations(readFileSync(join(root, 'esm', 'model.d.ts'), 'utf8'));
  const lines = [
    { package: 'proxmox-api', version, meanings: MEANINGS },
    ...Object.entries(types).map(([name, schema]) => ({ type: name, schema })),
    ...methods,
  ];
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('');
}

function packageRoot(): string {
  // Its package.json is not exported, so start from the entry: node_modules/proxmox-api/cjs/index.js.
  return dirname(dirname(createRequire(import.meta.url).resolve('proxmox-api')));
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  const target = argv[2] ?? fileURLToPath(new URL('../src/catalogue/builtin.jsonl', import.meta.url));
  writeFileSync(target, buildCatalogue());
}
