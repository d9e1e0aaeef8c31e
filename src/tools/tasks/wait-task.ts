import { z } from 'zod';
import { cleanText } from '../../proxmox/text.ts';
import { defineTool, READS } from '../define.ts';
import { clusterParam, selectedFields, selectionOf } from '../params.ts';
import { TASK_CALLS } from '../task.ts';
import { followTask, nameOf } from './follow.ts';
import { taskRow, upidParam } from './task-row.ts';

/** Beyond the wait itself: the last question and the read of the log. */
const SLACK_SECONDS = 20;

export const waitTask = defineTool({
  name: 'wait_task',
  title: 'Wait for a task',
  description:
    'Waits until a task ends, at most `wait_seconds`, and tells how it ended with the end of its log. Cancelling never stops the task.',
  toolset: 'tasks',
  annotations: READS,
  calls: TASK_CALLS,
  input: z.strictObject({
    cluster: clusterParam,
    upid: upidParam,
    wait_seconds: z.int().min(0).max(600).default(30),
  }),
  output: z.object({ ...selectedFields, task: taskRow, log_tail: z.array(z.string()) }),
  deadlineSeconds: (args) => args.wait_seconds + SLACK_SECONDS,
  async run(args, context) {
    const cluster = context.cluster(args.cluster);
    const { task, logTail } = await followTask(cluster, args.upid, args.wait_seconds, context);
    const log_tail = await logTail();
    return { ...selectionOf(cluster), task, log_tail };
  },
  summary({ cluster, task }) {
    const what = `${nameOf(task)} (${cluster})`;
    if (task.status === 'running') return `${what} still runs; call wait_task again to go on waiting.`;
    const warned = task.status === 'warnings' ? ` with ${cleanText(task.exit_status ?? '')}` : '';
    return `${what} succeeded${warned}.`;
  },
});
