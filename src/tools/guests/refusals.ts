import type { GatedCluster } from '../../access/gate.ts';
import { CallError } from '../../proxmox/errors.ts';

/** The state of a guest or a node does not let it: said before anything is sent. */
export function notNow(cluster: Pick<GatedCluster, 'name'>, message: string, hint: string): CallError {
  return new CallError('CONFLICT', message, {
    cluster: cluster.name,
    hint: `${hint} Nothing was sent.`,
    retryable: false,
  });
}
