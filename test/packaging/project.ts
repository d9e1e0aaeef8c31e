import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** The project's folder. */
export const ROOT = resolve(import.meta.dirname, '../..');

/** The text of one of the project's files. */
export function projectFile(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

/** Files below a folder of the project, as paths from its root. */
export function filesBelow(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(ROOT.length + 1));
}

/** Set by the system or the shell, and read as they are. */
const SYSTEM_VARIABLES = ['HOME', 'XDG_CACHE_HOME'];

/** Names of the service's variables, found in the source of the configuration; those of clusters left out. */
export function serviceVariables(): Set<string> {
  const sources = filesBelow('src/config').map(projectFile).join('\n');
  const reads = sources.matchAll(/environment\.(?:text|secret|boolean|list|integer|has)\('([A-Z_]+)'[,)]/g);
  const names = [...reads].map((match) => match[1] ?? '');
  return new Set(names.filter((name) => !name.startsWith('PROXMOX_') && !SYSTEM_VARIABLES.includes(name)));
}
