import { z } from 'zod';
import { quoted } from '../../proxmox/text.ts';
import { defineTool } from '../define.ts';
import { guestFields, guestLabel, guestParams, guestTarget } from '../guest-target.ts';
import { runTask, TASK_CALLS, taskDeadline, taskField, taskSentence, waitParam } from '../task.ts';
import {
  expecting,
  ifReadable,
  readSnapshots,
  requireSnapshot,
  snapshotCalls,
  snapshotParam,
} from './snapshots.ts';

export const deleteSnapshot = defineTool({
  name: 'delete_snapshot',
  title: 'Delete snapshot',
  description: 'Deletes a snapshot; later ones stay. `force`: even where its disk parts can’t be removed.',
  toolset: 'snapshots',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: true },
  calls: [
    ['GET', '/cluster/resources'],
    ...snapshotCalls(['GET', '/snapshot'], ['DELETE', '/snapshot/{snapname}', 'force']),
    ...TASK_CALLS,
  ],
  withoutCluster: 'lookup',
  input: z.strictObject({
    ...guestParams,
    snapshot: snapshotParam,
    force: z.boolean().optional(),
    wait_seconds: waitParam,
  }),
  output: z.object({ ...guestFields, snapshot: z.string(), task: taskField }),
  deadlineSeconds: ({ wait_seconds }) => taskDeadline(wait_seconds),
  async run(args, context) {
    const target = await guestTarget(context, args);
    const found = await ifReadable(readSnapshots(target));
    if (found !== undefined) requireSnapshot(found, args.snapshot, target);
    const request = {
      method: 'DELETE',
      path: target.at('snapshot', args.snapshot),
      data: args.force === true ? { force: 1 } : {},
      ...expecting(args.name),
    } as const;
    const outcome = await runTask(target.cluster, request, args.wait_seconds, context);
    return { ...target.fields(), snapshot: args.snapshot, ...outcome };
  },
  summary(result) {
    return taskSentence(
      `Snapshot ${quoted(result.snapshot)} of ${guestLabel(result)}`,
      'deleted',
      result.task,
    );
  },
});
