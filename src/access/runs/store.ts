import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import type { State } from '../state.ts';
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

export const RUN_TABLES = `
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

/** Who works on a run, and until when; epoch milliseconds. */
interface Hold {
  holder: string;
  until: number;
}

/** The runs of all processes that share the state. Every change is kept when its method returns. */
export class RunStore {
  readonly #state: State;
  readonly #database: DatabaseSync;

  constructor(state: State) {
    this.#state = state;
    this.#database = state.database;
    state.database.exec(`PRAGMA foreign_keys = ON; ${RUN_TABLES}`);
  }

  /** @returns the new run, or the open one of this key */
  async begin(principalId: string, key: string, input: RunData, now: number): Promise<RunRecord> {
    return this.#state.write(() => this.#begin(principalId, key, input, now));
  }

  #begin(principalId: string, key: string, input: RunData, now: number): RunRecord {
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

  /**
   * Begins a step, or begins it anew: what was known of it is forgotten.
   *
   * @param hold is renewed at once
   * @returns false where another one has held the run since: then nothing is begun
   */
  async beginStep(run: number, name: string, now: number, data: RunData, hold?: Hold): Promise<boolean> {
    return this.#state.write(() => {
      if (hold !== undefined && !this.#renew(run, hold)) return false;
      this.#put(run, { name, state: 'begun', at: now, begunAt: now, data });
      return true;
    });
  }

  /** Sets a step; its `upid` and members of its data that are not given stay as they are. */
  async setStep(run: number, name: string, state: StepState, now: number, given: StepNews): Promise<void> {
    await this.#state.write(() => {
      const before = this.steps(run).find((step) => step.name === name);
      const data = { ...before?.data, ...given.data };
      this.#put(run, { begunAt: now, ...before, ...given, name, state, at: now, data });
    });
  }

  async close(run: number, state: Exclude<RunState, 'open'>, now: number): Promise<void> {
    await this.#change(
      "UPDATE runs SET state = ?, ended_at = ? WHERE id = ? AND state = 'open'",
      state,
      now,
      run,
    );
  }

  /**
   * Keeps others away until then. A hold for more than ten minutes, which none is, is from before the clock was set
   * back, and keeps nobody away.
   *
   * @returns false where another one holds it now
   */
  async hold(run: number, holder: string, now: number, until: number): Promise<boolean> {
    const isFree = 'held_until NOT BETWEEN ?3 + 1 AND ?3 + 600000';
    const sql = `UPDATE runs SET holder = ?2, held_until = ?4 WHERE id = ?1 AND ${isFree}`;
    return (await this.#change(sql, run, holder, now, until)) > 0;
  }

  /** Does so for longer. @returns false where another one has held it since, whether it still does or not */
  async renew(run: number, holder: string, until: number): Promise<boolean> {
    return this.#state.write(() => this.#renew(run, { holder, until }));
  }

  #renew(run: number, { holder, until }: Hold): boolean {
    const sql = 'UPDATE runs SET held_until = ? WHERE id = ? AND holder = ?';
    return this.#run(sql, until, run, holder) > 0;
  }

  async release(run: number, holder: string): Promise<void> {
    await this.#change(
      'UPDATE runs SET holder = NULL, held_until = 0 WHERE id = ? AND holder = ?',
      run,
      holder,
    );
  }

  #put(run: number, { name, state, at, begunAt, upid, data }: RunStep): void {
    this.#run(
      `INSERT INTO run_steps (run, name, state, at, begun_at, upid, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
       ON CONFLICT DO UPDATE SET state = ?3, at = ?4, begun_at = ?5, upid = ?6, data = ?7`,
      ...[run, name, state, at, begunAt, upid ?? null, JSON.stringify(data)],
    );
  }

  /** @returns how many rows changed */
  #change(sql: string, ...values: SQLInputValue[]): Promise<number> {
    return this.#state.write(() => this.#run(sql, ...values));
  }

  #run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#database.prepare(sql).run(...values).changes);
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
