import type { IncomingMessage } from 'node:http';
import type { FastifyRequest } from 'fastify';
import { API_KEY_PREFIX } from '../../access/api-keys.ts';
import { credentialDigest } from '../../access/verified-tokens.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** What it shows of a credential, once `credentialOf` has looked: limits and checks ask several times. */
    shown?: Shown;
  }
}

interface ShownCredential {
  kind: 'credential';
  text: string;
  /** Once it was asked for. */
  digest?: string;
}

/** What a request shows of a credential: one, none, or something that can't be taken for one. */
export type Shown = { kind: 'none' } | ShownCredential | { kind: 'wrong'; problem: string };

/** `shownCredential` of a request, found out once. */
export function credentialOf(request: FastifyRequest): Shown {
  request.shown ??= shownCredential(request.raw);
  return request.shown;
}

/** `credentialDigest`, made once. */
export function digestOf(shown: ShownCredential): string {
  shown.digest ??= credentialDigest(shown.text);
  return shown.digest;
}

/** Parameters in which clients have sent tokens; a URL is written into logs and histories everywhere on its way. */
const QUERY_NAMES = new Set([
  'access_token',
  'api-key',
  'api_key',
  'apikey',
  'authorization',
  'bearer',
  'jwt',
  'token',
  'x-api-key',
]);
const LOOKS_LIKE_ONE = /^pmk_|^eyJ[\w-]*\.[\w-]*\.[\w-]*$/;

/**
 * Reads the credential of a request: `Authorization: Bearer …`, or `X-API-Key: pmk_…` for clients that can only send a
 * fixed header. One of them, once: where there are two, a proxy before us may have looked at the other one.
 */
export function shownCredential(request: IncomingMessage): Shown {
  const authorization = valuesOf(request, 'authorization');
  const apiKey = valuesOf(request, 'x-api-key');
  if (inQuery(request.url ?? '')) {
    return wrong(
      'A token must not be sent in the URL, where logs keep it: send it in a header, and revoke this one.',
    );
  }
  if (authorization.length > 0 && apiKey.length > 0) {
    return wrong('Send either Authorization or X-API-Key, not both.');
  }
  if (authorization.length > 1 || apiKey.length > 1) return wrong('The credential was sent twice.');
  const [header] = authorization;
  if (header !== undefined) {
    const text = /^Bearer ([A-Za-z0-9._~+/=-]+) *$/i.exec(header)?.[1];
    return text === undefined
      ? wrong('The Authorization header is malformed.')
      : { kind: 'credential', text };
  }
  const [key] = apiKey;
  if (key === undefined) return { kind: 'none' };
  return key.startsWith(API_KEY_PREFIX) && /^\w[\w-]*$/.test(key)
    ? { kind: 'credential', text: key }
    : wrong('X-API-Key takes a key that was made with: proxmox-mcp keys add.');
}

/** Every value of a header: Node keeps the first Authorization and drops the others. */
function valuesOf({ rawHeaders }: IncomingMessage, wanted: string): string[] {
  const values: string[] = [];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index];
    if (name?.length === wanted.length && name.toLowerCase() === wanted)
      values.push(rawHeaders[index + 1] ?? '');
  }
  return values;
}

function inQuery(url: string): boolean {
  const start = url.indexOf('?');
  if (start < 0) return false;
  return [...new URLSearchParams(url.slice(start + 1))].some(
    ([name, value]) => QUERY_NAMES.has(name.trim().toLowerCase()) || LOOKS_LIKE_ONE.test(value),
  );
}

function wrong(problem: string): Shown {
  return { kind: 'wrong', problem };
}
