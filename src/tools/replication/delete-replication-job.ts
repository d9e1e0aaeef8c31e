import { z } from 'zod';
import { apiPath } from '../../proxmox/api-path.ts';
import { CallError } from '../../proxmox/errors.ts';
import { quoted } from '../../proxmox/text.ts';
import { defineTool } from '../define.ts';
import { scopeOf } from '../guest-scope.ts';
import { clusterParam, selectedFields, selectionOf } from '../params.ts';
import { REPLICATION_CALLS, replicationIdParam, replicationRow, requireReplication } from './job.ts';

export const deleteReplicationJob = defineTool({
  name: 'delete_replication_job',
  title: 'Delete a replication job',
  description: 'Marks a replication job for removal; its copies on the target go, too, unless `keep`.',
  toolset: 'replication',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
  calls: [['DELETE', '/cluster/replication/{id}', 'keep', 'force'], ...REPLICATION_CALLS],
  withoutCluster: 'lookup',
  input: z.strictObject({
    cluster: clusterParam,
    id: replicationIdParam,
    keep: z.boolean().default(false),
    force: z.boolean().default(false).describe('Drop the entry without any cleaning up.'),
  }),
  output: z.object({ ...selectedFields, job: replicationRow, copies: z.enum(['removed', 'kept', 'left']) }),
  async run({ cluster: named, id, keep, force }, context) {
    if (keep && force) {
      throw new CallError('INVALID_ARGUMENTS', '`keep` and `force` are given together.', {
        hint: 'With `force` nothing is cleaned up anyway. Nothing was sent.',
      });
    }
    const scope = await scopeOf(context, { cluster: named, vmid: Number(id.split('-')[0]) });
    const cluster = scope.cluster.alone();
    const job = await requireReplication(cluster, id);
    const data = { keep: keep || undefined, force: force || undefined };
    await cluster.request({ method: 'DELETE', path: apiPath`/cluster/replication/${id}`, data });
    const copies = force ? 'left' : keep ? 'kept' : 'removed';
    return { ...selectionOf(cluster), job, copies } as const;
  },
  summary({ cluster, job, copies }) {
    // The node takes a job away at its next run, and its copies then.
    const done = copies === 'left' ? 'was dropped' : 'was marked for removal';
    const then = copies === 'removed' ? 'go with it, once the node removes it' : 'stay';
    return `The replication job ${job.id} of ${cluster} ${done}; the copies on ${quoted(job.target)} ${then}.`;
  },
});
