import { z } from 'zod';
import { quoted } from '../../../proxmox/text.ts';
import { defineTool } from '../../define.ts';
import { RUN_CALLS } from '../../run-write.ts';
import { TASK_CALLS, taskDeadline, taskField } from '../../task.ts';
import { RESTORE_POINT_CALLS } from '../backup/restore-points.ts';
import { RESTORE_TARGET_CALLS } from '../backup/restore-target.ts';
import { goodOf, goodRow, goodText } from './good.ts';
import { jobParam, REPLICATING_TOOL, requireJob } from './job.ts';
import { REPLICA_CALLS } from './replicas.ts';
import { replicate } from './replicate.ts';
import { REPLICATION_WRITES } from './requests.ts';

export const runClusterReplication = defineTool({
  name: REPLICATING_TOOL,
  title: 'Replicate to another cluster now',
  description:
    'Runs a replication of save_cluster_replication now: backup, restore beside the last good state, check, then the older replica is deleted. Repeating the call goes on.',
  toolset: 'between',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
  calls: [
    ...REPLICATION_WRITES,
    ...RESTORE_POINT_CALLS,
    ...RESTORE_TARGET_CALLS,
    ...REPLICA_CALLS,
    ...RUN_CALLS,
    ...TASK_CALLS,
  ],
  withoutCluster: 'any',
  input: z.strictObject({ job: jobParam, wait_seconds: z.int().min(1).max(1800).default(300) }),
  output: z.object({
    job: z.string(),
    status: z.enum(['replicated', 'nothing_new', 'running']),
    last_good: goodRow,
    done: z.array(z.string()),
    task: taskField,
    note: z.string().optional(),
  }),
  deadlineSeconds: ({ wait_seconds }) => taskDeadline(wait_seconds),
  async run({ job: name, wait_seconds }, context) {
    const schedule = requireJob(context, name);
    const outcome = await replicate(schedule, wait_seconds, context);
    const now = requireJob(context, name);
    const good = goodOf(now, context.now());
    return { job: name, ...outcome, ...(good === undefined ? {} : { last_good: good }) };
  },
  summary({ job, status, last_good: good, note }) {
    const did = { replicated: 'has run', nothing_new: 'had nothing to do', running: 'runs still' }[status];
    return `The replication ${quoted(job)} ${did}. ${goodText(good)}${note === undefined ? '' : ` ${note}`}`;
  },
});
