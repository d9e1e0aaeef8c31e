import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { HttpConfig } from './config.ts';
import { formatEndpoint } from './endpoint.ts';
import type { Environment } from './environment.ts';

const WILDCARDS = new Set(['0.0.0.0', '::']);

/**
 * MCP_REPLICA_URL: where the other replicas reach this one. Read where REDIS_URL is set; without it the address that is
 * listened on, or the machine's only one, as in a container. It stays `undefined` then, as the port may be any free one.
 *
 * @param addresses of this machine, without those of loopback
 */
export function readReplicaUrl(
  environment: Environment,
  { host }: Pick<HttpConfig, 'host'>,
  addresses: () => string[] = ownAddresses,
): string | undefined {
  const text = environment.text('MCP_REPLICA_URL')?.trim();
  if (text !== undefined) return checked(text, environment);
  if (!environment.has('REDIS_URL') || !WILDCARDS.has(host)) return undefined;
  const found = addresses();
  if (found.length === 1) return undefined;
  environment.problem(
    'MCP_REPLICA_URL',
    `is missing: MCP_HOST is ${host} and this machine has ${found.length} addresses. Set it to where the other ` +
      'replicas reach this one, such as http://10.0.0.7:8000',
  );
  return undefined;
}

/** Where a replica without MCP_REPLICA_URL is reached, once its port is known. */
export function derivedReplicaUrl(
  host: string,
  port: number,
  scheme: 'http' | 'https' = 'http',
  addresses: () => string[] = ownAddresses,
): string {
  const [only = host] = WILDCARDS.has(host) ? addresses() : [host];
  return `${scheme}://${formatEndpoint({ host: only, port })}`;
}

function checked(text: string, environment: Environment): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isPlain =
    url !== undefined &&
    /^https?:$/.test(url.protocol) &&
    `${url.username}${url.password}${url.search}${url.hash}` === '' &&
    url.pathname === '/';
  if (isPlain && !WILDCARDS.has(url.hostname.replace(/^\[|\]$/g, ''))) return url.origin;
  environment.problem(
    'MCP_REPLICA_URL',
    'must be the http or https address of this replica alone, such as http://10.0.0.7:8000, without user and path',
  );
  return undefined;
}

/** Addresses that others may reach; of both families only one is needed, and IPv4 is what networks of containers have. */
function ownAddresses(): string[] {
  const all = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, address }) => !internal && !/^fe80:|^169\.254\./i.test(address))
    .map(({ address }) => address);
  const fourth = all.filter((address) => isIP(address) === 4);
  return fourth.length > 0 ? fourth : all;
}
