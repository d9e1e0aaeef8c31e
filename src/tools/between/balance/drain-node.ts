import type { GatedCluster } from '../../../access/gate.ts';
import type { Run } from '../../../access/runs/runs.ts';
import { quoted } from '../../../proxmox/text.ts';
import { defineTool, type ToolContext } from '../../define.ts';
import { someOf } from '../../fleet.ts';
import { INVENTORY_CALLS } from '../../inventories.ts';
import { requireNode } from '../../nodes.ts';
import { notNow } from '../../refusals.ts';
import { count, noted } from '../../results.ts';
import { requireUnblocked } from '../finding.ts';
import { planBringBack, takenAway } from './bring-back.ts';
import { CPU_MODEL_CALLS } from './cpu-models.ts';
import { type DrainPlan, planDrain } from './drain.ts';
import {
  type DrainArgs,
  type DrainOutput,
  drainInput,
  drainNotes,
  drainOutput,
  drainSentence,
  leftOn,
  numbered,
  outcome,
  planShown,
  shell,
  stateOf,
  staysOf,
} from './drain-shown.ts';
import { EXAMINE_CALLS } from './examine.ts';
import { LOAD_CALLS } from './load.ts';
import { carryOut, MOVE_CALLS, settle } from './moves.ts';
import { lastProposal, openProposal, type Proposal, progressOf, propose } from './proposal.ts';
import { readSurroundings, SURROUNDING_CALLS, type Surroundings } from './surroundings.ts';

const SLACK_SECONDS = 120;

export const drainNode = defineTool({
  name: 'drain_node',
  title: 'Empty a node for maintenance',
  description:
    'check tells where the guests of a node would go, and what stays and why; drain moves them (running VMs live, running containers with restart_containers, others with stopped), restore brings them back. Repeat a call to go on with it.',
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
  input: drainInput,
  output: drainOutput,
  deadlineSeconds: ({ wait_seconds }) => wait_seconds + SLACK_SECONDS,
  async run(args, context) {
    const cluster = context.cluster(args.cluster).alone();
    await requireNode(cluster, args.node);
    const run = openRun(cluster, args, context);
    switch (args.action) {
      case 'check':
        return checked(cluster, args, context);
      case 'drain':
        return drained(cluster, run, args, context);
      case 'restore':
        return restored(cluster, run, args, context);
      case 'status':
        return statusOf(cluster, run, args);
    }
  },
  summary: drainSentence,
});

function openRun(cluster: GatedCluster, { node }: DrainArgs, context: ToolContext): Run | undefined {
  const run = context.runs().last(keyOf(cluster, node));
  return run?.state === 'open' ? run : undefined;
}

/** The run of a node is open as long as guests of it are elsewhere. */
function keyOf(cluster: GatedCluster, node: string): string {
  return `drain ${cluster.name}/${node}`;
}

async function checked(cluster: GatedCluster, args: DrainArgs, context: ToolContext): Promise<DrainOutput> {
  const around = await readSurroundings(cluster, context.signal);
  const plan = await planDrain(cluster, around, wishOf(args), context.signal);
  return { ...planShown(cluster, args, around, plan), state: stateOf(plan) };
}

async function drained(
  cluster: GatedCluster,
  open: Run | undefined,
  args: DrainArgs,
  context: ToolContext,
): Promise<DrainOutput> {
  const about = JSON.stringify(['drain', wishOf(args)]);
  const isDrain = ({ moves }: Proposal) => moves.every(({ to }) => to !== args.node);
  const kept = open && (await goingOn(open, cluster, { about, fits: isDrain }, context));
  const around = await readSurroundings(cluster, context.signal);
  const plan = await planDrain(cluster, around, wishOf(args), context.signal);
  requireUnblocked(cluster, plan.findings);
  const moves = kept?.moves ?? plan.moves;
  if (moves.length === 0) return nothingToMove(cluster, open, args, around, plan);
  const run = open ?? (await context.runs().begin(keyOf(cluster, args.node), {}));
  const proposal = kept ?? (await propose(run, moves, about, context.now()));
  // One that is on its way is locked, and so seems to stay.
  const stays = plan.stays.filter(({ guest }) => !moves.some(({ vmid }) => vmid === guest.vmid));
  const notes = drainNotes(cluster, args.node, moves, { ...plan, stays });
  const done = await carryOut({ run, cluster, context }, proposal, { notes, waitSeconds: args.wait_seconds });
  return outcome(cluster, args, done, stays);
}

/** @throws CallError CONFLICT where guests run on the node that all have to stay */
function nothingToMove(
  cluster: GatedCluster,
  open: Run | undefined,
  args: DrainArgs,
  around: Surroundings,
  plan: DrainPlan,
): DrainOutput {
  if (plan.stays.length > 0) {
    const each = plan.stays.map(({ guest, why, do: advice }) => `${guest.vmid}: ${why} ${advice}`);
    throw notNow(
      cluster,
      `No guest of ${quoted(args.node)} can be moved. ${someOf(each)}`,
      'action=check shows all.',
    );
  }
  const last = lastProposal(open);
  const moves = open === undefined || last === undefined ? [] : progressOf(open, last);
  return { ...planShown(cluster, args, around, plan), moves, state: 'empty' };
}

/**
 * What a repeated call goes on with, once it is known what became of what was begun.
 *
 * @throws CallError CONFLICT where a guest is under way by another wish
 */
async function goingOn(
  open: Run,
  cluster: GatedCluster,
  { about, fits }: { about: string; fits: (proposal: Proposal) => boolean },
  context: ToolContext,
): Promise<Proposal | undefined> {
  const underWay = await settle(open, cluster);
  const kept = openProposal(open, context.now(), about);
  if (kept !== undefined && fits(kept)) return kept;
  if (underWay === undefined) return undefined;
  const { vmid, from, to } = underWay;
  const why = `Guest ${vmid} is still on its way from ${quoted(from)} to ${quoted(to)}.`;
  throw notNow(cluster, why, 'Wait for it (list_tasks), then repeat the call.');
}

async function restored(
  cluster: GatedCluster,
  open: Run | undefined,
  args: DrainArgs,
  context: ToolContext,
): Promise<DrainOutput> {
  const { node, restart_containers: restartContainers } = args;
  if (open === undefined) {
    throw notNow(
      cluster,
      `No drain of ${quoted(node)} by you is known.`,
      'migrate_guest moves guests there; list_tasks shows who moved what.',
    );
  }
  const about = JSON.stringify(['restore', { restartContainers }]);
  const isBack = (proposal: Proposal) => proposal.moves.every(({ to }) => to === node);
  const goesOn = await goingOn(open, cluster, { about, fits: isBack }, context);
  const around = await readSurroundings(cluster, context.signal);
  const plan = await planBringBack(cluster, around, open, { node, restartContainers }, context.signal);
  requireUnblocked(cluster, plan.findings);
  const moves = goesOn?.moves ?? plan.moves;
  if (moves.length === 0) {
    if (plan.stays.length === 0 || plan.stays.every(({ do: advice }) => advice.startsWith('Somebody')))
      await open.close('done');
    return {
      ...shell(cluster, args),
      state: 'restored',
      moves: [],
      stays: staysOf(plan.stays),
      left: leftOn(around, node),
    };
  }
  const proposal = goesOn ?? (await propose(open, moves, about, context.now()));
  const notes = [
    `Brings ${count(moves.length, 'guest')} back to ${node} of ${cluster.name}, one after the other; what runs goes on running.`,
    ...numbered(moves),
    ...plan.findings.map(({ what }) => what),
    ...plan.stays.map(({ guest, why }) => `${guest.vmid} is left: ${why}`),
  ];
  const done = await carryOut({ run: open, cluster, context }, proposal, {
    notes,
    waitSeconds: args.wait_seconds,
  });
  const answer = await outcome(cluster, args, done, plan.stays);
  if (answer.state !== 'unfinished' && takenAway(open, node).length <= plan.stays.length)
    await open.close('done');
  return answer;
}

async function statusOf(cluster: GatedCluster, open: Run | undefined, args: DrainArgs): Promise<DrainOutput> {
  const left = leftOn({ inventory: await cluster.inventory({ fresh: true }) }, args.node);
  const last = lastProposal(open);
  if (open === undefined || last === undefined) {
    const note = 'A drain by another caller is not known here.';
    return { ...shell(cluster, args), state: 'untouched', moves: [], stays: [], left, ...noted(note) };
  }
  const moves = progressOf(open, last);
  const isOver = moves.every(({ result }) => result === 'moved' || result === 'failed');
  const away = takenAway(open, args.node);
  const others = away.filter(({ vmid }) => !moves.some((move) => move.vmid === vmid));
  const state = isOver ? (left === 0 ? 'empty' : 'partly') : 'unfinished';
  const note = `${count(away.length, 'guest')} of it ${away.length === 1 ? 'is' : 'are'} elsewhere; action=restore brings them back.`;
  return {
    ...shell(cluster, args),
    state,
    moves: [...others.map((move) => ({ ...move, result: 'moved' as const })), ...moves],
    stays: [],
    left,
    ...noted(note),
  };
}

function wishOf({
  node,
  restart_containers: restartContainers,
  include_local: includeLocal,
  stopped,
}: DrainArgs) {
  return { node, restartContainers, includeLocal, stopped };
}
