import type { IncomingMessage } from 'node:http';
import type { Principal } from '../access/principal.ts';
import type { ClusterDirectory } from '../clusters/cluster.ts';
import { readToolsets } from '../config/toolsets.ts';
import type { Caller } from './dispatcher.ts';

interface CarriedAuth {
  extra?: Record<string, unknown>;
}

/**
 * Sends the caller along with one request through an SDK, in the place where both SDKs carry a checked token. Each
 * request brings its own: a session outlives a token, and must not keep its scopes.
 *
 * @param session what the record calls the door's session, where the request belongs to one
 */
export function carry(
  request: IncomingMessage,
  principal: Principal,
  directory: ClusterDirectory,
  session?: string,
) {
  const { subject, scopes } = principal;
  // A header only tightens, so whatever is not a plain no counts as yes.
  const wanted = request.headers['x-mcp-readonly'];
  const readOnly = wanted !== undefined && !/^(?:false|0|no)$/i.test(String(wanted).trim());
  const named = request.headers['x-mcp-toolsets'];
  const read = named === undefined ? undefined : readToolsets(String(named).split(','));
  // One with names that there are not was refused before; were it not, it would still only take away.
  const toolsets = read && ('toolsets' in read ? read.toolsets : new Set());
  const auth = {
    token: '',
    clientId: subject,
    scopes: [...scopes],
    extra: { principal, directory, readOnly, toolsets, session },
  };
  return Object.assign(request, { auth });
}

/** The caller that `carry` sent along. */
export function carried(auth: CarriedAuth | undefined, door: Caller['door']): Caller {
  if (!auth?.extra) throw new Error('a request came without its principal');
  const { principal, directory, readOnly, toolsets, session } = auth.extra as Omit<Caller, 'door'>;
  return { principal, directory, readOnly, toolsets, session, door };
}
