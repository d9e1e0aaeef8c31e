import { resolve } from 'node:path';
import { checkedCertificates, normaliseFingerprint } from './certificates.ts';
import { readPatterns, readVmids } from './claims.ts';
import type { OpenSealed } from './clusters-key.ts';
import type { ClusterEntry, SecretSource } from './clusters-schema.ts';
import type { ClusterConfig, ClusterCredentials, ClusterTls, Endpoint } from './config.ts';
import { formatEndpoint, parseEndpoint } from './endpoint.ts';
import { type Environment, errorCode } from './environment.ts';
import { parsePrices } from './prices.ts';
import type { SealedPlace } from './sealed.ts';
import { Secret } from './secret.ts';

/** Where an entry stands: how its files are found, and how its problems are named. */
export interface EntryContext {
  name: string;
  /** Folder that relative paths start from. */
  folder: string;
  environment: Environment;
  /** Opens the entry's sealed secrets; absent where it comes from variables or questions, which hold none. */
  openSealed?: OpenSealed;
  /** Records a problem of one key of the entry; gives undefined, the value that the key then has. */
  problem(key: keyof ClusterEntry, message: string): undefined;
  warn(message: string): void;
}

// pve-access-control takes any user name without blanks, colons and slashes; a realm and a token begin with a letter.
const USER = /^[^\s:/!]+@[A-Za-z][A-Za-z0-9._-]+$/;
const TOKEN_NAME = /^[A-Za-z][A-Za-z0-9._-]+$/;
const HEADER_SAFE = /^[\x21-\x7e]+$/;

/**
 * Turns one cluster's entry, from clusters.json or from variables, into its configuration. Problems go to the
 * context; where there is one, the result is undefined.
 */
export function clusterConfig(entry: ClusterEntry, context: EntryContext): ClusterConfig | undefined {
  const endpoints = readEndpoints(entry, context);
  const credentials = readCredentials(entry, context);
  const tls = readTls(entry, context);
  const patterns = readPatterns(entry.patterns, (message) => context.problem('patterns', message));
  const vmids = readVmids(entry.vmids, (message) => context.problem('vmids', message));
  const prices = attemptOptional(entry.prices, parsePrices, (message) => context.problem('prices', message));
  if (endpoints === undefined || credentials === undefined || tls === undefined) return undefined;
  if (!tls.verify && endpoints.some((endpoint) => (endpoint.fingerprint ?? tls.fingerprint) === undefined)) {
    context.warn(
      `cluster "${context.name}": verify_ssl is false and no fingerprint is set, so any host that answers at its ` +
        'address gets its credentials; set `fingerprint`, or `ca_file` with verify_ssl true',
    );
  }
  return {
    name: context.name,
    endpoints,
    credentials,
    tls,
    ...(entry.default_node === undefined ? {} : { defaultNode: entry.default_node }),
    ...(entry.default_storage === undefined ? {} : { defaultStorage: entry.default_storage }),
    ...(entry.default_bridge === undefined ? {} : { defaultBridge: entry.default_bridge }),
    ...(entry.region === undefined ? {} : { region: entry.region }),
    ...(entry.tier === undefined ? {} : { tier: entry.tier }),
    patterns,
    vmids,
    ...(entry.fallback === undefined ? {} : { fallback: entry.fallback }),
    ...(prices ? { prices } : {}),
    readOnly: entry.read_only ?? false,
    validate: entry.validate ?? true,
  };
}

function readEndpoints(entry: ClusterEntry, context: EntryContext): Endpoint[] | undefined {
  const url = attempt(
    () => parseEndpoint(entry.url),
    (message) => context.problem('url', message),
  );
  const more = (entry.endpoints ?? []).map((item) =>
    attempt(
      () => {
        const { url: address, fingerprint } = typeof item === 'string' ? { url: item } : item;
        const parsed = parseEndpoint(address);
        return fingerprint === undefined
          ? parsed
          : { ...parsed, fingerprint: normaliseFingerprint(fingerprint) };
      },
      (message) => context.problem('endpoints', `one of them ${message}`),
    ),
  );
  if (url === undefined || more.includes(undefined)) return undefined;
  const all = [url, ...more.filter((endpoint) => endpoint !== undefined)];
  // The same address twice would count as two endpoints with a breaker each; the later one may carry the pin.
  return [...new Map(all.map((endpoint) => [formatEndpoint(endpoint), endpoint])).values()];
}

function readTls(entry: ClusterEntry, context: EntryContext): ClusterTls | undefined {
  const fingerprint = attemptOptional(entry.fingerprint, normaliseFingerprint, (message) =>
    context.problem('fingerprint', message),
  );
  const ca = attemptOptional(
    entry.ca_file,
    (path) =>
      checkedCertificates(
        readText(resolve(context.folder, path), (file) => context.environment.readFile(file)),
      ),
    (message) => context.problem('ca_file', message),
  );
  if (fingerprint === null || ca === null) return undefined;
  return {
    verify: entry.verify_ssl ?? true,
    ...(fingerprint === undefined ? {} : { fingerprint }),
    ...(ca === undefined ? {} : { ca }),
  };
}

function readCredentials(entry: ClusterEntry, context: EntryContext): ClusterCredentials | undefined {
  const token = entry.token_id !== undefined || entry.token_secret !== undefined;
  if (token && entry.password !== undefined) {
    return context.problem('password', 'is set beside a token; give one of the two');
  }
  if (token) return tokenCredentials(entry, context);
  if (entry.password === undefined) {
    return context.problem(
      'token_secret',
      'is missing: give token_id and token_secret, or user and password',
    );
  }
  if (!isUser(entry.user)) return context.problem('user', USER_RULE);
  const password = readSecret('password', entry.password, context);
  return password === undefined ? undefined : { kind: 'password', user: entry.user, password };
}

const USER_RULE = 'must be user@realm, such as root@pam or automation@pve';

function tokenCredentials(entry: ClusterEntry, context: EntryContext): ClusterCredentials | undefined {
  if (entry.token_id === undefined) return context.problem('token_id', 'is missing');
  if (entry.token_secret === undefined) return context.problem('token_secret', 'is missing');
  const split = entry.token_id.lastIndexOf('!');
  const user = split === -1 ? entry.user : entry.token_id.slice(0, split);
  const tokenId = entry.token_id.slice(split + 1);
  if (!TOKEN_NAME.test(tokenId)) {
    return context.problem('token_id', 'must be the token’s name, or user@realm!name');
  }
  if (user === undefined) {
    return context.problem('token_id', 'must be user@realm!name where `user` is not set');
  }
  if (!isUser(user)) return context.problem(split === -1 ? 'user' : 'token_id', USER_RULE);
  if (entry.user !== undefined && entry.user !== user) {
    return context.problem('user', 'is another one than the user in token_id');
  }
  const secret = readSecret('token_secret', entry.token_secret, context);
  if (secret === undefined) return undefined;
  if (!HEADER_SAFE.test(secret.reveal())) {
    return context.problem('token_secret', 'holds a blank, a line break or a non-ASCII character');
  }
  return { kind: 'token', user, tokenId, secret };
}

function isUser(user: string | undefined): user is string {
  return user !== undefined && USER.test(user) && HEADER_SAFE.test(user);
}

function readSecret(
  key: SealedPlace['key'],
  source: SecretSource,
  context: EntryContext,
): Secret | undefined {
  if (typeof source === 'string') return new Secret(source);
  if ('env' in source) {
    const secret = context.environment.secret(source.env);
    if (secret === undefined) context.problem(key, `names the variable ${source.env}, which is not set`);
    return secret;
  }
  if ('sealed' in source) {
    return attempt(
      () => {
        if (context.openSealed === undefined) throw new Error('can be sealed in clusters.json alone');
        return context.openSealed(source.sealed, { cluster: context.name, key });
      },
      (message) => context.problem(key, message),
    );
  }
  return attempt(
    () => {
      const path = resolve(context.folder, source.file);
      const value = readText(path, (file) => context.environment.readSecretFile(file));
      if (value === '') throw new Error(`names the file ${source.file}, which is empty`);
      return new Secret(value);
    },
    (message) => context.problem(key, message),
  );
}

function readText(path: string, read: (path: string) => string): string {
  try {
    return read(path);
  } catch (error) {
    throw new Error(`names the file ${path}, which can't be read (${errorCode(error)})`);
  }
}

function attempt<T>(read: () => T, onProblem: (message: string) => void): T | undefined {
  try {
    return read();
  } catch (error) {
    onProblem(error instanceof Error ? error.message : 'is not valid');
    return undefined;
  }
}

/** As `attempt`; an absent value stays undefined, a wrong one becomes null. */
function attemptOptional<Value, T>(
  value: Value | undefined,
  read: (value: Value) => T,
  onProblem: (message: string) => void,
): T | undefined | null {
  if (value === undefined) return undefined;
  return attempt(() => read(value), onProblem) ?? null;
}
