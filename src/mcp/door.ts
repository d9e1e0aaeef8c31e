import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Principal } from '../access/principal.ts';
import type { ClusterDirectory } from '../clusters/cluster.ts';

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
