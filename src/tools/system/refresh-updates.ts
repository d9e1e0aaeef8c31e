import { z } from 'zod';
import { apiPath } from '../../proxmox/api-path.ts';
import { quoted } from '../../proxmox/text.ts';
import { nodeFor, nodeParam } from '../defaults.ts';
import { defineTool } from '../define.ts';
import { clusterParam, selectedFields, selectionOf } from '../params.ts';
import { runTask, TASK_CALLS, taskDeadline, taskField, taskSentence, waitParam } from '../task.ts';

export const refreshUpdates = defineTool({
  name: 'refresh_updates',
  title: 'Refresh package lists',
  description: 'Has a node fetch its package lists anew (apt update); it installs nothing.',
  toolset: 'system',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  calls: [['POST', '/nodes/{node}/apt/update', 'notify'], ['GET', '/cluster/resources'], ...TASK_CALLS],
  input: z.strictObject({
    cluster: clusterParam,
    node: nodeParam,
    notify: z.boolean().optional().describe('Of new packages.'),
    wait_seconds: waitParam,
  }),
  output: z.object({ ...selectedFields, node: z.string(), task: taskField }),
  deadlineSeconds: ({ wait_seconds }) => taskDeadline(wait_seconds),
  async run({ cluster: named, node: asked, notify, wait_seconds }, context) {
    const cluster = context.cluster(named).alone();
    const node = await nodeFor(cluster, asked);
    const path = apiPath`/nodes/${node}/apt/update`;
    const outcome = await runTask(cluster, { method: 'POST', path, data: { notify } }, wait_seconds, context);
    return { ...selectionOf(cluster), node, ...outcome };
  },
  summary: ({ cluster, node, task }) =>
    taskSentence(`The package list of ${quoted(node)} of ${cluster}`, 'refreshed', task),
});
