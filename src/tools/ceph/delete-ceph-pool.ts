import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { quoted } from '../../proxmox/text.ts';
import { defineTool } from '../define.ts';
import { someOf } from '../fleet.ts';
import { clusterParam, selectedFields, selectionOf, switchParam } from '../params.ts';
import { notNow } from '../refusals.ts';
import { rowsOf } from '../results.ts';
import { runTask, TASK_CALLS, taskDeadline, taskField, taskSentence, waitParam } from '../task.ts';
import { readCeph } from './ceph.ts';
import { POOL_CALLS, poolParam, poolRow, readPools, requirePool } from './pools.ts';

export const deleteCephPool = defineTool({
  name: 'delete_ceph_pool',
  title: 'Destroy a Ceph pool',
  description: 'Destroys a Ceph pool and all in it. Refused while guests have disks there.',
  toolset: 'ceph',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
  calls: [
    ['DELETE', '/nodes/{node}/ceph/pool/{name}', 'remove_storages'],
    ['GET', '/nodes/{node}/ceph/fs'],
    ['GET', '/storage', 'type'],
    ...POOL_CALLS,
    ...TASK_CALLS,
  ],
  input: z.strictObject({
    cluster: clusterParam,
    name: poolParam,
    remove_storages: switchParam(),
    wait_seconds: waitParam,
  }),
  output: z.object({
    ...selectedFields,
    pool: poolRow,
    storages: z.array(z.string()).optional(),
    task: taskField,
  }),
  deadlineSeconds: ({ wait_seconds }) => taskDeadline(wait_seconds),
  async run({ cluster: named, name, remove_storages, wait_seconds }, context) {
    const cluster = context.cluster(named).alone();
    const { pools, node } = await readPools(cluster);
    const pool = requirePool(cluster, pools, name);
    const [storages] = await Promise.all([
      storagesOf(cluster, name),
      requireNoFileSystem(cluster, node, name),
    ]);
    if (storages.length > 0 && !remove_storages) {
      throw notNow(
        cluster,
        `The pool ${quoted(name)} is the storage ${someOf(storages.map(quoted))}, which would be left without it.`,
        'Pass remove_storages to have it removed, too.',
      );
    }
    const path = apiPath`/nodes/${node}/ceph/pool/${name}`;
    const data = { remove_storages: remove_storages || undefined };
    const outcome = await runTask(cluster, { method: 'DELETE', path, data }, wait_seconds, context);
    return { ...selectionOf(cluster), pool, ...(storages.length === 0 ? {} : { storages }), ...outcome };
  },
  summary({ cluster, pool, storages = [], task }) {
    const also = storages.length === 0 ? '' : ` with the storage ${someOf(storages.map(quoted))}`;
    return taskSentence(`The Ceph pool ${quoted(pool.name)} of ${cluster}`, `destroyed${also}`, task);
  },
});

async function storagesOf(cluster: GatedCluster, pool: string): Promise<string[]> {
  const { data } = await cluster.request({ method: 'GET', path: apiPath`/storage`, data: { type: 'rbd' } });
  return (
    rowsOf(data)
      // One with monhost is of another Ceph.
      .filter((row) => (row.pool ?? 'rbd') === pool && row.monhost === undefined)
      .map(({ storage }) => String(storage))
  );
}

async function requireNoFileSystem(cluster: GatedCluster, node: string, pool: string): Promise<void> {
  const rows = rowsOf(await readCeph(cluster, node, 'fs'));
  const user = rows.find(({ metadata_pool: metadata, data_pool: first, data_pools: all }) => {
    return [metadata, first, ...(Array.isArray(all) ? all : [])].includes(pool);
  });
  if (user === undefined) return;
  throw notNow(
    cluster,
    `The pool ${quoted(pool)} belongs to the file system ${quoted(String(user.name))}.`,
    'Ceph keeps it as long as that is there.',
  );
}
