import type { GatedCluster, GateRequest } from '../../../access/gate.ts';
import type { Run } from '../../../access/runs/runs.ts';
import type { GuestRow } from '../../../clusters/inventory.ts';
import { CallError, toCallError } from '../../../proxmox/errors.ts';
import { quoted } from '../../../proxmox/text.ts';
import type { ToolContext } from '../../define.ts';
import { liveState } from '../../guest-live.ts';
import { targetOf } from '../../guest-target.ts';
import { MIGRATION_CALLS, planMigration } from '../../guests/migrate.ts';
import { arrivalByHa } from '../../ha/arrival.ts';
import { HA_CALLS, sidOf } from '../../ha/ha.ts';
import { readQuorum } from '../../inventory/health-parts.ts';
import { compact } from '../../results.ts';
import { RUN_CALLS, runWrite } from '../../run-write.ts';
import { TASK_CALLS } from '../../task.ts';

import {
  isOver,
  lastProposal,
  type MoveRow,
  type Outcome,
  outcomeOf,
  type PlannedMove,
  type Proposal,
  stepName,
} from './proposal.ts';

export const MOVE_CALLS = [
  ...MIGRATION_CALLS,
  ...RUN_CALLS,
  ...TASK_CALLS,
  ...HA_CALLS,
  ['GET', '/cluster/status'],
] as const;

/** A move that is to be sent, as it is to be approved. */
interface Ready {
  move: PlannedMove;
  step: string;
  request: GateRequest;
  byHa: boolean;
}

/**
 * Looks what became of moves that were begun and never ended.
 *
 * @returns one that is under way
 * @throws CallError where a node of one can't be asked
 */
export async function settle(run: Run, cluster: GatedCluster): Promise<PlannedMove | undefined> {
  const last = lastProposal(run);
  for (const move of last?.moves ?? []) {
    const name = stepName(last?.at ?? 0, move);
    const step = run.step(name);
    if (step === undefined || isOver(step)) continue;
    if (await isThere(cluster, move, move.to)) {
      await run.done(name, { arrived: move });
    } else if (await isThere(cluster, move, move.from)) {
      const { lock } = await liveState(placedAt(cluster, move, move.from));
      if (lock !== undefined) return move;
    }
  }
  return undefined;
}

/** @throws CallError where the node of a guest can't be asked */
export async function isThere(cluster: GatedCluster, move: PlannedMove, node: string): Promise<boolean> {
  try {
    const { row } = await liveState(placedAt(cluster, move, node));
    return move.name === undefined || row.name === undefined || row.name === move.name;
  } catch (thrown) {
    const { code } = toCallError(thrown);
    if (code === 'NOT_FOUND') return false;
    throw thrown;
  }
}

/**
 * Makes the moves of a proposal, one after the other: what was begun in a call before is looked for first, one approval
 * is taken for what is left, and each is sent once. A move that fails costs itself alone; a node that is lost, or the
 * quorum, ends it.
 *
 * @param notes what a person reads with the approval
 * @param waitSeconds when it is over the rest is left for the next call
 * @returns how far it came, and why it stopped
 */
export async function carryOut(
  { run, cluster, context }: { run: Run; cluster: GatedCluster; context: ToolContext },
  { at, moves }: Proposal,
  { notes, waitSeconds }: { notes: readonly string[]; waitSeconds: number },
): Promise<{ rows: MoveRow[]; stopped?: string }> {
  const site = { run, cluster, context };
  const until = context.now() + waitSeconds * 1000;
  return context.runs().hold(run, context.signal, async () => {
    const { ready, results, lost } = await prepareAll(site, { at, moves });
    const requests = ready.map(({ request }) => request);
    if (requests.length > 0 && lost === undefined)
      await cluster.approve(requests, { notes, atLeast: 'self' });
    const stopped = lost ?? (await makeAll(site, ready, results, until));
    const rows = moves.map((move) => ({ ...move, ...(results.get(move.vmid) ?? outcomeOf(run, at, move)) }));
    // What is left then has to be planned anew, around what is lost.
    for (const row of stopped === undefined ? [] : rows) {
      if (row.result === 'not_begun') await failed(run, stepName(at, row), `not begun: ${stopped}`);
    }
    return { rows, ...compact({ stopped }) };
  });
}

/** Looks at every move before the first is sent. `lost`: why none may be. */
async function prepareAll(site: Site, { at, moves }: Pick<Proposal, 'at' | 'moves'>) {
  const { run, cluster, context } = site;
  const results = new Map<number, Outcome>();
  const ready: Ready[] = [];
  for (const move of moves) {
    const step = stepName(at, move);
    // One that came to nothing is for the next proposal.
    if (isOver(run.step(step))) continue;
    const lost = await trouble(cluster, [move.from, move.to], context.signal);
    if (lost !== undefined) return { ready, results, lost };
    const one = await prepared(site, move, step);
    if ('request' in one) {
      ready.push(one);
      continue;
    }
    results.set(move.vmid, one);
    if (one.result === 'failed' || one.result === 'elsewhere')
      await failed(run, step, one.message ?? one.result);
  }
  return { ready, results, lost: undefined };
}

/** One after the other. @returns why it stopped before the end */
async function makeAll(
  site: Site,
  ready: readonly Ready[],
  results: Map<number, Outcome>,
  until: number,
): Promise<string | undefined> {
  const { cluster, context } = site;
  for (const [index, one] of ready.entries()) {
    const { vmid, from, to } = one.move;
    const left = Math.floor((until - context.now()) / 1000);
    const lost = await trouble(cluster, [from, to], context.signal);
    if (lost !== undefined) return lost;
    // With no time to wait the first is sent all the same.
    if (left <= 0 && index > 0) return undefined;
    const outcome = await sent(site, one, Math.max(0, left), `${index + 1} of ${ready.length}`);
    results.set(vmid, outcome);
    // The next one would load the nodes twice.
    if (outcome.result === 'moving') return undefined;
  }
  return undefined;
}

interface Site {
  run: Run;
  cluster: GatedCluster;
  context: ToolContext;
}

/** What is to be sent for a move; or what became of it, where nothing is. */
async function prepared(
  { run, cluster, context }: Site,
  move: PlannedMove,
  step: string,
): Promise<Ready | Outcome> {
  const before = run.step(step);
  if (before?.data.arrived !== undefined) return { result: 'moved' };
  try {
    if (await isThere(cluster, move, move.to)) {
      if (before === undefined) await run.begin(step);
      await run.done(step, { arrived: move });
      return { result: 'moved' };
    }
    if (!(await isThere(cluster, move, move.from))) {
      return { result: 'elsewhere', message: 'The guest is on neither node any more.' };
    }
    const found = placedAt(cluster, move, move.from);
    const plan = await planMigration(found, { target: move.to, restart: move.restart });
    if ('already' in plan) return { result: 'moved' };
    const request = { ...plan.request, expectName: move.name };
    return { move, step, request, byHa: plan.byHa };
  } catch (thrown) {
    context.signal.throwIfAborted();
    const { code, message } = toCallError(thrown);
    // One that was begun may be under way.
    const result = before?.state === 'begun' ? 'moving' : 'failed';
    return { result, message: `${code}: ${message}` };
  }
}

async function sent(
  { run, cluster, context }: Site,
  { move, step, request, byHa }: Ready,
  waitSeconds: number,
  number: string,
): Promise<Outcome> {
  const { vmid, type, from, to } = move;
  const say: ToolContext['progress'] = (update) =>
    context.progress({ ...update, message: `${number}: guest ${vmid} to ${to}` });
  const steady = { ...context, progress: say };
  const types = [type === 'qemu' ? 'qmigrate' : 'vzmigrate', 'hamigrate'];
  const write = {
    name: step,
    cluster,
    request,
    task: { node: from, types, id: String(vmid) },
    isDone: () => isThere(cluster, move, to),
  };
  const startedAt = context.now();
  try {
    const { task } = await runWrite(run, write, waitSeconds, steady);
    const upid = compact({ upid: task?.upid });
    if (task?.status === 'running' || task?.status === 'unknown') {
      return { result: 'moving', ...upid, ...compact({ message: task.problem }) };
    }
    // Its move ended in an earlier call, and somebody has moved it since.
    if (task === undefined && !byHa && !(await isThere(cluster, move, to))) {
      return { result: 'elsewhere', message: 'It was moved, and is not there any more.' };
    }
    if (byHa) {
      const left = Math.max(0, waitSeconds - Math.floor((context.now() - startedAt) / 1000));
      const { moved, state } = await arrivalByHa(
        cluster,
        { sid: sidOf(move), to, waitSeconds: left },
        steady,
      );
      if (!moved) return { result: 'moving', ...upid, message: `HA moves it: ${state}.` };
    }
    await run.done(step, { arrived: move });
    const message = task?.status === 'warnings' ? task.exit_status : undefined;
    return { result: 'moved', ...upid, ...compact({ message }) };
  } catch (thrown) {
    context.signal.throwIfAborted();
    const error = toCallError(thrown);
    // One that carries more than words, such as a plan, has to stay what it is.
    if (thrown instanceof CallError && thrown.constructor !== CallError) throw thrown;
    // Nobody knows whether it was sent: the next call looks for it.
    if (run.step(step)?.state === 'begun') {
      return { result: 'moving', message: `${error.code}: ${error.message}` };
    }
    // What HA was asked is done, and came to nothing.
    if (error.code === 'TASK_FAILED') await run.failed(step, error.message);
    return { result: 'failed', message: `${error.code}: ${error.message}` };
  }
}

async function failed(run: Run, step: string, problem: string): Promise<void> {
  if (run.step(step) === undefined) await run.begin(step);
  await run.failed(step, problem);
}

/** Why no guest should be moved now; undefined where all is well. */
async function trouble(
  cluster: GatedCluster,
  nodes: readonly string[],
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const { quorum, nodes: members } = await readQuorum(cluster, signal);
    if (quorum === 'lost') return `${cluster.name} has no quorum`;
    const away = members.find(({ name, online }) => nodes.includes(name) && !online);
    return away && `the node ${quoted(away.name)} is offline`;
  } catch (thrown) {
    signal.throwIfAborted();
    const { code, message } = toCallError(thrown);
    return code === 'PERMISSION_DENIED' || code === 'POLICY_DENIED'
      ? undefined
      : `${cluster.name} does not answer: ${message}`;
  }
}

function placedAt(cluster: GatedCluster, { vmid, name, type }: PlannedMove, node: string) {
  const id = `${type}/${vmid}`;
  const guest: GuestRow = { id, type, vmid, node, name, status: 'unknown', template: false, tags: [] };
  return targetOf(cluster, guest);
}
