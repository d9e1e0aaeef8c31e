import { z } from 'zod';
import { isTrue } from '../../catalogue/json.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { inQuotes } from '../../proxmox/text.ts';
import { defineTool, READS } from '../define.ts';
import { someOf } from '../fleet.ts';
import { clusterParam, selectedFields, selectionOf } from '../params.ts';
import { readParts, unreadField, withoutUnread } from '../parts.ts';
import { rowsOf } from '../results.ts';
import { inWords } from '../size.ts';
import { askCeph, readCeph } from './ceph.ts';
import { shownStatus, shownVersions, statusFields } from './status-view.ts';

export const cephStatus = defineTool({
  name: 'ceph_status',
  title: 'Ceph status',
  description:
    'Health of Ceph with what is wrong, capacity, OSDs, monitors, placement groups, flags, versions.',
  toolset: 'ceph',
  annotations: READS,
  calls: [
    ['GET', '/nodes/{node}/ceph/status'],
    ['GET', '/cluster/ceph/flags'],
    ['GET', '/cluster/ceph/metadata', 'scope'],
    ['GET', '/cluster/resources'],
  ],
  input: z.strictObject({ cluster: clusterParam }),
  output: z.object({
    ...selectedFields,
    ...statusFields,
    flags: z.array(z.string()).optional(),
    nodes: z.array(z.object({ node: z.string(), version: z.string() })).optional(),
    running: z.array(z.string()).optional().describe('Versions of the daemons.'),
    unread: unreadField,
  }),
  async run({ cluster: named }, context) {
    const cluster = context.cluster(named);
    const { answer } = await askCeph(cluster, (node) => readCeph(cluster, node, 'status'));
    const get = async (path: ReturnType<typeof apiPath>, data?: Record<string, unknown>) =>
      (await cluster.request({ method: 'GET', path, data })).data;
    const reads = {
      // The one that can't fail: without the others the status is worth having.
      status: async () => answer,
      flags: async () => {
        const rows = rowsOf(await get(apiPath`/cluster/ceph/flags`));
        return { flags: rows.filter(({ value }) => isTrue(value)).map(({ name }) => String(name)) };
      },
      versions: async () => shownVersions(await get(apiPath`/cluster/ceph/metadata`, { scope: 'versions' })),
    };
    const { parts, unread } = await readParts(reads, context.signal);
    return {
      ...selectionOf(cluster),
      ...shownStatus(answer),
      ...parts.flags,
      ...parts.versions,
      ...(unread === undefined ? {} : { unread }),
    };
  },
  summary({ cluster, health, checks, capacity, running = [], unread }) {
    const wrong = checks.map(({ name, message }) => `${name} (${inQuotes(message, 120)})`);
    const { used_bytes: used, total_bytes: total } = capacity ?? {};
    const space =
      typeof used === 'number' && typeof total === 'number'
        ? `; ${inWords(used)} of ${inWords(total)} used`
        : '';
    const mixed = running.length > 1 ? `; daemons run different versions (${running.join(', ')})` : '';
    return `Ceph of ${cluster}: ${health}${wrong.length === 0 ? '' : `: ${someOf(wrong)}`}${space}${mixed}.${withoutUnread(unread)}`;
  },
});
