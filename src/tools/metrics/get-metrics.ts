import { z } from 'zod';
import { CallError } from '../../proxmox/errors.ts';
import { quoted } from '../../proxmox/text.ts';
import { defineTool, READS } from '../define.ts';
import { guestParams } from '../guest-target.ts';
import { selectedFields, selectionOf, textParam } from '../params.ts';
import { compact, count, fieldsNowhere, isoTime, noted, percentOf } from '../results.ts';
import { inWords } from '../size.ts';
import { type Recorded, recordedOf } from './rrd.ts';
import { statisticsOf, thinned } from './statistics.ts';
import { type Subject, subjectField, subjectOf } from './subject.ts';

const TIMEFRAMES = ['hour', 'day', 'week', 'month', 'year', 'decade'] as const;
const CFS = ['AVERAGE', 'MAX'] as const;
/** What of a series a reader can take: points times metrics. */
const MOST_CELLS = 3000;

const metricRow = z.object({
  metric: z.string(),
  min: z.number(),
  mean: z.number(),
  p95: z.number(),
  max: z.number(),
  last: z.number(),
  trend_per_day: z.number().optional(),
  points: z.int(),
  missing: z.int().optional().describe('Points at which nothing was recorded; no figure counts them.'),
});

export const getMetrics = defineTool({
  name: 'get_metrics',
  title: 'Get metrics',
  description:
    'What Proxmox recorded of a guest, a storage (of a `node`) or a node: for each metric min, mean, p95, max, last and trend per day (least squares). `points` adds the series, thinned out to so many.',
  toolset: 'metrics',
  annotations: READS,
  calls: [
    ['GET', '/cluster/resources'],
    ['GET', '/nodes/{node}/rrddata', 'timeframe', 'cf'],
    ['GET', '/nodes/{node}/qemu/{vmid}/rrddata', 'timeframe', 'cf'],
    ['GET', '/nodes/{node}/lxc/{vmid}/rrddata', 'timeframe', 'cf'],
    ['GET', '/nodes/{node}/storage/{storage}/rrddata', 'timeframe', 'cf'],
  ],
  withoutCluster: 'lookup',
  input: z.strictObject({
    ...guestParams,
    node: textParam(63).optional(),
    storage: textParam(100).optional(),
    timeframe: z.enum(TIMEFRAMES).default('day'),
    cf: z.enum(CFS).default('AVERAGE').describe('Of each step: its mean or its peak.'),
    metrics: z
      .array(textParam())
      .min(1)
      .refine((names) => names.length <= 50, 'are more than 50')
      .optional()
      .describe('These alone, such as cpu_fraction.'),
    points: z.int().min(1).max(500).optional(),
  }),
  output: z.object({
    ...selectedFields,
    of: subjectField,
    from: z.string().optional(),
    to: z.string().optional(),
    step_seconds: z.int().optional(),
    metrics: z.array(metricRow),
    series: z
      .object({
        columns: z.array(z.string()),
        rows: z.array(z.array(z.union([z.string(), z.number(), z.null()]))),
      })
      .optional(),
    note: z.string().optional(),
  }),
  async run(args, context) {
    const subject = await subjectOf(context, args);
    await requireTimeframe(subject, args.timeframe);
    const { cluster, path, shown } = subject;
    const { timeframe, cf, points } = args;
    const { data } = await cluster.request({ method: 'GET', path, data: { timeframe, cf } });
    const recorded = known(recordedOf(data), shown.type);
    const chosen = only(recorded, args.metrics);
    const { times } = recorded;
    const [first, second] = times;
    const last = times.at(-1);
    const empty = recorded.metrics.size === 0 ? 'Nothing was recorded in this time.' : undefined;
    return {
      ...selectionOf(cluster),
      of: shown,
      ...compact({
        from: first === undefined ? undefined : isoTime(first * 1000),
        to: last === undefined ? undefined : isoTime(last * 1000),
        step_seconds: first === undefined || second === undefined ? undefined : second - first,
      }),
      metrics: rowsOf(chosen),
      ...(points === undefined || chosen.metrics.size === 0 ? {} : { series: seriesOf(chosen, points, cf) }),
      ...noted(empty, misspelt(recorded, args.metrics)),
    };
  },
  summary({ cluster, of, metrics, from, to, note }) {
    const { type, vmid, name, storage, node } = of;
    const guest = `${type === 'qemu' ? 'VM' : 'container'} ${vmid}${name === undefined ? '' : ` (${quoted(name)})`}`;
    const what =
      type === 'node' ? 'node' : type === 'storage' ? `storage ${quoted(storage ?? '')} on` : `${guest} on`;
    const span = from === undefined || to === undefined ? '' : ` from ${from} to ${to}`;
    return `${count(metrics.length, 'metric')} of ${what} ${quoted(node)} of ${cluster}${span}.${figures(metrics)}${note ? ` ${note}` : ''}`;
  },
});

/** What people ask for first, on average and at most. */
function figures(rows: readonly z.output<typeof metricRow>[]): string {
  const byName = new Map(rows.map((row) => [row.metric, row]));
  const cpu = byName.get('cpu_fraction');
  const memory = byName.get('mem_bytes') ?? byName.get('mem_used_bytes');
  const percent = (fraction: number): string => `${percentOf(fraction, 1)}%`;
  const parts = [
    ...(cpu === undefined ? [] : [`CPU ${percent(cpu.mean)} on average and ${percent(cpu.max)} at most`]),
    ...(memory === undefined
      ? []
      : [`memory ${inWords(memory.mean)} on average and ${inWords(memory.max)} at most`]),
  ];
  return parts.length === 0 ? '' : ` ${parts.join(', ')}.`;
}

/** @throws CallError INVALID_ARGUMENTS where the cluster's version keeps nothing so long for this */
async function requireTimeframe({ cluster, template, shown }: Subject, timeframe: string): Promise<void> {
  const catalogue = await cluster.catalogue();
  const has = catalogue.get('GET', template)?.parameters.timeframe?.enum;
  // The built-in description is older than many hosts: what it lacks is for Proxmox itself to judge.
  if (has === undefined || has.includes(timeframe) || catalogue.source === 'built-in') return;
  const what = shown.type === 'node' ? 'nodes' : shown.type === 'storage' ? 'storages' : 'guests';
  const version = catalogue.version === undefined ? '' : ` (Proxmox VE ${catalogue.version})`;
  throw new CallError('INVALID_ARGUMENTS', `${cluster.name}${version} has no ${timeframe} of ${what}.`, {
    cluster: cluster.name,
    hint: `Ask for one of ${TIMEFRAMES.filter((known) => has.includes(known)).join(', ')}. Nothing was sent.`,
  });
}

/** Proxmox does not see into the disks of a VM, and records that they are empty. */
function known(recorded: Recorded, type: Subject['shown']['type']): Recorded {
  if (type !== 'qemu') return recorded;
  const metrics = new Map(recorded.metrics);
  if (metrics.get('disk_bytes')?.every((value) => !value)) metrics.delete('disk_bytes');
  return { ...recorded, metrics };
}

function only(recorded: Recorded, names: readonly string[] | undefined): Recorded {
  if (names === undefined) return recorded;
  return { ...recorded, metrics: new Map([...recorded.metrics].filter(([name]) => names.includes(name))) };
}

function misspelt({ metrics }: Recorded, names: readonly string[] | undefined): string | undefined {
  return fieldsNowhere([Object.fromEntries(metrics)], names);
}

function rowsOf({ times, metrics }: Recorded): z.output<typeof metricRow>[] {
  return [...metrics].flatMap(([metric, values]) => {
    const points = times.flatMap((time, index) => {
      const value = values[index];
      return value === undefined ? [] : [{ time, value }];
    });
    const statistics = statisticsOf(points);
    if (statistics === undefined) return [];
    const missing = times.length - points.length;
    return [{ metric, ...statistics, points: points.length, ...(missing === 0 ? {} : { missing }) }];
  });
}

function seriesOf({ times, metrics }: Recorded, points: number, cf: (typeof CFS)[number]) {
  const most = Math.max(1, Math.min(points, Math.floor(MOST_CELLS / (metrics.size + 1))));
  const step = Math.max(1, Math.ceil(times.length / most));
  const columns = [...metrics.values()].map((values) => thinned(values, most, cf));
  const rows = times
    .filter((_, index) => index % step === 0)
    .map((time, index) => [isoTime(time * 1000), ...columns.map((column) => column[index] ?? null)]);
  return { columns: ['time', ...metrics.keys()], rows };
}
