import { isIP } from 'node:net';
import type { RateLimits } from './config.ts';
import type { Environment } from './environment.ts';

/** What nobody who works with the service comes near, and what keeps one client from taking all of it. */
const DEFAULTS: RateLimits = { perAddress: 1200, perPrincipal: 600, failedLogins: 60 };
const MOST = 1_000_000;
/** Groups of addresses that Fastify knows by name. */
const NAMED_NETWORKS = new Set(['loopback', 'linklocal', 'uniquelocal']);

/** MCP_RATE_LIMIT_PER_ADDRESS, MCP_RATE_LIMIT_PER_PRINCIPAL, MCP_FAILED_LOGINS_PER_MINUTE: a minute each, 0 is none. */
export function readLimits(environment: Environment): RateLimits {
  return {
    perAddress: environment.integer('MCP_RATE_LIMIT_PER_ADDRESS', 0, MOST) ?? DEFAULTS.perAddress,
    perPrincipal: environment.integer('MCP_RATE_LIMIT_PER_PRINCIPAL', 0, MOST) ?? DEFAULTS.perPrincipal,
    failedLogins: environment.integer('MCP_FAILED_LOGINS_PER_MINUTE', 0, MOST) ?? DEFAULTS.failedLogins,
  };
}

/** MCP_TRUSTED_PROXIES: whose X-Forwarded-For counts. Nobody's by default: a client would choose its address with it. */
export function readTrustedProxies(environment: Environment): string[] {
  const proxies = (environment.list('MCP_TRUSTED_PROXIES') ?? []).map((item) => item.toLowerCase());
  if (!proxies.every((item) => NAMED_NETWORKS.has(item) || isNetwork(item))) {
    environment.problem(
      'MCP_TRUSTED_PROXIES',
      'must be a comma list of addresses, networks such as 10.0.0.0/8 (never /0: any client could then choose its ' +
        `address), ${[...NAMED_NETWORKS].join(', ')}`,
    );
  }
  return proxies;
}

/** An address, or one with the length of its network's prefix. */
function isNetwork(text: string): boolean {
  const [, address = '', prefix] = /^([^/%]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const family = isIP(address);
  if (family === 0) return false;
  return prefix === undefined || (Number(prefix) >= 1 && Number(prefix) <= (family === 4 ? 32 : 128));
}
