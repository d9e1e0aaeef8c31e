import { existsSync, realpathSync } from 'node:fs';
import { basename, delimiter, join, relative, sep } from 'node:path';

/** What decides how this program is started: usually `process` itself. */
export interface Invocation {
  argv: readonly string[];
  execPath: string;
  path: string;
  cwd: string;
}

/**
 * How a person starts this program again from this folder, or the one that `changes` names as `cwd`. `npm run` puts the project's own Node in front of PATH, so
 * plain `node` may be another, older one in the person's shell.
 */
export function selfCommand(changes: Partial<Invocation> = {}): string {
  const invocation = { ...current(), ...changes };
  const { argv, cwd } = invocation;
  const script = argv[1] ?? '';
  if (basename(script) === 'proxmox-mcp') return 'proxmox-mcp';
  return `${nodeCommand(invocation)} ${quoted(near(script, cwd))}`;
}

function nodeCommand({ execPath, path, cwd }: Invocation): string {
  const own = path.split(delimiter).filter((folder) => !folder.split(sep).includes('node_modules'));
  const found = own.map((folder) => join(folder, 'node')).find((file) => existsSync(file));
  if (found !== undefined && samePlace(found, execPath)) return 'node';
  const local = join('node_modules', '.bin', 'node');
  if (samePlace(join(cwd, local), execPath)) return local;
  return quoted(near(execPath, cwd));
}

function current(): Invocation {
  return {
    argv: process.argv,
    execPath: process.execPath,
    path: process.env.PATH ?? '',
    cwd: process.cwd(),
  };
}

/** The path from here where it lies below, else as it is. */
function near(path: string, cwd: string): string {
  const way = relative(cwd, path);
  return way.startsWith('..') || way === '' ? path : way;
}

function samePlace(left: string, right: string): boolean {
  return existsSync(left) && existsSync(right) && realpathSync(left) === realpathSync(right);
}

function quoted(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}
