import { createHash, createSecretKey, type KeyObject } from 'node:crypto';
import type { JWTPayload, JWTVerifyOptions } from 'jose';
import { JWSSignatureVerificationFailed } from 'jose/errors';
import { jwtVerify } from 'jose/jwt/verify';
import type { Secret } from '../config/secret.ts';
import type { Principal } from './principal.ts';

/** A shared secret as a key, with a name that tells it from others. */
export interface SharedKey {
  kid: string;
  key: KeyObject;
}

/** MCP_JWT_SECRET, and the one before it while its tokens are to be accepted still. */
export interface SharedSecrets {
  secret: Secret;
  previous?: Secret;
}

export function sharedKey(secret: Secret): SharedKey {
  const key = createSecretKey(Buffer.from(secret.reveal(), 'utf8'));
  // Tells tokens of an earlier secret from those of this one. A token gives as much away to who guesses secrets.
  const kid = `hs-${createHash('sha256').update('kid').update(key.export()).digest('hex').slice(0, 8)}`;
  return { kid, key };
}

/** The secrets that tokens are checked with. They can be exchanged while the service runs. */
export class SharedKeys {
  readonly #listeners = new Set<() => void>();
  #keys: readonly SharedKey[];

  constructor(secrets: SharedSecrets) {
    this.#keys = keysOf(secrets);
  }

  /** Takes other secrets into use. Who listens is told where one is no longer among them. */
  renew(secrets: SharedSecrets): void {
    const before = this.#keys;
    this.#keys = keysOf(secrets);
    if (before.every(({ kid }) => this.#has(kid))) return;
    for (const listener of this.#listeners) listener();
  }

  /**
   * Checks a token with each of the secrets.
   *
   * @returns what it claims, and the name of the secret that signed it
   * @throws what `jwtVerify` throws
   */
  async verify(token: string, options: JWTVerifyOptions): Promise<{ payload: JWTPayload; kid: string }> {
    const [current, ...others] = this.#keys;
    if (current === undefined) throw new Error('there is no shared secret');
    try {
      return { ...(await jwtVerify(token, current.key, options)), kid: current.kid };
    } catch (error) {
      if (!(error instanceof JWSSignatureVerificationFailed)) throw error;
      for (const { kid, key } of others) return { ...(await jwtVerify(token, key, options)), kid };
      throw error;
    }
  }

  /** Whether the secret that signed a principal's token is no longer in use. */
  isRetired({ signedWith }: Pick<Principal, 'signedWith'>): boolean {
    return signedWith !== undefined && !this.#has(signedWith);
  }

  /** @returns ends it */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #has(kid: string): boolean {
    return this.#keys.some((key) => key.kid === kid);
  }
}

function keysOf({ secret, previous }: SharedSecrets): SharedKey[] {
  return [secret, ...(previous === undefined ? [] : [previous])].map(sharedKey);
}
