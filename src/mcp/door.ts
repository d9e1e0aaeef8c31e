import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Principal } from '../access/principal.ts';
import type { ClusterDirectory } from '../clusters/cluster.ts';
import { rpcError } from './messages.ts';

/** One request as the HTTP room hands it over: authenticated, its body parsed. */
export interface DoorRequest {
  request: IncomingMessage;
  response: ServerResponse;
  body: unknown;
  principal: Principal;
  directory: ClusterDirectory;
}

/** Sends a small JSON answer on a response that has been taken from Fastify. */
export function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

/** The answer where no session can be opened now. */
export function refuseSession(response: ServerResponse): void {
  response.setHeader('retry-after', '60');
  answer(response, 503, rpcError(-32000, 'Too many sessions are open; try again in a minute.'));
}
