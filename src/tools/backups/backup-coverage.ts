import { z } from 'zod';
import { quoted } from '../../proxmox/text.ts';
import { defineTool, READS } from '../define.ts';
import { askFleet, fleetFields, fleetSelection, remarks, someOf } from '../fleet.ts';
import { checkCursor, listParams, type Order, pageOf, pagingFields, showing } from '../paging.ts';
import { clusterParam } from '../params.ts';
import { count, noted } from '../results.ts';
import { unreadRows } from './archive-row.ts';
import { ARCHIVE_CALLS } from './archives.ts';
import { type CoverageRow, coverageFacts, coverageRows } from './coverage.ts';

/** Listing many storages takes longer than the inventory. */
const DEADLINE_MS = 30_000;

const shownRow = z
  .object({
    cluster: z.string(),
    vmid: z.int(),
    name: z.string(),
    type: z.string(),
    node: z.string(),
    reasons: z.array(z.string()),
    last_backup_at: z.string(),
    age_days: z.number(),
    jobs: z.array(z.string()).describe('Enabled jobs that select it.'),
  })
  .partial();

/** Without any backup first, then the oldest. */
const WORST_FIRST: Order<CoverageRow> = {
  value: ({ age_days, reasons }) => (reasons[0] === 'no backup' ? Number.MAX_SAFE_INTEGER : (age_days ?? -1)),
  id: ({ vmid }) => String(vmid).padStart(10, '0'),
  descending: true,
};

const COLUMNS = Object.keys(shownRow.shape);

export const backupCoverage = defineTool({
  name: 'backup_coverage',
  title: 'Find guests without a recent backup',
  description:
    'Lists guests that are not well backed up, of all clusters or of one, and why: no backup, an old one, no job, a disabled job, disks left out. Templates are not counted.',
  toolset: 'backups',
  annotations: READS,
  calls: [
    ...ARCHIVE_CALLS,
    ['GET', '/cluster/backup'],
    ['GET', '/cluster/backup/{id}/included_volumes'],
    ['GET', '/cluster/backup-info/not-backed-up'],
  ],
  withoutCluster: 'all',
  input: z.strictObject({
    cluster: clusterParam,
    max_age_days: z.number().positive().max(3650).default(7),
    ...listParams(50, 500),
  }),
  output: z.object({
    ...fleetFields,
    guests: z.array(shownRow),
    total: z.int(),
    checked: z.int().describe('Guests that were looked at.'),
    without_backup: z.int(),
    unread: unreadRows,
    ...pagingFields,
  }),
  async run(args, context) {
    checkCursor(args);
    const fleet = context.fleet(args.cluster);
    const { isAll } = fleet;
    const { answers, failed } = await askFleet(
      fleet,
      context,
      (cluster, signal) => coverageFacts(cluster, signal),
      DEADLINE_MS,
    );
    const sources = answers.map(({ cluster, answer }) => ({
      cluster: cluster.name,
      rows: coverageRows(answer, args.max_age_days, context.now()),
    }));
    const all = sources.flatMap(({ rows }) => rows);
    const unread = answers.flatMap(({ answer }) => [...(answer.backups?.unread ?? [])]);
    const { rows, next_cursor, note } = pageOf(
      sources,
      WORST_FIRST,
      { args, isAll, columns: COLUMNS, beside: { failed, totals: unread } },
      (row) => row,
    );
    const missing = answers.flatMap(({ answer }) => answer.missing);
    return {
      ...fleetSelection(fleet, failed),
      guests: rows,
      total: all.length,
      checked: answers.flatMap(({ answer }) => answer.inventory.guests).filter(({ template }) => !template)
        .length,
      without_backup: all.filter(({ reasons }) => reasons[0] === 'no backup').length,
      ...(unread.length === 0 ? {} : { unread }),
      ...(next_cursor === undefined ? {} : { next_cursor }),
      ...noted(
        missing.length === 0 ? undefined : `${someOf(missing)}.`,
        unread.length === 0 ? undefined : 'Some storages could not be read (`unread`): backups may be there.',
        note,
      ),
    };
  },
  summary(answer) {
    const { guests, total, checked, without_backup } = answer;
    const worst = someOf(
      guests.slice(0, 5).map(({ vmid, name, reasons }) => {
        return `${vmid}${name === undefined ? '' : ` ${quoted(name)}`} (${reasons?.join('; ') ?? ''})`;
      }),
    );
    return `${answer.cluster ?? 'All clusters'}: ${total} of ${count(checked, 'guest')} are not well backed up, ${without_backup} without any backup${showing(guests, answer)}${worst === '' ? '' : `: ${worst}`}.${remarks(answer)}`;
  },
});
