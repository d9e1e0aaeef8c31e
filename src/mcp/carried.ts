import type { IncomingMessage } from 'node:http';
import type { Principal } from '../access/principal.ts';
import type { ClusterDirectory } from '../clusters/cluster.ts';
import type { Caller } from './dispatcher.ts';

interface CarriedAuth {
  extra?: Record<string, unknown>;
}

/**
 * Sends the caller along with one request through an SDK, in the place where both SDKs carry a checked token. Each
 * request brings its own: a session outlives a token, and must not keep its scopes.
 */
export function carry(request: IncomingMessage, principal: Principal, directory: ClusterDirectory) {
  const { subject, scopes } = principal;
  const auth = { token: '', clientId: subject, scopes: [...scopes], extra: { principal, directory } };
  return Object.assign(request, { auth });
}

/** The caller that `carry` sent along. */
export function carried(auth: CarriedAuth | undefined, door: Caller['door']): Caller {
  if (!auth?.extra) throw new Error('a request came without its principal');
  const { principal, directory } = auth.extra as { principal: Principal; directory: ClusterDirectory };
  return { principal, directory, door };
}
