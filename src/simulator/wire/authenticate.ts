import type { IncomingMessage } from 'node:http';
import { ApiError } from '../errors.ts';
import type { Identity } from '../state/access.ts';
import type { ClusterState } from '../state/cluster-state.ts';

/** Calls that need no login run as no one, who has no privileges. */
export const NOBODY: Identity = { id: '', user: '' };

/** Who asks, by ticket or token; a ticket's cookie beats a token. Throws PVE's 401. */
export function authenticate(state: ClusterState, request: IncomingMessage): Identity {
  const ticket = cookie(request, 'PVEAuthCookie');
  if (ticket !== undefined) return byTicket(state, request, ticket);
  const header = request.headers.authorization;
  if (header === undefined || !header.startsWith('PVEAPIToken')) throw new ApiError(401, 'No ticket');
  return byToken(state, header);
}

/** Whether a token is sent along, looked at or not. */
export function showsToken({ headers }: IncomingMessage): boolean {
  return headers.authorization?.startsWith('PVEAPIToken') ?? false;
}

function byTicket(state: ClusterState, request: IncomingMessage, ticket: string): Identity {
  const user = state.tickets.verify(ticket);
  if (user === undefined || !state.access.users.has(user) || !state.access.mayLogIn(user)) {
    throw new ApiError(401, 'Authentication failed!');
  }
  const csrf = request.headers.csrfpreventiontoken;
  if (request.method !== 'GET' && !(typeof csrf === 'string' && state.tickets.verifyCsrf(user, csrf))) {
    throw new ApiError(401, 'Permission denied - invalid csrf token');
  }
  return { id: user, user };
}

function byToken(state: ClusterState, header: string): Identity {
  const [, user = '', name = '', secret] = /^PVEAPIToken[= ]([^!\s]+)!([^=\s]+)=(\S+)$/.exec(header) ?? [];
  const token = state.access.findToken(user, name);
  if (!token || token.secret !== secret) throw new ApiError(401, 'Authentication failed!');
  return { id: `${user}!${name}`, user, token: name };
}

function cookie({ headers }: IncomingMessage, name: string): string | undefined {
  const pairs = (headers.cookie ?? '').split(';').map((pair) => pair.trim());
  const value = pairs.find((pair) => pair.startsWith(`${name}=`))?.slice(name.length + 1);
  try {
    return value === undefined ? undefined : decodeURIComponent(value);
  } catch {
    return value;
  }
}
