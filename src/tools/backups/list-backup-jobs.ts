import { z } from 'zod';
import { quoted } from '../../proxmox/text.ts';
import { defineTool, READS } from '../define.ts';
import { someOf } from '../fleet.ts';
import { clusterParam, limitParam, selectedFields, selectionOf } from '../params.ts';
import { count } from '../results.ts';
import { jobOf, jobRow, readJobs } from './job-row.ts';

export const listBackupJobs = defineTool({
  name: 'list_backup_jobs',
  title: 'List backup jobs',
  description: 'Lists scheduled backup jobs: whom, when, where to, what is kept, and the next run.',
  toolset: 'backups',
  annotations: READS,
  calls: [['GET', '/cluster/backup']],
  input: z.strictObject({ cluster: clusterParam, limit: limitParam(100, 500) }),
  output: z.object({ ...selectedFields, jobs: z.array(jobRow), total: z.int(), enabled: z.int() }),
  async run({ cluster: named, limit }, context) {
    const cluster = context.cluster(named);
    const jobs = (await readJobs(cluster)).map(jobOf);
    return {
      ...selectionOf(cluster),
      jobs: jobs.slice(0, limit),
      total: jobs.length,
      enabled: jobs.filter(({ enabled }) => enabled).length,
    };
  },
  summary({ cluster, jobs, total, enabled }) {
    const names = someOf(
      jobs.map(({ id = '', schedule = 'never' }) => `${quoted(id)} (${quoted(schedule)})`),
    );
    return `${cluster}: ${count(total, 'backup job')}, ${enabled} enabled${names === '' ? '' : `: ${names}`}.`;
  },
});
