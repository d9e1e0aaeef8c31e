import { createRemoteJWKSet, errors, type JWTPayload, type JWTVerifyOptions, jwtVerify, SignJWT } from 'jose';
import type { AuthConfig } from '../config/config.ts';
import type { Secret } from '../config/secret.ts';
import { LOCAL_PRINCIPAL, type Principal, parseScopes } from './principal.ts';

/** Why a token was refused, in words for the client. Never holds the token or a part of it. */
export class TokenRefusedError extends Error {
  override readonly name = 'TokenRefusedError';
}

/** Checks a bearer token. @throws TokenRefusedError */
export type TokenVerifier = (token: string) => Promise<Principal>;

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

/**
 * Makes the check for the configured kind of token. The algorithm is pinned to the kind of key: HS256 for the shared
 * secret, asymmetric ones for a key set (RFC 8725, section 3.1). Expiry, subject and audience are required.
 */
export function createTokenVerifier(auth: AuthConfig): TokenVerifier {
  if (auth.mode === 'none') return async () => LOCAL_PRINCIPAL;
  const required: JWTVerifyOptions = {
    audience: auth.audience,
    requiredClaims: ['exp', 'sub', 'aud'],
    clockTolerance: 5,
    ...(auth.issuer === undefined ? {} : { issuer: auth.issuer }),
  };
  if (auth.mode === 'shared-secret') {
    const key = keyOf(auth.secret);
    return refusing((token) => jwtVerify(token, key, { ...required, algorithms: ['HS256'] }));
  }
  const keys = createRemoteJWKSet(new URL(auth.jwksUrl));
  return refusing((token) => jwtVerify(token, keys, { ...required, algorithms: ASYMMETRIC }));
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
}

/** Signs a token with the shared secret, for those who run no authorization server. */
export function issueToken(secret: Secret, request: TokenRequest): Promise<string> {
  const now = request.issuedAt ?? Math.floor(Date.now() / 1000);
  const jwt = new SignJWT({ scope: request.scope })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setSubject(request.subject)
    .setAudience(request.audience)
    .setIssuedAt(now)
    .setExpirationTime(now + request.lifetimeSeconds);
  if (request.issuer !== undefined) jwt.setIssuer(request.issuer);
  return jwt.sign(keyOf(secret));
}

function refusing(verify: (token: string) => Promise<{ payload: JWTPayload }>): TokenVerifier {
  return async (token) => {
    if (token.length > MAX_TOKEN_LENGTH) throw new TokenRefusedError('the token is too long');
    try {
      const { payload } = await verify(token);
      return principalOf(payload);
    } catch (error) {
      throw error instanceof TokenRefusedError
        ? error
        : new TokenRefusedError(reasonOf(error), { cause: error });
    }
  };
}

function principalOf({ sub, iss, scope, scp }: JWTPayload): Principal {
  if (!sub) throw new TokenRefusedError('the token names no subject');
  const scopes = typeof scope === 'string' ? scope : Array.isArray(scp) ? scp.join(' ') : '';
  return { id: JSON.stringify([iss ?? '', sub]), subject: sub, scopes: parseScopes(scopes) };
}

function reasonOf(error: unknown): string {
  if (error instanceof errors.JWTExpired) return 'the token has expired';
  if (error instanceof errors.JWTClaimValidationFailed)
    return `the claim "${error.claim}" is missing or wrong`;
  if (error instanceof errors.JOSEAlgNotAllowed) return 'the algorithm of the token is not allowed';
  if (error instanceof errors.JWKSTimeout) return 'the key set could not be loaded';
  return 'the token is not valid';
}

function keyOf(secret: Secret): Uint8Array {
  return new TextEncoder().encode(secret.reveal());
}
