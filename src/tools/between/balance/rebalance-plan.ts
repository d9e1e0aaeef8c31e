import { z } from 'zod';
import type { GatedCluster } from '../../../access/gate.ts';
import { quoted } from '../../../proxmox/text.ts';
import { defineTool, type ToolContext } from '../../define.ts';
import { someOf } from '../../fleet.ts';
import { guestNames, INVENTORY_CALLS } from '../../inventories.ts';
import { clusterParam, selectedFields, selectionOf, switchParam, wholeParam } from '../../params.ts';
import { notNow } from '../../refusals.ts';
import { count, noted } from '../../results.ts';
import { inWords } from '../../size.ts';
import { CPU_MODEL_CALLS } from './cpu-models.ts';
import { EXAMINE_CALLS } from './examine.ts';
import { LOAD_CALLS } from './load.ts';
import { restsOn, restsOnWords, timeframeParam } from './measure.ts';
import { carryOut, MOVE_CALLS, settle } from './moves.ts';
import { outcomeWords } from './outcome.ts';
import { moveRow, openProposal, type PlannedMove, propose } from './proposal.ts';
import { planRebalance, type Rebalance } from './rebalance.ts';
import { readSurroundings, SURROUNDING_CALLS } from './surroundings.ts';

const MOST_SHOWN = 50;
const SLACK_SECONDS = 120;

const input = z.strictObject({
  cluster: clusterParam,
  tolerance: wholeParam(1, 50).default(10).describe('Gap between nodes, in points of CPU and memory %.'),
  timeframe: timeframeParam,
  include_local: switchParam(),
  apply: switchParam(),
  wait_seconds: wholeParam(0, 1800).default(600),
});

type Args = z.output<typeof input>;

const shownMove = moveRow.partial({ result: true }).extend({ reason: z.string().optional() });

export const rebalancePlan = defineTool({
  name: 'rebalance_plan',
  title: 'Even out a cluster',
  description:
    'The fewest live moves that even out the nodes of a cluster by their load over time; keeps HA rules and the tags keep-together-X and keep-apart-X. apply=true makes them, one by one; repeat it to go on.',
  toolset: 'between',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  calls: [
    ...INVENTORY_CALLS,
    ...SURROUNDING_CALLS,
    ...LOAD_CALLS,
    ...EXAMINE_CALLS,
    ...CPU_MODEL_CALLS,
    ...MOVE_CALLS,
  ],
  input,
  output: z.object({
    ...selectedFields,
    state: z.enum(['balanced', 'planned', 'moved', 'unfinished', 'no_better']),
    gap_points: z.number().optional(),
    gap_points_after: z.number().optional(),
    nodes: z.array(z.looseObject({ node: z.string() })).optional(),
    left_out: z.array(z.object({ node: z.string(), why: z.string() })).optional(),
    moves: z.array(shownMove),
    stays: z.array(z.looseObject({ vmid: z.int(), why: z.string(), do: z.string() })).optional(),
    stays_total: z.int().optional(),
    rests_on: restsOn.optional(),
    stopped: z.string().optional(),
    note: z.string().optional(),
  }),
  deadlineSeconds: ({ wait_seconds }) => wait_seconds + SLACK_SECONDS,
  async run(args, context) {
    const cluster = context.cluster(args.cluster).alone();
    const key = `rebalance ${cluster.name}`;
    const { apply, wait_seconds: waitSeconds } = args;
    const run = apply ? context.runs().last(key) : undefined;
    const open = run?.state === 'open' ? run : undefined;
    if (open !== undefined) await settle(open, cluster);
    const kept = open && openProposal(open, context.now(), aboutOf(args));
    if (open !== undefined && kept !== undefined) {
      const notes = notesOf(cluster, kept.moves);
      const done = await carryOut({ run: open, cluster, context }, kept, { notes, waitSeconds });
      if (isOver(done.rows)) await open.close('done');
      return { ...selectionOf(cluster), ...outcomeOf(done) };
    }
    return planned(cluster, key, args, context);
  },
  summary(answer) {
    const {
      cluster,
      state,
      moves,
      gap_points: gap = 0,
      gap_points_after: after = 0,
      note,
      rests_on,
    } = answer;
    const more = note === undefined ? '' : ` ${note}`;
    const basis = rests_on === undefined ? '' : ` ${restsOnWords(rests_on, 'guest')}`;
    const points = (value: number) => `${value} points`;
    switch (state) {
      case 'balanced':
        return `${cluster} is even: ${points(gap)} between its nodes.${basis}${more}`;
      case 'no_better':
        return `${cluster}: ${points(gap)} between its nodes, and no move that may be made narrows it.${basis}${more}`;
      case 'planned': {
        const each = moves.map(
          ({ vmid, name, to }) => `${vmid}${name === undefined ? '' : ` (${quoted(name)})`} to ${quoted(to)}`,
        );
        return `${cluster}: ${count(moves.length, 'move')} would bring the gap between its nodes from ${gap} to ${points(after)}: ${someOf(each)}.${basis} apply=true makes them.${more}`;
      }
      default:
        return `${cluster}: ${outcomeWords(moves)}${answer.stopped === undefined ? '' : ` Stopped: ${answer.stopped}.`}${more}`;
    }
  },
});

async function planned(cluster: GatedCluster, key: string, args: Args, context: ToolContext) {
  const around = await readSurroundings(cluster, context.signal);
  if (args.apply && around.quorum?.quorum === 'lost') {
    throw notNow(cluster, `${cluster.name} has no quorum.`, 'Bring its nodes back first: cluster_health.');
  }
  const { tolerance, timeframe, include_local: includeLocal } = args;
  const plan = await planRebalance(cluster, around, { tolerance, timeframe, includeLocal }, context.signal);
  const names = guestNames(around.inventory);
  const types = new Map(around.inventory.guests.map(({ vmid, type }) => [vmid, type]));
  const moves = plan.moves.map(({ vmid, from, to }): PlannedMove => {
    const name = names.get(vmid);
    return { vmid, type: types.get(vmid) ?? 'qemu', from, to, ...(name === undefined ? {} : { name }) };
  });
  const shown = moves.map((move) => ({ ...move, reason: reasonOf(move, plan) }));
  const about = { ...selectionOf(cluster), ...figuresOf(plan), ...noted(...around.unknown, optimal(plan)) };
  if (moves.length === 0) {
    const state = plan.gapBefore <= tolerance ? ('balanced' as const) : ('no_better' as const);
    return { ...about, state, moves: [] };
  }
  if (!args.apply) return { ...about, state: 'planned' as const, moves: shown };
  const run = await context.runs().begin(key, {});
  const proposal = await propose(run, moves, aboutOf(args), context.now());
  const notes = notesOf(cluster, moves, plan);
  const done = await carryOut({ run, cluster, context }, proposal, { notes, waitSeconds: args.wait_seconds });
  if (isOver(done.rows)) await run.close('done');
  return { ...about, ...outcomeOf(done) };
}

function aboutOf({ tolerance, timeframe, include_local }: Args): string {
  return JSON.stringify({ tolerance, timeframe, include_local });
}

function outcomeOf({ rows, stopped }: Awaited<ReturnType<typeof carryOut>>) {
  const state = isOver(rows) ? ('moved' as const) : ('unfinished' as const);
  return { state, moves: rows, ...(stopped === undefined ? {} : { stopped }) };
}

function isOver(rows: Awaited<ReturnType<typeof carryOut>>['rows']): boolean {
  return rows.every(({ result }) => result !== 'moving' && result !== 'not_begun');
}

function figuresOf(plan: Rebalance) {
  const { before, after, gapBefore, gapAfter, stays, leftOut } = plan;
  return {
    gap_points: rounded(gapBefore),
    gap_points_after: rounded(gapAfter),
    nodes: before.map(({ node, cpuPercent, memPercent }, index) => ({
      node,
      cpu_percent: rounded(cpuPercent),
      memory_percent: rounded(memPercent),
      cpu_percent_after: rounded(after[index]?.cpuPercent ?? cpuPercent),
      memory_percent_after: rounded(after[index]?.memPercent ?? memPercent),
    })),
    ...(leftOut.length === 0 ? {} : { left_out: leftOut }),
    ...(stays.length === 0
      ? {}
      : {
          stays: stays.slice(0, MOST_SHOWN).map(({ guest, ...why }) => ({ vmid: guest.vmid, ...why })),
          stays_total: stays.length,
        }),
    rests_on: plan.restsOn,
  };
}

function reasonOf({ vmid, from, to }: PlannedMove, { before, loads }: Rebalance): string {
  const load = loads.get(vmid);
  const shareOf = (name: string) => before.find(({ node }) => node === name);
  const [source, target] = [shareOf(from), shareOf(to)];
  const takes = load === undefined ? '' : `It takes ${inWords(load.memMeanBytes)} of memory on average; `;
  return `${takes}${from} has ${rounded(source?.memPercent ?? 0)}% of its memory and ${rounded(source?.cpuPercent ?? 0)}% of its CPUs in use, ${to} ${rounded(target?.memPercent ?? 0)}% and ${rounded(target?.cpuPercent ?? 0)}%.`;
}

function optimal({ isProven, moves }: Rebalance): string | undefined {
  return isProven || moves.length === 0
    ? undefined
    : 'There are too many guests to try every arrangement: fewer moves might do as well.';
}

/** What a person reads with the approval. */
function notesOf(cluster: GatedCluster, moves: readonly PlannedMove[], plan?: Rebalance): string[] {
  const each = moves.map(
    ({ vmid, name, from, to }, index) =>
      `${index + 1}. ${vmid}${name === undefined ? '' : ` (${name})`} goes live from ${from} to ${to}`,
  );
  const gap =
    plan === undefined
      ? ''
      : ` The gap between its nodes falls from ${rounded(plan.gapBefore)} to ${rounded(plan.gapAfter)} points.`;
  return [
    `Guests of ${cluster.name} move one after the other, and keep running.${gap}`,
    ...each,
    'It stops where a node goes offline or the quorum is lost; what has moved by then stays there.',
  ];
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}
