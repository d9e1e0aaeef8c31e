import type { GatedCluster } from '../access/gate.ts';
import { CallError } from '../proxmox/errors.ts';
import type { ToolContext } from './define.ts';
import { type GuestTarget, guestTarget } from './guest-target.ts';

interface ScopeArgs {
  cluster?: string | undefined;
  vmid?: number | undefined;
  name?: string | undefined;
}

/**
 * Finds the cluster and the guest whose backups or replication jobs are meant. A VMID need not belong to a guest any
 * more: what it left is what is asked for.
 *
 * @throws CallError as `resolveGuest` and the selection of a cluster do
 */
export async function scopeOf(
  context: ToolContext,
  { cluster, vmid, name }: ScopeArgs,
): Promise<{ cluster: GatedCluster; vmid: number | undefined }> {
  if (name === undefined && (vmid === undefined || cluster !== undefined)) {
    return { cluster: context.cluster({ cluster, vmid }), vmid };
  }
  let target: GuestTarget;
  try {
    target = await guestTarget(context, { cluster, vmid, name });
  } catch (error) {
    const isGone = error instanceof CallError && error.code === 'NOT_FOUND' && !error.retryable;
    if (!isGone) throw error;
    if (name === undefined) return { cluster: context.cluster({ cluster, vmid }), vmid };
    throw new CallError('NOT_FOUND', error.message, {
      ...(error.cluster === undefined ? {} : { cluster: error.cluster }),
      hint: `${error.hint} Backups of a guest that is gone are found by its vmid, or by storage.`,
    });
  }
  return { cluster: target.cluster, vmid: target.guest.vmid };
}
