import type { FastifyInstance } from 'fastify';
import type { HttpConfig } from '../../config/config.ts';

/**
 * Refuses what a browser on another site could send: a Host that is not ours (421, DNS rebinding) and an Origin that
 * is not allowed (403). Requests without an Origin come from programs and pass, as do those of our own origin on
 * loopback, which no other page can have.
 */
export function allowlist(app: FastifyInstance, { allowedHosts, allowedOrigins }: HttpConfig): void {
  const origins = new Set(allowedOrigins.map((origin) => origin.toLowerCase()));
  const isAllowed = hostList(allowedHosts);
  app.addHook('onRequest', (request, reply, done) => {
    const { host, origin } = request.headers;
    const { takesHost } = request.routeOptions.config;
    if (!host || !(isAllowed(host) || takesHost?.(host))) {
      reply.code(421).send({
        error: 'misdirected_request',
        message: 'This Host is not served here. The operator can allow it with MCP_ALLOWED_HOSTS.',
      });
      return;
    }
    if (origin !== undefined && !origins.has(origin.toLowerCase()) && !isOwnOrigin(origin, host)) {
      reply.code(403).send({
        error: 'forbidden_origin',
        message: 'This Origin is not allowed. The operator can allow it with MCP_ALLOWED_ORIGINS.',
      });
      return;
    }
    done();
  });
}

/**
 * On loopback alone, as the conformance suite asks for: under another name a page may have been led here by its DNS,
 * and then its origin is the Host that it sends.
 */
function isOwnOrigin(origin: string, host: string): boolean {
  return LOOPBACK.test(host) && /^https?:\/\//i.test(origin) && origin.replace(/^https?:\/\//i, '') === host;
}

const LOOPBACK = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/i;

/**
 * Makes the test of Host headers by a list.
 *
 * @param allowed entries of the forms `host` (any port), `host:port`, `host:*`, `*.domain` (any name below it)
 */
export function hostList(allowed: readonly string[]): (header: string) => boolean {
  const entries = allowed.flatMap((entry) => splitHost(entry) ?? []);
  return (header) => {
    const given = HEADER.test(header) ? splitHost(header) : undefined;
    return given !== undefined && entries.some((entry) => fits(given, entry));
  };
}

/** What a client may send: no wildcard, and a port that exists. */
const HEADER = /^[^*]+$/;

interface HostPort {
  host: string;
  port: string;
}

function fits({ host, port }: HostPort, wanted: HostPort): boolean {
  if (wanted.port !== '' && wanted.port !== '*' && wanted.port !== port) return false;
  return wanted.host.startsWith('*.')
    ? host.endsWith(wanted.host.slice(1)) && host !== wanted.host.slice(1)
    : host === wanted.host;
}

/** Splits `host:port`; an IPv6 address stands in brackets. Anything with a user, path or space is no host. */
function splitHost(text: string): HostPort | undefined {
  const match = /^(\[[0-9a-f:.]+\]|[a-z0-9*._-]+)(?::(\d{1,5}|\*))?$/i.exec(text);
  if (match?.[1] === undefined || Number(match[2] ?? 0) > 65_535) return undefined;
  return { host: match[1].toLowerCase(), port: match[2] ?? '' };
}
