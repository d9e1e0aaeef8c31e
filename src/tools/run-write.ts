import type { GatedCluster, GateRequest } from '../access/gate.ts';
import type { RunStep } from '../access/runs/run.ts';
import type { Run } from '../access/runs/runs.ts';
import { apiPath } from '../proxmox/api-path.ts';
import { type ErrorCode, toCallError } from '../proxmox/errors.ts';
import { accountName, isUpid, parseUpid, type Upid } from '../proxmox/upid.ts';
import type { ToolContext } from './define.ts';
import { rowsOf } from './results.ts';
import { awaitTask, type TaskOutcome } from './task.ts';

/**
 * How long a write that was cut off may take to show in the list of tasks, in milliseconds: Proxmox waits ten seconds
 * for the lock of a guest before it starts a task, and asks the other cluster first where one is to come to it.
 */
const SETTLE_MS = 15_000;
const POLL_MS = 1_000;
const MOST_TASKS = 500;
/**
 * In the data of a step: the tasks of its kind that were there before. What is not among them was started by the write,
 * whatever the clocks of the two sides say.
 */
const TASKS_BEFORE = 'tasks_before';

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
  /** Called before it is sent, for a call that has no approval for it yet. @throws CallError; then nothing is sent */
  beforeSending?(): Promise<void>;
}

export interface TaskTrace {
  node: string;
  /** As the UPID has it: `qmigrate`, `vzdump`, `qmrestore`. */
  types: readonly string[];
  /** VMID, or whatever the UPID names. */
  id: string;
}

/** What looking for the task of a write may call. */
export const RUN_CALLS = [['GET', '/nodes/{node}/tasks', 'source', 'limit', 'typefilter', 'vmid']] as const;

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
    const upid = before.upid ?? (await startedTask(write, before, context));
    if (upid !== undefined) {
      await run.note(name, { upid });
      return ended(run, write, upid, waitSeconds, context);
    }
    if (await write.isDone?.()) {
      await run.done(name);
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
  const { name, cluster, request, task } = write;
  await write.beforeSending?.();
  await run.begin(name, task && { [TASKS_BEFORE]: await tasksOf(cluster, task) });
  let data: unknown;
  try {
    ({ data } = await cluster.request(request));
  } catch (thrown) {
    const { code, message } = toCallError(thrown);
    if (!context.signal.aborted && !OPEN_ENDS.includes(code)) await run.failed(name, message);
    throw thrown;
  }
  if (typeof data !== 'string' || !isUpid(data)) {
    await run.done(name);
    return {};
  }
  await run.note(name, { upid: data });
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
    if (outcome.task?.status === 'ok' || outcome.task?.status === 'warnings') await run.done(name);
    return outcome;
  } catch (thrown) {
    const { code, message } = toCallError(thrown);
    if (code === 'TASK_FAILED') await run.failed(name, message);
    throw thrown;
  }
}

/** The task that a write started whose answer was lost; undefined once it is certain that it started none. */
export async function startedTask(
  { cluster, task }: Pick<RunWrite, 'cluster' | 'task'>,
  { begunAt, data }: RunStep,
  context: ToolContext,
): Promise<string | undefined> {
  if (task === undefined) return undefined;
  const before = data[TASKS_BEFORE];
  // Begun by somebody else, and never sent.
  if (!Array.isArray(before)) return undefined;
  const settledAt = Math.min(begunAt, context.now()) + SETTLE_MS;
  for (;;) {
    const isSettled = context.now() >= settledAt;
    const started = (await tasksOf(cluster, task)).find((upid) => !before.includes(upid));
    if (started !== undefined || isSettled) return started;
    await context.sleep(POLL_MS);
  }
}

/** UPIDs of the tasks of this kind that the user of this service has started, the oldest first. */
async function tasksOf(cluster: GatedCluster, { node, types, id }: TaskTrace): Promise<string[]> {
  const [type] = types;
  const { data } = await cluster.request({
    method: 'GET',
    path: apiPath`/nodes/${node}/tasks`,
    data: {
      source: 'all',
      limit: MOST_TASKS,
      ...(types.length === 1 ? { typefilter: type } : {}),
      ...(/^\d+$/.test(id) ? { vmid: Number(id) } : {}),
    },
  });
  const upids = rowsOf(data).flatMap(({ upid }) => (typeof upid === 'string' && isUpid(upid) ? [upid] : []));
  const isOurs = ({ type: kind, id: about, user, tokenId }: Upid): boolean =>
    types.includes(kind) && about === id && cluster.account === accountName(user, tokenId);
  return upids
    .map((upid) => ({ upid, task: parseUpid(upid) }))
    .filter(({ task }) => isOurs(task))
    .sort((one, other) => one.task.startTime - other.task.startTime)
    .map(({ upid }) => upid);
}
