import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import {
  RUN_STATES,
  type RunData,
  type RunRecord,
  type RunState,
  type RunStep,
  STEP_STATES,
  type StepState,
} from './run.ts';

/** Ended runs are kept this long, and this many of one principal. */
const KEPT_MS = 90 * 24 * 60 * 60_000;
const MOST_ENDED_OF_ONE = 500;

const TABLES = `
CREATE TABLE IF NOT EXISTS runs (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  principal_id TEXT NOT NULL, key TEXT NOT NULL, input TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'done', 'cancelled')),
  started_at INTEGER NOT NULL, ended_at INTEGER,
  holder TEXT, held_until INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX IF NOT EXISTS runs_open ON runs (principal_id, key) WHERE state = 'open';
CREATE INDEX IF NOT EXISTS runs_of ON runs (principal_id, key, id);
CREATE TABLE IF NOT EXISTS run_steps (
  run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE, name TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('begun', 'done', 'failed')),
  at INTEGER NOT NULL, begun_at INTEGER NOT NULL, upid TEXT, data TEXT NOT NULL,
  PRIMARY KEY (run, name)
);`;

/** What came to be known of a step. */
export interface StepNews {
  upid?: string;
  data?: RunData;
}

/** The runs of all processes that share the state file. Every change is on disk when its method returns. */
export class RunStore {
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
    database.exec(`PRAGMA foreign_keys = ON; ${TABLES}`);
  }

  /** @returns the new run, or the open one of this key */
  begin(principalId: string, key: string, input: RunData, now: number): RunRecord {
    this.#run('DELETE FROM runs WHERE ended_at < ?', now - KEPT_MS);
    this.#run(
      `DELETE FROM runs WHERE principal_id = ?1 AND state <> 'open' AND id <= (
         SELECT id FROM runs WHERE principal_id = ?1 AND state <> 'open' ORDER BY id DESC LIMIT 1 OFFSET ?2)`,
      ...[principalId, MOST_ENDED_OF_ONE],
    );
    this.#run(
      `INSERT INTO runs (principal_id, key, input, started_at) SELECT ?1, ?2, ?3, ?4
       WHERE NOT EXISTS (SELECT 1 FROM runs WHERE principal_id = ?1 AND key = ?2 AND state = 'open')
       ON CONFLICT DO NOTHING`,
      ...[principalId, key, JSON.stringify(input), now],
    );
    const [run] = this.list(principalId, key);
    if (run === undefined) throw new Error('a run that was begun is there');
    return run;
  }

  /** Newest first. @param key all where absent */
  list(principalId: string, key?: string): RunRecord[] {
    return this.#database
      .prepare('SELECT * FROM runs WHERE principal_id = ?1 AND (?2 IS NULL OR key = ?2) ORDER BY id DESC')
      .all(principalId, key ?? null)
      .map(recordOf);
  }

  stateOf(run: number): RunState | undefined {
    const row = this.#database.prepare('SELECT state FROM runs WHERE id = ?').get(run);
    return RUN_STATES.find((state) => state === row?.state);
  }

  steps(run: number): RunStep[] {
    return this.#database
      .prepare('SELECT * FROM run_steps WHERE run = ? ORDER BY rowid')
      .all(run)
      .map(stepOf);
  }

  /** Begins a step, or begins it anew: what was known of it is forgotten. */
  beginStep(run: number, name: string, now: number, data: RunData): void {
    this.#put(run, { name, state: 'begun', at: now, begunAt: now, data });
  }

  /** Sets a step; its `upid` and members of its data that are not given stay as they are. */
  setStep(run: number, name: string, state: StepState, now: number, given: StepNews): void {
    const before = this.steps(run).find((step) => step.name === name);
    const data = { ...before?.data, ...given.data };
    this.#put(run, { begunAt: now, ...before, ...given, name, state, at: now, data });
  }

  close(run: number, state: Exclude<RunState, 'open'>, now: number): void {
    this.#run("UPDATE runs SET state = ?, ended_at = ? WHERE id = ? AND state = 'open'", state, now, run);
  }

  /** Keeps others away until then. @returns false where another one holds it now */
  hold(run: number, holder: string, now: number, until: number): boolean {
    const { changes } = this.#database
      .prepare('UPDATE runs SET holder = ?2, held_until = ?4 WHERE id = ?1 AND held_until <= ?3')
      .run(run, holder, now, until);
    return Number(changes) > 0;
  }

  /** Does so for longer. @returns false where another one has held it since, whether it still does or not */
  renew(run: number, holder: string, until: number): boolean {
    const { changes } = this.#database
      .prepare('UPDATE runs SET held_until = ? WHERE id = ? AND holder = ?')
      .run(until, run, holder);
    return Number(changes) > 0;
  }

  release(run: number, holder: string): void {
    this.#run('UPDATE runs SET holder = NULL, held_until = 0 WHERE id = ? AND holder = ?', run, holder);
  }

  #put(run: number, { name, state, at, begunAt, upid, data }: RunStep): void {
    this.#run(
      `INSERT INTO run_steps (run, name, state, at, begun_at, upid, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
       ON CONFLICT DO UPDATE SET state = ?3, at = ?4, begun_at = ?5, upid = ?6, data = ?7`,
      ...[run, name, state, at, begunAt, upid ?? null, JSON.stringify(data)],
    );
  }

  #run(sql: string, ...values: SQLInputValue[]): void {
    this.#database.prepare(sql).run(...values);
  }
}

function recordOf(row: Record<string, unknown>): RunRecord {
  return {
    id: Number(row.id),
    principalId: String(row.principal_id),
    key: String(row.key),
    input: JSON.parse(String(row.input)),
    state: RUN_STATES.find((state) => state === row.state) ?? 'cancelled',
    startedAt: Number(row.started_at),
    ...(row.ended_at === null ? {} : { endedAt: Number(row.ended_at) }),
  };
}

function stepOf(row: Record<string, unknown>): RunStep {
  return {
    name: String(row.name),
    state: STEP_STATES.find((state) => state === row.state) ?? 'begun',
    at: Number(row.at),
    begunAt: Number(row.begun_at),
    ...(row.upid === null ? {} : { upid: String(row.upid) }),
    data: JSON.parse(String(row.data)),
  };
}
