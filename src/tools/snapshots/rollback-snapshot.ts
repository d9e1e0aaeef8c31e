import { z } from 'zod';
import { quoted } from '../../proxmox/text.ts';
import { defineTool } from '../define.ts';
import { liveState } from '../guest-live.ts';
import { guestFields, guestLabel, guestParams, guestTarget } from '../guest-target.ts';
import { compact, isoTime, textOf } from '../results.ts';
import { runTask, TASK_CALLS, taskDeadline, taskField, taskSentence, waitParam } from '../task.ts';
import {
  expecting,
  ifReadable,
  readSnapshots,
  requireSnapshot,
  requireUnlocked,
  snapshotCalls,
  snapshotParam,
} from './snapshots.ts';

export const rollbackSnapshot = defineTool({
  name: 'rollback_snapshot',
  title: 'Roll back to snapshot',
  description:
    'Puts a guest back to a snapshot; what it wrote since is lost. Without saved RAM it is stopped then, unless `start`.',
  toolset: 'snapshots',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
  calls: [
    ['GET', '/cluster/resources'],
    ...snapshotCalls(
      ['GET', '/status/current'],
      ['GET', '/snapshot'],
      ['POST', '/snapshot/{snapname}/rollback', 'start'],
    ),
    ...TASK_CALLS,
  ],
  withoutCluster: 'lookup',
  input: z.strictObject({
    ...guestParams,
    snapshot: snapshotParam,
    start: z.boolean().optional(),
    wait_seconds: waitParam,
  }),
  output: z.object({
    ...guestFields,
    rolled_back: z.object({
      snapshot: z.string(),
      lost_since: z.string().optional().describe('What was written after this is gone.'),
      status: z.string().optional().describe('Of the guest, now.'),
    }),
    task: taskField,
  }),
  deadlineSeconds: ({ wait_seconds }) => taskDeadline(wait_seconds),
  async run(args, context) {
    const target = await guestTarget(context, args);
    const [found, before] = await Promise.all([
      ifReadable(readSnapshots(target)),
      ifReadable(liveState(target)),
    ]);
    const snapshot = found && requireSnapshot(found, args.snapshot, target);
    if (before !== undefined) requireUnlocked(before, target);
    const request = {
      method: 'POST',
      path: target.at('snapshot', args.snapshot, 'rollback'),
      data: args.start === true ? { start: 1 } : {},
      ...expecting(args.name),
    } as const;
    const outcome = await runTask(target.cluster, request, args.wait_seconds, context);
    const isOver = outcome.task?.status === 'ok' || outcome.task?.status === 'warnings';
    // It is done, whatever becomes of this question.
    const after = isOver ? await liveState(target).catch(() => undefined) : undefined;
    const taken = snapshot?.takenAt;
    return {
      ...target.fields(),
      rolled_back: {
        snapshot: args.snapshot,
        ...compact({
          lost_since: taken === undefined ? undefined : isoTime(taken * 1000),
          status: after && (textOf(after.row.status) ?? 'unknown'),
        }),
      },
      ...outcome,
    };
  },
  summary(result) {
    const { snapshot, lost_since, status } = result.rolled_back;
    const done = taskSentence(guestLabel(result), `rolled back to ${quoted(snapshot)}`, result.task);
    const lost = lost_since === undefined ? '' : ` What it wrote since ${lost_since} is lost.`;
    return `${done}${lost}${status === undefined ? '' : ` It is ${quoted(status)} now.`}`;
  },
});
