import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import { isTrue, type Json, number } from '../../catalogue/json.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { CallError, toCallError } from '../../proxmox/errors.ts';
import { quoted } from '../../proxmox/text.ts';
import { someOf } from '../fleet.ts';
import { compact, isoTime, rowsOf, textOf } from '../results.ts';

export const replicationIdParam = z
  .string()
  .regex(/^[1-9]\d{2,8}-\d{1,9}$/, 'is VMID-number, such as 100-0')
  .describe('Such as 100-0.');

export const replicationRow = z.object({
  id: z.string(),
  vmid: z.int(),
  guest: z.string().optional(),
  source: z.string().optional(),
  target: z.string(),
  state: z.enum(['ok', 'failing', 'syncing', 'waiting', 'disabled', 'removing', 'unknown']),
  schedule: z.string(),
  rate_mbyte_per_second: z.number().optional(),
  comment: z.string().optional(),
  last_sync_at: z.string().optional(),
  next_sync_at: z.string().optional(),
  duration_seconds: z.number().optional(),
  fail_count: z.int().optional(),
  error: z.string().optional(),
});

export type ReplicationRow = z.output<typeof replicationRow>;

export interface ReplicationJobs {
  rows: ReplicationRow[];
  /** Nodes whose jobs' states could not be asked, and why. */
  unread: { node: string; problem: string }[];
}

/**
 * The jobs of a cluster and how they go, which only the node of each guest knows.
 *
 * @throws CallError where the jobs can't be read
 */
export async function readReplication(
  cluster: GatedCluster,
  vmid: number | undefined,
): Promise<ReplicationJobs> {
  const [inventory, reply] = await Promise.all([
    cluster.inventory(),
    cluster.request({ method: 'GET', path: apiPath`/cluster/replication` }),
  ]);
  const guests = new Map(inventory.guests.map((guest) => [guest.vmid, guest]));
  const jobs = rowsOf(reply.data).filter((job) => vmid === undefined || vmidOf(job) === vmid);
  const homeOf = (job: Json) => guests.get(vmidOf(job))?.node ?? textOf(job.source);
  const nodes = [...new Set(jobs.flatMap((job) => homeOf(job) ?? []))];
  const unread: ReplicationJobs['unread'] = [];
  const lists = await Promise.all(
    nodes.map(async (node) => {
      try {
        const path = apiPath`/nodes/${node}/replication`;
        return rowsOf((await cluster.request({ method: 'GET', path })).data);
      } catch (thrown) {
        const { code, message } = toCallError(thrown);
        unread.push({ node, problem: `${code}: ${message}` });
        return [];
      }
    }),
  );
  const states = new Map(lists.flat().map((state) => [String(state.id), state]));
  const rows = jobs.map((job) =>
    rowOf(job, states.get(String(job.id)), { source: homeOf(job), guest: guests.get(vmidOf(job))?.name }),
  );
  return { rows, unread };
}

function vmidOf({ guest, id }: Json): number {
  return number(guest) ?? Number(String(id).split('-')[0]);
}

function rowOf(
  job: Json,
  state: Json | undefined,
  { source, guest }: { source: string | undefined; guest: string | undefined },
): ReplicationRow {
  const time = (seconds: unknown): string | undefined => {
    const value = number(seconds);
    return value === undefined || value <= 0 ? undefined : isoTime(value * 1000);
  };
  const duration = number(state?.duration);
  return {
    id: String(job.id),
    vmid: vmidOf(job),
    ...compact({ guest, source }),
    target: String(job.target),
    state: stateOf(job, state),
    schedule: textOf(job.schedule) ?? '*/15',
    ...compact({
      rate_mbyte_per_second: number(job.rate),
      comment: textOf(job.comment),
      last_sync_at: time(state?.last_sync),
      next_sync_at: isTrue(job.disable) ? undefined : time(state?.next_sync),
      duration_seconds: duration === undefined || duration <= 0 ? undefined : Math.round(duration * 10) / 10,
      fail_count: number(state?.fail_count) || undefined,
      error: textOf(state?.error),
    }),
  };
}

function stateOf(job: Json, state: Json | undefined): ReplicationRow['state'] {
  if (textOf(job.remove_job) !== undefined) return 'removing';
  if (isTrue(job.disable)) return 'disabled';
  if (state === undefined) return 'unknown';
  if (state.pid !== undefined) return 'syncing';
  if ((number(state.fail_count) ?? 0) > 0 || textOf(state.error) !== undefined) return 'failing';
  return (number(state.last_sync) ?? 0) > 0 ? 'ok' : 'waiting';
}

/** @throws CallError NOT_FOUND that names the guest's jobs */
export async function requireReplication(cluster: GatedCluster, id: string): Promise<ReplicationRow> {
  const { rows } = await readReplication(cluster, Number(id.split('-')[0]));
  const row = rows.find((job) => job.id === id);
  if (row !== undefined) return row;
  throw new CallError('NOT_FOUND', `${cluster.name} has no replication job ${quoted(id)}.`, {
    cluster: cluster.name,
    hint: `Of this guest it has: ${someOf(rows.map((job) => job.id)) || 'none that the token sees'}. Nothing was sent.`,
  });
}

/** What reading jobs may call. */
export const REPLICATION_CALLS = [
  ['GET', '/cluster/replication'],
  ['GET', '/nodes/{node}/replication'],
  ['GET', '/cluster/resources'],
] as const;
