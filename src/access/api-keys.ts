import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { type Principal, parseScopes } from './principal.ts';
import type { Revocations } from './revocations.ts';
import type { State } from './state.ts';

/** What is remembered of a key; never the key. Times are epoch seconds. */
export interface ApiKey {
  id: string;
  subject: string;
  scope: string;
  createdAt: number;
  expiresAt: number;
}

export type ApiKeyState = 'valid' | 'expired' | 'revoked';

/** `pmk_<id>_<secret>`: the prefix lets secret scanners find one that was published. */
const FORMAT = /^pmk_([0-9a-f]{12})_([A-Za-z0-9_-]{43})$/;
export const API_KEY_PREFIX = 'pmk_';

export const API_KEY_TABLES = `CREATE TABLE IF NOT EXISTS api_keys (
  id TEXT PRIMARY KEY,
  subject TEXT NOT NULL,
  scope TEXT NOT NULL,
  hash BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
)`;
/** Compared with where there is no such key, so that both answers take the same time. */
const NO_HASH = Buffer.alloc(32);

/**
 * Keys for clients that can only send a fixed header. Stored as SHA-256: a key is 256 random bits, which nobody
 * guesses however fast the hash is, so a slow one would protect nothing and cost time on every request.
 */
export class ApiKeys {
  readonly #state: State;
  readonly #clock: () => number;
  readonly #byId;

  constructor(state: State, clock: () => number = Date.now) {
    this.#state = state;
    this.#clock = clock;
    state.database.exec(API_KEY_TABLES);
    this.#byId = state.database.prepare('SELECT * FROM api_keys WHERE id = ?');
  }

  /**
   * Makes a key.
   *
   * @param issuedAt epoch seconds; the clock's where absent
   * @returns the record, and the key itself, which can't be had a second time
   */
  async add(subject: string, scope: string, lifetimeSeconds: number, issuedAt = this.#now()) {
    return this.#state.write(() => this.#add(subject, scope, lifetimeSeconds, issuedAt));
  }

  #add(subject: string, scope: string, lifetimeSeconds: number, issuedAt: number) {
    const id = randomBytes(6).toString('hex');
    const key = `${API_KEY_PREFIX}${id}_${randomBytes(32).toString('base64url')}`;
    const record: ApiKey = { id, subject, scope, createdAt: issuedAt, expiresAt: issuedAt + lifetimeSeconds };
    this.#state.database
      .prepare(
        'INSERT INTO api_keys (id, subject, scope, hash, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)',
      )
      .run(id, subject, scope, hashOf(key), record.createdAt, record.expiresAt);
    return { record, key };
  }

  /** The record of a key that was shown; undefined where it is none of ours. Whether it has expired is in it. */
  check(shown: string): ApiKey | undefined {
    const id = FORMAT.exec(shown)?.[1];
    const row = id === undefined ? undefined : this.#byId.get(id);
    const stored = row?.hash instanceof Uint8Array ? row.hash : NO_HASH;
    const isSame = timingSafeEqual(hashOf(shown), stored);
    return row && isSame ? recordOf(row) : undefined;
  }

  find(id: string): ApiKey | undefined {
    const row = this.#byId.get(id);
    return row && recordOf(row);
  }

  list(): ApiKey[] {
    return this.#state.database
      .prepare('SELECT * FROM api_keys ORDER BY created_at DESC, rowid DESC LIMIT 10000')
      .all()
      .map(recordOf);
  }

  /**
   * Makes a key with the rights of another, which is valid for the overlap yet.
   *
   * @throws Error where there is no such key
   */
  async rotate(id: string, lifetimeSeconds: number, overlapSeconds: number, issuedAt = this.#now()) {
    return this.#state.write(() => {
      const old = this.find(id);
      if (!old) throw new Error(`there is no key ${id}`);
      this.#state.database
        .prepare('UPDATE api_keys SET expires_at = min(expires_at, ?) WHERE id = ?')
        .run(this.#now() + overlapSeconds, id);
      return this.#add(old.subject, old.scope, lifetimeSeconds, issuedAt);
    });
  }

  stateOf(key: ApiKey, revocations: Revocations): ApiKeyState {
    if (revocations.isRevoked(revocable(key))) return 'revoked';
    return key.expiresAt <= this.#now() ? 'expired' : 'valid';
  }

  #now(): number {
    return Math.floor(this.#clock() / 1000);
  }
}

/** Who calls with a key. The id is that of a token of the same subject issued here: they are one person. */
export function keyPrincipal(key: ApiKey, issuer: string): Principal {
  return {
    id: JSON.stringify([issuer, key.subject]),
    groups: [],
    scopes: parseScopes(key.scope),
    expiresAt: key.expiresAt,
    ...revocable(key),
  };
}

function revocable({ id, subject, createdAt }: ApiKey) {
  return { credential: `key:${id}`, subject, issuedAt: createdAt };
}

function hashOf(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}

function recordOf(row: Record<string, unknown>): ApiKey {
  return {
    id: String(row.id),
    subject: String(row.subject),
    scope: String(row.scope),
    createdAt: Number(row.created_at),
    expiresAt: Number(row.expires_at),
  };
}
