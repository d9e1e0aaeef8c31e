import { z } from 'zod';
import { JOB_STATES } from '../../access/jobs/job.ts';
import type { KnownJob } from '../../access/jobs/jobs.ts';
import { parseUpid } from '../../proxmox/upid.ts';
import { defineTool, READS } from '../define.ts';
import { checkCursor, listParams, type Order, pageOf, pagingFields, showing } from '../paging.ts';
import { clusterParam } from '../params.ts';
import { compact, count, isoTime, noted } from '../results.ts';

const input = z.strictObject({
  cluster: clusterParam,
  status: z.enum(JOB_STATES).optional(),
  vmid: z.int().min(1).optional(),
  mine: z.boolean().default(false).describe('Only what you started.'),
  ...listParams(50, 500),
});

const jobRow = z
  .object({
    cluster: z.string(),
    upid: z.string(),
    type: z.string(),
    vmid: z.int(),
    status: z.enum(JOB_STATES),
    exit_status: z.string(),
    started_at: z.string(),
    end_seen_at: z.string().describe('When this server learnt of the end.'),
    by: z.string(),
    tool: z.string(),
    problem: z.string().describe('Why its state can’t be asked now.'),
  })
  .partial();

const COLUMNS = Object.keys(jobRow.shape);

const NEWEST_FIRST: Order<KnownJob> = {
  value: ({ startedAt }) => startedAt,
  id: ({ upid }) => upid,
  descending: true,
};

export const listJobs = defineTool({
  name: 'list_jobs',
  title: 'List jobs',
  description:
    'Lists the tasks that this server started, for whom and with which tool, also before its restart.',
  toolset: 'tasks',
  annotations: { ...READS, openWorldHint: false },
  calls: [],
  withoutCluster: 'all',
  input,
  output: z.object({
    jobs: z.array(jobRow),
    total: z.int(),
    running: z.int(),
    failed_jobs: z.int(),
    as_of: z.string(),
    ...pagingFields,
  }),
  async run(args, context) {
    checkCursor(args);
    const { status: state, vmid: guest, mine } = args;
    // Throws for who sees none.
    context.clusters();
    const cluster = args.cluster === undefined ? undefined : context.cluster(args.cluster).name;
    const jobs = context.jobs({ cluster, state, guest, mine });
    const { rows, next_cursor, note } = pageOf(
      [...Map.groupBy(jobs, (job) => job.cluster)].map(([name, own]) => ({ cluster: name, rows: own })),
      NEWEST_FIRST,
      { args, isAll: true, columns: COLUMNS, beside: {} },
      rowOf,
    );
    return {
      jobs: rows,
      total: jobs.length,
      running: countOf(jobs, 'running'),
      failed_jobs: countOf(jobs, 'failed'),
      as_of: isoTime(context.now()),
      ...(next_cursor === undefined ? {} : { next_cursor }),
      ...noted(note),
    };
  },
  summary(answer) {
    const { jobs, total, running, failed_jobs, note } = answer;
    return `${count(total, 'job')}${showing(jobs, answer)}; ${running} running, ${failed_jobs} failed.${note ? ` ${note}` : ''}`;
  },
});

function rowOf({ upid, guest, state, exitStatus, startedAt, endSeenAt, subject, tool, problem }: KnownJob) {
  return compact({
    upid,
    type: parseUpid(upid).type,
    vmid: guest,
    status: state,
    exit_status: exitStatus,
    started_at: isoTime(startedAt),
    end_seen_at: endSeenAt === undefined ? undefined : isoTime(endSeenAt),
    by: subject,
    tool,
    problem,
  });
}

function countOf(jobs: readonly KnownJob[], state: KnownJob['state']): number {
  return jobs.filter((job) => job.state === state).length;
}
