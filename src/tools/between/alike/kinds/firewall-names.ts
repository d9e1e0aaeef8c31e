import type { GatedCluster } from '../../../../access/gate.ts';
import { isTrue, type Json } from '../../../../catalogue/json.ts';
import { type ApiPath, apiPath, ApiPath as Path } from '../../../../proxmox/api-path.ts';
import { inQuotes } from '../../../../proxmox/text.ts';
import type { EntryRow } from '../../../firewall/objects.ts';
import { isAddress } from '../../../firewall/rule-checks.ts';
import { pooled } from '../../../pooled.ts';
import { compact, rowsOf, textOf } from '../../../results.ts';
import { type DefinitionKind, type Site, type Write, write } from '../definition.ts';

export interface Alias {
  cidr: string;
  comment: string;
  digest: string | undefined;
}

const STAYS = 'Rules of nodes and guests may name it: delete_firewall_object looks and deletes it.';

export const aliasKind: DefinitionKind<Alias> = {
  word: 'alias',
  needs: [],
  read: async (cluster) =>
    (await listAt(cluster, apiPath`/cluster/firewall/aliases`)).map((row) => {
      const [cidr, comment] = [String(row.cidr), commentOf(row)];
      const body = { cidr, comment, digest: textOf(row.digest) };
      return {
        name: String(row.name),
        same: JSON.stringify([cidr, comment]),
        fields: { cidr, comment },
        body,
      };
    }),
  make: ({ name, body: { cidr, comment } }) => [
    write('POST', apiPath`/cluster/firewall/aliases`, { name, cidr, ...some({ comment }) }),
  ],
  // A comment that is left out is removed.
  change: ({ body: { cidr, comment } }, { name, body: { digest } }) => [
    write('PUT', apiPath`/cluster/firewall/aliases/${name}`, { cidr, ...some({ comment }), digest }),
  ],
  remove: async () => STAYS,
};

export interface IpSet {
  comment: string;
  /** By their networks. */
  entries: ReadonlyMap<string, EntryRow>;
}

export const ipsetKind: DefinitionKind<IpSet> = {
  word: 'IP set',
  needs: ['aliases'],
  read: async (cluster) =>
    pooled(await listAt(cluster, apiPath`/cluster/firewall/ipset`), async (row) => {
      const name = String(row.name);
      const comment = commentOf(row);
      const entries = (await listAt(cluster, apiPath`/cluster/firewall/ipset/${name}`))
        .map((entry): EntryRow => {
          const nomatch = isTrue(entry.nomatch) || undefined;
          return { cidr: String(entry.cidr), ...compact({ nomatch, comment: commentOf(entry) }) };
        })
        .sort((a, b) => (a.cidr < b.cidr ? -1 : 1));
      return {
        name,
        same: JSON.stringify([comment, entries]),
        fields: { comment, entries: entries.map(entryText) },
        body: { comment, entries: new Map(entries.map((entry) => [entry.cidr, entry])) },
      };
    }),
  async problems({ body: { entries } }, site) {
    const named = [...entries.keys()].filter((cidr) => !isAddress(cidr));
    return missingNames(site, named);
  },
  make: ({ name, body: { comment, entries } }) => [
    write('POST', apiPath`/cluster/firewall/ipset`, { name, ...some({ comment }) }),
    ...[...entries.values()].map((entry) => added(name, entry)),
  ],
  change: (wanted, { name, body: now }) => [
    ...(wanted.body.comment === now.comment
      ? []
      : [
          write('POST', apiPath`/cluster/firewall/ipset`, {
            name,
            rename: name,
            comment: wanted.body.comment,
          }),
        ]),
    ...[...wanted.body.entries.values()].flatMap((entry) => {
      const present = now.entries.get(entry.cidr);
      if (present === undefined) return [added(name, entry)];
      if (entryText(present) === entryText(entry)) return [];
      const { nomatch = false, comment = '' } = entry;
      return [write('PUT', entryPath(name, entry.cidr), { nomatch, comment })];
    }),
    ...[...now.entries.keys()]
      .filter((cidr) => !wanted.body.entries.has(cidr))
      .map((cidr) => write('DELETE', entryPath(name, cidr))),
  ],
  remove: async () => STAYS,
};

/**
 * What aliases and sets of the datacenter are named and are not there.
 *
 * @param named as rules and sets write them: `office`, `dc/office`, `+servers`
 */
export async function missingNames(site: Site, named: readonly string[]): Promise<string[]> {
  if (named.length === 0) return [];
  const [aliases, sets] = await Promise.all([site.names('aliases'), site.names('ipsets')]);
  const known = new Set([...aliases, ...[...sets].map((set) => `+${set}`)].map((name) => name.toLowerCase()));
  const missing = [...new Set(named)].filter(
    (name) => !known.has(name.toLowerCase().replace(/^(\+?)dc\//, '$1')),
  );
  return missing.map((name) => {
    const what = name.startsWith('+') ? 'IP set' : 'alias';
    return `There is no ${what} ${inQuotes(name)}, and none is copied with it.`;
  });
}

export function commentOf({ comment }: Json): string {
  return textOf(comment)?.trimEnd() ?? '';
}

/** What says nothing is left out. */
export function some<T extends Record<string, string>>(texts: T): Partial<T> {
  return Object.fromEntries(Object.entries(texts).filter(([, text]) => text !== '')) as Partial<T>;
}

export async function listAt(cluster: GatedCluster, path: ApiPath): Promise<Json[]> {
  return rowsOf((await cluster.request({ method: 'GET', path })).data);
}

function added(set: string, { cidr, nomatch, comment = '' }: EntryRow): Write {
  return write('POST', apiPath`/cluster/firewall/ipset/${set}`, { cidr, nomatch, ...some({ comment }) });
}

/** Proxmox takes all that follows the set for the network, its slash included. */
function entryPath(set: string, cidr: string): ApiPath {
  return Path.ofSegments(['cluster', 'firewall', 'ipset', set, ...cidr.split('/')]);
}

function entryText({ cidr, nomatch, comment }: EntryRow): string {
  return `${nomatch ? '!' : ''}${cidr}${comment === undefined ? '' : ` (${inQuotes(comment)})`}`;
}
