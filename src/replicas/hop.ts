import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** Says that a request comes from another replica. Whoever sends it is never sent on. */
export const HOP_HEADER = 'x-proxmox-mcp-hop';
/** How far the clocks of two replicas may differ. */
const VALID_MS = 60_000;

/** The parts of a request that the signature of its hop holds together. */
export type HopRequest = Pick<IncomingMessage, 'method' | 'url' | 'headers'>;

/**
 * What a replica says of a request that it sends on: from which address it came, and that it was counted there. The
 * signature is for this request with this credential; it opens nothing, as the token is checked again.
 *
 * @param address of the client
 * @param now epoch milliseconds
 */
export function signHop(request: HopRequest, key: Buffer, address: string, now = Date.now()): string {
  const where = Buffer.from(address).toString('base64url');
  return `1.${now}.${where}.${macOf(request, key, String(now), where)}`;
}

/** The address of the client of a request that another replica has sent on; undefined where that is not proven. */
export function addressOfHop(request: HopRequest, key: Buffer, now = Date.now()): string | undefined {
  const text = request.headers[HOP_HEADER];
  if (typeof text !== 'string') return undefined;
  const [, at, where, mac] = /^1\.(\d{1,15})\.([\w-]{0,100})\.([\w-]{43})$/.exec(text) ?? [];
  if (at === undefined || where === undefined || mac === undefined) return undefined;
  if (!timingSafeEqual(Buffer.from(mac), Buffer.from(macOf(request, key, at, where)))) return undefined;
  if (Math.abs(now - Number(at)) > VALID_MS) return undefined;
  return Buffer.from(where, 'base64url').toString();
}

function macOf({ method, url, headers }: HopRequest, key: Buffer, at: string, where: string): string {
  const credential = JSON.stringify([headers.authorization ?? '', headers['x-api-key'] ?? '']);
  const digest = createHash('sha256').update(credential).digest('base64url');
  const signed = JSON.stringify([at, where, method, url, headers['mcp-session-id'] ?? '', digest]);
  return createHmac('sha256', key).update(signed).digest('base64url');
}
