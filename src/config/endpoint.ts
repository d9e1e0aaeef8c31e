import { isIPv4, isIPv6 } from 'node:net';
import { domainToASCII } from 'node:url';
import type { Endpoint } from './config.ts';

const DEFAULT_PORT = 8006;
const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;
const ALLOWED_PATHS = new Set(['', '/', '/api2/json', '/api2/json/']);

/**
 * Reads the address of a node: `host`, `host:port`, `[v6]:port`, each also with `https://` in front and `/api2/json`
 * behind. The port is 8006 where none is given.
 *
 * @throws Error that says what is wrong, without repeating the text: a mistyped address may hold a password.
 */
export function parseEndpoint(text: string): Endpoint {
  const trimmed = text.trim();
  if (trimmed === '') throw new Error('is empty; give host or host:port');
  if (/^http:\/\//i.test(trimmed)) throw new Error('must be https: Proxmox VE speaks nothing else');
  const bare = trimmed.replace(/^https:\/\//i, '');
  if (bare.includes('://')) throw new Error('must be https://host:port or host:port');
  if (/[?#]/.test(bare)) throw new Error('must not hold a query or a fragment');
  if (bare.includes('@')) throw new Error('must not hold a user or a password; they have keys of their own');

  const slash = bare.indexOf('/');
  const authority = slash === -1 ? bare : bare.slice(0, slash);
  if (!ALLOWED_PATHS.has(slash === -1 ? '' : bare.slice(slash))) {
    throw new Error('must not hold a path other than /api2/json');
  }
  const { host, port } = splitAuthority(authority);
  return { host: checkedHost(host), port: checkedPort(port) };
}

/** `host:port`, with brackets around IPv6: how an endpoint is named in messages and in `Host`. */
export function formatEndpoint(endpoint: Endpoint): string {
  return isIPv6(endpoint.host) ? `[${endpoint.host}]:${endpoint.port}` : `${endpoint.host}:${endpoint.port}`;
}

function splitAuthority(authority: string): { host: string; port: string | undefined } {
  if (isIPv6(authority)) return { host: authority, port: undefined };
  const match = /^(?:\[(?<v6>[^\]]*)\]|(?<name>[^:[\]]*))(?::(?<port>.*))?$/.exec(authority);
  const host = match?.groups?.v6 ?? match?.groups?.name;
  if (host === undefined) throw new Error('must be host, host:port or [IPv6 address]:port');
  if (match?.groups?.v6 !== undefined && !isIPv6(host))
    throw new Error('holds no IPv6 address in its brackets');
  return { host, port: match?.groups?.port };
}

function checkedHost(raw: string): string {
  if (isIPv6(raw) && !raw.includes('%')) return raw.toLowerCase();
  // `domainToASCII` reads an URL's host, and cuts at a backslash: plain names have to stand as they are.
  const isPlain = /^[\x21-\x7e]*$/.test(raw);
  const host = (isPlain ? raw.toLowerCase() : domainToASCII(raw)).replace(/\.$/, '');
  if (!isPlain && /[^\p{L}\p{M}\p{N}.-]/u.test(raw)) throw new Error('holds no valid host name or address');
  const labels = host.split('.');
  if (host.length > 253 || !labels.every((label) => LABEL.test(label))) {
    throw new Error('holds no valid host name or address');
  }
  // URL parsers read a last label that is a number as an IPv4 address (0x7f.1 is 127.0.0.1): only the plain form is
  // meant here.
  if (/^(?:\d+|0x[0-9a-f]*)$/.test(labels.at(-1) ?? '') && !(isPlain && isIPv4(host))) {
    throw new Error('holds no valid IPv4 address');
  }
  return host;
}

function checkedPort(raw: string | undefined): number {
  if (raw === undefined) return DEFAULT_PORT;
  const port = Number(raw);
  if (!/^\d{1,5}$/.test(raw) || port < 1 || port > 65_535)
    throw new Error('must have a port from 1 to 65535');
  return port;
}
