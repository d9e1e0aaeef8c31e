import type { GatedCluster } from '../../../access/gate.ts';
import type { Run } from '../../../access/runs/runs.ts';
import { CallError, toCallError } from '../../../proxmox/errors.ts';
import { quoted } from '../../../proxmox/text.ts';
import type { ToolContext } from '../../define.ts';
import type { GuestTarget } from '../../guest-target.ts';
import { notNow } from '../../refusals.ts';
import { compact, isoTime } from '../../results.ts';
import { type RunWrite, runWrite, type TaskTrace } from '../../run-write.ts';
import type { TaskShown } from '../../task.ts';
import { requireUnblocked } from '../finding.ts';
import { type Journey, journeyOf, moveRequest, runKey } from './journey.ts';
import type { Outcome } from './outcome.ts';
import { notesOf } from './plan-lines.ts';
import { type MoveWish, preflight } from './preflight.ts';
import { remainsOf } from './remains.ts';
import { tellProgress, tunnelOf } from './tunnel.ts';
import { arrived, type Check, passed, stateOf, verify } from './verification.ts';

export const MOVE = 'migrate';
const VERIFY = 'verify';

/** How long both tasks are left alone between two looks at how far they are. */
const SLICE_SECONDS = 5;

export interface Sides {
  source: GuestTarget;
  to: GatedCluster;
}

export interface StartWish extends MoveWish {
  wait_seconds: number;
}

/**
 * Moves a guest, or goes on with a move where it stands: every finding at once, one approval, one write, its tasks
 * followed to their end, and the copy compared with what it was.
 *
 * @throws CallError CONFLICT with all that is in the way; APPROVAL_REQUIRED; TASK_FAILED with what is left where
 */
export async function start({ source, to }: Sides, wish: StartWish, context: ToolContext): Promise<Outcome> {
  const runs = context.runs();
  const last = runs.last(runKey(source));
  // What arrived may have been deleted again, as the hint of a cancel says: then nothing is under way any more.
  if (last !== undefined && last.state === 'open' && !(await isUndone(last, source, context))) {
    const journey = requireSameWay(last, to, wish);
    const isOver = last.step(MOVE)?.state === 'failed';
    if (!isOver)
      return runs.hold(last, context.signal, () => move(last, { source, to }, journey, wish, context, true));
    await requireClean(source, to, journey, last);
  }
  const there = last?.state === 'done' ? await whereItIs(last, { source, to }, context) : undefined;
  if (there !== undefined) return there;
  const plan = await preflight(source, to, wish, context);
  requireUnblocked(source.cluster, plan.findings);
  await source.cluster.approve([moveRequest(source, to, plan.journey)], {
    atLeast: 'self',
    notes: notesOf(plan),
  });
  if (last?.state === 'open') await last.close('cancelled');
  const run = await runs.begin(runKey(source), plan.journey);
  return runs.hold(run, context.signal, () => move(run, { source, to }, journeyOf(run.input), wish, context));
}

/** @param isResumed a call before this one has begun it, so that its approval is gone */
async function move(
  run: Run,
  sides: Sides,
  journey: Journey,
  wish: StartWish,
  context: ToolContext,
  isResumed = false,
): Promise<Outcome> {
  const { source, to } = sides;
  const until = context.now() + wish.wait_seconds * 1000;
  const request = moveRequest(source, to, journey);
  const write: RunWrite = {
    name: MOVE,
    cluster: source.cluster,
    request,
    task: moveTrace(source, journey),
    ...(isResumed ? { beforeSending: () => approveAgain(sides, journey, context) } : {}),
  };
  const task = await followed(run, write, sides, journey, until, context);
  const tunnel = await tunnelOf(to, journey, run.step(MOVE)?.begunAt ?? run.startedAt).catch(() => undefined);
  const tasks = {
    ...(task === undefined ? {} : { task }),
    ...(tunnel === undefined ? {} : { target_task: { upid: tunnel.upid, status: tunnel.status } }),
  };
  if (task?.status === 'running' || task?.status === 'unknown') {
    const next =
      'The time was over. Repeat this call: it goes on with following and verifying; action=cancel stops it.';
    return { status: 'running', ...fieldsOf(journey), ...tasks, next };
  }
  await run.begin(VERIFY);
  const checks = await verify(source, to, journey, until, context);
  await run.done(VERIFY, { checks });
  if (passed(checks) === true) await run.close('done');
  return { ...moved(journey, checks, source), ...tasks };
}

/** How the task of the move is found. */
export function moveTrace({ guest }: GuestTarget, { type, node }: Journey): TaskTrace {
  return { node, types: [type === 'qemu' ? 'qmigrate' : 'vzmigrate'], id: String(guest.vmid) };
}

/** Where a call before was killed, its write may not have left: then all is looked at and asked for anew. */
async function approveAgain({ source, to }: Sides, journey: Journey, context: ToolContext): Promise<void> {
  const plan = await preflight(
    source,
    to,
    {
      target_node: journey.target_node,
      target_vmid: journey.target_vmid,
      storage_map: journey.storage_map,
      bridge_map: journey.bridge_map,
      bwlimit_kib_s: journey.bwlimit,
      restart: true,
    },
    context,
  );
  requireUnblocked(source.cluster, plan.findings);
  if (plan.journey.runs !== journey.runs) {
    const words = (runs: boolean) => (runs ? 'running' : 'stopped');
    throw notNow(
      source.cluster,
      `It is ${words(plan.journey.runs)} now, and was ${words(journey.runs)} when the move was begun.`,
      'End that move with action=cancel, then start again.',
    );
  }
  await source.cluster.approve([moveRequest(source, to, journey)], { atLeast: 'self', notes: notesOf(plan) });
}

/** Waits for the end of the source's task, and tells how far both are. @returns undefined once it has succeeded before */
async function followed(
  run: Run,
  write: RunWrite,
  { source, to }: Sides,
  journey: Journey,
  until: number,
  context: ToolContext,
): Promise<TaskShown | undefined> {
  const begun = context.now();
  const total = Math.round((until - begun) / 1000);
  for (;;) {
    const left = Math.max(0, Math.floor((until - context.now()) / 1000));
    // Of what was begun before, it is asked at least once how it is.
    const slice = write.beforeSending === undefined ? left : Math.max(1, left);
    const { task } = await runWrite(run, write, Math.min(slice, SLICE_SECONDS), context).catch(
      async (thrown) => {
        throw await explained(thrown, run, { source, to }, journey, context);
      },
    );
    if (task === undefined || (task.status !== 'running' && task.status !== 'unknown')) return task;
    if (context.now() + 1000 > until) return task;
    const waited = Math.round((context.now() - begun) / 1000);
    const tunnel = tunnelOf(to, journey, run.step(MOVE)?.begunAt ?? begun);
    await tellProgress(source.cluster, task.upid, tunnel, { context, waited, total });
  }
}

/** Says behind a failure how both sides are. */
async function explained(
  thrown: unknown,
  run: Run,
  { source, to }: Sides,
  journey: Journey,
  context: ToolContext,
): Promise<unknown> {
  const { code, message, hint, retryable, status, cause } = toCallError(thrown);
  const step = run.step(MOVE);
  // Nothing was sent, or the call itself was ended.
  if (context.signal.aborted || step?.state !== 'failed') return thrown;
  const { lines } = await remainsOf(source, to, journey, step.begunAt);
  return new CallError(code, `${message} ${lines.join(' ')}`, {
    cluster: source.cluster.name,
    hint,
    retryable,
    ...(status === undefined ? {} : { status }),
    cause: cause ?? thrown,
  });
}

/** A move that is under way keeps its way. @throws CallError CONFLICT where the caller asks for another */
function requireSameWay(run: Run, to: GatedCluster, wish: StartWish): Journey {
  const journey = journeyOf(run.input);
  const { target_node: node = journey.target_node, target_vmid: vmid = journey.target_vmid } = wish;
  if (run.step(MOVE)?.state === 'failed') return journey;
  if (journey.to === to.name && journey.target_node === node && journey.target_vmid === vmid) return journey;
  const where = `${journey.target_vmid} on ${quoted(journey.target_node)} of ${journey.to}`;
  throw new CallError('CONFLICT', `A move of it to ${where} is under way since ${isoTime(run.startedAt)}.`, {
    hint: 'Repeat the call with that target to follow it, or stop it with action=cancel. Nothing was sent.',
    retryable: false,
  });
}

/** What a move that failed has left at the target has to go first, or nobody would remember it. */
async function requireClean(
  source: GuestTarget,
  to: GatedCluster,
  journey: Journey,
  run: Run,
): Promise<void> {
  if (journey.to !== to.name) return;
  const { copy, lines } = await remainsOf(source, to, journey, run.step(MOVE)?.begunAt ?? run.startedAt);
  if (copy?.isOurs !== true) return;
  throw new CallError('CONFLICT', `An attempt before this one left something behind. ${lines.join(' ')}`, {
    cluster: to.name,
    hint: 'action=cancel cleans up what can be; then start again. Nothing was sent.',
    retryable: false,
  });
}

/** Whether what a move brought to its target is gone again, and the source is there. */
async function isUndone(run: Run, source: GuestTarget, context: ToolContext): Promise<boolean> {
  if (run.step(MOVE)?.state !== 'done') return false;
  const journey = journeyOf(run.input);
  const copy = await stateOf(arrived(context.cluster(journey.to).alone(), journey));
  return 'isAbsent' in copy && copy.isAbsent && 'live' in (await stateOf(source));
}

/** The answer of a repeated call, where the copy is still there. */
async function whereItIs(
  run: Run,
  { source, to }: Sides,
  context: ToolContext,
): Promise<Outcome | undefined> {
  const journey = journeyOf(run.input);
  if (journey.to !== to.name || run.step(MOVE)?.state !== 'done') return undefined;
  const state = await stateOf(arrived(to, journey));
  const before = await stateOf(source);
  if (!('live' in state) || !('live' in before) || before.live.state !== 'stopped') return undefined;
  const name = state.live.row.name;
  if (journey.name !== undefined && name !== journey.name) return undefined;
  return moved(journey, await verify(source, to, journey, context.now(), context), source);
}

function moved(journey: Journey, checks: readonly Check[], { guest }: GuestTarget): Outcome {
  const isVerified = passed(checks) === true;
  const next = isVerified
    ? `The source is stopped and kept. When all is well: action=delete_source. Until then keep it off (update_guest vmid=${guest.vmid} onboot=false).`
    : 'Look at what failed; repeating this call compares again. The source is kept; don’t start it while the copy runs.';
  return {
    status: isVerified ? 'moved' : 'unverified',
    ...fieldsOf(journey),
    checks: checks.map(({ check, ok, found }) => ({ check, ...compact({ ok }), found })),
    next,
  };
}

export function fieldsOf({ to, target_node: node, target_vmid: vmid, storage_map, bridge_map }: Journey) {
  return { target: { cluster: to, node, vmid }, storage_map, bridge_map };
}
