import { existsSync, readdirSync, readFileSync, rmdirSync, rmSync, type Stats, statSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';

/**
 * Takes out of a `node_modules` what Node never loads, for the image: source maps, type declarations, sources,
 * documentation, tests, and the twins of a package for bundlers and browsers. Licences stay.
 *
 *   node prune-dependencies.ts node_modules
 */

/** What no JavaScript loads; a licence that is written in Markdown is kept. */
const UNLOADED = /(?:\.map|\.[cm]?ts|\.tsx|\.flow|\.md|\.markdown|\.ya?ml|\.tsbuildinfo|\.ico|\.svg|\.png)$/i;
const LICENCE = /^(?:licen[cs]e|copying|notice)/i;
/** Folders at the top of a package that hold none of its code. */
const BESIDE =
  /^(?:\.github|\.vscode|\.husky|\.tap|tests?|__tests__|spec|integration|docs?|examples?|bench(?:mark)?s?|coverage|tap-snapshots)$/i;

interface Manifest {
  name?: string;
  /** A text; some packages have a list for bundlers there, which Node ignores. */
  main?: unknown;
  exports?: unknown;
  imports?: unknown;
  module?: string;
  esnext?: string;
  browser?: unknown;
}

/** Conditions under which Node 24 picks a target, once for `import` and once for `require`. */
const CONDITIONS = [
  new Set(['node', 'node-addons', 'module-sync', 'import', 'default']),
  new Set(['node', 'node-addons', 'module-sync', 'require', 'default']),
];

/**
 * Paths in a package that Node may begin at, each relative to the package: files, and `folder/` where a pattern leads
 * into one. Undefined for a package that hides nothing, as any of its files may be named from outside.
 */
export function entries(manifest: Manifest): Set<string> {
  const found = new Set<string>();
  for (const conditions of CONDITIONS) {
    for (const map of [manifest.exports, manifest.imports]) collect(map, conditions, found);
  }
  // Some tools and older packages look here in spite of `exports`, and it is small.
  if (typeof manifest.main === 'string') found.add(manifest.main);
  return new Set([...found].map((path) => path.replace(/^\.\//, '').replace(/\*.*$/, '')));
}

/** Adds what one condition set leads to; the first key that leads anywhere is the one that counts. */
function collect(target: unknown, conditions: ReadonlySet<string>, found: Set<string>): boolean {
  if (typeof target === 'string') return Boolean(found.add(target));
  if (Array.isArray(target)) return target.map((item) => collect(item, conditions, found)).some(Boolean);
  if (typeof target !== 'object' || target === null) return false;
  const pairs = Object.entries(target);
  const isMap = pairs.some(([key]) => /^[.#]/.test(key));
  if (isMap) return pairs.map(([, value]) => collect(value, conditions, found)).some(Boolean);
  return pairs.some(([key, value]) => conditions.has(key) && collect(value, conditions, found));
}

/** Folders and files that a package keeps for bundlers alone, as it says itself; relative to it. */
export function twins(manifest: Manifest): string[] {
  const reached = [...entries(manifest)];
  const named = [manifest.module, manifest.esnext].filter((path) => path !== undefined);
  const roots = named.map((path) => {
    const parts = path.replace(/^\.\//, '').split('/');
    const folder = parts.findIndex((part) => /^(?:es|esm|esnext|esm\d+|es\d+|module|mjs)$/.test(part));
    return folder === -1 || folder === parts.length - 1
      ? parts.join('/')
      : `${parts.slice(0, folder + 1).join('/')}/`;
  });
  return [...new Set(roots)].filter(
    (root) => !reached.some((path) => path.startsWith(root) || root === path),
  );
}

/** Prunes one package, the packages inside of it left alone. */
function prunePackage(folder: string, manifest: Manifest): void {
  const reached = [...entries(manifest)];
  for (const name of readdirSync(folder)) {
    const isReached = reached.some((path) => path.startsWith(`${name}/`));
    if (BESIDE.test(name) && !isReached && statSync(join(folder, name)).isDirectory())
      remove(join(folder, name));
  }
  for (const twin of twins(manifest)) remove(join(folder, twin));
  for (const path of filesOf(folder)) {
    const name = path.slice(path.lastIndexOf('/') + 1);
    const isEntry = reached.includes(relative(folder, path));
    if (UNLOADED.test(name) && !LICENCE.test(name) && !isEntry) remove(path);
  }
}

function* filesOf(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.name === 'node_modules') continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesOf(path);
    else if (entry.isFile()) yield path;
  }
}

/** The packages of a `node_modules`, those inside of packages included. */
export function packagesOf(modules: string): string[] {
  if (!existsSync(modules)) return [];
  return readdirSync(modules, { withFileTypes: true }).flatMap(({ name }) => {
    const folder = join(modules, name);
    if (name.startsWith('@')) return packagesOf(folder);
    if (!existsSync(join(folder, 'package.json'))) return [];
    return [folder, ...packagesOf(join(folder, 'node_modules'))];
  });
}

/** @throws Error where the folder holds no package: a wrong path must not pass for work done */
export function prune(modules: string): { before: number; after: number } {
  const packages = packagesOf(modules);
  if (packages.length === 0) throw new Error(`${modules} holds no package`);
  const before = sizeOf(modules);
  for (const folder of packages) prunePackage(folder, manifestOf(folder));
  removeEmpty(modules);
  return { before, after: sizeOf(modules) };
}

export function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
}

/** Bytes of all files below a folder; the blocks they take on a disk are more. */
export function sizeOf(folder: string, of: (file: Stats) => number = ({ size }) => size): number {
  return readdirSync(folder, { withFileTypes: true }).reduce((sum, entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return sum + sizeOf(path, of);
    return entry.isFile() ? sum + of(statSync(path)) : sum;
  }, 0);
}

function remove(path: string): void {
  rmSync(path, { recursive: true, force: true });
}

function removeEmpty(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) removeEmpty(join(folder, entry.name));
  }
  if (readdirSync(folder).length === 0) rmdirSync(folder);
}

if (import.meta.main) {
  const [modules = 'node_modules'] = process.argv.slice(2);
  const { before, after } = prune(resolve(modules));
  const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);
  process.stdout.write(`${modules}: ${megabytes(before)} MB became ${megabytes(after)} MB\n`);
}
