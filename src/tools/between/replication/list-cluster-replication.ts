import { z } from 'zod';
import type { Schedule } from '../../../access/schedules/schedule.ts';
import { toCallError } from '../../../proxmox/errors.ts';
import { inQuotes, quoted } from '../../../proxmox/text.ts';
import { defineTool, READS, type ToolContext } from '../../define.ts';
import { someOf } from '../../fleet.ts';
import { compact, count, isoTime } from '../../results.ts';
import { goodOf, goodRow, goodText } from './good.ts';
import {
  jobOf,
  jobParam,
  REPLICATING_TOOL,
  type ReplicationJob,
  replicasOf,
  requireJob,
  runKey,
  timingText,
} from './job.ts';
import { configAt, isReplica, REPLICA_CALLS, whyNotOurs } from './replicas.ts';

const row = z.object({
  job: z.string(),
  source: z.string(),
  vmid: z.int(),
  guest: z.string().optional(),
  target: z.string(),
  node: z.string(),
  replicas: z.array(
    z.object({
      vmid: z.int(),
      backup_at: z.string(),
      is: z.enum(['as_made', 'changed', 'gone', 'not_known']),
      why: z.string().optional(),
    }),
  ),
  reserved_vmids: z.array(z.int()),
  keep: z.int(),
  schedule: z.string(),
  enabled: z.boolean(),
  next_run_at: z.string().optional(),
  last_good: goodRow,
  last_run_at: z.string().optional(),
  last_result: z.enum(['ok', 'failed']).optional(),
  last_text: z.string().optional(),
  running: z.object({ step: z.string(), since: z.string(), upid: z.string().optional() }).optional(),
});

type Row = z.output<typeof row>;
type Shown = Row['replicas'][number];

export const listClusterReplication = defineTool({
  name: 'list_cluster_replication',
  title: 'List replications between clusters',
  description:
    'Lists your replications to other clusters: schedule, last good state (which VMID, how old), last result, what runs.',
  toolset: 'between',
  annotations: READS,
  calls: [['GET', '/cluster/resources'], ...REPLICA_CALLS.filter(([, path]) => path !== '/cluster/nextid')],
  withoutCluster: 'any',
  input: z.strictObject({ job: jobParam.optional() }),
  output: z.object({ jobs: z.array(row), total: z.int(), note: z.string().optional() }),
  async run({ job }, context) {
    const schedules = context.schedules();
    const wanted = job === undefined ? schedules.list(REPLICATING_TOOL) : [requireJob(context, job)];
    const jobs = await Promise.all(wanted.map((schedule) => rowOf(schedule, context)));
    const isLost = jobs.length > 0 && !schedules.isKept;
    return { jobs, total: jobs.length, ...(isLost ? { note: ENDS_WITH_PROCESS } : {}) };
  },
  summary({ jobs, total, note }) {
    const failed = jobs.filter(({ last_result }) => last_result === 'failed');
    const which = someOf(failed.map(({ job, last_text = '' }) => `${job} (${inQuotes(last_text, 200)})`));
    const [only] = jobs;
    const one = total === 1 && only !== undefined ? ` ${quoted(only.job)}: ${goodText(only.last_good)}` : '';
    const failing = failed.length === 0 ? 'none failed last' : `failed last: ${which}`;
    return `${count(total, 'replication')}, ${failing}.${one}${note === undefined ? '' : ` ${note}`}`;
  },
});

/** Where no STATE_FILE is set. */
export const ENDS_WITH_PROCESS =
  'It is kept in memory alone and ends with this process: the operator can set STATE_FILE.';

async function rowOf(schedule: Schedule, context: ToolContext): Promise<Row> {
  const job = jobOf(schedule);
  const { name, timing, isEnabled, dueAt, last } = schedule;
  const { source, vmid, target, node, keep } = job;
  const [replicas, isSeen] = await Promise.all([replicasNow(schedule, context), isGuestSeen(job, context)]);
  const gone = replicas.filter(({ is }) => is === 'gone').map((replica) => replica.vmid);
  const good = goodOf(schedule, context.now(), (replica) => !gone.includes(replica.vmid));
  return {
    job: name,
    ...{ source, vmid, target, node, keep },
    ...(isSeen ? { guest: job.guest } : {}),
    reserved_vmids: job.vmids,
    schedule: timingText(timing),
    enabled: isEnabled,
    ...(isEnabled ? { next_run_at: isoTime(dueAt) } : {}),
    ...compact({ last_good: good }),
    replicas,
    ...(last === undefined
      ? {}
      : {
          last_run_at: isoTime(last.at),
          last_result: last.isOk ? ('ok' as const) : ('failed' as const),
          last_text: last.text,
        }),
    ...runningIn(schedule, context),
  };
}

/** Whoever saved it knew the guest, and may not be meant to any more; a cluster that does not answer hides nothing. */
async function isGuestSeen(job: ReplicationJob, context: ToolContext): Promise<boolean> {
  try {
    const { guests } = await context.cluster(job.source).alone().inventory();
    return guests.some(({ vmid, name }) => vmid === job.vmid && name === job.guest);
  } catch (thrown) {
    context.signal.throwIfAborted();
    return toCallError(thrown).code === 'CLUSTER_UNREACHABLE';
  }
}

/** What is on the target now, newest first: what was seen whole once may have been deleted since. */
async function replicasNow(schedule: Schedule, context: ToolContext): Promise<Shown[]> {
  const job = jobOf(schedule);
  const replicas = replicasOf(schedule).toReversed();
  return Promise.all(
    replicas.map(async (replica): Promise<Shown> => {
      const shown = { vmid: replica.vmid, backup_at: isoTime(replica.backupAt) };
      try {
        const target = context.cluster(job.target).alone();
        const config = await configAt(target, job, replica.vmid);
        if (config === undefined) return { ...shown, is: 'gone' };
        const why = await whyNotOurs(target, job, replica, config);
        if (why === undefined) return { ...shown, is: 'as_made' };
        return { ...shown, is: isReplica(config, job) ? 'changed' : 'gone', why };
      } catch (thrown) {
        context.signal.throwIfAborted();
        return { ...shown, is: 'not_known', why: toCallError(thrown).message };
      }
    }),
  );
}

function runningIn(schedule: Schedule, context: ToolContext): Pick<Row, 'running'> {
  const run = context.runs().last(runKey(schedule));
  const step = run?.state === 'open' ? run.steps().findLast(({ state }) => state === 'begun') : undefined;
  if (step === undefined) return {};
  const { name, begunAt, upid } = step;
  return { running: { step: name, since: isoTime(begunAt), ...(upid === undefined ? {} : { upid }) } };
}
