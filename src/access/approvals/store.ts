import { createHash, randomBytes } from 'node:crypto';
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import type { Principal } from '../principal.ts';
import type { State } from '../state.ts';
import { type ApprovalKind, AT_CLIENT, type Plan, type PlanFacts, type PlannedCall } from './plan.ts';
import { APPROVAL_TABLES } from './tables.ts';

export const LIFETIME_MS = 10 * 60_000;
/** Plans of one principal that wait at once. */
const MOST_PENDING = 100;
/** Decided and expired plans are kept this long, so that a late caller hears what became of its plan. */
const KEPT_MS = 60 * 60_000;
const SHOWN_AT_ONCE = 500;

/** What an approval is bound to. */
export interface Bound {
  principal: Principal;
  kind: ApprovalKind;
  cluster: string;
  binding: string;
  guestDigest: string;
}

export interface NewPlan extends Bound {
  tool: string;
  /** `aboutOf` the call: a no holds for all that is about the same. */
  about: string;
  calls: readonly PlannedCall[];
  facts: PlanFacts;
}

/** A plan with what it is bound to, for the decision whether it fits a call. */
export interface StoredPlan extends Plan {
  binding: string;
  guestDigest: string;
  credential: string;
}

type Row = Record<string, unknown>;

/**
 * The plans of all principals in the state. Every change is one statement whose condition says when it may take place:
 * of two replicas or processes, or of two calls at once, exactly one gets the row back.
 */
export class PlanStore {
  readonly #state: State;
  readonly #database: DatabaseSync;
  readonly #clock: () => number;
  readonly #random: (bytes: number) => Buffer;

  /** @param clock epoch milliseconds */
  constructor(state: State, clock: () => number, random: (bytes: number) => Buffer = randomBytes) {
    const { database } = state;
    this.#state = state;
    this.#database = database;
    this.#clock = clock;
    this.#random = random;
    database.exec(APPROVAL_TABLES);
    withAbout(database);
  }

  /** A key that all processes with this state share, to sign what a client is given to bring back. */
  async key(): Promise<Uint8Array> {
    const stored = () => this.#get('SELECT key FROM approval_key WHERE id = 1')?.key;
    if (stored() === undefined) {
      const made = this.#random(32);
      await this.#change('INSERT OR IGNORE INTO approval_key (id, key) VALUES (1, ?) RETURNING id', made);
    }
    const key = stored();
    if (!(key instanceof Uint8Array)) throw new Error('the key of the approvals can not be read');
    return key;
  }

  /** @returns the plan and its handle; undefined where the principal has too many plans that wait */
  async add(plan: NewPlan): Promise<{ plan: StoredPlan; handle: string } | undefined> {
    const now = this.#clock();
    const { principal, kind, tool, cluster, about, binding, guestDigest, calls, facts } = plan;
    const handle = this.#random(32).toString('base64url');
    const row = await this.#state.write(() => {
      this.#database.prepare('DELETE FROM approval_plans WHERE expires_at <= ?').run(now - KEPT_MS);
      return this.#get(
        `INSERT INTO approval_plans (handle_hash, principal_id, subject, credential, client, kind, tool, cluster, binding,
         guest_digest, calls, facts, created_at, expires_at, about)
       SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?16
       WHERE (SELECT count(*) FROM approval_plans
              WHERE principal_id = ?2 AND state IN ('pending', 'approved') AND expires_at > ?13) < ?15
       RETURNING *`,
        hashOf(handle),
        principal.id,
        principal.subject,
        principal.credential,
        principal.client ?? null,
        kind,
        tool,
        cluster,
        binding,
        guestDigest,
        JSON.stringify(calls),
        JSON.stringify(facts),
        now,
        now + LIFETIME_MS,
        MOST_PENDING,
        about,
      );
    });
    return row && { plan: planOf(row), handle };
  }

  /** The newest plan that is alive for exactly this; also one that was denied, which stands until it expires. */
  find(bound: Bound): StoredPlan | undefined {
    const row = this.#get(
      `SELECT * FROM approval_plans
       WHERE principal_id = ?1 AND kind = ?2 AND cluster = ?3 AND binding = ?4 AND guest_digest = ?5
         AND state IN ('pending', 'approved', 'denied') AND expires_at > ?6
       ORDER BY CASE state WHEN 'denied' THEN 0 WHEN 'approved' THEN 1 ELSE 2 END, number DESC LIMIT 1`,
      ...boundValues(bound),
      this.#clock(),
    );
    return row && planOf(row);
  }

  /**
   * The newest plan that was denied and is about the same, or about a part of it, however its calls were spelled: with
   * a further call beside them nobody is asked again. It stands until it expires.
   */
  findDenied(principal: Principal, cluster: string, about: string): StoredPlan | undefined {
    const wanted = new Set(about.split('\n'));
    const rows = this.#database
      .prepare(
        `SELECT * FROM approval_plans
         WHERE principal_id = ? AND cluster = ? AND about <> '' AND state = 'denied' AND expires_at > ?
         ORDER BY number DESC`,
      )
      .all(principal.id, cluster, this.#clock());
    const row = rows.find((one) =>
      String(one.about)
        .split('\n')
        .every((line) => wanted.has(line)),
    );
    return row && planOf(row);
  }

  /** The plan of a handle, if it is this principal's: another's does not exist for it. */
  ofHandle(handle: string, principal: Principal): StoredPlan | undefined {
    const row = this.#get(
      'SELECT * FROM approval_plans WHERE handle_hash = ? AND principal_id = ?',
      hashOf(handle),
      principal.id,
    );
    return row && this.#seen(planOf(row));
  }

  ofNumber(number: number): StoredPlan | undefined {
    if (!Number.isSafeInteger(number)) return undefined;
    const row = this.#get('SELECT * FROM approval_plans WHERE number = ?', number);
    return row && this.#seen(planOf(row));
  }

  /** Uses up a plan by its handle; `self` alone can be granted so. */
  async consumeByHandle(handle: string, bound: Bound): Promise<StoredPlan | undefined> {
    const row = await this.#change(
      `UPDATE approval_plans SET state = 'used', approver = subject
       WHERE principal_id = ?1 AND kind = ?2 AND cluster = ?3 AND binding = ?4 AND guest_digest = ?5
         AND expires_at > ?6 AND handle_hash = ?7 AND state = 'pending' AND kind = 'self'
       RETURNING *`,
      ...boundValues(bound),
      this.#clock(),
      hashOf(handle),
    );
    return row && planOf(row);
  }

  /** Uses up a plan that was approved outside of the call. */
  async consumeApproved(number: number, bound: Bound): Promise<StoredPlan | undefined> {
    const row = await this.#change(
      `UPDATE approval_plans SET state = 'used'
       WHERE principal_id = ?1 AND kind = ?2 AND cluster = ?3 AND binding = ?4 AND guest_digest = ?5
         AND expires_at > ?6 AND number = ?7 AND state = 'approved' AND kind <> 'self'
       RETURNING *`,
      ...boundValues(bound),
      this.#clock(),
      number,
    );
    return row && planOf(row);
  }

  /**
   * Uses up, or denies, a plan that the person at the caller's own client has just decided. A no there also takes back
   * the yes that another person may have given meanwhile.
   */
  async decideAtClient(
    number: number,
    bound: Bound,
    state: 'used' | 'denied',
  ): Promise<StoredPlan | undefined> {
    const row = await this.#change(
      `UPDATE approval_plans SET state = ?8, approver = ?9
       WHERE principal_id = ?1 AND kind = ?2 AND cluster = ?3 AND binding = ?4 AND guest_digest = ?5
         AND expires_at > ?6 AND number = ?7 AND state IN ('pending', 'approved') AND kind = 'person'
       RETURNING *`,
      ...boundValues(bound),
      this.#clock(),
      number,
      state,
      AT_CLIENT,
    );
    return row && planOf(row);
  }

  /**
   * Records an approver's decision; undefined where the plan does not wait for one, or not for this approver's. Another
   * token of the same principal and OAuth client is the one that asked, renewed.
   */
  async decide(
    number: number,
    approver: Principal,
    state: 'approved' | 'denied',
    reason: string | undefined,
  ): Promise<StoredPlan | undefined> {
    if (!Number.isSafeInteger(number)) return undefined;
    const row = await this.#change(
      `UPDATE approval_plans SET state = ?2, approver = ?3, reason = ?4
       WHERE number = ?1 AND state = 'pending' AND expires_at > ?5 AND kind <> 'self'
         AND (?2 = 'denied' OR (credential <> ?6
           AND (client IS NULL OR client IS NOT ?8 OR principal_id <> ?7)
           AND (kind <> 'second' OR (principal_id <> ?7 AND lower(subject) <> lower(?3)))))
       RETURNING *`,
      number,
      state,
      approver.subject,
      reason ?? null,
      this.#clock(),
      approver.credential,
      approver.id,
      approver.client ?? null,
    );
    return row && planOf(row);
  }

  /** Takes back the waiting plans for the same calls whose guest has changed since. @returns the newest of them */
  async supersede({
    principal,
    kind,
    cluster,
    binding,
    guestDigest,
  }: Bound): Promise<StoredPlan | undefined> {
    const now = this.#clock();
    const rows = await this.#state.write(() =>
      this.#database
        .prepare(
          `UPDATE approval_plans SET state = 'expired'
         WHERE principal_id = ? AND kind = ? AND cluster = ? AND binding = ? AND guest_digest <> ?
           AND state IN ('pending', 'approved') AND expires_at > ?
         RETURNING *`,
        )
        .all(principal.id, kind, cluster, binding, guestDigest, now),
    );
    return rows.map(planOf).sort((a, b) => b.number - a.number)[0];
  }

  /** How many plans are kept, by state. */
  counts(): Record<Plan['state'], number> {
    const counts = { pending: 0, approved: 0, denied: 0, used: 0, expired: 0 };
    const rows = this.#database
      .prepare(
        `SELECT CASE WHEN expires_at <= ? AND state <> 'used' THEN 'expired' ELSE state END AS seen, count(*) AS plans
         FROM approval_plans GROUP BY seen`,
      )
      .all(this.#clock());
    for (const { seen, plans } of rows) counts[seen as Plan['state']] = Number(plans);
    return counts;
  }

  /** Plans that wait for an approver, the oldest first. */
  waiting(): StoredPlan[] {
    return this.#database
      .prepare(
        `SELECT * FROM approval_plans WHERE state = 'pending' AND kind <> 'self' AND expires_at > ?
         ORDER BY number LIMIT ?`,
      )
      .all(this.#clock(), SHOWN_AT_ONCE)
      .map(planOf);
  }

  /** A plan past its time has expired, whatever its row still says; one that was used stays used. */
  #seen(plan: StoredPlan): StoredPlan {
    const isOver = plan.expiresAt <= this.#clock() && plan.state !== 'used';
    return isOver ? { ...plan, state: 'expired' } : plan;
  }

  #change(sql: string, ...values: SQLInputValue[]): Promise<Row | undefined> {
    return this.#state.write(() => this.#get(sql, ...values));
  }

  #get(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#database.prepare(sql).get(...values);
  }
}

/** Adds the column to a state file that was made without it. */
function withAbout(database: DatabaseSync): void {
  const isThere = () =>
    database.prepare("SELECT 1 FROM pragma_table_info('approval_plans') WHERE name = 'about'").get() !==
    undefined;
  if (isThere()) return;
  try {
    database.exec("ALTER TABLE approval_plans ADD COLUMN about TEXT NOT NULL DEFAULT ''");
  } catch (error) {
    // Another process with this state file may have been faster.
    if (!isThere()) throw error;
  }
}

function boundValues({ principal, kind, cluster, binding, guestDigest }: Bound): SQLInputValue[] {
  return [principal.id, kind, cluster, binding, guestDigest];
}

function hashOf(handle: string): Buffer {
  return createHash('sha256').update(handle).digest();
}

function planOf(row: Row): StoredPlan {
  const { client, approver, reason } = row;
  return {
    number: Number(row.number),
    kind: row.kind as ApprovalKind,
    tool: String(row.tool),
    cluster: String(row.cluster),
    principalId: String(row.principal_id),
    subject: String(row.subject),
    credential: String(row.credential),
    calls: JSON.parse(String(row.calls)) as PlannedCall[],
    facts: JSON.parse(String(row.facts)) as PlanFacts,
    binding: String(row.binding),
    guestDigest: String(row.guest_digest),
    createdAt: Number(row.created_at),
    expiresAt: Number(row.expires_at),
    state: row.state as Plan['state'],
    ...(typeof client === 'string' ? { client } : {}),
    ...(typeof approver === 'string' ? { approver } : {}),
    ...(typeof reason === 'string' ? { reason } : {}),
  };
}
