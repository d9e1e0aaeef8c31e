import { isIPv4 } from 'node:net';
import { resolve } from 'node:path';
import {
  type AuditConfig,
  type AuthConfig,
  type ClaimConfig,
  type HttpConfig,
  LOG_LEVELS,
  type LogLevel,
} from './config.ts';
import type { Environment } from './environment.ts';
import { readLimits, readTrustedProxies } from './limits.ts';
import { readMetrics } from './observability.ts';

const MIN_SECRET_BYTES = 32;
const LEAST_AUDIT_BYTES = 64 * 1024;
const MOST_AUDIT_BYTES = 4 * 1024 ** 3;
const LOCAL_HOSTS = ['localhost:*', '127.0.0.1:*', '[::1]:*'];
/** `host`, `host:port`, `host:*`, `*.domain`; IPv6 in brackets. */
const HOST_PATTERN =
  /^(?:\*\.)?(?:[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\])(?::(?:\d{1,5}|\*))?$/i;

/** The HTTP settings: MCP_HOST, MCP_PORT, MCP_PUBLIC_URL, MCP_ALLOWED_HOSTS, MCP_ALLOWED_ORIGINS, and the limits. */
export function readHttp(environment: Environment, warnings: string[]): HttpConfig {
  const host = environment.text('MCP_HOST')?.trim() ?? '127.0.0.1';
  const publicUrl = readPublicUrl(environment);
  if (publicUrl !== undefined && environment.text('MCP_AUTH') === 'none') {
    warnings.push('MCP_AUTH is none and MCP_PUBLIC_URL is set: whoever reaches that address needs no token');
  }
  const explicitHosts = environment.list('MCP_ALLOWED_HOSTS');
  if (explicitHosts?.some((pattern) => !HOST_PATTERN.test(pattern))) {
    environment.problem('MCP_ALLOWED_HOSTS', 'must be a comma list of host, host:port, host:* or *.domain');
  }
  if (!isLoopback(host) && explicitHosts === undefined && publicUrl === undefined) {
    warnings.push(
      'MCP_HOST is not a loopback address, but only localhost is an allowed Host: set MCP_PUBLIC_URL or MCP_ALLOWED_HOSTS',
    );
  }
  const metrics = readMetrics(environment, { isLoopback: isLoopback(host) }, warnings);
  return {
    host,
    port: readPort(environment),
    ...(metrics === undefined ? {} : { metrics }),
    ...(publicUrl === undefined ? {} : { publicUrl }),
    allowedHosts: explicitHosts ?? [
      ...LOCAL_HOSTS,
      ...(publicUrl === undefined ? [] : [new URL(publicUrl).host]),
    ],
    allowedOrigins: readOrigins(environment),
    trustedProxies: readTrustedProxies(environment),
    limits: readLimits(environment),
  };
}

/**
 * The authentication settings: MCP_AUTH, MCP_JWT_SECRET (and MCP_JWT_SECRET_PREVIOUS) or MCP_JWKS_URL, MCP_JWT_ISSUER, MCP_JWT_AUDIENCE,
 * MCP_JWT_GROUPS_CLAIM. Where there is neither secret nor key set, STATE_FILE or REDIS_URL has to be there.
 *
 * @param host the address that the service binds to: `none` is for loopback alone
 */
export function readAuth(environment: Environment, host: string): AuthConfig {
  const mode = environment.text('MCP_AUTH') ?? 'jwt';
  if (mode === 'none') {
    if (!isLoopback(host)) {
      environment.problem(
        'MCP_AUTH',
        'must not be none unless MCP_HOST is a loopback address such as 127.0.0.1',
      );
    }
    return { mode: 'none' };
  }
  if (mode !== 'jwt') environment.problem('MCP_AUTH', 'must be jwt or none');
  return readJwt(environment) ?? { mode: 'none' };
}

export function readLogLevel(environment: Environment): LogLevel {
  const wanted = environment.text('LOG_LEVEL')?.toLowerCase() ?? 'info';
  const level = LOG_LEVELS.find((name) => name === wanted);
  if (level === undefined) environment.problem('LOG_LEVEL', `must be one of ${LOG_LEVELS.join(', ')}`);
  return level ?? 'info';
}

/** Undefined where it is wrong; the problem that was recorded then keeps the configuration from being used. */
function readJwt(environment: Environment): AuthConfig | undefined {
  const secret = environment.secret('MCP_JWT_SECRET');
  const previous = environment.secret('MCP_JWT_SECRET_PREVIOUS');
  const jwksUrl = environment.text('MCP_JWKS_URL');
  const issuer = environment.text('MCP_JWT_ISSUER');
  const common = {
    audience: environment.text('MCP_JWT_AUDIENCE') ?? 'proxmox-mcp',
    ...readGroupsClaim(environment),
  };
  const named = issuer === undefined ? {} : { issuer };
  if (secret !== undefined && jwksUrl !== undefined) {
    environment.problem('MCP_JWKS_URL', 'is set beside MCP_JWT_SECRET; keep one');
    return undefined;
  }
  if (secret !== undefined) {
    if (Buffer.byteLength(secret.reveal()) < MIN_SECRET_BYTES) {
      environment.problem('MCP_JWT_SECRET', `is shorter than ${MIN_SECRET_BYTES} bytes; ${MAKE_A_SECRET}`);
    }
    if (previous !== undefined && Buffer.byteLength(previous.reveal()) < MIN_SECRET_BYTES) {
      environment.problem('MCP_JWT_SECRET_PREVIOUS', `is shorter than ${MIN_SECRET_BYTES} bytes`);
    }
    return {
      mode: 'shared-secret',
      secret,
      ...(previous === undefined ? {} : { previous }),
      ...named,
      ...common,
    };
  }
  if (jwksUrl !== undefined) return readJwks(environment, jwksUrl, issuer, common);
  if (environment.has('MCP_JWT_SECRET') || environment.has('MCP_JWKS_URL')) return undefined;
  if (environment.has('STATE_FILE') || environment.has('REDIS_URL'))
    return { mode: 'own-keys', ...named, ...common };
  environment.problem(
    'MCP_JWT_SECRET',
    `is missing: clients need a token. ${environment.hasDotEnv ? '' : NO_DOT_ENV}Set it (${MAKE_A_SECRET}), or ` +
      'MCP_JWKS_URL, or STATE_FILE for keys of its own, or MCP_AUTH=none on a loopback address',
  );
  return undefined;
}

function readJwks(
  environment: Environment,
  jwksUrl: string,
  issuer: string | undefined,
  common: ClaimConfig,
): AuthConfig | undefined {
  if (!isKeyUrl(jwksUrl)) {
    environment.problem(
      'MCP_JWKS_URL',
      'must be an https URL without user and password (http on loopback only)',
    );
  }
  if (issuer === undefined) {
    environment.problem('MCP_JWT_ISSUER', 'is missing; MCP_JWKS_URL needs it');
    return undefined;
  }
  return { mode: 'jwks', jwksUrl, issuer, ...common };
}

function readGroupsClaim(environment: Environment): { groupsClaim?: string } {
  const groupsClaim = environment.text('MCP_JWT_GROUPS_CLAIM')?.trim();
  if (groupsClaim === undefined) return {};
  if (!/^[\x21-\x7e]{1,200}$/.test(groupsClaim)) {
    environment.problem(
      'MCP_JWT_GROUPS_CLAIM',
      'must be the name of a claim, such as groups or realm_access.roles',
    );
  }
  return { groupsClaim };
}

/** AUDIT_FILE with AUDIT_KEY and AUDIT_MAX_BYTES; relative paths start at the working directory. */
export function readAudit(environment: Environment, cwd: string): AuditConfig | undefined {
  const path = environment.text('AUDIT_FILE');
  const key = environment.secret('AUDIT_KEY');
  const maxBytes = environment.integer('AUDIT_MAX_BYTES', LEAST_AUDIT_BYTES, MOST_AUDIT_BYTES);
  if (key !== undefined && Buffer.byteLength(key.reveal()) < MIN_SECRET_BYTES) {
    environment.problem('AUDIT_KEY', `is shorter than ${MIN_SECRET_BYTES} bytes; ${MAKE_A_SECRET}`);
  }
  if (path === undefined) return undefined;
  return {
    path: resolve(cwd, path),
    ...(key === undefined ? {} : { key }),
    ...(maxBytes === undefined ? {} : { maxBytes }),
  };
}

/** STATE_FILE. Nothing is made or opened here. */
export function readStateFile(environment: Environment, cwd: string): string | undefined {
  const wanted = environment.text('STATE_FILE');
  if (wanted === undefined) return undefined;
  if (wanted.startsWith('~')) environment.problem('STATE_FILE', 'must not begin with ~: write the path out');
  return resolve(cwd, wanted);
}

const MAKE_A_SECRET = 'make one with: openssl rand -base64 48';
const NO_DOT_ENV =
  'No .env was found in this folder: where another folder has it, go there, because a new secret invalidates the ' +
  'tokens issued with the old one. ';

function isKeyUrl(text: string): boolean {
  const url = parseUrl(text);
  if (url === undefined || url.username !== '' || url.password !== '') return false;
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname));
}

/** MCP_PORT, or 8000. */
export function readPort(environment: Environment): number {
  const text = environment.text('MCP_PORT')?.trim() ?? '8000';
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port <= 65_535) return port;
  environment.problem('MCP_PORT', 'must be a port from 1 to 65535, or 0 for a free one');
  return 0;
}

function readPublicUrl(environment: Environment): string | undefined {
  const text = environment.text('MCP_PUBLIC_URL');
  if (text === undefined) return undefined;
  const url = parseUrl(text.trim());
  const extras = url === undefined ? '' : url.username + url.password + url.search + url.hash;
  if (url === undefined || !/^https?:$/.test(url.protocol) || extras !== '') {
    environment.problem('MCP_PUBLIC_URL', 'must be an http or https URL without user, query and fragment');
    return undefined;
  }
  return url.href.replace(/\/+$/, '');
}

function readOrigins(environment: Environment): string[] {
  const origins = environment.list('MCP_ALLOWED_ORIGINS') ?? [];
  return origins.map((text) => {
    const url = parseUrl(text);
    const bare = text.replace(/\/$/, '').toLowerCase();
    if (url !== undefined && /^https?:$/.test(url.protocol) && url.origin === bare) return url.origin;
    environment.problem('MCP_ALLOWED_ORIGINS', 'must be a comma list such as https://app.example.org');
    return text;
  });
}

function parseUrl(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}

export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '').toLowerCase();
  return bare === 'localhost' || bare === '::1' || (isIPv4(bare) && bare.startsWith('127.'));
}
