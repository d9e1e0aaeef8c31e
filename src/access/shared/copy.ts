import { constants, DatabaseSync } from 'node:sqlite';
import type { LogEntry, LogPlace, LogSnapshot } from '../../replicas/change-log.ts';
import { createTables, dumpTables, restoreTables } from '../tables.ts';
import { GapError } from './problems.ts';

/** The tables of the shared state as this replica knows them, in memory. It changes between two turns of the loop alone. */
export class StateCopy {
  readonly database: DatabaseSync;
  /** What the tables hold; undefined until something was loaded. */
  #place: LogPlace | undefined;
  readonly #onApplied: (id: string) => void;

  /** @param onApplied hears the id of each entry */
  constructor(onApplied: (id: string) => void) {
    this.database = new DatabaseSync(':memory:');
    this.database.exec('PRAGMA foreign_keys = ON');
    createTables(this.database);
    this.#onApplied = onApplied;
  }

  get place(): LogPlace | undefined {
    return this.#place;
  }

  /** What a write would do: it is carried out, looked at, and taken back, as others may have been faster. */
  try<T>(work: () => T): { result: T; changes: Uint8Array } {
    const { database } = this;
    database.exec('BEGIN');
    const session = database.createSession();
    try {
      const result = work();
      return { result, changes: session.changeset() };
    } finally {
      session.close();
      if (database.isTransaction) database.exec('ROLLBACK');
    }
  }

  /** Does nothing where it has been applied. @throws GapError; what SQLite throws for bytes that are no changes */
  apply({ position, id, previous, bytes }: LogEntry): void {
    const place = this.#place;
    if (place === undefined || position <= place.position) return;
    if (position !== place.position + 1 || previous !== place.last) {
      throw new GapError(`entry ${position} does not follow ${place.position}`);
    }
    const { database } = this;
    // What a cascade removed is in the entry, too.
    database.exec('PRAGMA foreign_keys = OFF');
    try {
      const onConflict = () => constants.SQLITE_CHANGESET_ABORT;
      if (!database.applyChangeset(bytes, { onConflict }))
        throw new GapError(`entry ${position} does not fit`);
    } finally {
      database.exec('PRAGMA foreign_keys = ON');
    }
    this.#place = { ...place, position, last: id };
    this.#onApplied(id);
  }

  /** Takes a snapshot in place of all that is there. */
  restore({ bytes, epoch, position, last }: LogSnapshot): void {
    restoreTables(this.database, bytes);
    this.#place = { epoch, position, last };
  }

  /** Undefined where nothing was loaded yet. */
  snapshot(): LogSnapshot | undefined {
    return this.#place && { ...this.#place, bytes: dumpTables(this.database) };
  }

  /** The log was begun anew with what is here. */
  moveTo(place: LogPlace): void {
    this.#place = place;
  }
}
