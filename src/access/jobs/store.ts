import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import type { State } from '../state.ts';
import { JOB_STATES, type Job, type JobKey, type JobState, type StartedJob } from './job.ts';

/** Says a process nothing for so long, its jobs are anybody's. */
const LEASE_MS = 10_000;
/** Ended jobs are kept this long, and this many of them. */
const KEPT_MS = 30 * 24 * 60 * 60_000;
const MOST_ENDED = 10_000;
/** Of one principal: nobody's work pushes out what others look for. */
const MOST_ENDED_OF_ONE = 2_000;
const MOST_RUNNING_OF_ONE = 1_000;

export const JOB_TABLES = `
CREATE TABLE IF NOT EXISTS jobs (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  cluster TEXT NOT NULL, upid TEXT NOT NULL,
  principal_id TEXT NOT NULL, subject TEXT NOT NULL,
  tool TEXT NOT NULL, request_id TEXT NOT NULL, audit_id TEXT NOT NULL,
  method TEXT NOT NULL, path TEXT NOT NULL, guest INTEGER,
  started_at INTEGER NOT NULL,
  state TEXT NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'ok', 'warnings', 'failed', 'unknown')),
  exit_status TEXT, end_seen_at INTEGER,
  follower TEXT NOT NULL,
  UNIQUE (cluster, upid)
);
CREATE INDEX IF NOT EXISTS jobs_running ON jobs (follower) WHERE state = 'running';
CREATE INDEX IF NOT EXISTS jobs_of ON jobs (principal_id, number);
CREATE TABLE IF NOT EXISTS job_followers (id TEXT PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID;`;

/**
 * Running jobs whose process is gone, or is another one that said good-bye. A lease for more than ten minutes, which
 * none is, is from before the clock was set back.
 */
const LEFT = `state = 'running' AND follower <> ?1
  AND follower NOT IN (SELECT id FROM job_followers WHERE until BETWEEN ?2 + 1 AND ?2 + 600000)`;

export interface JobEnd {
  state: Exclude<JobState, 'running'>;
  exitStatus: string;
  at: number;
}

/** Which jobs to list: those of a principal on some clusters, and those of everybody on others. */
export interface JobQuery {
  principalId: string;
  own: readonly string[];
  everybody: readonly string[];
  cluster?: string | undefined;
  state?: JobState | undefined;
  guest?: number | undefined;
}

/**
 * The jobs of all processes that share the state. A job is followed by the process that started it, until that one
 * ends; of two that see its end, exactly one gets the row.
 */
export class JobStore {
  readonly #state: State;
  readonly #database: DatabaseSync;
  readonly #follower: string;

  /** @param follower this process, unlike every other */
  constructor(state: State, follower: string) {
    this.#state = state;
    this.#database = state.database;
    this.#follower = follower;
    state.database.exec(JOB_TABLES);
  }

  /** Kept when it returns; nothing changes where it is known already. */
  async add(job: StartedJob): Promise<void> {
    const { cluster, upid, principalId, subject, tool, requestId, auditId, method, path, guest } = job;
    await this.#change(
      `INSERT INTO jobs (cluster, upid, principal_id, subject, tool, request_id, audit_id, method, path, guest,
         started_at, follower)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
      ...[cluster, upid, principalId, subject, tool, requestId, auditId, method, path, guest ?? null],
      ...[job.startedAt, this.#follower],
    );
  }

  /** @returns the job, to exactly one caller; undefined where it has ended before, or is none of ours */
  async end({ cluster, upid }: JobKey, { state, exitStatus, at }: JobEnd): Promise<Job | undefined> {
    const [row] = await this.#change(
      `UPDATE jobs SET state = ?, exit_status = ?, end_seen_at = ?
       WHERE cluster = ? AND upid = ? AND state = 'running' RETURNING *`,
      ...[state, exitStatus, at, cluster, upid],
    );
    return row && jobOf(row);
  }

  /** Says that this process follows its jobs, until a lease from now. */
  async renew(now: number): Promise<void> {
    await this.#state.write(() => {
      this.#database
        .prepare(
          `INSERT INTO job_followers (id, until) VALUES (?1, ?2)
           ON CONFLICT DO UPDATE SET until = excluded.until`,
        )
        .run(this.#follower, now + LEASE_MS);
      this.#database.prepare('DELETE FROM job_followers WHERE until <= ?').run(now - LEASE_MS);
    });
  }

  /** Leaves the jobs of this process to others. */
  async leave(): Promise<void> {
    await this.#change('DELETE FROM job_followers WHERE id = ?', this.#follower);
  }

  /** Takes over what nobody follows any more. */
  async adopt(now: number): Promise<Job[]> {
    // Most of the time there is nothing, and a read waits for nobody.
    if (this.#get(`SELECT 1 FROM jobs WHERE ${LEFT} LIMIT 1`, this.#follower, now) === undefined) return [];
    const adopted = await this.#change(
      `UPDATE jobs SET follower = ?1 WHERE ${LEFT} RETURNING *`,
      this.#follower,
      now,
    );
    return adopted.map(jobOf);
  }

  /** The oldest running jobs of a principal beyond what one may have. */
  tooMany(principalId: string): Job[] {
    return this.#all(
      `SELECT * FROM jobs WHERE principal_id = ? AND state = 'running'
       ORDER BY number DESC LIMIT -1 OFFSET ${MOST_RUNNING_OF_ONE}`,
      principalId,
    );
  }

  /** Forgets ended jobs that are old, or too many. @param principalId whose are counted, too */
  async prune(now: number, principalId: string): Promise<void> {
    const beyond = (where: string) =>
      `DELETE FROM jobs WHERE state <> 'running' AND ${where} AND number <= (
         SELECT number FROM jobs WHERE state <> 'running' AND ${where} ORDER BY number DESC LIMIT 1 OFFSET ?2)`;
    await this.#state.write(() => {
      this.#database
        .prepare("DELETE FROM jobs WHERE state <> 'running' AND end_seen_at <= ?")
        .run(now - KEPT_MS);
      this.#database.prepare(beyond('?1 IS NULL')).run(null, MOST_ENDED);
      this.#database.prepare(beyond('principal_id = ?1')).run(principalId, MOST_ENDED_OF_ONE);
    });
  }

  /** Newest first. */
  list({ principalId, own, everybody, cluster, state, guest }: JobQuery): Job[] {
    return this.#all(
      `SELECT * FROM jobs
       WHERE (cluster IN (SELECT value FROM json_each(?1))
           OR (principal_id = ?2 AND cluster IN (SELECT value FROM json_each(?3))))
         AND (?4 IS NULL OR cluster = ?4) AND (?5 IS NULL OR state = ?5) AND (?6 IS NULL OR guest = ?6)
       ORDER BY number DESC`,
      ...[JSON.stringify(everybody), principalId, JSON.stringify(own)],
      ...[cluster ?? null, state ?? null, guest ?? null],
    );
  }

  /** How many this process follows. */
  running(): number {
    const sql = "SELECT count(*) AS jobs FROM jobs WHERE state = 'running' AND follower = ?";
    return Number(this.#get(sql, this.#follower)?.jobs ?? 0);
  }

  /** Names of the clusters on which a principal has jobs. */
  clustersOf(principalId: string): string[] {
    const sql = 'SELECT DISTINCT cluster FROM jobs WHERE principal_id = ?';
    return this.#database
      .prepare(sql)
      .all(principalId)
      .map((row) => String(row.cluster));
  }

  #change(sql: string, ...values: SQLInputValue[]): Promise<Record<string, unknown>[]> {
    return this.#state.write(() => this.#database.prepare(sql).all(...values));
  }

  #get(sql: string, ...values: SQLInputValue[]): Record<string, unknown> | undefined {
    return this.#database.prepare(sql).get(...values);
  }

  #all(sql: string, ...values: SQLInputValue[]): Job[] {
    return this.#database
      .prepare(sql)
      .all(...values)
      .map(jobOf);
  }
}

function jobOf(row: Record<string, unknown>): Job {
  const text = (name: string): string => String(row[name] ?? '');
  const { guest, exit_status, end_seen_at } = row;
  return {
    cluster: text('cluster'),
    upid: text('upid'),
    principalId: text('principal_id'),
    subject: text('subject'),
    tool: text('tool'),
    requestId: text('request_id'),
    auditId: text('audit_id'),
    method: text('method'),
    path: text('path'),
    startedAt: Number(row.started_at),
    state: JOB_STATES.find((state) => state === row.state) ?? 'unknown',
    ...(guest === null ? {} : { guest: Number(guest) }),
    ...(exit_status === null ? {} : { exitStatus: String(exit_status) }),
    ...(end_seen_at === null ? {} : { endSeenAt: Number(end_seen_at) }),
  };
}
