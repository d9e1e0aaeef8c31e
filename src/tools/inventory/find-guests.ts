import { z } from 'zod';
import type { Backups, GuestRow, Inventory } from '../../clusters/inventory.ts';
import { quoted } from '../../proxmox/text.ts';
import { defineTool, READS } from '../define.ts';
import { type FleetAnswer, fleetFields, remarks, someOf } from '../fleet.ts';
import {
  type Ask,
  INVENTORY_CALLS,
  inventoryFields,
  inventoryPage,
  inventoryParams,
  type Told,
  tell,
} from '../inventories.ts';
import { showing } from '../paging.ts';
import { clusterParam } from '../params.ts';
import { count } from '../results.ts';
import { type GuestCheck, guestCheck, guestFilters } from './guest-filter.ts';
import { GUEST_SORTS, guestRow, shownGuest, sorter } from './guest-row.ts';

const input = z.strictObject({
  cluster: clusterParam,
  ...guestFilters,
  sort: z.enum(GUEST_SORTS).default('name'),
  ...inventoryParams(50, 500),
});

type Arguments = z.output<typeof input>;

interface Answer extends Told {
  backups: Backups | undefined;
}

const COLUMNS = Object.keys(guestRow.shape);

export const findGuests = defineTool({
  name: 'find_guests',
  title: 'Find guests',
  description:
    'Finds guests (VMs and containers) in all clusters or in one. A VMID may exist in several: each row names its own.',
  toolset: 'inventory',
  annotations: READS,
  calls: [...INVENTORY_CALLS, ['GET', '/nodes/{node}/storage/{storage}/content', 'content']],
  withoutCluster: 'all',
  input,
  output: z.object({
    ...fleetFields,
    guests: z.array(guestRow),
    total: z.int().describe('Guests that match, of which `guests` may be a part.'),
    ...inventoryFields({ guests: z.int(), running: z.int(), matching: z.int() }, 'Totals of each cluster.'),
  }),
  async run(args, context) {
    const check = guestCheck(args, context.now());
    const { rows: guests, ...rest } = await inventoryPage(args, context, asker(args), {
      rowsOf: ({ inventory, backups }) => inventory.guests.filter((guest) => check.fits(guest, backups)),
      totalsOf,
      order: { value: sorter(args.sort), id: ({ id }) => id },
      columns: COLUMNS,
      shown: (guest, { backups }) => shownGuest(guest, backups),
      notes: (answers, total) => [
        ...unjudged(check, answers),
        ...(total === 0 ? [wholeName(args), ...hadByNone(args, answers)] : []),
      ],
    });
    return { guests, ...rest };
  },
  summary(answer) {
    const { cluster, guests, total, clusters } = answer;
    const where = cluster ?? `In ${count(clusters?.length ?? 0, 'cluster')}`;
    return `${where}: ${count(total, 'guest')} found${showing(guests, answer)}.${remarks(answer)}`;
  },
});

/** Backups are asked for only where a filter needs them: reading them takes long. */
function asker({ no_backup_days: days }: Arguments): Ask<Answer> {
  return async (cluster, options) => ({
    ...(await tell(cluster, options)),
    backups: days === undefined ? undefined : await cluster.backups(options),
  });
}

function totalsOf(matching: readonly GuestRow[], { guests }: Inventory) {
  let running = 0;
  for (const { status } of guests) if (status === 'running') running++;
  return { guests: guests.length, running, matching: matching.length };
}

/** `patterns` of the configuration take a prefix or an expression as well, so people try them here. */
function wholeName({ name }: Arguments): string | undefined {
  if (name === undefined || (/[*?]/.test(name) && !name.startsWith('/'))) return undefined;
  return 'name is a whole name or a glob such as *web*.';
}

/** A misspelt filter must not read as "there are none": says what no guest has at all, and what there is. */
function hadByNone(args: Arguments, answers: readonly FleetAnswer<Answer>[]): (string | undefined)[] {
  const guests = answers.flatMap(({ answer }) => answer.inventory.guests);
  const has = {
    status: guests.map(({ status }) => status),
    tag: guests.flatMap(({ tags }) => tags),
    pool: guests.map(({ pool }) => pool),
    node: guests.map(({ node }) => node),
  };
  return (['status', 'tag', 'pool', 'node'] as const).map((key) => {
    const wanted = args[key];
    const there = new Set(has[key].flatMap((value) => (value === undefined ? [] : [value])));
    if (wanted === undefined || there.size === 0) return undefined;
    if (there.has(key === 'tag' ? wanted.toLowerCase() : wanted)) return undefined;
    return `No guest has the ${key} ${quoted(wanted)}; there are: ${someOf([...there].sort().map(quoted), 10)}.`;
  });
}

/** Says which guests could not be judged, so that their absence does not read as an answer. */
function unjudged({ unknown }: GuestCheck, answers: readonly FleetAnswer<Answer>[]): (string | undefined)[] {
  const unread = answers.flatMap(({ cluster, answer }) =>
    (answer.backups?.unread ?? []).map(
      ({ storage, node, problem }) => `${cluster.name} ${storage} on ${node} (${problem})`,
    ),
  );
  return [
    unknown.disks === 0
      ? undefined
      : `Left out: ${count(unknown.disks, 'VM')}, as Proxmox does not tell how full disks of VMs are.`,
    unknown.backups === 0
      ? undefined
      : `Left out: ${count(unknown.backups, 'guest')} whose backups the token may not see (VM.Backup).`,
    unread.length === 0
      ? undefined
      : `Some may have a backup where it could not be read: ${someOf(unread, 5)}.`,
  ];
}
