import { z } from 'zod';
import { taskOutcome } from '../../proxmox/task.ts';
import { textParam } from '../params.ts';
import { compact, numberOf, textOf } from '../results.ts';

/** The task that is meant, as the call that started it, list_tasks or list_jobs gives it. */
export const upidParam = textParam();

export const taskRow = z.object({
  upid: z.string(),
  node: z.string(),
  type: z.string(),
  id: z.string().optional().describe('What the task works on, often a VMID.'),
  user: z.string().optional(),
  status: z.enum(['running', 'ok', 'warnings', 'failed']),
  exit_status: z.string().optional().describe('What Proxmox says at the end.'),
  started_at: z.string().optional(),
  ended_at: z.string().optional(),
  duration_seconds: z.number().optional(),
});

export type TaskRow = z.output<typeof taskRow>;

/**
 * Makes a row of what PVE says of a task.
 *
 * @param row an entry of a task list or of `/tasks/{upid}/status`
 * @param exitStatus the text at the end: `status` in lists, `exitstatus` in the task's own status
 */
export function taskOf(row: Record<string, unknown>, exitStatus: string | undefined): TaskRow {
  const started = numberOf(row.starttime);
  const ended = numberOf(row.endtime);
  return {
    upid: textOf(row.upid) ?? '',
    node: textOf(row.node) ?? '',
    type: textOf(row.type) ?? '',
    status: taskOutcome(exitStatus === undefined ? {} : { exitstatus: exitStatus }).state,
    ...compact({
      id: textOf(row.id),
      user: userOf(row),
      exit_status: exitStatus,
      started_at: isoTime(started),
      ended_at: isoTime(ended),
      duration_seconds: started !== undefined && ended !== undefined ? ended - started : undefined,
    }),
  };
}

/** Listings split the user of an API token into `user` and `tokenid`. */
function userOf(row: Record<string, unknown>): string | undefined {
  const user = textOf(row.user);
  const token = textOf(row.tokenid);
  return user && token ? `${user}!${token}` : user;
}

function isoTime(seconds: number | undefined): string | undefined {
  return seconds === undefined ? undefined : new Date(seconds * 1000).toISOString();
}
