import { z } from 'zod';
import { apiPath } from '../../proxmox/api-path.ts';
import { quoted } from '../../proxmox/text.ts';
import { defineTool } from '../define.ts';
import { someOf } from '../fleet.ts';
import { clusterParam, selectedFields, selectionOf } from '../params.ts';
import { runTask, TASK_CALLS, taskDeadline, taskField, taskSentence, waitParam } from '../task.ts';
import { refused } from './interfaces.ts';
import { PENDING_CALLS, pendingOf } from './sdn-pending.ts';

export const applySdn = defineTool({
  name: 'apply_sdn',
  title: 'Apply SDN changes',
  description:
    'Applies all prepared SDN changes and reloads the network of every node, with what is prepared there. list_sdn shows them before.',
  toolset: 'network',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
  calls: [['PUT', '/cluster/sdn'], ...PENDING_CALLS, ...TASK_CALLS],
  input: z.strictObject({ cluster: clusterParam, wait_seconds: waitParam }),
  output: z.object({
    ...selectedFields,
    applied: z.array(
      z.object({
        kind: z.string(),
        id: z.string(),
        state: z.string(),
        changes: z.record(z.string(), z.unknown()).optional(),
      }),
    ),
    task: taskField,
  }),
  deadlineSeconds: ({ wait_seconds }) => taskDeadline(wait_seconds),
  async run(args, context) {
    const cluster = context.cluster(args.cluster).alone();
    const applied = await pendingOf(cluster);
    if (applied.length === 0) {
      const hint = 'save_sdn and delete_sdn prepare changes.';
      throw refused(cluster.name, 'CONFLICT', `Nothing waits to be applied in SDN of ${cluster.name}.`, hint);
    }
    const request = { method: 'PUT', path: apiPath`/cluster/sdn` } as const;
    const outcome = await runTask(cluster, request, args.wait_seconds, context);
    return { ...selectionOf(cluster), applied, ...outcome };
  },
  summary({ cluster, applied, task }) {
    const what = someOf(applied.map(({ kind, id, state }) => `${kind} ${quoted(id)} ${state}`));
    return taskSentence(`SDN of ${cluster} (${what})`, 'applied', task);
  },
});
