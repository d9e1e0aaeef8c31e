import type { ServerResponse } from 'node:http';
import type { ApiError } from '../errors.ts';
import { Listing } from '../methods/method.ts';

export const JSON_TYPE = 'application/json;charset=UTF-8';

/** One HTTP answer. Without a `type` it goes out with no content type, as what fails before PVE's formatter does. */
export interface Answer {
  status: number;
  reason: string;
  type?: string;
  headers?: Record<string, string>;
  body: string | Buffer;
  /** It is held back for so long. */
  delayMs?: number;
}

export function success(result: unknown): Answer {
  const envelope =
    result instanceof Listing
      ? { data: result.rows, total: result.total, changes: result.changes }
      : { data: result ?? null };
  return { status: 200, reason: 'OK', type: JSON_TYPE, body: JSON.stringify(envelope) };
}

/** A refusal from inside the API: the reason phrase and the body both carry the message. */
export function refusal({ status, message, errors }: ApiError): Answer {
  const body = { data: null, message: `${message}\n`, ...(errors ? { errors } : {}) };
  return { status, reason: message, type: JSON_TYPE, body: JSON.stringify(body) };
}

/** A refusal from before the API: only the reason phrase says what is wrong. */
export function earlyRefusal(status: number, reason: string): Answer {
  return { status, reason, body: '' };
}

/** @param close whether the connection ends after this answer; every refusal ends it */
export function send(response: ServerResponse, answer: Answer, close: boolean): void {
  const body = Buffer.from(answer.body);
  response.writeHead(answer.status, reasonOf(answer), headersOf(answer, body.length, close));
  response.end(body);
}

/** The head of an answer as it goes over the wire, for those who send it in other ways. */
export function headOf(answer: Answer): string {
  const headers = Object.entries(headersOf(answer, Buffer.byteLength(answer.body), true));
  const lines = headers.map(([name, value]) => `${name}: ${value}`);
  return [`HTTP/1.1 ${answer.status} ${reasonOf(answer)}`, ...lines, '', ''].join('\r\n');
}

/** Only the first line fits into a status line, and only Latin-1. */
function reasonOf({ reason }: Answer): string {
  return reason
    .split('\n', 1)
    .join('')
    .replaceAll(/[^\t\x20-\x7e\x80-\xff]/g, '?');
}

function headersOf(answer: Answer, length: number, close: boolean): Record<string, string | number> {
  return {
    'Cache-Control': 'max-age=0',
    // Set by hand: Node would announce its idle time, which PVE does not.
    Connection: close || answer.status >= 400 ? 'close' : 'Keep-Alive',
    Pragma: 'no-cache',
    Server: 'pve-api-daemon/3.0',
    ...(answer.status === 304 ? {} : { 'Content-Length': length }),
    ...(answer.type === undefined ? {} : { 'Content-Type': answer.type }),
    ...answer.headers,
  };
}
