import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { quoted } from '../../proxmox/text.ts';
import { defineTool } from '../define.ts';
import { someOf } from '../fleet.ts';
import { clusterParam, selectedFields, selectionOf } from '../params.ts';
import { rowsOf } from '../results.ts';
import { jobIdParam, jobOf, jobRow, requireJob } from './job-row.ts';

export const deleteBackupJob = defineTool({
  name: 'delete_backup_job',
  title: 'Delete a backup job',
  description: 'Deletes a backup job; its backups stay. Says which guests no job backs up any more.',
  toolset: 'backups',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
  calls: [
    ['DELETE', '/cluster/backup/{id}'],
    ['GET', '/cluster/backup'],
    ['GET', '/cluster/backup-info/not-backed-up'],
  ],
  input: z.strictObject({ cluster: clusterParam, id: jobIdParam }),
  output: z.object({
    ...selectedFields,
    job: jobRow,
    now_uncovered: z.array(z.int()).optional().describe('VMIDs that no enabled job backs up any more.'),
  }),
  async run({ cluster: named, id }, context) {
    const cluster = context.cluster(named).alone();
    const [job, before] = await Promise.all([requireJob(cluster, id), uncovered(cluster)]);
    await cluster.request({ method: 'DELETE', path: apiPath`/cluster/backup/${id}` });
    const after = before && (await uncovered(cluster));
    const lost = before && after?.filter((vmid) => !before.includes(vmid));
    return {
      ...selectionOf(cluster),
      job: jobOf(job),
      ...(lost === undefined ? {} : { now_uncovered: lost }),
    };
  },
  summary({ cluster, job, now_uncovered }) {
    const lost = now_uncovered?.length
      ? ` No enabled job backs up ${someOf(now_uncovered.map(String))} any more.`
      : '';
    return `The backup job ${quoted(job.id ?? '')} of ${cluster} was deleted; its backups stay.${lost}`;
  },
});

/** @returns VMIDs of the guests that are in no enabled job; undefined where that can't be read */
async function uncovered(cluster: GatedCluster): Promise<number[] | undefined> {
  try {
    const { data } = await cluster.request({
      method: 'GET',
      path: apiPath`/cluster/backup-info/not-backed-up`,
    });
    return rowsOf(data).map(({ vmid }) => Number(vmid));
  } catch {
    return undefined;
  }
}
