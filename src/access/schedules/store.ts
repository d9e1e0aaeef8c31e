import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import type { Principal } from '../principal.ts';
import type { RunData } from '../runs/run.ts';
import type { State } from '../state.ts';
import type { Schedule, ScheduleEnd, WantedSchedule } from './schedule.ts';

export const SCHEDULE_TABLES = `
CREATE TABLE IF NOT EXISTS schedules (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  principal_id TEXT NOT NULL, principal TEXT NOT NULL,
  tool TEXT NOT NULL, name TEXT NOT NULL,
  input TEXT NOT NULL, timing TEXT NOT NULL, standing TEXT,
  enabled INTEGER NOT NULL DEFAULT 1, due_at INTEGER NOT NULL,
  memory TEXT NOT NULL DEFAULT '{}', last TEXT,
  holder TEXT, held_until INTEGER NOT NULL DEFAULT 0,
  UNIQUE (principal_id, tool, name)
);
CREATE INDEX IF NOT EXISTS schedules_due ON schedules (due_at) WHERE enabled = 1;`;

/** The schedules of all principals, for all processes that share the state. */
export class ScheduleStore {
  readonly #state: State;
  readonly #database: DatabaseSync;

  constructor(state: State) {
    this.#state = state;
    this.#database = state.database;
    state.database.exec(SCHEDULE_TABLES);
  }

  /** Makes it, or changes the one of this name, which keeps what it remembers, and is on again. */
  async save(
    principal: Principal,
    { tool, name, input, timing, standing, dueAt }: WantedSchedule,
  ): Promise<void> {
    const saved = JSON.stringify({ ...principal, scopes: [...principal.scopes] });
    await this.#change(
      `INSERT INTO schedules (principal_id, principal, tool, name, input, timing, standing, due_at)
       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
       ON CONFLICT (principal_id, tool, name) DO UPDATE SET
         principal = ?2, input = ?5, timing = ?6, standing = ?7, due_at = ?8, enabled = 1`,
      ...[principal.id, saved, tool, name, JSON.stringify(input), JSON.stringify(timing)],
      ...[standing === undefined ? null : JSON.stringify(standing), dueAt],
    );
  }

  /** By name. @param tool all tools where absent */
  list(principalId: string, tool: string): Schedule[] {
    return this.#all(
      'SELECT * FROM schedules WHERE principal_id = ? AND tool = ? ORDER BY name',
      principalId,
      tool,
    );
  }

  async disable(id: number): Promise<void> {
    await this.#change('UPDATE schedules SET enabled = 0 WHERE id = ?', id);
  }

  async remove(id: number): Promise<void> {
    await this.#change('DELETE FROM schedules WHERE id = ?', id);
  }

  async remember(id: number, memory: RunData): Promise<void> {
    await this.#change('UPDATE schedules SET memory = ? WHERE id = ?', JSON.stringify(memory), id);
  }

  async ended(id: number, end: ScheduleEnd): Promise<void> {
    await this.#change('UPDATE schedules SET last = ? WHERE id = ?', JSON.stringify(end), id);
  }

  /**
   * Takes one that is due and that nobody else has. A hold for more than ten minutes, which none is, is from before the
   * clock was set back.
   *
   * @param until when others may take it, unless `renew` is called
   */
  async claim(holder: string, now: number, until: number): Promise<Schedule | undefined> {
    const due = 'enabled = 1 AND due_at <= ?1 AND held_until NOT BETWEEN ?1 + 1 AND ?1 + 600000';
    // Most of the time there is nothing, and a read waits for nobody.
    if (this.#all(`SELECT * FROM schedules WHERE ${due} LIMIT 1`, now).length === 0) return undefined;
    const [claimed] = await this.#change(
      `UPDATE schedules SET holder = ?3, held_until = ?2
       WHERE id = (SELECT id FROM schedules WHERE ${due} ORDER BY due_at, id LIMIT 1) RETURNING *`,
      ...[now, until, holder],
    );
    return claimed && scheduleOf(claimed);
  }

  async renew(holder: string, until: number): Promise<void> {
    await this.#change('UPDATE schedules SET held_until = ? WHERE holder = ?', until, holder);
  }

  /** Gives one back. @param dueAt when it is due next, unless it was saved anew meanwhile; as it was where absent */
  async release(
    { id, dueAt: before }: Pick<Schedule, 'id' | 'dueAt'>,
    holder: string,
    dueAt = before,
  ): Promise<void> {
    await this.#change(
      `UPDATE schedules SET holder = NULL, held_until = 0, due_at = CASE due_at WHEN ? THEN ? ELSE due_at END
       WHERE id = ? AND holder = ?`,
      ...[before, dueAt, id, holder],
    );
  }

  #change(sql: string, ...values: SQLInputValue[]): Promise<Record<string, unknown>[]> {
    return this.#state.write(() => this.#database.prepare(sql).all(...values));
  }

  #all(sql: string, ...values: SQLInputValue[]): Schedule[] {
    return this.#database
      .prepare(sql)
      .all(...values)
      .map(scheduleOf);
  }
}

function scheduleOf(row: Record<string, unknown>): Schedule {
  const read = (name: string) => JSON.parse(String(row[name]));
  const { scopes, ...principal } = read('principal');
  return {
    id: Number(row.id),
    principal: { ...principal, scopes: new Set(scopes) },
    tool: String(row.tool),
    name: String(row.name),
    input: read('input'),
    timing: read('timing'),
    standing: row.standing === null ? undefined : read('standing'),
    isEnabled: row.enabled === 1,
    dueAt: Number(row.due_at),
    memory: read('memory'),
    ...(row.last === null ? {} : { last: read('last') }),
  };
}
