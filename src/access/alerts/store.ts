import { type Alert, groupOf } from '../../clusters/alerts/alert.ts';
import type { State } from '../state.ts';

export const ALERT_TABLES = `
CREATE TABLE IF NOT EXISTS alerts_told (
  id TEXT PRIMARY KEY,
  alert TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS alerts_teller (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  holder TEXT NOT NULL,
  held_until INTEGER NOT NULL
) WITHOUT ROWID;`;

/** Which alerts were told to the webhook and not ended there, and which process tells, for all that share the state. */
export class AlertStore {
  readonly #state: State;

  constructor(state: State) {
    this.#state = state;
    state.database.exec(ALERT_TABLES);
  }

  /**
   * Takes or keeps the telling: one process has it until its time is over.
   *
   * @param until epoch milliseconds, as `now` is
   * @returns whether this process has it now
   * @throws what a write to the state throws
   */
  lead(holder: string, now: number, until: number): Promise<boolean> {
    return this.#state.write(() => {
      const taken = this.#state.database
        .prepare(
          `INSERT INTO alerts_teller (one, holder, held_until) VALUES (1, ?1, ?2)
           ON CONFLICT DO UPDATE SET holder = ?1, held_until = ?2 WHERE holder = ?1 OR held_until <= ?3
           RETURNING holder`,
        )
        .all(holder, until, now);
      return taken.length > 0;
    });
  }

  /** Lets another process take it at once. @throws what a write to the state throws */
  async release(holder: string): Promise<void> {
    await this.#state.write(() => {
      this.#state.database.prepare('DELETE FROM alerts_teller WHERE holder = ?').run(holder);
    });
  }

  /** The alerts that the webhook knows of and thinks still hold. @throws what reading the state throws */
  async told(): Promise<Alert[]> {
    await this.#state.refresh();
    const rows = this.#state.database.prepare('SELECT alert FROM alerts_told ORDER BY id').all();
    return rows.flatMap(({ alert }) => read(String(alert)));
  }

  /** Remembers what the webhook was told. @throws what a write to the state throws */
  async tell(holding: readonly Alert[], ended: readonly Alert[]): Promise<void> {
    await this.#state.write(() => {
      const { database } = this.#state;
      const put = database.prepare('INSERT OR REPLACE INTO alerts_told (id, alert) VALUES (?, ?)');
      for (const alert of holding) put.run(alert.id, JSON.stringify(alert));
      const drop = database.prepare('DELETE FROM alerts_told WHERE id = ?');
      for (const { id } of ended) drop.run(id);
    });
  }
}

/** A kind that this version does not know is left out: nothing could ever end it. */
function read(text: string): Alert[] {
  const alert = JSON.parse(text) as Alert;
  return groupOf(alert) === undefined ? [] : [alert];
}
