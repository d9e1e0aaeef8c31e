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

const RETRY_SECONDS = 60;

/** The answer where no session can be opened now: 429 where the principal has too many, 503 where all together have. */
export function refuseSession(response: ServerResponse, ofPrincipal: boolean): void {
  const whose = ofPrincipal ? 'of this principal ' : '';
  const { error, ...envelope } = rpcError(
    -32000,
    `Too many sessions ${whose}are open; close some, or try again in a minute.`,
  );
  const data = { code: 'RATE_LIMITED', retry_after_seconds: RETRY_SECONDS };
  response.setHeader('retry-after', String(RETRY_SECONDS));
  answer(response, ofPrincipal ? 429 : 503, { ...envelope, error: { ...error, data } });
}
