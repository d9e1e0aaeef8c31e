import { z } from 'zod';
import { apiPath } from '../../proxmox/api-path.ts';
import { CallError } from '../../proxmox/errors.ts';
import { quoted } from '../../proxmox/text.ts';
import { parseUpid } from '../../proxmox/upid.ts';
import { defineTool } from '../define.ts';
import { clusterParam, selectedFields, selectionOf } from '../params.ts';
import { nameOf, statusOf } from './follow.ts';
import { taskRow, upidParam } from './task-row.ts';

export const stopTask = defineTool({
  name: 'stop_task',
  title: 'Stop task',
  description: 'Breaks off a running task. What it did stays, and may be half done.',
  toolset: 'tasks',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: true },
  calls: [
    ['GET', '/nodes/{node}/tasks/{upid}/status'],
    ['DELETE', '/nodes/{node}/tasks/{upid}'],
  ],
  input: z.strictObject({ cluster: clusterParam, upid: upidParam }),
  output: z.object({ ...selectedFields, task: taskRow }),
  async run({ cluster: name, upid }, context) {
    const { node } = parseUpid(upid);
    const cluster = context.cluster(name);
    const before = await statusOf(cluster, node, upid);
    if (before.status !== 'running') {
      const exit = quoted(before.exit_status ?? before.status);
      throw new CallError('CONFLICT', `${nameOf(before)} is over: ${exit}.`, {
        cluster: cluster.name,
        retryable: false,
        hint: 'Only a task that runs can be stopped; list_tasks with status running has those. Nothing was sent.',
      });
    }
    await cluster.request({ method: 'DELETE', path: apiPath`/nodes/${node}/tasks/${upid}` });
    // It is told to stop, whatever becomes of this question.
    const after = await statusOf(cluster, node, upid).catch(() => before);
    return { ...selectionOf(cluster), task: after };
  },
  summary({ cluster, task }) {
    const what = `${nameOf(task)} (${cluster})`;
    if (task.status === 'running')
      return `${what} was told to stop and runs as yet; get_task tells when it is over.`;
    if (task.status !== 'failed') return `${what} was over before it could be stopped: it succeeded.`;
    const left = task.id ? ` Look at ${quoted(task.id)}: it may be left half done, or locked.` : '';
    return `${what} was stopped.${left}`;
  },
});
