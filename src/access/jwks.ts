import type { JSONWebKeySet, JWTVerifyGetKey } from 'jose';
import { JWKSNoMatchingKey } from 'jose/errors';
import { createLocalJWKSet } from 'jose/jwks/local';
import type { Logger } from 'pino';
import { TokenUncheckedError } from './claims.ts';

export interface RemoteKeysOptions {
  logger?: Logger;
  /** Milliseconds that only grow. */
  clock?: () => number;
  fetch?: typeof fetch;
}

/** After this long keys are looked at again, beside the requests; after twice as long a request waits for it. */
const REFRESH_MS = 5 * 60_000;
/** The least time between two loads while there are keys, whatever key ids are asked for. */
const COOLDOWN_MS = 30_000;
/** The same while there are none, as when the service starts before its issuer. */
const FIRST_COOLDOWN_MS = 5_000;
/** Keys of an issuer that is down serve for that long: it might have withdrawn them meanwhile. */
const LONGEST_MS = 24 * 3_600_000;
const TIMEOUT_MS = 5_000;
const MOST_BYTES = 256 * 1024;

type Keys = ReturnType<typeof createLocalJWKSet>;

/**
 * The public keys of an issuer. jose's own remote set loads anew on each request while the issuer is down and then
 * refuses what its old keys would have verified, and it bounds neither the answer nor failed loads; this one does.
 */
export class RemoteKeys {
  readonly #url: string;
  readonly #options: RemoteKeysOptions;
  readonly #clock: () => number;
  #keys: Keys | undefined;
  #loadedAt = 0;
  #triedAt = Number.NEGATIVE_INFINITY;
  #hasFailed = false;
  #loading: Promise<void> | undefined;

  constructor(url: string, options: RemoteKeysOptions = {}) {
    this.#url = url;
    this.#options = options;
    this.#clock = options.clock ?? (() => performance.now());
  }

  /**
   * Finds the key that a token names by its `kid`, and nothing else of its header counts but `alg`: `jku`, `x5u`,
   * `x5c` and `jwk` would let the token choose its own judge.
   *
   * @throws TokenUncheckedError where no keys could be loaded; JWKSNoMatchingKey of jose where none fits.
   */
  readonly find: JWTVerifyGetKey = async (header, token) => {
    const keys = await this.#current();
    // A copy, so that nothing but these two is looked at whatever jose learns to read.
    const { alg, kid } = header;
    const wanted = kid === undefined ? { alg } : { alg, kid };
    try {
      return await keys(wanted, token);
    } catch (error) {
      if (!(error instanceof JWKSNoMatchingKey)) throw error;
      if (!this.#loading && !this.#mayLoad()) throw error;
      await this.#load();
      return await (this.#keys ?? keys)(wanted, token);
    }
  };

  async #current(): Promise<Keys> {
    const age = this.#clock() - this.#loadedAt;
    if (this.#keys === undefined || age >= LONGEST_MS) {
      // One load for all who wait; who comes after a failed one does not cause the next at once.
      if (this.#loading || this.#mayLoad()) await this.#load();
      if (!this.#keys || this.#clock() - this.#loadedAt >= LONGEST_MS) {
        throw new TokenUncheckedError('the key set could not be loaded');
      }
    } else if (age >= REFRESH_MS && (this.#loading || this.#mayLoad())) {
      const load = this.#load();
      // A service that was idle must not accept a key that was withdrawn meanwhile; an issuer that is known to be
      // down is not waited for.
      if (age >= 2 * REFRESH_MS && !this.#hasFailed) await load;
    }
    return this.#keys;
  }

  #mayLoad(): boolean {
    const cooldown = this.#keys === undefined ? FIRST_COOLDOWN_MS : COOLDOWN_MS;
    return this.#clock() - this.#triedAt >= cooldown;
  }

  /** Loads once for all who ask meanwhile; a failure leaves the keys as they are. */
  #load(): Promise<void> {
    this.#loading ??= this.#replace().finally(() => {
      this.#loading = undefined;
    });
    return this.#loading;
  }

  async #replace(): Promise<void> {
    this.#triedAt = this.#clock();
    try {
      this.#keys = createLocalJWKSet(await this.#fetch());
      this.#loadedAt = this.#clock();
      this.#hasFailed = false;
    } catch (error) {
      this.#hasFailed = true;
      const reason = error instanceof Error ? error.message : String(error);
      this.#options.logger?.warn(
        { reason, kept: this.#keys !== undefined },
        'the key set of MCP_JWKS_URL could not be loaded',
      );
    }
  }

  async #fetch(): Promise<JSONWebKeySet> {
    const response = await (this.#options.fetch ?? fetch)(this.#url, {
      // A redirect could lead anywhere, to plain http too; the address of the keys is configured.
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
      headers: { accept: 'application/json, application/jwk-set+json' },
    });
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new Error(`the answer has the status ${response.status}`);
    }
    const set: unknown = JSON.parse(await textOf(response));
    return set as JSONWebKeySet;
  }
}

/** Reads a body up to the bound; decompressed bytes count. */
async function textOf({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.length;
    if (size > MOST_BYTES) throw new Error(`the answer is longer than ${MOST_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
