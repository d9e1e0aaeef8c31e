import { z } from 'zod';
import type { GatedCluster } from '../../../access/gate.ts';
import { wildcard } from '../../../config/wildcard.ts';
import { bound } from '../../bounded.ts';
import { defineTool, type ToolContext } from '../../define.ts';
import { askFleet, someOf } from '../../fleet.ts';
import { limitParam, listOf, switchParam, textParam } from '../../params.ts';
import { unfitting } from '../../refusals.ts';
import { compact, rowsOf } from '../../results.ts';
import { type Applied, applyDifferences } from './apply-definitions.ts';
import { KINDS } from './definition.ts';
import { DEFINITION_CALLS } from './definition-calls.ts';
import { differenceRow, inWords, targetOf, targetRow } from './definition-rows.ts';
import { type Compared, compareDefinitions, type Difference } from './differences.ts';
import { clustersOf, oneByOne } from './one-by-one.ts';
import { type Readings, readDefinitions } from './readings.ts';

/** Each group and each set of a cluster is asked by itself. */
const DEADLINE_MS = 40_000;
const ROWS_CHARACTERS = 36_000;

const input = z.strictObject({
  from: textParam(),
  to: listOf(textParam(), 10),
  kinds: listOf(z.enum(KINDS), KINDS.length).optional(),
  names: listOf(textParam(), 50).optional().describe('Take * and ?.'),
  storage_map: z
    .record(textParam(100), textParam(100))
    .optional()
    .describe('Of backup jobs: storage of `from` to storage there.'),
  apply: switchParam().describe('Else it is a preview.'),
  delete_extra: switchParam().describe('Pools, roles and jobs that only `to` has.'),
  limit: limitParam(100, 500),
  offset: z.int().min(0).default(0),
});

type Args = z.output<typeof input>;

export const syncDefinitions = defineTool({
  name: 'sync_definitions',
  title: 'Make definitions alike',
  description:
    'Shows how pools, roles, firewall aliases, IP sets, security groups and backup jobs of clusters differ from those of one; with `apply` makes them alike.',
  toolset: 'between',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: true },
  calls: DEFINITION_CALLS,
  withoutCluster: 'all',
  input,
  output: z.object({
    from: z.string(),
    targets: z.array(targetRow),
    rows: z
      .array(z.looseObject({}))
      .describe(
        'What differs; `details` go from what is there to what is in `from`; `blocked`: why it stays.',
      ),
    total: z.int(),
    next_offset: z.int().optional(),
    unread: z.array(z.object({ cluster: z.string(), kind: z.string(), problem: z.string() })).optional(),
    note: z.string(),
  }),
  deadlineSeconds: () => 300,
  async run(args, context) {
    const { from, targets } = sidesOf(args, context);
    const kinds = KINDS.filter((kind) => args.kinds?.includes(kind) ?? true);
    const read = (cluster: GatedCluster, signal: AbortSignal) => readDefinitions(cluster, kinds, signal);
    const [source, { answers, failed }] = await Promise.all([
      read(from, context.signal),
      askFleet({ clusters: targets, isAll: true }, context, read, DEADLINE_MS),
    ]);
    const here = new Map(answers.map(({ cluster, answer }) => [cluster.name, answer]));
    const results = new Map<Difference, Applied>();
    const parts = await oneByOne(
      targets.filter(({ name }) => here.has(name)),
      context,
      async (cluster) => {
        const compared = await comparedTo(source, here.get(cluster.name), cluster, args);
        if (!args.apply) return { wrote: false, compared };
        const applied = await applyDifferences(cluster, from.name, compared.differences, context);
        for (const [difference, result] of applied) results.set(difference, result);
        return { wrote: applied.size > 0, compared };
      },
    );
    const rows = parts.flatMap((part) =>
      'answer' in part
        ? part.answer.compared.differences.map((one) => differenceRow(part.cluster.name, one, results))
        : [],
    );
    const { data, truncated } = bound(rows, { offset: args.offset, limit: args.limit }, ROWS_CHARACTERS);
    const unread = [[from.name, source] as const, ...here].flatMap(([cluster, readings]) =>
      readings.unread.map((one) => ({ cluster, ...one })),
    );
    return {
      from: from.name,
      targets: [
        ...parts.map((part) => targetOf(part, results)),
        ...failed.map(({ cluster, code, message, hint }) => ({ cluster, code, message, hint })),
      ],
      rows: rowsOf(data),
      total: rows.length,
      ...compact({ next_offset: truncated?.next_offset }),
      ...(unread.length === 0 ? {} : { unread }),
      note: 'Members of pools, access rights and where groups are used are each cluster’s own, and are not compared.',
    };
  },
  summary({ from, targets, total, rows, next_offset, unread }) {
    const each = targets.map((target) => `${target.cluster}: ${inWords(target)}.`);
    const left =
      unread === undefined
        ? ''
        : ` Not read, or not whole: ${someOf(unread.map((one) => `${one.kind} of ${one.cluster}`))}.`;
    const more =
      next_offset === undefined
        ? ''
        : ` Showing ${rows.length} of ${total}; go on with offset ${next_offset}.`;
    return `As against ${from}: ${each.join(' ')}${left}${more}`;
  },
});

function sidesOf({ from, to }: Args, context: ToolContext) {
  const source = context.cluster(from).alone();
  const targets = clustersOf(context, to);
  if (targets.some(({ name }) => name === source.name)) {
    throw unfitting(`${source.name} is in \`from\` and in \`to\``);
  }
  return { from: source, targets };
}

async function comparedTo(
  source: Readings,
  here: Readings | undefined,
  cluster: GatedCluster,
  args: Args,
): Promise<Compared> {
  if (here === undefined) throw new Error(`${cluster.name} was not read`);
  const patterns = args.names?.map(wildcard);
  return compareDefinitions(source, here, cluster, {
    kinds: args.kinds ?? KINDS,
    fits: (name) => patterns?.some((fits) => fits(name)) ?? true,
    storageMap: args.storage_map ?? {},
    deleteExtra: args.delete_extra,
  });
}
