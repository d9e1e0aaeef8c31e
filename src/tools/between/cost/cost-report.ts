import { z } from 'zod';
import { defineTool, type Fleet, READS, type ToolContext } from '../../define.ts';
import { askFleet, fleetFields, fleetSelection, remarks, whose } from '../../fleet.ts';
import { INVENTORY_CALLS, nothingSeen, tell } from '../../inventories.ts';
import { guestCheck } from '../../inventory/guest-filter.ts';
import { checkCursor, listParams, pageOf, pagingFields, type Source, showing } from '../../paging.ts';
import { clusterParam, textParam, wholeParam, wildcardParam } from '../../params.ts';
import { count, isoTime, noted } from '../../results.ts';
import { BASES } from './bill.ts';
import { GROUPINGS, type Line } from './lines.ts';
import { MEASURE_CALLS, measure, type Reading } from './measure.ts';
import { notesOf } from './notes.ts';
import { PERIODS, periodOf } from './period.ts';
import { reportOf } from './report.ts';

const percent = (fallback: number, most: number) =>
  z
    .number()
    .min(0)
    .refine((value) => value <= most, `is more than ${most}`)
    .default(fallback);

const input = z.strictObject({
  cluster: clusterParam,
  by: z.enum(GROUPINGS).default('cluster'),
  period: z.enum(PERIODS).optional().describe('Up to now; week where `days` is absent too.'),
  days: wholeParam(1, 365).optional(),
  basis: z.enum(BASES).default('allocated'),
  name: wildcardParam,
  tag: textParam().optional(),
  pool: textParam().optional(),
  node: textParam().optional(),
  measure: wholeParam(0, 1000).default(100).describe('Of how many guests records are read, costliest first.'),
  idle_percent: percent(5, 100),
  margin_percent: percent(30, 1000),
  sort: z.enum(['cost', 'savings']).default('cost'),
  ...listParams(50, 500),
});

type Arguments = z.output<typeof input>;

const figures = z.looseObject({});

export const costReport = defineTool({
  name: 'cost_report',
  title: 'Cost report',
  description:
    'What guests cost by the configured prices (hours alone without), from records of Proxmox: vCPUs and memory while they ran, disks always. Finds idle, oversized (95th percentile of CPU peaks, highest memory peak, plus a margin) and stopped guests, and what smaller ones would save.',
  toolset: 'between',
  annotations: READS,
  calls: [...INVENTORY_CALLS, ...MEASURE_CALLS],
  withoutCluster: 'all',
  input,
  output: z.object({
    ...fleetFields,
    from: z.string(),
    to: z.string(),
    by: z.enum(GROUPINGS),
    basis: z.enum(BASES),
    rows: z.array(figures).describe('Costliest first; known_hours of period_hours were recorded.'),
    total: z.int(),
    totals: z.array(figures).describe('For each currency; a guest counts once.'),
    savings: z
      .array(figures)
      .optional()
      .describe('The most, for the period; all with by=guest, sort=savings.'),
    savings_total: z.int(),
    rests_on: z.array(figures),
    ...pagingFields,
  }),
  async run(args, context) {
    checkCursor(args);
    const period = periodOf(args, context.now());
    const tenants = args.by === 'tenant' ? context.tenants() : [];
    const fleet = context.fleet(args.cluster);
    const { readings, answers, failed } = await readingsOf(fleet, args, context);
    const rule = { idlePercent: args.idle_percent, marginPercent: args.margin_percent };
    await measure(readings, args.measure, { period, rule, context });
    const { sources, beside, isTwice } = reportOf(readings, { ...args, tenants, period, rule });
    const { rows, next_cursor, note } = pageOf<Line, Source<Line>>(
      sources,
      { value: (line) => line[args.sort], id: ({ id }) => id, descending: true },
      { args, isAll: fleet.isAll, beside: { failed, totals: [beside] } },
      ({ shown }) => shown,
    );
    return {
      ...fleetSelection(fleet, failed),
      from: isoTime(period.from * 1000),
      to: isoTime(period.to * 1000),
      by: args.by,
      basis: args.basis,
      rows,
      total: sources.reduce((sum, source) => sum + source.rows.length, 0),
      ...beside,
      ...(next_cursor === undefined ? {} : { next_cursor }),
      ...noted(
        nothingSeen(answers),
        ...notesOf(readings, args.basis),
        isTwice ? `A guest with several ${args.by}s counts under each, and once in totals.` : undefined,
        note,
      ),
    };
  },
  summary(answer) {
    const { rows, from, to, totals, savings_total, rests_on } = answer;
    const sums = totals.map(({ cost, currency, could_save, vcpu_hours, guests }) =>
      cost === undefined
        ? `${guests} without prices took ${vcpu_hours} vCPU-hours`
        : `${guests} cost ${cost} ${currency}${could_save === undefined ? '' : `, of which ${could_save} could be saved by size`}`,
    );
    const who = whose({ cluster: answer.cluster, clusters: rests_on });
    const found = savings_total === 0 ? '' : ` ${count(savings_total, 'guest')} idle, oversized or stopped.`;
    return `${who}, ${from} to ${to}: of the guests ${sums.join('; ') || 'there are none'}. ${count(answer.total, 'row')} by ${answer.by}${showing(rows, answer)}.${found}${remarks(answer)}`;
  },
});

/** Asks each cluster itself: what a fallback says is another cluster's. */
async function readingsOf({ clusters, isAll }: Fleet, args: Arguments, context: ToolContext) {
  const alone = { clusters: clusters.map((cluster) => cluster.alone()), isAll };
  const { answers, failed } = await askFleet(alone, context, (cluster, signal) =>
    tell(cluster, { fresh: false, signal }),
  );
  const check = guestCheck(args, context.now());
  const readings = answers.map(
    ({ cluster, answer: { inventory } }): Reading => ({
      cluster,
      inventory,
      guests: inventory.guests.filter((guest) => check.fits(guest, undefined)),
      measured: new Map(),
      failed: [],
    }),
  );
  return { readings, answers, failed };
}
