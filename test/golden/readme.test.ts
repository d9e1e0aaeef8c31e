import { readdir, readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { withToolTable } from '../../scripts/readme-tools.ts';

const root = new URL('../../', import.meta.url);
/** Set by the system for every program, and no setting of this one. */
const SYSTEM = new Set(['HOME', 'XDG_CACHE_HOME']);
const readme = await readFile(new URL('README.md', root), 'utf8');

it('shows the tools as they are (npm run docs makes the table)', () => {
  expect(withToolTable(readme)).toBe(readme);
});

it('lists every service variable that the configuration reads, and no other', async () => {
  const folder = new URL('src/config/', root);
  const names = (await readdir(folder)).filter((name) => name.endsWith('.ts'));
  const sources = await Promise.all(names.map((name) => readFile(new URL(name, folder), 'utf8')));
  const read = sources
    .join('\n')
    .matchAll(/environment\.(?:text|secret|boolean|list|integer)\('([A-Z_]+)'[,)]/g);
  const section = readme.slice(readme.indexOf('## Configuration'), readme.indexOf('**Scopes**'));
  const rows = [...section.matchAll(/^\| (`[A-Z][^|]+`) \|/gm)].map(([, names = '']) => names);
  const listed = rows.join(' ').matchAll(/`([A-Z][A-Z_]+)`/g);
  const service = (found: Iterable<RegExpMatchArray>) =>
    [...new Set([...found].map((match) => match[1] ?? ''))]
      .filter((name) => !name.startsWith('PROXMOX_') && !SYSTEM.has(name))
      .sort();
  expect(service(listed)).toEqual(service(read));
});
