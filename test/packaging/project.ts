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

/** Names of the variables that the configuration reads, found in its source; those of clusters left out. */
export function serviceVariables(): Set<string> {
  const sources = filesBelow('src/config').map(projectFile).join('\n');
  const reads = sources.matchAll(/environment\.(?:text|secret|boolean|list|has)\('([A-Z_]+)'\)/g);
  return new Set([...reads].map((match) => match[1] ?? '').filter((name) => !name.startsWith('PROXMOX_')));
}
