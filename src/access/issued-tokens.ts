import type { Revocations } from './revocations.ts';
import type { SigningKeys } from './signing-keys.ts';
import type { State } from './state.ts';

/** What is remembered of a token that was issued here; never the token. Times are epoch seconds. */
export interface IssuedToken {
  jti: string;
  /** Absent where MCP_JWT_SECRET signed it. */
  kid?: string;
  subject: string;
  scope: string;
  issuedAt: number;
  expiresAt: number;
}

export type TokenState = 'valid' | 'expired' | 'revoked' | 'key retired';

export const ISSUED_TOKEN_TABLES = `CREATE TABLE IF NOT EXISTS issued_tokens (
  jti TEXT PRIMARY KEY,
  kid TEXT,
  subject TEXT NOT NULL,
  scope TEXT NOT NULL,
  issued_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
)`;
/** Expired tokens are listed for that long; the audit log keeps what they did. */
const REMEMBERED_SECONDS = 30 * 86_400;

/** The tokens that were issued here, so that they can be listed and revoked. */
export class IssuedTokens {
  readonly #state: State;
  readonly #clock: () => number;

  constructor(state: State, clock: () => number = Date.now) {
    this.#state = state;
    this.#clock = clock;
    state.database.exec(ISSUED_TOKEN_TABLES);
  }

  async add({ jti, kid, subject, scope, issuedAt, expiresAt }: IssuedToken): Promise<void> {
    const { database } = this.#state;
    const oldest = this.#now() - REMEMBERED_SECONDS;
    await this.#state.write(() => {
      database.prepare('DELETE FROM issued_tokens WHERE expires_at < ?').run(oldest);
      database
        .prepare(
          'INSERT INTO issued_tokens (jti, kid, subject, scope, issued_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)',
        )
        .run(jti, kid ?? null, subject, scope, issuedAt, expiresAt);
    });
  }

  has(jti: string): boolean {
    return this.#state.database.prepare('SELECT 1 FROM issued_tokens WHERE jti = ?').get(jti) !== undefined;
  }

  /** All of them, or those of a subject, the newest first. */
  list(subject?: string): IssuedToken[] {
    return this.#state.database
      .prepare(
        'SELECT * FROM issued_tokens WHERE ?1 IS NULL OR subject = ?1 ORDER BY issued_at DESC, rowid DESC LIMIT 10000',
      )
      .all(subject ?? null)
      .map((row) => ({
        jti: String(row.jti),
        ...(row.kid === null ? {} : { kid: String(row.kid) }),
        subject: String(row.subject),
        scope: String(row.scope),
        issuedAt: Number(row.issued_at),
        expiresAt: Number(row.expires_at),
      }));
  }

  /** What would become of a token if it were shown now. */
  stateOf(token: IssuedToken, revocations: Revocations, keys: SigningKeys): TokenState {
    if (revocations.isRevoked({ ...token, credential: `jwt:${token.jti}` })) return 'revoked';
    if (token.expiresAt <= this.#now()) return 'expired';
    if (token.kid === undefined) return 'valid';
    const key = keys.find(token.kid);
    return key && keys.verifies(key) ? 'valid' : 'key retired';
  }

  #now(): number {
    return Math.floor(this.#clock() / 1000);
  }
}
