import type { Run } from '../../../access/runs/runs.ts';
import { apiPath } from '../../../proxmox/api-path.ts';
import { CallError } from '../../../proxmox/errors.ts';
import { quoted } from '../../../proxmox/text.ts';
import { parseUpid } from '../../../proxmox/upid.ts';
import type { ApiCall, ToolContext } from '../../define.ts';
import type { GuestTarget } from '../../guest-target.ts';
import { runWrite, startedTask } from '../../run-write.ts';
import { statusOf } from '../../tasks/follow.ts';
import { type Journey, journeyOf, runKey } from './journey.ts';
import { fieldsOf, MOVE, moveTrace } from './move.ts';
import type { Outcome } from './outcome.ts';
import { type Remains, remainsOf } from './remains.ts';
import { tunnelOf } from './tunnel.ts';

export const CANCEL_CALLS: readonly ApiCall[] = [
  ['GET', '/nodes/{node}/tasks', 'since', 'source', 'limit', 'typefilter', 'vmid'],
  ['DELETE', '/nodes/{node}/tasks/{upid}'],
  ['DELETE', '/nodes/{node}/qemu/{vmid}'],
  ['DELETE', '/nodes/{node}/lxc/{vmid}'],
];

const PAUSE_MS = 500;

/**
 * Ends a move: its task is stopped, and what this move has made at the target is removed, each with an approval of its
 * own. The source is only looked at.
 *
 * @throws CallError NOT_FOUND where no move is under way; CONFLICT where the guest has arrived; APPROVAL_REQUIRED
 */
export async function cancel(
  source: GuestTarget,
  waitSeconds: number,
  context: ToolContext,
): Promise<Outcome> {
  const runs = context.runs();
  const run = runs.last(runKey(source));
  if (run === undefined || run.state !== 'open') throw nothingToCancel(source);
  const journey = journeyOf(run.input);
  const until = context.now() + waitSeconds * 1000;
  // Not held: a call that follows the move holds the run, and lets go of it only once the task is over.
  const known = run.step(MOVE)?.upid;
  const isOver = known === undefined || (await stopped(known, source, journey, until, context));
  if (!isOver) return stopping(journey);
  return runs.hold(run, context.signal, async () => {
    const step = run.step(MOVE);
    const trace = { cluster: source.cluster, task: moveTrace(source, journey) };
    const lost =
      step?.state === 'begun' && step.upid === undefined
        ? await startedTask(trace, step, context)
        : undefined;
    if (lost !== undefined) await run.note(MOVE, { upid: lost });
    if (lost !== undefined && !(await stopped(lost, source, journey, until, context)))
      return stopping(journey);
    if (run.step(MOVE)?.state === 'begun') await run.failed(MOVE, 'cancelled');
    return cleanUp(run, source, journey, until, context);
  });
}

function stopping(journey: Journey): Outcome {
  const next = 'Its task was told to stop, and runs as yet. Repeat this call: it looks again, and cleans up.';
  return { status: 'running', ...fieldsOf(journey), next };
}

/** Stops the task of the move. @returns whether it is over. @throws CallError CONFLICT where it has succeeded */
async function stopped(
  upid: string,
  source: GuestTarget,
  journey: Journey,
  until: number,
  context: ToolContext,
): Promise<boolean> {
  const { node } = parseUpid(upid);
  const request = { method: 'DELETE', path: apiPath`/nodes/${node}/tasks/${upid}` } as const;
  for (let isTold = false; ; isTold = true) {
    const { status } = await statusOf(source.cluster, node, upid);
    if (status === 'ok' || status === 'warnings') throw arrivedAlready(source, journey);
    if (status === 'failed') return true;
    if (!isTold) {
      await source.cluster.approve([request], { atLeast: 'self', notes: notesOf(source, journey) });
      await source.cluster.request(request);
      continue;
    }
    if (context.now() + PAUSE_MS > until) return false;
    await context.sleep(PAUSE_MS);
  }
}

/** Removes what this move has made at the target, where Proxmox lets a token do that. */
async function cleanUp(
  run: Run,
  source: GuestTarget,
  journey: Journey,
  until: number,
  context: ToolContext,
): Promise<Outcome> {
  const to = context.cluster(journey.to).alone();
  const begunAt = run.step(MOVE)?.begunAt ?? run.startedAt;
  // The target's own task cleans up behind itself, once it hears of the end.
  while ((await tunnelOf(to, journey, begunAt).catch(() => undefined))?.status === 'running') {
    if (context.now() + PAUSE_MS > until) break;
    await context.sleep(PAUSE_MS);
  }
  const remains = await remainsOf(source, to, journey, begunAt);
  const { copy } = remains;
  if (copy === undefined && !remains.isKnown) return leftOver(journey, remains);
  if (copy?.isOurs !== true) {
    await run.close('cancelled');
    return { status: 'cancelled', ...fieldsOf(journey), next: remains.lines.join(' ') };
  }
  if (copy.live.lock !== undefined || copy.live.state !== 'stopped' || remains.isOnlyOne)
    return leftOver(journey, remains);
  const request = {
    method: 'DELETE',
    path: copy.guest.at(),
    expectName: copy.live.row.name === journey.name ? journey.name : undefined,
  } as const;
  const notes = [
    `This is the unfinished copy that the move of ${source.cluster.name} has left; the source is not touched.`,
    ...remains.lines,
  ];
  await to.approve([request], { atLeast: 'self', notes });
  const left = Math.max(0, Math.floor((until - context.now()) / 1000));
  const trace = {
    node: journey.target_node,
    types: [journey.type === 'qemu' ? 'qmdestroy' : 'vzdestroy'],
    id: String(journey.target_vmid),
  };
  const { task } = await runWrite(run, { name: 'clean', cluster: to, request, task: trace }, left, context);
  const isGone = task === undefined || task.status === 'ok' || task.status === 'warnings';
  if (isGone) await run.close('cancelled');
  const copyWords = `${journey.target_vmid} on ${quoted(journey.target_node)} of ${to.name}`;
  const next = isGone
    ? `The unfinished copy ${copyWords} was removed. ${remains.lines[0]}`
    : `The unfinished copy ${copyWords} is being removed; repeat this call.`;
  return {
    status: isGone ? 'cancelled' : 'left_over',
    ...fieldsOf(journey),
    ...(task === undefined ? {} : { task }),
    next,
  };
}

function leftOver(journey: Journey, { lines }: Remains): Outcome {
  return { status: 'left_over', ...fieldsOf(journey), next: lines.join(' ') };
}

function notesOf({ guest, cluster }: GuestTarget, { target_vmid, target_node, to }: Journey): string[] {
  return [
    `The move of ${guest.vmid} from ${cluster.name} to ${target_vmid} on ${quoted(target_node)} of ${to} is broken off.`,
    'The source stays as it is; what was copied so far is thrown away. A container that was shut down for it has to be started again.',
  ];
}

function nothingToCancel({ guest, cluster }: GuestTarget): CallError {
  return new CallError(
    'NOT_FOUND',
    `No move of ${guest.vmid} of ${cluster.name} that you began is under way.`,
    {
      cluster: cluster.name,
      hint: 'list_tasks shows what runs; stop_task stops a task that another has begun. Nothing was sent.',
    },
  );
}

function arrivedAlready(
  { cluster, guest }: GuestTarget,
  { target_vmid, target_node, to }: Journey,
): CallError {
  return new CallError(
    'CONFLICT',
    `${guest.vmid} has arrived: it is ${target_vmid} on ${quoted(target_node)} of ${to}.`,
    {
      cluster: cluster.name,
      hint: 'action=start verifies it. To go back, stop and delete the copy there (power_guest, delete_guest), then start the source. Nothing was sent.',
      retryable: false,
    },
  );
}
