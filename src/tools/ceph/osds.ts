import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import { isObject, isTrue, type Json, number } from '../../catalogue/json.ts';
import { CallError } from '../../proxmox/errors.ts';
import { someOf } from '../fleet.ts';
import { compact, rowsOf, textOf } from '../results.ts';
import { askCeph, readCeph } from './ceph.ts';

export const osdRow = z.object({
  id: z.int(),
  node: z.string().optional(),
  up: z.boolean(),
  in: z.boolean(),
  device_class: z.string().optional(),
  weight: z.number().optional(),
  reweight: z.number().optional(),
  size_bytes: z.number().optional(),
  used_bytes: z.number().optional(),
  used_percent: z.number().optional(),
  pgs: z.int().optional(),
  latency_ms: z.number().optional(),
  version: z.string().optional(),
});

export type OsdRow = z.output<typeof osdRow>;

export const OSD_CALLS = [
  ['GET', '/nodes/{node}/ceph/osd'],
  ['GET', '/cluster/resources'],
] as const;

/** All OSDs, and a node with Ceph. @throws CallError */
export async function readOsds(cluster: GatedCluster): Promise<{ osds: OsdRow[]; node: string }> {
  const { node, answer } = await askCeph(cluster, (one) => readCeph(cluster, one, 'osd'));
  const root = isObject(answer) && isObject(answer.root) ? answer.root : {};
  return { osds: leavesOf(root, undefined), node };
}

/** The tree of failure domains is as deep as its administrator made it. */
function leavesOf(branch: Json, host: string | undefined): OsdRow[] {
  return rowsOf(branch.children).flatMap((child) => {
    if (child.type === 'osd') return [rowOf(child, host)];
    return leavesOf(child, child.type === 'host' ? textOf(child.name) : host);
  });
}

function rowOf(osd: Json, host: string | undefined): OsdRow {
  const percent = number(osd.percent_used);
  return {
    id: number(osd.id) ?? -1,
    up: osd.status === 'up',
    in: isTrue(osd.in),
    ...compact({
      node: textOf(osd.host) ?? host,
      device_class: textOf(osd.device_class),
      weight: number(osd.crush_weight),
      reweight: number(osd.reweight),
      size_bytes: number(osd.total_space),
      used_bytes: number(osd.bytes_used),
      used_percent: percent === undefined ? undefined : Math.round(percent * 10) / 10,
      pgs: number(osd.pgs),
      latency_ms: number(osd.commit_latency_ms),
      version: textOf(osd.ceph_version_short),
    }),
  };
}

/** @throws CallError NOT_FOUND */
export function requireOsd(cluster: GatedCluster, osds: readonly OsdRow[], id: number): OsdRow {
  const osd = osds.find((one) => one.id === id);
  if (osd !== undefined) return osd;
  throw new CallError('NOT_FOUND', `${cluster.name} has no osd.${id}.`, {
    cluster: cluster.name,
    hint: `It has ${
      someOf(
        osds.map((one) => String(one.id)),
        40,
      ) || 'none'
    }. Nothing was sent.`,
  });
}
