import type { GatedCluster } from '../../../access/gate.ts';
import { isObject, isTrue, type Json } from '../../../catalogue/json.ts';
import { apiPath } from '../../../proxmox/api-path.ts';
import { toCallError } from '../../../proxmox/errors.ts';
import { quoted } from '../../../proxmox/text.ts';
import type { ApiCall } from '../../define.ts';
import { textOf } from '../../results.ts';
import { REPLICA_TAG, type Replica, type ReplicationJob, replicaName } from './job.ts';
import { replicaPath } from './requests.ts';

export const REPLICA_CALLS = [
  ['GET', '/cluster/nextid', 'vmid'],
  ...['qemu', 'lxc'].flatMap((type): ApiCall[] => [
    ['GET', `/nodes/{node}/${type}/{vmid}/config`],
    ['GET', `/nodes/{node}/${type}/{vmid}/status/current`],
  ]),
] as const satisfies readonly ApiCall[];

/** @returns undefined where no guest has that VMID on the node of the replicas. @throws CallError */
export async function configAt(
  target: GatedCluster,
  job: ReplicationJob,
  vmid: number,
): Promise<Json | undefined> {
  try {
    const { data } = await target.request({ method: 'GET', path: replicaPath(job, vmid, 'config') });
    return isObject(data) ? data : {};
  } catch (thrown) {
    if (toCallError(thrown).code === 'NOT_FOUND') return undefined;
    throw thrown;
  }
}

/** Whether Proxmox has no guest of that VMID on any node, those that this token does not see among them. */
export async function isFree(target: GatedCluster, vmid: number): Promise<boolean> {
  try {
    await target.request({ method: 'GET', path: apiPath`/cluster/nextid`, data: { vmid } });
    return true;
  } catch (thrown) {
    const { code } = toCallError(thrown);
    if (code === 'INVALID_ARGUMENTS' || code === 'CONFLICT') return false;
    throw thrown;
  }
}

export function tagsOf(config: Json): string[] {
  return (textOf(config.tags) ?? '').split(/[;,\s]+/).filter((tag) => tag !== '');
}

/** Of a VM `name`, of a container `hostname`. */
export function isNamed(config: Json, job: ReplicationJob): boolean {
  return [config.name, config.hostname].includes(replicaName(job));
}

/** Whether it may be a replica of the job: others bear neither its name nor the tag. */
export function isReplica(config: Json, job: ReplicationJob): boolean {
  return isNamed(config, job) && tagsOf(config).includes(REPLICA_TAG);
}

/**
 * Why a guest on one of the reserved VMIDs is not to be touched: VMIDs are given anew, and somebody may have taken the
 * replica into use.
 *
 * @param config as it is now
 * @returns undefined where it is the replica as it was made. @throws CallError
 */
export async function whyNotOurs(
  target: GatedCluster,
  job: ReplicationJob,
  { vmid, digest }: Replica,
  config: Json,
): Promise<string | undefined> {
  const named = quoted(textOf(config.name) ?? textOf(config.hostname) ?? 'without a name');
  if (!isReplica(config, job)) return `${vmid} is ${named} now, and no replica of this job`;
  if (digest !== undefined && config.digest !== digest)
    return `the configuration of ${vmid} (${named}) was changed since it was restored`;
  if (isTrue(config.protection)) return `${vmid} (${named}) is protected`;
  const { data } = await target.request({
    method: 'GET',
    path: replicaPath(job, vmid, 'status', 'current'),
  });
  const status = isObject(data) ? data : {};
  if (status.status !== 'stopped')
    return `${vmid} (${named}) is ${quoted(textOf(status.status) ?? 'in an unknown state')}`;
  const lock = textOf(status.lock);
  return lock === undefined ? undefined : `${vmid} (${named}) is locked (${quoted(lock)})`;
}
