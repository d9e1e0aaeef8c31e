import { z } from 'zod';
import { inQuotes, quoted } from '../../proxmox/text.ts';
import { defineTool, READS } from '../define.ts';
import { someOf } from '../fleet.ts';
import { scopeOf } from '../guest-scope.ts';
import { guestParams } from '../guest-target.ts';
import { limitParam, selectedFields, selectionOf } from '../params.ts';
import { count } from '../results.ts';
import { REPLICATION_CALLS, readReplication, replicationRow } from './job.ts';

export const listReplication = defineTool({
  name: 'list_replication',
  title: 'List replication',
  description: 'Lists storage replication jobs, of a guest or all: last and next sync, duration, failures.',
  toolset: 'replication',
  annotations: READS,
  calls: REPLICATION_CALLS,
  withoutCluster: 'lookup',
  input: z.strictObject({ ...guestParams, limit: limitParam(100, 500) }),
  output: z.object({
    ...selectedFields,
    jobs: z.array(replicationRow),
    total: z.int(),
    failing: z.int(),
    unread: z.array(z.object({ node: z.string(), problem: z.string() })).optional(),
  }),
  async run(args, context) {
    const { cluster, vmid } = await scopeOf(context, args);
    const { rows, unread } = await readReplication(cluster, vmid);
    // What fails comes first, so that a bound never hides it.
    const jobs = rows.toSorted((a, b) => Number(b.state === 'failing') - Number(a.state === 'failing'));
    return {
      ...selectionOf(cluster),
      jobs: jobs.slice(0, args.limit),
      total: rows.length,
      failing: rows.filter(({ state }) => state === 'failing').length,
      ...(unread.length === 0 ? {} : { unread }),
    };
  },
  summary({ cluster, jobs, total, failing, unread = [] }) {
    const failed = jobs.filter(({ state }) => state === 'failing');
    const which = someOf(failed.map(({ id, error = '' }) => `${id} (${inQuotes(error, 200)})`));
    const without =
      unread.length === 0 ? '' : ` Not asked: ${someOf(unread.map(({ node }) => quoted(node)))}.`;
    return `${cluster}: ${count(total, 'replication job')}, ${failing} failing${which === '' ? '' : `: ${which}`}.${without}`;
  },
});
