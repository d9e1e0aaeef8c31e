import { z } from 'zod';
import type { GatedCluster, GateRequest } from '../access/gate.ts';
import { toCallError } from '../proxmox/errors.ts';
import { cleanText } from '../proxmox/text.ts';
import { isUpid } from '../proxmox/upid.ts';
import type { ToolContext } from './define.ts';
import { followTask } from './tasks/follow.ts';
import type { TaskRow } from './tasks/task-row.ts';

/**
 * What every tool that starts a task shares. Such a tool takes `wait_seconds: waitParam`, answers `task: taskField`,
 * sets `deadlineSeconds: (args) => taskDeadline(args.wait_seconds)`, makes its write with `runTask` and closes with
 * `taskSentence`:
 *
 * ```ts
 * const outcome = await runTask(cluster, { method: 'POST', path, data }, args.wait_seconds, context);
 * return { ...selectionOf(cluster), vmid, ...outcome };
 * // summary
 * taskSentence('VM 100 (web-01) of production', 'started on pve1', task)
 * ```
 *
 * Its `calls` name `...TASK_CALLS` beside its own. A task that fails is thrown; nothing here sends a write twice.
 */
export const waitParam = z.int().min(0).max(600).default(30);

/** What following a task may call. */
export const TASK_CALLS = [
  ['GET', '/nodes/{node}/tasks/{upid}/status'],
  ['GET', '/nodes/{node}/tasks/{upid}/log', 'start', 'limit'],
] as const;

/**
 * The task of an answer; absent where the write was done at once. `unknown`: it was started, and how it goes could not
 * be asked (`problem` says why). A failed task is an error and no answer.
 */
export const taskField = z
  .object({
    upid: z.string(),
    status: z.enum(['running', 'ok', 'warnings', 'unknown']),
    exit_status: z.string().optional(),
    problem: z.string().optional(),
  })
  .optional();

export type TaskShown = NonNullable<z.output<typeof taskField>>;

/** Spread it into the answer of the tool. */
export interface TaskOutcome {
  /** Absent where Proxmox did the write at once, and started no task. */
  task?: TaskShown;
}

/** For what is asked and sent before the wait begins, and read after it. */
const SLACK_SECONDS = 60;
/** Of the slack, what is left for the last question and the log. */
const LAST_SECONDS = 25;

/** The limit of a call that waits so long for its task, in seconds. */
export function taskDeadline(waitSeconds: number): number {
  return waitSeconds + SLACK_SECONDS;
}

/**
 * Sends a write that starts a task, and waits for its end, with progress. The write leaves once; cancelling stops the
 * waiting alone, never the task.
 *
 * @param waitSeconds 0 returns as soon as the write was accepted
 * @returns the task, or nothing where the write answers no UPID: then it is done
 * @throws CallError TASK_FAILED with the end of the task's log, or what the gate and the cluster say to the write
 */
export async function runTask(
  cluster: GatedCluster,
  request: GateRequest,
  waitSeconds: number,
  context: ToolContext,
): Promise<TaskOutcome> {
  // A write that took long leaves less of the call's time: the answer must come, as it holds the UPID.
  const last = context.now() + (taskDeadline(waitSeconds) - LAST_SECONDS) * 1000;
  const { data } = await cluster.request(request);
  if (typeof data !== 'string' || !isUpid(data)) return {};
  const left = Math.floor((last - context.now()) / 1000);
  return awaitTask(cluster, data, Math.max(0, Math.min(waitSeconds, left)), context);
}

/**
 * As `runTask`, for a task that this call has started: its UPID is known, so the answer names it whatever becomes of
 * the waiting. For a UPID that somebody gives, use `followTask`, which says what is wrong with it.
 *
 * @throws CallError TASK_FAILED with the end of the task's log; the signal's reason
 */
export async function awaitTask(
  cluster: GatedCluster,
  upid: string,
  waitSeconds: number,
  context: ToolContext,
): Promise<TaskOutcome> {
  if (waitSeconds === 0) return { task: { upid, status: 'running' } };
  try {
    const { task } = await followTask(cluster, upid, waitSeconds, context, { isOurs: true });
    return { task: shown(task) };
  } catch (error) {
    const { code, message } = toCallError(error);
    // The write is done: an error in its place would have it repeated.
    if (code === 'TASK_FAILED' || context.signal.aborted) throw error;
    return { task: { upid, status: 'unknown', problem: message } };
  }
}

function shown({ upid, status, exit_status }: TaskRow): TaskShown {
  // `followTask` throws the failed ones.
  if (status === 'failed') throw new Error('a failed task is no answer');
  return {
    upid,
    status,
    ...(exit_status === undefined || status !== 'warnings' ? {} : { exit_status: cleanText(exit_status) }),
  };
}

/**
 * Says what became of a write, as a sentence.
 *
 * @param subject `VM 100 (web-01) of production`; names that others chose go through `quoted` first
 * @param done a past participle and what belongs to it: `started on pve1`, `cloned to 205`
 */
export function taskSentence(subject: string, done: string, task: TaskShown | undefined): string {
  if (task === undefined || task.status === 'ok') return `${subject} was ${done}.`;
  const { upid, status, exit_status = 'warnings', problem } = task;
  const doing = `${subject} is being ${done}`;
  switch (status) {
    case 'warnings':
      return `${subject} was ${done}, with ${exit_status}; wait_task shows the log of ${upid}.`;
    case 'running':
      return `${doing}; wait_task follows ${upid}.`;
    case 'unknown':
      return `${doing} by ${upid}; how it goes could not be asked: ${problem ?? 'no answer.'} Don't repeat it: wait_task follows it.`;
  }
}
