import { z } from 'zod';
import { quoted } from '../../proxmox/text.ts';
import { defineTool, READS } from '../define.ts';
import { someOf } from '../fleet.ts';
import { clusterParam, limitParam, selectedFields, selectionOf } from '../params.ts';
import { count } from '../results.ts';
import { POOL_CALLS, poolRow, readPools } from './pools.ts';

export const listCephPools = defineTool({
  name: 'list_ceph_pools',
  title: 'List Ceph pools',
  description: 'Ceph pools: copies, usage, placement groups with the optimal number, rule.',
  toolset: 'ceph',
  annotations: READS,
  calls: POOL_CALLS,
  input: z.strictObject({ cluster: clusterParam, limit: limitParam(100, 500) }),
  output: z.object({ ...selectedFields, pools: z.array(poolRow), total: z.int() }),
  async run({ cluster: named, limit }, context) {
    const cluster = context.cluster(named);
    const { pools } = await readPools(cluster);
    return { ...selectionOf(cluster), pools: pools.slice(0, limit), total: pools.length };
  },
  summary({ cluster, pools, total }) {
    const each = pools.map(({ name, used_percent }) => {
      return `${quoted(name)}${used_percent === undefined ? '' : ` (${used_percent} % used)`}`;
    });
    return `${cluster}: ${count(total, 'Ceph pool')}${each.length === 0 ? '' : `: ${someOf(each)}`}.`;
  },
});
