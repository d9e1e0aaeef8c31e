import { CallError, type ErrorCode } from '../../proxmox/errors.ts';

type Refuse = (code: ErrorCode, message: string, hint: string) => CallError;

/** Makes the errors of what is checked before a write leaves. */
export function refuser(cluster: string): Refuse {
  return (code, message, hint) =>
    new CallError(code, message, { cluster, hint: `${hint} Nothing was sent.`, retryable: false });
}
