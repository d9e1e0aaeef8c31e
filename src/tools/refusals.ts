import type { GatedCluster } from '../access/gate.ts';
import { CallError, type ErrorCode } from '../proxmox/errors.ts';

type Refuse = (code: ErrorCode, message: string, hint: string) => CallError;

/** Makes the errors of what is checked before a write leaves. */
export function refuser(cluster: string): Refuse {
  return (code, message, hint) =>
    new CallError(code, message, { cluster, hint: `${hint} Nothing was sent.`, retryable: false });
}

/** The state of a guest or a node does not let it: said before anything is sent. */
export function notNow(cluster: Pick<GatedCluster, 'name'>, message: string, hint: string): CallError {
  return refuser(cluster.name)('CONFLICT', message, hint);
}

/** Arguments that don't fit each other, or the guest, whichever cluster it is. */
export function unfitting(message: string): CallError {
  return new CallError('INVALID_ARGUMENTS', message, { hint: 'Correct the arguments. Nothing was sent.' });
}
