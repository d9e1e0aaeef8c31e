import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import { isObject, number } from '../../catalogue/json.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { CallError } from '../../proxmox/errors.ts';
import { inQuotes, quoted } from '../../proxmox/text.ts';
import { defineTool, type ToolContext } from '../define.ts';
import { scopeOf } from '../guest-scope.ts';
import { clusterParam, selectedFields, selectionOf } from '../params.ts';
import { compact, isoTime, textOf } from '../results.ts';
import { taskDeadline } from '../task.ts';
import { REPLICATION_CALLS, replicationIdParam, requireReplication } from './job.ts';

const PAUSE_MS = 2000;

export const runReplication = defineTool({
  name: 'run_replication',
  title: 'Replicate now',
  description: 'Has a replication job run as soon as possible, within a minute, and waits for its sync.',
  toolset: 'replication',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  calls: [
    ['POST', '/nodes/{node}/replication/{id}/schedule_now'],
    ['GET', '/nodes/{node}/replication/{id}/status'],
    ...REPLICATION_CALLS,
  ],
  withoutCluster: 'lookup',
  input: z.strictObject({
    cluster: clusterParam,
    id: replicationIdParam,
    wait_seconds: z.int().min(0).max(600).default(90),
  }),
  output: z.object({
    ...selectedFields,
    id: z.string(),
    synced: z.boolean().describe('Whether it was seen to end.'),
    last_sync_at: z.string().optional(),
    duration_seconds: z.number().optional(),
  }),
  deadlineSeconds: ({ wait_seconds }) => taskDeadline(wait_seconds),
  async run({ cluster: named, id, wait_seconds }, context) {
    const scope = await scopeOf(context, { cluster: named, vmid: Number(id.split('-')[0]) });
    const cluster = scope.cluster.alone();
    const { source, state } = await requireReplication(cluster, id);
    if (source === undefined || state === 'disabled' || state === 'removing') {
      throw new CallError('CONFLICT', `The replication job ${id} is ${source ? state : 'of no guest'}.`, {
        cluster: cluster.name,
        hint: 'save_replication_job with enabled: true turns one on. Nothing was sent.',
        retryable: false,
      });
    }
    const before = await statusOf(cluster, source, id);
    const path = apiPath`/nodes/${source}/replication/${id}/schedule_now`;
    await cluster.request({ method: 'POST', path });
    const after = await synced(cluster, { node: source, id, before, waitSeconds: wait_seconds }, context);
    return {
      ...selectionOf(cluster),
      id,
      synced: after !== undefined,
      ...compact({
        last_sync_at: after && isoTime(after.lastSync * 1000),
        duration_seconds: after?.duration,
      }),
    };
  },
  summary({ cluster, id, synced: isOver, last_sync_at = '' }) {
    return isOver
      ? `The replication job ${id} of ${cluster} synced at ${last_sync_at}.`
      : `The replication job ${id} of ${cluster} is due now; list_replication tells when it has synced.`;
  },
});

interface Status {
  /** Epoch seconds; 0 before the first. */
  lastSync: number;
  failures: number;
  duration: number | undefined;
  error: string | undefined;
}

async function statusOf(cluster: GatedCluster, node: string, id: string): Promise<Status> {
  const path = apiPath`/nodes/${node}/replication/${id}/status`;
  const { data } = await cluster.request({ method: 'GET', path });
  const row = isObject(data) ? data : {};
  return {
    lastSync: number(row.last_sync) ?? 0,
    failures: number(row.fail_count) ?? 0,
    duration: number(row.duration),
    error: textOf(row.error),
  };
}

interface Wait {
  node: string;
  id: string;
  before: Status;
  waitSeconds: number;
}

/**
 * Asks until the sync has ended: there is no task to follow, as the node's scheduler does it.
 *
 * @returns undefined where it did not end in time
 * @throws CallError TASK_FAILED where it failed
 */
async function synced(
  cluster: GatedCluster,
  { node, id, before, waitSeconds }: Wait,
  context: ToolContext,
): Promise<Status | undefined> {
  const startedAt = context.now();
  for (;;) {
    const left = startedAt + waitSeconds * 1000 - context.now();
    if (left <= 0) return undefined;
    const now = await statusOf(cluster, node, id);
    if (now.lastSync > before.lastSync) return now;
    if (now.failures > before.failures) {
      throw new CallError(
        'TASK_FAILED',
        `The replication job ${id} failed: ${inQuotes(now.error ?? '', 300)}`,
        {
          cluster: cluster.name,
          hint: `Proxmox tries again by itself. See whether the nodes reach each other; it runs on ${quoted(node)}.`,
        },
      );
    }
    const waited = Math.round((context.now() - startedAt) / 1000);
    context.progress({ progress: waited, total: waitSeconds, message: `waits for the sync of ${id}` });
    await context.sleep(Math.min(PAUSE_MS, left));
  }
}
