import type { GatedCluster } from '../../../access/gate.ts';
import { toCallError } from '../../../proxmox/errors.ts';
import { liveState } from '../../guest-live.ts';
import { targetOf } from '../../guest-target.ts';

/**
 * How the original of a guest stands on its own cluster. `gone`: the cluster answers, and has it no more. `unknown`:
 * neither its cluster nor its node says so.
 */
export type Standing = 'running' | 'stopped' | 'gone' | 'unknown';

interface Original {
  vmid: number;
  name?: string | undefined;
}

/**
 * Asks the node of a guest whether it runs there: two of one guest must never run.
 *
 * @param cluster that may be down
 * @throws CallError POLICY_DENIED; the reason of the signal
 */
export async function standingOf(
  cluster: GatedCluster,
  { vmid, name }: Original,
  signal: AbortSignal,
): Promise<Standing> {
  try {
    // Of a cluster that is down the probe is some seconds old: it is not waited for again and again.
    if (!(await cluster.health()).reachable) return 'unknown';
    const { guests } = await cluster.inventory({ signal });
    // A token that sees no guest at all knows nothing of this one.
    if (guests.length === 0) return 'unknown';
    const guest = guests.find((row) => row.vmid === vmid);
    const isSame = guest?.name === undefined || name === undefined || guest.name === name;
    if (guest === undefined || !isSame) return 'gone';
    const { state } = await liveState(targetOf(cluster, guest));
    return state === 'running' || state === 'paused' ? 'running' : 'stopped';
  } catch (thrown) {
    signal.throwIfAborted();
    if (toCallError(thrown).code === 'POLICY_DENIED') throw thrown;
    return 'unknown';
  }
}
