import { createHmac } from 'node:crypto';
import { type ClientRequest, request as plainRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';
import type { Secret } from '../../config/secret.ts';

export interface WebhookTarget {
  url: Secret;
  secret?: Secret | undefined;
}

/** How a POST ended: with a status, or with a word on why there is none. Nothing of the other side's answer is in it. */
export type PostOutcome = { status: number } | { problem: string };

const POST_MS = 10_000;

/**
 * Posts once. Redirects are not followed, and what is answered is not read: its status is all that counts.
 *
 * @param body JSON
 * @param now epoch milliseconds, for the signature
 * @param signal gives it up
 */
export function postOnce(
  { url, secret }: WebhookTarget,
  body: string,
  now: number,
  signal: AbortSignal,
): Promise<PostOutcome> {
  const timestamp = String(Math.floor(now / 1000));
  const target = new URL(url.reveal().trim());
  const headers = {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    'user-agent': 'proxmox-mcp',
    'x-proxmox-mcp-timestamp': timestamp,
    ...(secret === undefined ? {} : { 'x-proxmox-mcp-signature': signatureOf(secret, timestamp, body) }),
  };
  return new Promise((resolve) => {
    const send = target.protocol === 'https:' ? tlsRequest : plainRequest;
    const limit = AbortSignal.any([signal, AbortSignal.timeout(POST_MS)]);
    // Without an agent no connection is kept: alerts are rare.
    const request: ClientRequest = send(target, { method: 'POST', headers, agent: false, signal: limit });
    request.once('response', (response) => {
      resolve({ status: response.statusCode ?? 0 });
      response.destroy();
    });
    // What comes after the answer is of no interest, and must not be unheard.
    request.on('error', (error: NodeJS.ErrnoException) => resolve({ problem: problemOf(error) }));
    request.end(body);
  });
}

/** `v1=` and the HMAC-SHA256 over `timestamp.body`, in hex: the timestamp is signed, so that an old one can't be replayed. */
function signatureOf(secret: Secret, timestamp: string, body: string): string {
  return `v1=${createHmac('sha256', secret.reveal()).update(`${timestamp}.${body}`).digest('hex')}`;
}

/** The code alone: the message may hold the address. */
function problemOf(error: NodeJS.ErrnoException): string {
  if (error.name === 'AbortError' || error.name === 'TimeoutError')
    return `no answer within ${POST_MS / 1000} s`;
  return error.code ?? error.name;
}
