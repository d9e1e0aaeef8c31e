import type { GatedCluster } from '../../access/gate.ts';
import { CallError } from '../../proxmox/errors.ts';
import { vmidFor } from '../guests/new-guest.ts';

/**
 * As `vmidFor`, and says what to do where the call is a repetition of one that broke off: it never makes a second VM.
 *
 * @throws CallError CONFLICT
 */
export async function freeVmid(
  cluster: GatedCluster,
  wanted: { vmid: number | undefined; name: string },
): Promise<number> {
  try {
    return await vmidFor(cluster, wanted);
  } catch (thrown) {
    if (!(thrown instanceof CallError) || thrown.code !== 'CONFLICT') throw thrown;
    throw new CallError('CONFLICT', thrown.message, {
      cluster: cluster.name,
      hint: `If it is from an earlier call, get_guest shows how far it is: power_guest starts it, delete_guest removes it. ${thrown.hint}`,
      retryable: false,
      cause: thrown,
    });
  }
}
