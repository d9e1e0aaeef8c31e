import type { ToolContext } from '../../define.ts';
import type { TaskShown } from '../../task.ts';

/** How long a call may still wait. */
export interface Time {
  /** Whole seconds, at least 1: a task that has ended is to be seen as ended. */
  left(): number;
}

export function timeOf(seconds: number, { now }: Pick<ToolContext, 'now'>): Time {
  const until = now() + seconds * 1000;
  return { left: () => Math.max(1, Math.floor((until - now()) / 1000)) };
}

/** Whether a task goes on behind this call, or nobody could say. */
export function isOpen(task: TaskShown | undefined): task is TaskShown {
  return task?.status === 'running' || task?.status === 'unknown';
}
