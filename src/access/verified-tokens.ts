import { hash } from 'node:crypto';
import type { Principal } from './principal.ts';

const MOST = 10_000;

interface Verified {
  principal: Principal;
  /** Epoch milliseconds. */
  until: number;
  /** The key that its header names, whose ever it is. */
  named: string | undefined;
  /** Which of our keys had signed it; undefined for what is configured. */
  kid: string | undefined;
}

/**
 * The tokens whose signature and claims were found good, by their digest: a signature does not turn wrong. Only the
 * check of the signature is spared. Whether a token has expired, its key still counts or it was revoked is for the
 * caller to ask each time.
 */
export class VerifiedTokens {
  readonly #known = new Map<string, Verified>();
  readonly #clock: () => number;
  readonly #longestMs: number;

  /**
   * @param clock epoch milliseconds
   * @param longestMs after how long a token is verified anew; at its expiry where absent
   */
  constructor(clock: () => number, longestMs = Number.POSITIVE_INFINITY) {
    this.#clock = clock;
    this.#longestMs = longestMs;
  }

  get size(): number {
    return this.#known.size;
  }

  /**
   * The same principal each time, until the token expires to the second. From then on it is verified as a new one, which
   * tells the tolerance for clocks that differ, and the words of a refusal.
   *
   * @param digest `credentialDigest` of the token
   * @param keyNamed finds the one of our own that a header names; what it throws ends the search
   */
  find(
    token: string,
    keyNamed: (kid: string | undefined) => { kid: string } | undefined,
    digest = credentialDigest(token),
  ): Principal | undefined {
    const known = this.#known.get(digest);
    if (known === undefined) return undefined;
    const key = keyNamed(known.named);
    if (known.until > this.#clock() && known.kid === key?.kid) return known.principal;
    this.#known.delete(digest);
    return undefined;
  }

  /**
   * Beyond the bound the one that was verified longest ago is forgotten.
   *
   * @param named the key that its header names
   * @param key the one of our own that this is
   */
  add(
    token: string,
    { named, key }: { named: string | undefined; key: { kid: string } | undefined },
    principal: Principal,
  ): void {
    const { expiresAt = 0 } = principal;
    const until = Math.min(expiresAt * 1000, this.#clock() + this.#longestMs);
    if (this.#known.size >= MOST) {
      const [oldest] = this.#known.keys();
      if (oldest !== undefined) this.#known.delete(oldest);
    }
    this.#known.set(credentialDigest(token), { principal, until, named, kid: key?.kid });
  }
}

/** By which credentials are remembered, so that no memory dump holds more of them than the requests under way. */
export function credentialDigest(credential: string): string {
  return hash('sha256', credential, 'base64');
}
