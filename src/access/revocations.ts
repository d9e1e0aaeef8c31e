import type { StatementSync } from 'node:sqlite';
import type { Principal } from './principal.ts';
import type { State } from './state.ts';

/** The part of a principal that revocation goes by. */
export type Revocable = Pick<Principal, 'credential' | 'subject' | 'issuedAt'>;

/** What to revoke: one credential, all of a subject that exist now, or all that exist now. */
export type Revoked = { credential: string } | { subject: string } | { all: true };

export const REVOCATION_TABLES = `CREATE TABLE IF NOT EXISTS revocations (
  kind TEXT NOT NULL CHECK (kind IN ('credential', 'subject', 'all')),
  value TEXT NOT NULL,
  before_seconds INTEGER NOT NULL,
  PRIMARY KEY (kind, value)
) WITHOUT ROWID`;

/** Point look-ups in one statement; three microseconds. */
const IS_REVOKED = `SELECT 1 FROM revocations WHERE kind = 'credential' AND value = ?
  UNION ALL SELECT 1 FROM revocations WHERE kind = 'subject' AND value = ? AND before_seconds >= ?
  UNION ALL SELECT 1 FROM revocations WHERE kind = 'all' AND value = '' AND before_seconds >= ? LIMIT 1`;

/**
 * The credentials that are no longer accepted. Every request asks, so that a revocation takes effect with the next
 * one; what is open already is ended by those who listen to `onChange`.
 */
export class Revocations {
  readonly #state: State;
  readonly #clock: () => number;
  readonly #isRevoked: StatementSync;
  /** At which version of the state a credential was found good. */
  readonly #goodAt = new WeakMap<Revocable, number>();
  readonly #listeners = new Set<() => void>();
  #stopListening: (() => void) | undefined;

  constructor(state: State, clock: () => number = Date.now) {
    this.#state = state;
    this.#clock = clock;
    state.database.exec(REVOCATION_TABLES);
    this.#isRevoked = state.database.prepare(IS_REVOKED);
  }

  /**
   * @param version of the state, where the caller has asked for it since the credential was shown
   * @throws what SQLite throws: the caller must then refuse the credential.
   */
  isRevoked(shown: Revocable, version = this.#state.version()): boolean {
    if (this.#goodAt.get(shown) === version) return false;
    const { credential, subject, issuedAt = 0 } = shown;
    const seconds = Math.floor(issuedAt);
    const isRevoked = this.#isRevoked.get(credential, subject, seconds, seconds) !== undefined;
    if (!isRevoked) this.#goodAt.set(shown, version);
    return isRevoked;
  }

  /**
   * The same for what was found good a moment ago. What another process has revoked since counts once that was noticed,
   * as it does for all that is open: within a second, or with the next `isRevoked`.
   */
  isRevokedSince(shown: Revocable): boolean {
    return this.isRevoked(shown, this.#state.lastVersion);
  }

  /** Kept, and in force everywhere, when it returns. A subject's later credentials are accepted again. */
  async revoke(what: Revoked): Promise<void> {
    const [kind, value] = rowOf(what);
    await this.#state.write(() => {
      // Not the clock's second alone: what was issued after an earlier revocation in this second bears the next one.
      const seconds = this.#firstValid('all' in what ? undefined : value);
      this.#state.database
        .prepare(
          `INSERT INTO revocations (kind, value, before_seconds) VALUES (?, ?, ?)
           ON CONFLICT DO UPDATE SET before_seconds = max(before_seconds, excluded.before_seconds)`,
        )
        .run(kind, value, seconds);
    });
    this.#announce();
  }

  /**
   * The first second in which a new credential of a subject is not covered by a revocation of all it had: times are
   * whole seconds, so one that is issued in the second of the revocation would be.
   *
   * @returns epoch seconds, now or the next second
   */
  firstValidSecond(subject: string): number {
    return this.#firstValid(subject);
  }

  /** @param subject undefined for all of them */
  #firstValid(subject: string | undefined): number {
    const row = this.#state.database
      .prepare(
        `SELECT max(before_seconds) + 1 AS after FROM revocations
         WHERE kind = 'all' OR (kind = 'subject' AND (?1 IS NULL OR value = ?1))`,
      )
      .get(subject ?? null);
    return Math.max(Math.floor(this.#clock() / 1000), Number(row?.after ?? 0));
  }

  /**
   * Calls a listener after credentials were revoked, here or by another process, within a second; it may be called
   * where nothing was. Does not keep the process alive.
   *
   * @returns ends the listening
   */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    this.#stopListening ??= this.#state.onChange(() => this.#announce());
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      this.#stopListening?.();
      this.#stopListening = undefined;
    };
  }

  #announce(): void {
    for (const listener of this.#listeners) listener();
  }
}

function rowOf(what: Revoked): [string, string] {
  if ('credential' in what) return ['credential', what.credential];
  return 'subject' in what ? ['subject', what.subject] : ['all', ''];
}
