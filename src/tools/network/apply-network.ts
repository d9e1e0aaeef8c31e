import { z } from 'zod';
import { apiPath } from '../../proxmox/api-path.ts';
import { quoted } from '../../proxmox/text.ts';
import { nodeFor, nodeParam } from '../defaults.ts';
import { defineTool } from '../define.ts';
import { requireNode } from '../nodes.ts';
import { clusterParam, selectedFields, selectionOf } from '../params.ts';
import { runTask, TASK_CALLS, taskDeadline, taskField, taskSentence, waitParam } from '../task.ts';
import { INTERFACE_CALLS, readNetwork, refused } from './interfaces.ts';

export const applyNetwork = defineTool({
  name: 'apply_network',
  title: 'Apply network changes',
  description:
    'Applies what is prepared on a node and reloads its network: guests and this connection may be cut off, for good where it is wrong. Look at the diff of list_networks first.',
  toolset: 'network',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
  calls: [['PUT', '/nodes/{node}/network'], ...INTERFACE_CALLS, ...TASK_CALLS, ['GET', '/cluster/resources']],
  input: z.strictObject({ cluster: clusterParam, node: nodeParam, wait_seconds: waitParam }),
  output: z.object({ ...selectedFields, node: z.string(), applied: z.string(), task: taskField }),
  deadlineSeconds: ({ wait_seconds }) => taskDeadline(wait_seconds),
  async run(args, context) {
    const cluster = context.cluster(args.cluster).alone();
    const node = await nodeFor(cluster, args.node);
    await requireNode(cluster, node);
    const { pending } = await readNetwork(cluster, node);
    if (pending === undefined) {
      throw refused(
        cluster.name,
        'CONFLICT',
        `Nothing waits to be applied on ${quoted(node)}.`,
        'save_network or delete_network prepare changes.',
      );
    }
    const request = { method: 'PUT', path: apiPath`/nodes/${node}/network` } as const;
    const outcome = await runTask(cluster, request, args.wait_seconds, context);
    return { ...selectionOf(cluster), node, applied: pending, ...outcome };
  },
  summary({ cluster, node, task }) {
    return taskSentence(`The network of ${quoted(node)} (${cluster})`, 'reloaded with the changes', task);
  },
});
