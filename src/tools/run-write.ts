import type { GatedCluster, GateRequest } from '../access/gate.ts';
import type { Run } from '../access/runs/runs.ts';
import { apiPath } from '../proxmox/api-path.ts';
import { CallError, type ErrorCode, toCallError } from '../proxmox/errors.ts';
import { isUpid } from '../proxmox/upid.ts';
import type { ToolContext } from './define.ts';
import { numberOf, rowsOf, textOf } from './results.ts';
import { awaitTask, type TaskOutcome } from './task.ts';

/** How long a write that was cut off may take to show in the list of tasks, in milliseconds. */
const SETTLE_MS = 5_000;
/** The clocks of the two sides may differ by so much, in seconds. */
const SKEW_SECONDS = 60;
const MOST_TASKS = 500;

/** These leave open whether the write was carried out; all others say that it was not. */
const OPEN_ENDS: readonly ErrorCode[] = ['TIMEOUT', 'CLUSTER_UNREACHABLE', 'UPSTREAM_ERROR', 'INTERNAL'];

/** One write of a run. */
export interface RunWrite {
  /** Unique in the run. */
  name: string;
  cluster: GatedCluster;
  request: GateRequest;
  /** How the task is found that it starts; absent for a write that starts none. */
  task?: TaskTrace;
  /** Whether what it is for is there already: asked where it was begun and no task tells. */
  isDone?(): Promise<boolean>;
}

export interface TaskTrace {
  node: string;
  /** As the UPID has it: `qmigrate`, `vzdump`, `qmrestore`. */
  types: readonly string[];
  /** VMID, or whatever the UPID names. */
  id: string;
}

/** What looking for the task of a write may call. */
export const RUN_CALLS = [
  ['GET', '/nodes/{node}/tasks', 'since', 'source', 'limit', 'typefilter', 'vmid'],
] as const;

/**
 * Makes a write of a run exactly once, over however many calls and restarts: one that is done is not made again, one
 * whose task is known is waited for, and one that was begun and never heard of again is looked for on the cluster.
 * Call it within `runs.hold`.
 *
 * @param waitSeconds 0 returns as soon as the write was accepted
 * @returns its task, which may still be running; the step is done once it has ended
 * @throws CallError TASK_FAILED, or what the gate and the cluster say to the write; the step then failed, unless nobody
 *   knows whether it was carried out
 */
export async function runWrite(
  run: Run,
  write: RunWrite,
  waitSeconds: number,
  context: ToolContext,
): Promise<TaskOutcome> {
  const { name } = write;
  const before = run.step(name);
  if (before?.state === 'done') return {};
  if (before?.state === 'begun') {
    const upid = before.upid ?? (await startedTask(write, before.begunAt, context));
    if (upid !== undefined) {
      run.note(name, { upid });
      return ended(run, write, upid, waitSeconds, context);
    }
    if (await write.isDone?.()) {
      run.done(name);
      return {};
    }
  }
  return send(run, write, waitSeconds, context);
}

async function send(
  run: Run,
  write: RunWrite,
  waitSeconds: number,
  context: ToolContext,
): Promise<TaskOutcome> {
  const { name, cluster, request } = write;
  run.begin(name);
  let data: unknown;
  try {
    ({ data } = await cluster.request(request));
  } catch (thrown) {
    const { code, message } = toCallError(thrown);
    if (!context.signal.aborted && !OPEN_ENDS.includes(code)) run.failed(name, message);
    throw thrown;
  }
  if (typeof data !== 'string' || !isUpid(data)) {
    run.done(name);
    return {};
  }
  run.note(name, { upid: data });
  return ended(run, write, data, waitSeconds, context);
}

async function ended(
  run: Run,
  { name, cluster }: RunWrite,
  upid: string,
  waitSeconds: number,
  context: ToolContext,
): Promise<TaskOutcome> {
  try {
    const outcome = await awaitTask(cluster, upid, waitSeconds, context);
    if (outcome.task?.status === 'ok' || outcome.task?.status === 'warnings') run.done(name);
    return outcome;
  } catch (thrown) {
    const { code, message } = toCallError(thrown);
    if (code === 'TASK_FAILED') run.failed(name, message);
    throw thrown;
  }
}

/** The task that a write started whose answer was lost; the newest of its kind since then that this service's user owns. */
async function startedTask(
  { cluster, task, name }: RunWrite,
  begunAt: number,
  context: ToolContext,
): Promise<string | undefined> {
  if (task === undefined) return undefined;
  const { node, types, id } = task;
  const since = Math.floor(begunAt / 1000) - SKEW_SECONDS;
  const settled = begunAt + SETTLE_MS - context.now();
  if (settled > 0) await context.sleep(settled);
  const { data } = await cluster.request({
    method: 'GET',
    path: apiPath`/nodes/${node}/tasks`,
    data: { since, source: 'all', limit: MOST_TASKS, ...(/^\d+$/.test(id) ? { vmid: Number(id) } : {}) },
  });
  const known = rowsOf(data).filter((row) => types.includes(textOf(row.type) ?? '') && String(row.id) === id);
  const [newest] = known.sort((a, b) => (numberOf(b.starttime) ?? 0) - (numberOf(a.starttime) ?? 0));
  const upid = textOf(newest?.upid);
  if (newest !== undefined && upid === undefined) {
    throw new CallError('UPSTREAM_ERROR', `The task of ${name} could not be read; nothing was sent.`, {
      cluster: cluster.name,
      hint: 'list_tasks shows it. Call again once it answers.',
    });
  }
  return upid;
}
