import type { IncomingMessage, OutgoingHttpHeader, ServerResponse } from 'node:http';
import type { Principal } from '../access/principal.ts';
import type { ClusterDirectory } from '../clusters/cluster.ts';
import { rpcError } from './messages.ts';

/** Names and values by turns. */
export type HeaderList = readonly OutgoingHttpHeader[];

/** Where a request is answered. */
export interface Answering {
  response: ServerResponse;
  /** What every answer bears; not on the response yet, which `writeHead` and `ready` see to. */
  headers: HeaderList;
}

/** One request as the HTTP room hands it over: authenticated, its body parsed. */
export interface DoorRequest extends Answering {
  request: IncomingMessage;
  body: unknown;
  principal: Principal;
  directory: ClusterDirectory;
}

/** Begins an answer, all of its headers at once: Node looks at those that are set one by one twice. */
export function writeHead({ response, headers }: Answering, status: number, own: HeaderList): void {
  response.writeHead(status, [...headers, ...own]);
}

/** The response with its headers set, for who writes on it by itself, as the SDKs do. */
export function ready({ response, headers }: Answering): ServerResponse {
  for (let index = 0; index < headers.length; index += 2) {
    response.setHeader(String(headers[index]), headers[index + 1] ?? '');
  }
  return response;
}

export const JSON_TYPE: HeaderList = ['content-type', 'application/json'];

/** Sends a small JSON answer. @param own headers of this answer alone */
export function answer(exchange: Answering, status: number, body: unknown, own: HeaderList = []): void {
  writeHead(exchange, status, [...own, ...JSON_TYPE]);
  exchange.response.end(JSON.stringify(body));
}

const RETRY_SECONDS = 60;

/** The answer where no session can be opened now: 429 where the principal has too many, 503 where all together have. */
export function refuseSession(exchange: Answering, ofPrincipal: boolean): void {
  const whose = ofPrincipal ? 'of this principal ' : '';
  const { error, ...envelope } = rpcError(
    -32000,
    `Too many sessions ${whose}are open; close some, or try again in a minute.`,
  );
  const data = { code: 'RATE_LIMITED', retry_after_seconds: RETRY_SECONDS };
  const body = { ...envelope, error: { ...error, data } };
  answer(exchange, ofPrincipal ? 429 : 503, body, ['retry-after', String(RETRY_SECONDS)]);
}
