import type { ServerResponse } from 'node:http';
import type { ApiError } from '../errors.ts';
import { Listing } from '../methods/method.ts';

export const JSON_TYPE = 'application/json;charset=UTF-8';

/** One HTTP answer. Without a `type` it goes out with no content type, as what fails before PVE's formatter does. */
export interface Answer {
  status: number;
  reason: string;
  type?: string;
  body: string;
}

export function success(result: unknown): Answer {
  const envelope =
    result instanceof Listing ? { data: result.rows, total: result.total } : { data: result ?? null };
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
  // Only the first line fits into a status line, and only Latin-1.
  const [reason = ''] = answer.reason.split('\n');
  response.writeHead(answer.status, reason.replaceAll(/[^\t\x20-\x7e\x80-\xff]/g, '?'), {
    'Cache-Control': 'max-age=0',
    // Set by hand: Node would announce its idle time, which PVE does not.
    Connection: close || answer.status >= 400 ? 'close' : 'Keep-Alive',
    Pragma: 'no-cache',
    Server: 'pve-api-daemon/3.0',
    'Content-Length': body.length,
    ...(answer.type === undefined ? {} : { 'Content-Type': answer.type }),
  });
  response.end(body);
}
