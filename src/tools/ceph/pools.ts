import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import { isObject, type Json, number } from '../../catalogue/json.ts';
import { CallError } from '../../proxmox/errors.ts';
import { quoted } from '../../proxmox/text.ts';
import { someOf } from '../fleet.ts';
import { formParam } from '../params.ts';
import { compact, rowsOf, textOf } from '../results.ts';
import { askCeph, readCeph, requirePools } from './ceph.ts';

export const poolParam = formParam(/^[^:/\s]+$/, 'has no blanks, : or /', 128);

export const poolRow = z.object({
  name: z.string(),
  type: z.string().optional(),
  applications: z.array(z.string()).optional(),
  size: z.int().optional(),
  min_size: z.int().optional(),
  pg_num: z.int().optional(),
  pg_num_optimal: z.int().optional(),
  pg_autoscale_mode: z.string().optional(),
  crush_rule: z.string().optional(),
  target_size_bytes: z.number().optional(),
  target_size_ratio: z.number().optional(),
  used_bytes: z.number().optional(),
  used_percent: z.number().optional(),
});

export type PoolRow = z.output<typeof poolRow>;

export const POOL_CALLS = [
  ['GET', '/nodes/{node}/ceph/pool'],
  ['GET', '/cluster/resources'],
] as const;

/** All pools, and a node with Ceph. @throws CallError */
export async function readPools(cluster: GatedCluster): Promise<{ pools: PoolRow[]; node: string }> {
  await requirePools(cluster);
  const { node, answer } = await askCeph(cluster, (one) => readCeph(cluster, one, 'pool'));
  return { pools: rowsOf(answer).map(rowOf), node };
}

function rowOf(pool: Json): PoolRow {
  const share = number(pool.percent_used);
  const applications = isObject(pool.application_metadata) ? Object.keys(pool.application_metadata) : [];
  return {
    name: String(pool.pool_name),
    ...compact({
      type: textOf(pool.type),
      applications: applications.length === 0 ? undefined : applications,
      size: number(pool.size),
      min_size: number(pool.min_size),
      pg_num: number(pool.pg_num),
      pg_num_optimal: number(pool.pg_num_final),
      pg_autoscale_mode: textOf(pool.pg_autoscale_mode),
      crush_rule: textOf(pool.crush_rule_name),
      target_size_bytes: number(pool.target_size) || undefined,
      target_size_ratio: number(pool.target_size_ratio) || undefined,
      used_bytes: number(pool.bytes_used),
      // A fraction, whatever its name says.
      used_percent: share === undefined ? undefined : Math.round(share * 1000) / 10,
    }),
  };
}

/** @throws CallError NOT_FOUND */
export function requirePool(cluster: GatedCluster, pools: readonly PoolRow[], name: string): PoolRow {
  const pool = pools.find((one) => one.name === name);
  if (pool !== undefined) return pool;
  throw new CallError('NOT_FOUND', `${cluster.name} has no Ceph pool ${quoted(name)}.`, {
    cluster: cluster.name,
    hint: `It has ${
      someOf(
        pools.map((one) => quoted(one.name)),
        30,
      ) || 'none'
    }. Nothing was sent.`,
  });
}
