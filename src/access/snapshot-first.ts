import type { Cluster } from '../clusters/cluster.ts';
import { askTask } from '../clusters/task-status.ts';
import { apiPath } from '../proxmox/api-path.ts';
import type { ProxmoxReply } from '../proxmox/call.ts';
import { pause } from '../proxmox/deadline.ts';
import type { Ending } from '../proxmox/ending.ts';
import { CallError } from '../proxmox/errors.ts';
import { taskOutcome } from '../proxmox/task.ts';
import { isUpid } from '../proxmox/upid.ts';
import type { GateRequest } from './gate.ts';

const POLL_MS = 1000;

/**
 * The snapshot that a call is to be preceded by, as a request of its own; undefined where none is asked for.
 *
 * @throws CallError INVALID_ARGUMENTS where the call is about no guest, or takes the guest's snapshots with it
 */
export function snapshotBefore({ method, path, snapshotFirst }: GateRequest): GateRequest | undefined {
  if (snapshotFirst === undefined) return undefined;
  const [room, node = '', type, vmid = '', ...rest] = path.segments;
  if (method === 'GET' || room !== 'nodes' || (type !== 'qemu' && type !== 'lxc') || vmid === '') {
    throw unfitting('goes with a change of one guest, whose VMID stands in `path`');
  }
  if (method === 'DELETE' && rest.length === 0) {
    throw unfitting('is of no use here: a guest’s snapshots go with it. Back it up instead');
  }
  return {
    method: 'POST',
    path: apiPath`/nodes/${node}/${type}/${vmid}/snapshot`,
    data: { snapname: snapshotFirst },
  };
}

/**
 * Waits for the task of a step that the next one stands on.
 *
 * @throws CallError TASK_FAILED where it failed, and the signal's reason
 */
export async function stepEnded(cluster: Cluster, { data }: ProxmoxReply, signal: Ending): Promise<void> {
  if (typeof data !== 'string' || !isUpid(data)) return;
  for (;;) {
    const exitStatus = await askTask(cluster, data, signal);
    const outcome = exitStatus === undefined ? undefined : taskOutcome({ exitstatus: exitStatus });
    if (outcome?.state === 'failed') {
      throw new CallError(
        'TASK_FAILED',
        `The snapshot failed: ${outcome.message}. The call itself was not sent.`,
        {
          cluster: cluster.name,
          hint: 'Mend the cause, or leave out `snapshot_first`.',
        },
      );
    }
    if (outcome !== undefined) return;
    await pause(POLL_MS, signal);
  }
}

function unfitting(why: string): CallError {
  return new CallError('INVALID_ARGUMENTS', `snapshot_first ${why}; nothing was sent.`, {
    hint: 'Leave `snapshot_first` out.',
  });
}
