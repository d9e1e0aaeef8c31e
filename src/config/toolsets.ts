import type { Environment } from './environment.ts';

/** Tools that are switched together: each is a folder of src/tools. */
export const TOOLSETS = [
  'inventory',
  'guests',
  'snapshots',
  'tasks',
  'api',
  'backups',
  'storage',
  'cloudinit',
  'network',
  'firewall',
  'ha',
  'replication',
  'access',
  'ceph',
  'agent',
  'metrics',
  'system',
  'between',
] as const;

export type Toolset = (typeof TOOLSETS)[number];

/** What is on where nobody says otherwise: a week's work, in a list that leaves a model room to think. */
export const DEFAULT_TOOLSETS: readonly Toolset[] = ['inventory', 'guests', 'snapshots', 'tasks', 'api'];

/** How a list of toolsets may be written, for messages. */
export const TOOLSET_NAMES = `all, default, ${TOOLSETS.join(', ')}`;

export type ReadToolsets = { toolsets: ReadonlySet<Toolset> } | { unknown: readonly string[] };

/**
 * Reads a list of toolsets, case and order free.
 *
 * @param names of toolsets; `all` and `default` stand for several, blank ones for none
 */
export function readToolsets(names: readonly string[]): ReadToolsets {
  const toolsets = new Set<Toolset>();
  const unknown: string[] = [];
  for (const name of names) {
    const wanted = name.trim().toLowerCase();
    if (wanted === '') continue;
    const meant = setsOf(wanted);
    if (meant === undefined) unknown.push(name);
    for (const toolset of meant ?? []) toolsets.add(toolset);
  }
  return unknown.length === 0 ? { toolsets } : { unknown };
}

function setsOf(name: string): readonly Toolset[] | undefined {
  if (name === 'all') return TOOLSETS;
  if (name === 'default') return DEFAULT_TOOLSETS;
  const one = TOOLSETS.find((toolset) => toolset === name);
  return one && [one];
}

/** MCP_TOOLSETS: what the service offers; a request's header may only take away from it. */
export function readToolsetsSetting(environment: Environment): ReadonlySet<Toolset> {
  const read = readToolsets(environment.list('MCP_TOOLSETS') ?? DEFAULT_TOOLSETS);
  if ('toolsets' in read) return read.toolsets;
  const named = read.unknown.map((name) => JSON.stringify(name)).join(', ');
  environment.problem('MCP_TOOLSETS', `names ${named}, which is no toolset; there are: ${TOOLSET_NAMES}`);
  return new Set(DEFAULT_TOOLSETS);
}
