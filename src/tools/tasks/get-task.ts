import { z } from 'zod';
import { cleanText } from '../../proxmox/text.ts';
import { parseUpid } from '../../proxmox/upid.ts';
import { defineTool, READS } from '../define.ts';
import { clusterParam, selectedFields, selectionOf } from '../params.ts';
import { compact } from '../results.ts';
import { TASK_CALLS } from '../task.ts';
import { nameOf, statusOf } from './follow.ts';
import { logTail, progressOf } from './task-log.ts';
import { type TaskRow, taskRow, upidParam } from './task-row.ts';

/** Enough for the disks of a guest that are copied side by side. */
const LOG_LINES = 50;
const PROGRESS_LINES = 3;

export const getTask = defineTool({
  name: 'get_task',
  title: 'Get task',
  description: 'Tells how a task stands: running (and how far), ok, with warnings or failed.',
  toolset: 'tasks',
  annotations: READS,
  calls: TASK_CALLS,
  input: z.strictObject({ cluster: clusterParam, upid: upidParam }),
  output: z.object({
    ...selectedFields,
    task: taskRow.extend({
      running_seconds: z.int().optional(),
      progress_percent: z.number().optional().describe('Of the step that its log speaks of.'),
      progress: z.array(z.string()).optional().describe('Lines of its log that tell of it.'),
    }),
  }),
  async run({ cluster: name, upid }, context) {
    const { node } = parseUpid(upid);
    const cluster = context.cluster(name);
    // The log is the lesser part: what it lacks costs no more than itself.
    const [task, log] = await Promise.all([
      statusOf(cluster, node, upid),
      logTail(cluster, { node, upid }, LOG_LINES).catch(() => undefined),
    ]);
    const running = task.status === 'running' ? runningOf(task, log?.lines ?? [], context.now()) : {};
    return { ...selectionOf(cluster), task: { ...task, ...running } };
  },
  summary({ cluster, task }) {
    const what = `${nameOf(task)} (${cluster})`;
    switch (task.status) {
      case 'running': {
        const { progress_percent: percent } = task;
        return `${what} runs${percent === undefined ? '' : `, at ${percent} %`}; wait_task follows it.`;
      }
      case 'ok':
        return `${what} succeeded.`;
      case 'warnings':
        return `${what} succeeded with ${cleanText(task.exit_status ?? '')}; get_task_log shows them.`;
      case 'failed':
        return `${what} failed: ${cleanText(task.exit_status ?? '')}. get_task_log shows why.`;
    }
  },
});

function runningOf({ started_at }: TaskRow, log: readonly string[], now: number) {
  const { lines, percent } = progressOf(log, PROGRESS_LINES);
  const since = started_at === undefined ? undefined : Math.round((now - Date.parse(started_at)) / 1000);
  return compact({
    // A node's clock may be ahead of ours.
    running_seconds: since === undefined ? undefined : Math.max(0, since),
    progress_percent: percent,
    progress: lines.length === 0 ? undefined : lines,
  });
}
