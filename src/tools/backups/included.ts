import type { GatedCluster } from '../../access/gate.ts';
import { isObject, isTrue } from '../../catalogue/json.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { rowsOf, textOf } from '../results.ts';

/** A guest of a job, and which of its disks the job leaves out. */
export interface Included {
  vmid: number;
  name: string | undefined;
  excluded: { disk: string; volume: string; why: string }[];
}

/**
 * Whom a job backs up now, on every node.
 *
 * @throws CallError
 */
export async function includedGuests(
  cluster: GatedCluster,
  id: string,
  signal?: AbortSignal,
): Promise<Included[]> {
  const path = apiPath`/cluster/backup/${id}/included_volumes`;
  const { data } = await cluster.request({ method: 'GET', path, signal });
  return rowsOf(isObject(data) ? data.children : undefined).map(({ id: vmid, name, children }) => ({
    vmid: Number(vmid),
    name: textOf(name),
    excluded: rowsOf(children)
      // An unused disk is no part of the guest as it runs.
      .filter(({ id: disk, included }) => !isTrue(included) && !String(disk).startsWith('unused'))
      .map((row) => ({ disk: String(row.id), volume: String(row.name), why: textOf(row.reason) ?? '' })),
  }));
}
