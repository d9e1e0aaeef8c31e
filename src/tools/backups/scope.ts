import type { GatedCluster } from '../../access/gate.ts';
import { CallError } from '../../proxmox/errors.ts';
import { storageParam } from '../defaults.ts';
import type { ToolContext } from '../define.ts';
import { type GuestTarget, guestTarget, vmidParam } from '../guest-target.ts';
import { clusterParam, textParam } from '../params.ts';

/** Whose backups are meant: of a guest, of a storage, of both, or all of the cluster. */
export const scopeParams = {
  cluster: clusterParam,
  vmid: vmidParam.optional().describe('Also of a guest that is gone.'),
  name: textParam().optional().describe('Of the guest.'),
  storage: storageParam,
};

interface ScopeArgs {
  cluster?: string | undefined;
  vmid?: number | undefined;
  name?: string | undefined;
}

/**
 * Finds the cluster whose backups are meant, and the guest. A VMID need not belong to a guest any more: its backups
 * are what brings it back.
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
