import {
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import type { State } from './state.ts';

export const OWN_ALGORITHMS = ['EdDSA', 'HS256'] as const;
export type OwnAlgorithm = (typeof OWN_ALGORITHMS)[number];

/** A key of our own that signs tokens. What is secret is a KeyObject, which prints nothing of itself. */
export interface SigningKey {
  kid: string;
  algorithm: OwnAlgorithm;
  key: KeyObject;
  /** The public half; of HS256 the same key. */
  verifier: KeyObject;
  /** Epoch seconds. */
  createdAt: number;
  /** Epoch seconds until which a key that was rotated out still verifies; undefined for the one in use. */
  verifiesUntil?: number;
}

export const SIGNING_KEY_TABLES = `CREATE TABLE IF NOT EXISTS signing_keys (
  kid TEXT PRIMARY KEY,
  algorithm TEXT NOT NULL CHECK (algorithm IN ('EdDSA', 'HS256')),
  key BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  verifies_until INTEGER
)`;
const HMAC_BYTES = 32;
/** Key ids that are remembered: callers choose them, as a token names its key before anything of it is verified. */
const MOST_FOUND = 1000;

/** The keys that sign this service's own tokens, in the state file: one in use, and those before it for an overlap. */
export class SigningKeys {
  readonly #state: State;
  readonly #clock: () => number;
  readonly #byKid;
  /** A key is immutable, so that what was read once needs no second import; whether it still counts is read anew. */
  readonly #imported = new Map<string, KeyPair>();
  /** What was found at one version of the state. */
  readonly #found = new Map<string, SigningKey | undefined>();
  #foundAt: number | undefined;

  constructor(state: State, clock: () => number = Date.now) {
    this.#state = state;
    this.#clock = clock;
    state.database.exec(SIGNING_KEY_TABLES);
    this.#byKid = state.database.prepare('SELECT * FROM signing_keys WHERE kid = ?');
  }

  /** The key that signs now; undefined where none was made yet. */
  current(): SigningKey | undefined {
    const row = this.#state.database
      .prepare('SELECT * FROM signing_keys WHERE verifies_until IS NULL ORDER BY created_at DESC LIMIT 1')
      .get();
    return row && this.#keyOf(row);
  }

  /**
   * A key by its id, with that it may verify no longer: the caller has to look.
   *
   * @param version of the state, where the caller has asked for it since it was shown the id
   */
  find(kid: string, version = this.#state.version()): SigningKey | undefined {
    if (this.#foundAt !== version || this.#found.size >= MOST_FOUND) this.#found.clear();
    this.#foundAt = version;
    if (this.#found.has(kid)) return this.#found.get(kid);
    const row = this.#byKid.get(kid);
    const key = row && this.#keyOf(row);
    this.#found.set(kid, key);
    return key;
  }

  /** Whether a key verifies at this moment. */
  verifies({ verifiesUntil }: SigningKey): boolean {
    return verifiesUntil === undefined || verifiesUntil > this.#now();
  }

  /**
   * Makes a new key and signs with it from now on.
   *
   * @param overlapSeconds how long the one before still verifies; 0 ends all its tokens now
   */
  async rotate(algorithm: OwnAlgorithm, overlapSeconds: number): Promise<SigningKey> {
    const now = this.#now();
    const kid = `pmx-${randomBytes(8).toString('hex')}`;
    const key = newKey(algorithm);
    await this.#state.write(() => {
      this.#state.database
        .prepare('UPDATE signing_keys SET verifies_until = ? WHERE verifies_until IS NULL')
        .run(now + overlapSeconds);
      this.#state.database
        .prepare('INSERT INTO signing_keys (kid, algorithm, key, created_at) VALUES (?, ?, ?, ?)')
        .run(kid, algorithm, key, now);
    });
    const made = this.find(kid);
    if (!made) throw new Error('the key that was just stored is not there');
    return made;
  }

  /** The key in use; the first one is made when it is asked for. */
  async ensure(algorithm: OwnAlgorithm = 'EdDSA'): Promise<SigningKey> {
    return this.current() ?? (await this.rotate(algorithm, 0));
  }

  #keyOf(row: Record<string, unknown>): SigningKey {
    const kid = String(row.kid);
    const algorithm: OwnAlgorithm = row.algorithm === 'HS256' ? 'HS256' : 'EdDSA';
    const pair = this.#imported.get(kid) ?? imported(algorithm, row.key);
    this.#imported.set(kid, pair);
    return {
      kid,
      algorithm,
      ...pair,
      createdAt: Number(row.created_at),
      ...(row.verifies_until === null ? {} : { verifiesUntil: Number(row.verifies_until) }),
    };
  }

  #now(): number {
    return Math.floor(this.#clock() / 1000);
  }
}

function newKey(algorithm: OwnAlgorithm): Uint8Array {
  if (algorithm === 'HS256') return randomBytes(HMAC_BYTES);
  return generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'der' });
}

type KeyPair = Pick<SigningKey, 'key' | 'verifier'>;

function imported(algorithm: OwnAlgorithm, stored: unknown): KeyPair {
  if (!(stored instanceof Uint8Array)) throw new Error('a signing key of the state file can not be read');
  const bytes = Buffer.from(stored);
  if (algorithm === 'HS256') {
    const secret = createSecretKey(bytes);
    return { key: secret, verifier: secret };
  }
  const key = createPrivateKey({ key: bytes, format: 'der', type: 'pkcs8' });
  return { key, verifier: createPublicKey(key) };
}
