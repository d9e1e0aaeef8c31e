import { statSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import type { Environment } from './environment.ts';

/**
 * CACHE_DIR, else the user's own cache folder (XDG Base Directory Specification: `$XDG_CACHE_HOME`, which counts only
 * where it is absolute, or `~/.cache`). Nothing is made or written here.
 *
 * @param cwd what a relative CACHE_DIR starts from
 */
export function readCacheDir(environment: Environment, cwd: string): string | undefined {
  const wanted = environment.text('CACHE_DIR');
  if (wanted !== undefined) {
    const path = resolve(cwd, wanted);
    if (wanted.startsWith('~')) environment.problem('CACHE_DIR', 'must not begin with ~: write the path out');
    else if (isFile(path)) environment.problem('CACHE_DIR', 'must be a folder, and is a file');
    return path;
  }
  const shared = environment.text('XDG_CACHE_HOME');
  if (shared !== undefined && isAbsolute(shared)) return join(shared, 'proxmox-mcp');
  const home = environment.text('HOME') ?? homeOfUser();
  return home === undefined ? undefined : join(home, '.cache', 'proxmox-mcp');
}

/** A container may run as a user that no file knows; Node then throws. */
function homeOfUser(): string | undefined {
  try {
    return homedir();
  } catch {
    return undefined;
  }
}

function isFile(path: string): boolean {
  try {
    return !statSync(path).isDirectory();
  } catch {
    return false;
  }
}
