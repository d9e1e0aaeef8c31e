import type { GatedCluster } from '../../access/gate.ts';
import type { GuestRow } from '../../clusters/inventory.ts';
import { wildcard } from '../../config/wildcard.ts';
import { CallError } from '../../proxmox/errors.ts';
import { inQuotes, quoted } from '../../proxmox/text.ts';
import { someOf } from '../fleet.ts';
import { clusterParam, listOf, textParam } from '../params.ts';
import { unfitting } from '../refusals.ts';

const MOST_GUESTS = 100;

/** Which guests of one cluster are meant; what is given has to fit all at once. */
export const bulkParams = {
  cluster: clusterParam,
  guests: listOf(textParam(), MOST_GUESTS).optional().describe('VMIDs, names, patterns like web-*'),
  tag: textParam().optional(),
  pool: textParam().optional(),
  node: textParam().optional(),
};

interface Selection {
  guests?: readonly string[] | undefined;
  tag?: string | undefined;
  pool?: string | undefined;
  node?: string | undefined;
}

/**
 * Finds the guests that a bulk call is about, by VMID.
 *
 * @throws CallError INVALID_ARGUMENTS where nothing is given, a name is that of several guests, or more than 100 fit;
 *   NOT_FOUND where an entry or the whole fits no guest
 * @param options whether a template counts that is not named itself
 */
export async function selectGuests(
  cluster: GatedCluster,
  wanted: Selection,
  options: { templates: boolean },
): Promise<GuestRow[]> {
  const { guests: entries, tag, pool, node } = wanted;
  if (entries === undefined && tag === undefined && pool === undefined && node === undefined) {
    throw unfitting('say which guests are meant: guests, tag, pool or node');
  }
  // What was made or tagged a moment ago is to be found, too.
  const { guests } = await cluster.inventory({ fresh: true });
  const fits = (guest: GuestRow): boolean =>
    (options.templates || !guest.template || isNamed(guest, entries)) &&
    (tag === undefined || guest.tags.includes(tag.toLowerCase())) &&
    (pool === undefined || guest.pool === pool) &&
    (node === undefined || guest.node === node);
  const named = entries === undefined ? guests : namedBy(cluster, guests, entries);
  const found = named.filter(fits).sort((one, other) => one.vmid - other.vmid);
  if (found.length > MOST_GUESTS) {
    throw unfitting(`${found.length} guests fit, and one call takes ${MOST_GUESTS}: narrow it`);
  }
  if (found.length > 0) return found;
  throw new CallError('NOT_FOUND', `No guest of ${cluster.name} fits: ${inWords(wanted)}.`, {
    cluster: cluster.name,
    hint: 'find_guests shows what there is. Nothing was sent.',
  });
}

function inWords({ guests, tag, pool, node }: Selection): string {
  const parts = Object.entries({ guests: guests?.join(' '), tag, pool, node });
  return parts.flatMap(([key, value]) => (value === undefined ? [] : [`${key} ${quoted(value)}`])).join(', ');
}

function isNamed({ vmid, name }: GuestRow, entries: readonly string[] = []): boolean {
  return entries.some((entry) => entry === String(vmid) || entry.toLowerCase() === name?.toLowerCase());
}

function namedBy(cluster: GatedCluster, guests: readonly GuestRow[], entries: readonly string[]): GuestRow[] {
  const found = new Set<GuestRow>();
  const missing: string[] = [];
  for (const entry of entries) {
    const matches = matchesOf(guests, entry);
    if (matches.length === 0) missing.push(inQuotes(entry));
    for (const guest of matches) found.add(guest);
  }
  if (missing.length === 0) return [...found];
  throw new CallError('NOT_FOUND', `${cluster.name} has no guest ${someOf(missing)}.`, {
    cluster: cluster.name,
    hint: 'find_guests shows what there is. Nothing was sent.',
  });
}

function matchesOf(guests: readonly GuestRow[], entry: string): readonly GuestRow[] {
  if (/^\d{3,9}$/.test(entry)) {
    const byVmid = guests.filter(({ vmid }) => vmid === Number(entry));
    if (byVmid.length > 0) return byVmid;
  }
  const fits = wildcard(entry);
  const matches = guests.filter(({ name }) => name !== undefined && fits(name));
  if (matches.length < 2 || /[*?]/.test(entry)) return matches;
  const vmids = matches.map(({ vmid }) => vmid).join(', ');
  throw unfitting(`several guests are called ${inQuotes(entry)}: ${vmids}; give the VMID`);
}
