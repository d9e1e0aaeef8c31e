import { isObject } from '../catalogue/json.ts';

/** How a task stands. A task that ended with warnings has succeeded, as PVE sees it. */
export type TaskOutcome =
  | { state: 'running' }
  | { state: 'ok' }
  | { state: 'warnings'; count: number }
  | { state: 'failed'; message: string };

/** Reads `status` and `exitstatus` of a task's status, or of a row of a task list, which has only an end. */
export function taskOutcome(task: { status?: string; exitstatus?: string }): TaskOutcome {
  // Rows of a task list carry the exit status in `status`, and none while the task runs.
  const ended = task.exitstatus ?? (task.status === 'stopped' ? 'unexpected status' : task.status);
  // In capitals it stands in the list of a node.
  if (ended === undefined || ended === 'running' || ended === 'RUNNING') return { state: 'running' };
  if (ended === 'OK') return { state: 'ok' };
  const warnings = /^WARNINGS: (?<count>\d+)$/.exec(ended)?.groups?.count;
  if (warnings !== undefined) return { state: 'warnings', count: Number(warnings) };
  return { state: 'failed', message: ended };
}

/**
 * How a task ended, as `GET /nodes/{node}/tasks/{upid}/status` says it.
 *
 * @param data of that answer
 * @returns the exit status; undefined while the task runs
 */
export function exitStatusOf(data: unknown): string | undefined {
  if (!isObject(data) || data.status !== 'stopped') return undefined;
  const { exitstatus } = data;
  return typeof exitstatus === 'string' && exitstatus !== '' ? exitstatus : 'unexpected status';
}
