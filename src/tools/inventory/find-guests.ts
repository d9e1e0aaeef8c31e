import { z } from 'zod';
import type { Backups, Inventory } from '../../clusters/inventory.ts';
import { defineTool, type ToolContext } from '../define.ts';
import { askFleet, type FleetAnswer, fleetFields, someOf, withoutFailed } from '../fleet.ts';
import { asOfField, besideRows, freshParam, isoTime, type Told, tell } from '../inventories.ts';
import { checkCursor, pageOf, pagingFields, pagingParams } from '../paging.ts';
import { clusterParam, fieldsParam, limitParam } from '../params.ts';
import { count } from '../results.ts';
import { type GuestCheck, guestCheck, guestFilters } from './guest-filter.ts';
import { GUEST_SORTS, guestRow, shownGuest, sorter } from './guest-row.ts';

const input = z.strictObject({
  cluster: clusterParam,
  ...guestFilters,
  sort: z.enum(GUEST_SORTS).default('name'),
  ...pagingParams,
  fields: fieldsParam,
  limit: limitParam(50, 500),
  fresh: freshParam,
});

type Arguments = z.output<typeof input>;

const totals = z.array(
  z.object({
    cluster: z.string(),
    guests: z.int(),
    running: z.int(),
    matching: z.int(),
    as_of: z.string(),
  }),
);

const COLUMNS = Object.keys(guestRow.shape);

export const findGuests = defineTool({
  name: 'find_guests',
  title: 'Find guests',
  description:
    'Finds guests (VMs and containers) in all clusters or in one, by name, tag, pool, node, state, usage or missing backups. A VMID may exist in several clusters: each row names its own.',
  toolset: 'inventory',
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  calls: [
    ['GET', '/cluster/resources'],
    ['GET', '/access/permissions'],
    ['GET', '/nodes/{node}/storage/{storage}/content', 'content'],
  ],
  withoutCluster: 'all',
  input,
  output: z.object({
    ...fleetFields,
    guests: z.array(guestRow),
    total: z.int().describe('Guests that match, of which `guests` may be a part.'),
    clusters: totals.optional().describe('Totals of each cluster.'),
    ...asOfField,
    ...pagingFields,
  }),
  async run(args, context) {
    checkCursor(args);
    const fleet = context.fleet(args.cluster);
    const { answers, failed } = await askFleet(fleet, context, (cluster, signal) =>
      tellWithBackups(cluster, args, signal),
    );
    const check = guestCheck(args, context.now());
    const clusters: z.output<typeof totals> = [];
    const sources = answers.map(({ cluster: { name: cluster }, answer: { inventory, backups } }) => {
      const rows = inventory.guests.filter((guest) => check.fits(guest, backups));
      clusters.push({ cluster, ...totalsOf(inventory, rows.length) });
      return { cluster, rows };
    });
    const isNone = sources.every(({ rows }) => rows.length === 0);
    const notes = [...unjudged(check, answers), isNone ? wholeName(args) : undefined];
    const known = new Map(answers.map(({ cluster, answer }) => [cluster.name, answer.backups]));
    const page = pageOf(
      sources,
      { value: sorter(args.sort), id: ({ id }) => id, descending: args.descending },
      { args, isAll: fleet.isAll, columns: COLUMNS, beside: { failed, totals: clusters } },
      (guest, cluster) => shownGuest(guest, known.get(cluster)),
    );
    return {
      guests: page.rows,
      ...besideRows(fleet, { answers, failed }, { sources, clusters }, page, ...notes),
    };
  },
  summary({ cluster, guests, total, clusters, failed, next_cursor, note }) {
    const where = cluster ?? `In ${count(clusters?.length ?? 0, 'cluster')}`;
    const shown = guests.length < total ? `, showing ${guests.length}` : '';
    const more = next_cursor === undefined ? '' : '; go on with next_cursor';
    return `${where}: ${count(total, 'guest')} found${shown}${more}.${withoutFailed(failed)}${note ? ` ${note}` : ''}`;
  },
});

interface Answer extends Told {
  backups: Backups | undefined;
}

async function tellWithBackups(
  cluster: Parameters<typeof tell>[0],
  { fresh, no_backup_days: days }: Arguments,
  signal: ToolContext['signal'],
): Promise<Answer> {
  const told = await tell(cluster, { fresh, signal });
  return { ...told, backups: days === undefined ? undefined : await cluster.backups({ fresh, signal }) };
}

function totalsOf({ guests, asOf: askedAt }: Inventory, matching: number) {
  const running = guests.reduce((sum, { status }) => sum + (status === 'running' ? 1 : 0), 0);
  return { guests: guests.length, running, matching, as_of: isoTime(askedAt) };
}

/** `patterns` of the configuration take a prefix or an expression as well, so people try them here. */
function wholeName({ name }: Arguments): string | undefined {
  if (name === undefined || (/[*?]/.test(name) && !name.startsWith('/'))) return undefined;
  return 'name is a whole name or a glob such as *web*.';
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
