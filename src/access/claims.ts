import { createHash } from 'node:crypto';
import type { JWTPayload } from 'jose';
import { type Principal, parseScopes } from './principal.ts';

/** Why a token was refused, in words for the client. Never holds the token or a part of it. */
export class TokenRefusedError extends Error {
  override readonly name = 'TokenRefusedError';
}

/** It could not be found out whether a token is good: no key set was loaded yet, or the state can't be read. */
export class TokenUncheckedError extends Error {
  override readonly name = 'TokenUncheckedError';
}

/** How far clocks may be apart, in seconds. */
export const CLOCK_TOLERANCE_SECONDS = 5;
/** RFC 9068, section 2.1, and what issuers write that are older; `application/` may be left out. */
const TYPES = new Set(['jwt', 'at+jwt']);
const LONGEST_NAME = 256;
const MOST_GROUPS = 1000;
/** What a `jti` may look like to be a name in logs and on a command line. */
const PLAIN_ID = /^[\w.:~-]{1,128}$/;
const DEFAULT_GROUPS_CLAIM = 'groups';

/**
 * Refuses headers that a token for this service does not have, before a key is looked for.
 *
 * @throws TokenRefusedError
 */
export function checkHeader(header: Readonly<Record<string, unknown>>): void {
  const { typ, crit, kid } = header;
  // None is understood here, and what is not understood must be refused (RFC 7515, section 4.1.11).
  if (crit !== undefined) throw new TokenRefusedError('the token has critical extensions');
  if (kid !== undefined && (typeof kid !== 'string' || kid.length > LONGEST_NAME)) {
    throw new TokenRefusedError('the key id of the token is not usable');
  }
  if (typ === undefined) return;
  const type = typeof typ === 'string' ? typ.toLowerCase().replace(/^application\//, '') : '';
  if (!TYPES.has(type)) throw new TokenRefusedError('the token is no access token');
}

export interface ClaimOptions {
  token: string;
  /** What makes the principal's id unique beside its subject. */
  issuer: string;
  /** Name of the claim with the groups, or a path through objects such as `realm_access.roles`. */
  groupsClaim?: string | undefined;
  /** Epoch seconds. */
  now: number;
}

/**
 * Makes the caller from claims whose signature, issuer, audience and expiry have been checked.
 *
 * @throws TokenRefusedError
 */
export function principalOf(payload: JWTPayload, options: ClaimOptions): Principal {
  const { sub, iat, exp } = payload;
  if (typeof sub !== 'string' || !isName(sub))
    throw new TokenRefusedError('the token names no usable subject');
  if (iat !== undefined && (typeof iat !== 'number' || iat > options.now + CLOCK_TOLERANCE_SECONDS)) {
    throw new TokenRefusedError('the claim "iat" is wrong: the token was issued in the future');
  }
  // Keycloak's and Cognito's marks of a token that says who signed in, and grants nothing.
  if (payload.typ === 'ID' || payload.token_use === 'id') {
    throw new TokenRefusedError('the token is no access token');
  }
  const client = clientOf(payload);
  return {
    id: JSON.stringify([options.issuer, sub]),
    subject: sub,
    ...(client === undefined ? {} : { client }),
    groups: groupsOf(payload, options.groupsClaim ?? DEFAULT_GROUPS_CLAIM),
    scopes: parseScopes([...namesOf(payload.scope), ...namesOf(payload.scp)].join(' ')),
    credential: credentialOf(payload, options.token),
    ...(iat === undefined ? {} : { issuedAt: iat }),
    ...(exp === undefined ? {} : { expiresAt: exp }),
  };
}

/**
 * Names the credential for the audit and for revocation. Without a `jti` it is a hash of header and claims, and not of
 * the signature: that can be written in several ways for one token.
 */
function credentialOf({ jti }: JWTPayload, token: string): string {
  if (typeof jti === 'string' && PLAIN_ID.test(jti)) return `jwt:${jti}`;
  const signed = token.slice(0, token.lastIndexOf('.'));
  return `jwt:sha256-${createHash('sha256').update(signed).digest('hex').slice(0, 32)}`;
}

/** RFC 9068 has `client_id`; OpenID Connect's issuers write `azp`. */
function clientOf({ client_id, azp }: JWTPayload): string | undefined {
  const client = client_id ?? azp;
  return typeof client === 'string' && isName(client) ? client : undefined;
}

function groupsOf(payload: JWTPayload, claim: string): readonly string[] {
  // A name such as https://example.org/groups has dots of its own.
  const value = own(payload, claim) ?? claim.split('.').reduce<unknown>(own, payload);
  const names = typeof value === 'string' ? [value] : Array.isArray(value) ? value : [];
  return names.filter((name) => typeof name === 'string' && isName(name)).slice(0, MOST_GROUPS);
}

function own(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key)
    ? (value as Record<string, unknown>)[key]
    : undefined;
}

/** `"a b"`, as OAuth writes scopes, or `["a", "b"]`, as others do. */
function namesOf(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return Array.isArray(value) ? value.filter((name) => typeof name === 'string') : [];
}

/** Names stand in logs and in lists: no line breaks, no text that turns the reading direction, no novel. */
export function isName(text: string): boolean {
  return text.trim() !== '' && text.length <= LONGEST_NAME && !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(text);
}
