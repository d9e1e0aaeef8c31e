import { randomUUID } from 'node:crypto';
import type { JWTPayload, JWTVerifyOptions } from 'jose';
import { decodeProtectedHeader } from 'jose/decode/protected_header';
import * as errors from 'jose/errors';
import { SignJWT } from 'jose/jwt/sign';
import { jwtVerify } from 'jose/jwt/verify';
import type { Logger } from 'pino';
import type { AuthConfig } from '../config/config.ts';
import type { Secret } from '../config/secret.ts';
import { API_KEY_PREFIX, keyPrincipal } from './api-keys.ts';
import {
  CLOCK_TOLERANCE_SECONDS,
  checkHeader,
  principalOf,
  TokenRefusedError,
  TokenUncheckedError,
} from './claims.ts';
import type { Credentials } from './credentials.ts';
import { RemoteKeys, type RemoteKeysOptions } from './jwks.ts';
import { LOCAL_PRINCIPAL, type Principal } from './principal.ts';
import { SharedKeys, sharedKey } from './shared-keys.ts';
import type { SigningKey } from './signing-keys.ts';
import { VerifiedTokens } from './verified-tokens.ts';

/**
 * Checks a bearer token or an API key.
 *
 * @param digest `credentialDigest` of it, where the caller has that already
 * @throws TokenRefusedError where it is not accepted; TokenUncheckedError where that could not be found out.
 */
export type TokenVerifier = (token: string, digest?: string) => Promise<Principal>;

export interface VerifierParts {
  /** Own signing keys, API keys and revocations; without them only what is configured is accepted. */
  credentials?: Credentials;
  /** The shared secrets, where they may change; else those of the configuration stay. */
  sharedKeys?: SharedKeys | undefined;
  logger?: Logger;
  /** Milliseconds since the epoch. */
  clock?: () => number;
  fetch?: RemoteKeysOptions['fetch'];
}

/** How long a signature that a published key had made counts without that key: it may have been withdrawn since. */
const REMOTE_TRUST_MS = 30_000;
/** A longer token is refused unread. */
const MAX_TOKEN_LENGTH = 8192;

/** What a published key set may sign with; HS256 is not among them, so that a public key is never an HMAC secret. */
const ASYMMETRIC = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];

/** Verifies signature, expiry, audience and issuer. */
type Check = (token: string) => Promise<{ payload: JWTPayload; kid?: string }>;

/**
 * Makes the check of what clients show. The algorithm is pinned to the kind of key: HS256 for the shared secret,
 * asymmetric ones for a key set, its own for each of our signing keys (RFC 8725, section 3.1). Expiry, subject and
 * audience are required, and whatever was revoked is refused.
 */
export function createTokenVerifier(auth: AuthConfig, parts: VerifierParts = {}): TokenVerifier {
  if (auth.mode === 'none') return async () => LOCAL_PRINCIPAL;
  const { credentials, clock = Date.now } = parts;
  const configured = configuredCheck(auth, parts);
  const verified = new VerifiedTokens(clock, auth.mode === 'jwks' ? REMOTE_TRUST_MS : undefined);

  /** @throws TokenRefusedError where it is ours, and verifies no longer */
  function ownKey(kid: string | undefined, version?: number): SigningKey | undefined {
    const own = kid === undefined ? undefined : fromState(() => credentials?.keys.find(kid, version));
    if (own && !credentials?.keys.verifies(own))
      throw new TokenRefusedError('the key of the token is retired');
    return own;
  }

  /** Who was verified before, and counts still. */
  function knownBy(token: string, digest: string | undefined, version: number | undefined) {
    const known = verified.find(token, (kid) => ownKey(kid, version), digest);
    return known === undefined || parts.sharedKeys?.isRetired(known) ? undefined : known;
  }

  async function verifyJwt(jwtAuth: JwtAuth, token: string): Promise<Principal> {
    const header = decodeProtectedHeader(token);
    checkHeader(header);
    const { kid } = header;
    const own = ownKey(kid);
    const check = own ? ownCheck(jwtAuth, own, clock) : configured;
    if (!check) throw new TokenRefusedError('the token is not valid');
    const { payload, kid: signedWith } = await check(token);
    const issuer = own ? localIssuer(jwtAuth) : (payload.iss ?? '');
    const { groupsClaim } = jwtAuth;
    const claimed = principalOf(payload, { token, issuer, groupsClaim, now: clock() / 1000 });
    const principal = own || signedWith === undefined ? claimed : { ...claimed, signedWith };
    verified.add(token, { named: kid, key: own }, principal);
    return principal;
  }

  function verifyKey(shown: string): Principal {
    const key = fromState(() => credentials?.apiKeys.check(shown));
    if (!key) throw new TokenRefusedError('the API key is not valid');
    if (key.expiresAt * 1000 <= clock()) throw new TokenRefusedError('the API key has expired');
    return keyPrincipal(key, localIssuer(auth));
  }

  /** @throws TokenRefusedError */
  function requireGood(principal: Principal, version?: number): Principal {
    if (fromState(() => credentials?.revocations.isRevoked(principal, version))) {
      throw new TokenRefusedError('it was revoked');
    }
    return principal;
  }

  return async (token, digest) => {
    try {
      if (token.startsWith(API_KEY_PREFIX)) return requireGood(verifyKey(token));
      if (token.length > MAX_TOKEN_LENGTH) throw new TokenRefusedError('the token is too long');
      const version = fromState(() => credentials?.version());
      const known = knownBy(token, digest, version);
      return known === undefined ? requireGood(await verifyJwt(auth, token)) : requireGood(known, version);
    } catch (error) {
      if (error instanceof TokenRefusedError || error instanceof TokenUncheckedError) throw error;
      throw new TokenRefusedError(reasonOf(error), { cause: error });
    }
  };
}

/** Where the state fails nobody is let in, and no token is blamed. */
function fromState<T>(ask: () => T): T {
  try {
    return ask();
  } catch (cause) {
    throw new TokenUncheckedError('the state file can not be read', { cause });
  }
}

/** The issuer of what is issued here. Under a key set it is nobody's: an issuer's `alice` is not ours. */
export function localIssuer(auth: AuthConfig): string {
  return auth.mode === 'shared-secret' || auth.mode === 'own-keys' ? (auth.issuer ?? '') : '';
}

export interface TokenRequest {
  subject: string;
  /** Space-separated scopes. */
  scope: string;
  lifetimeSeconds: number;
  audience: string;
  issuer?: string | undefined;
  /** Epoch seconds. */
  issuedAt?: number;
  /** Unique; a random one where absent. */
  jti?: string;
}

/** Signs a token with the shared secret, or with a key of our own, for those who run no authorization server. */
export function issueToken(signer: Secret | SigningKey, request: TokenRequest): Promise<string> {
  const now = request.issuedAt ?? Math.floor(Date.now() / 1000);
  const { kid, algorithm, key } = 'kid' in signer ? signer : { algorithm: 'HS256', ...sharedKey(signer) };
  const jwt = new SignJWT({ scope: request.scope })
    .setProtectedHeader({ alg: algorithm, typ: 'JWT', kid })
    .setSubject(request.subject)
    .setAudience(request.audience)
    .setJti(request.jti ?? randomUUID())
    .setIssuedAt(now)
    .setExpirationTime(now + request.lifetimeSeconds);
  if (request.issuer !== undefined) jwt.setIssuer(request.issuer);
  return jwt.sign(key);
}

type JwtAuth = Exclude<AuthConfig, { mode: 'none' }>;

function configuredCheck(
  auth: JwtAuth,
  { logger, clock, fetch, sharedKeys }: VerifierParts,
): Check | undefined {
  if (auth.mode === 'own-keys') return undefined;
  if (auth.mode === 'shared-secret') {
    const keys = sharedKeys ?? new SharedKeys(auth);
    return (token) => keys.verify(token, { ...required(auth, clock), algorithms: ['HS256'] });
  }
  const keys = new RemoteKeys(auth.jwksUrl, {
    ...(logger ? { logger } : {}),
    ...(clock ? { clock } : {}),
    ...(fetch ? { fetch } : {}),
  });
  return (token) => jwtVerify(token, keys.find, { ...required(auth, clock), algorithms: ASYMMETRIC });
}

function ownCheck(auth: JwtAuth, { verifier, algorithm }: SigningKey, clock: () => number): Check {
  const issuer = localIssuer(auth) || undefined;
  const options = { ...required({ audience: auth.audience, issuer }, clock), algorithms: [algorithm] };
  return (token) => jwtVerify(token, verifier, options);
}

function required(
  { audience, issuer }: { audience: string; issuer?: string | undefined },
  clock: () => number = Date.now,
): JWTVerifyOptions {
  return {
    audience,
    requiredClaims: ['exp', 'sub', 'aud'],
    clockTolerance: CLOCK_TOLERANCE_SECONDS,
    currentDate: new Date(clock()),
    ...(issuer === undefined ? {} : { issuer }),
  };
}

/** Whether a token was refused for its age alone: a good signature, and a time that is over. */
export function hasExpired(refusal: unknown): boolean {
  return refusal instanceof TokenRefusedError && refusal.cause instanceof errors.JWTExpired;
}

function reasonOf(error: unknown): string {
  if (error instanceof errors.JWTExpired) return 'the token has expired';
  if (error instanceof errors.JWTClaimValidationFailed)
    return `the claim "${error.claim}" is missing or wrong`;
  if (error instanceof errors.JOSEAlgNotAllowed) return 'the algorithm of the token is not allowed';
  return 'the token is not valid';
}
