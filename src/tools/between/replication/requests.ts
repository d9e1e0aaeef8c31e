import type { GateRequest } from '../../../access/gate.ts';
import { ApiPath, apiPath } from '../../../proxmox/api-path.ts';
import { notesTemplate } from '../../backups/vzdump.ts';
import type { ApiCall } from '../../define.ts';
import { RESTORE_CALLS } from '../backup/restore-request.ts';
import { REPLICA_TAG, type ReplicationJob, replicaName } from './job.ts';

const MARKS = ['tags', 'description', 'onboot', 'protection'];

/** What a replication writes: the start of a guest is not among it. */
export const REPLICATION_WRITES = [
  ['POST', '/nodes/{node}/vzdump', ...['vmid', 'storage', 'mode', 'compress', 'notes-template', 'remove']],
  ...RESTORE_CALLS.filter(([, path]) => !path.endsWith('/start')),
  ['POST', '/nodes/{node}/qemu', ...MARKS],
  ['POST', '/nodes/{node}/lxc', ...MARKS],
  ['DELETE', '/nodes/{node}/qemu/{vmid}'],
  ['DELETE', '/nodes/{node}/lxc/{vmid}'],
] as const satisfies readonly ApiCall[];

/**
 * Backs the guest up where both clusters see it, and prunes nothing.
 *
 * @param node of the source, where the guest is now
 * @param mark by which the backup is known again
 */
export function backupRequest(job: ReplicationJob, node: string, mark: string): GateRequest {
  const data = {
    vmid: String(job.vmid),
    storage: job.backupStorage,
    mode: 'snapshot',
    compress: 'zstd',
    'notes-template': notesTemplate(`{{guestname}}, ${mark}`),
    remove: 0,
  };
  return { method: 'POST', path: apiPath`/nodes/${node}/vzdump`, data, expectName: job.guest };
}

export function replicaPath({ node, type }: ReplicationJob, vmid: number, ...below: string[]): ApiPath {
  return ApiPath.ofSegments(['nodes', node, type, String(vmid), ...below]);
}

/** Without a parameter, so that it is the same call each time: the standing approval is for exactly that. */
export function deleteRequest(job: ReplicationJob, vmid: number): GateRequest {
  return { method: 'DELETE', path: replicaPath(job, vmid), expectName: replicaName(job) };
}

/**
 * What the job does on the target again and again, as a person approves it: a restore has another backup each time.
 *
 * @param terms in words; an approval is for calls alone, so that they stand in one
 */
export function standingRequests(job: ReplicationJob, terms: string): GateRequest[] {
  const { node, type, storage, seenAs, vmid: original } = job;
  const volid = `${seenAs}:backup/vzdump-${type}-${original}-newest.${type === 'qemu' ? 'vma' : 'tar'}.zst`;
  const name = replicaName(job);
  const marks = { tags: REPLICA_TAG, description: terms, onboot: false };
  const ofKind =
    type === 'qemu' ? { archive: volid, name } : { ostemplate: volid, restore: true, hostname: name };
  return job.vmids.flatMap((vmid) => [
    {
      method: 'POST' as const,
      path: apiPath`/nodes/${node}/${type}`,
      data: { vmid, ...ofKind, storage, unique: true, ...marks },
    },
    { method: 'DELETE' as const, path: replicaPath(job, vmid) },
  ]);
}
