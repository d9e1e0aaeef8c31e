import { chmodSync, closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { errorCode } from '../config/environment.ts';
import { ConfigError } from '../config/problems.ts';

/** `PMCP`: keeps the service from writing its tables into the database of another program. */
const APPLICATION_ID = 0x504d_4350;
/** Of the file as a whole; a later version of the program may migrate it, an earlier one leaves it alone. */
const SCHEMA_VERSION = 1;
/** How long a write waits for that of another process. Reads wait for nobody (WAL). */
const BUSY_TIMEOUT_MS = 2000;

/** What the service remembers over a restart, and shares with the commands: keys, revocations, approvals. */
export interface State {
  /** Each module makes its own tables with `CREATE TABLE IF NOT EXISTS`. */
  readonly database: DatabaseSync;
  /** False where nothing is kept: no STATE_FILE was given. */
  readonly isKept: boolean;
  close(): void;
}

/**
 * Opens STATE_FILE, and makes it where it is not there: readable by its owner alone, because it holds signing keys.
 *
 * @param path absolute; undefined for a state in memory, which ends with the process
 * @throws ConfigError that names STATE_FILE where the file can't be used
 */
export function openState(path: string | undefined): State {
  try {
    if (path !== undefined) makePrivate(path);
    const database = new DatabaseSync(path ?? ':memory:', { timeout: BUSY_TIMEOUT_MS });
    try {
      prepare(database);
    } catch (error) {
      database.close();
      throw error;
    }
    return {
      database,
      isKept: path !== undefined,
      close: () => {
        if (database.isOpen) database.close();
      },
    };
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw unusable(path, `can't be opened (${reasonOf(error)})`);
  }

  function prepare(database: DatabaseSync): void {
    const owner = numberOf(database, 'application_id');
    const hasTables = database.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() !== undefined;
    if (owner !== APPLICATION_ID && (owner !== 0 || hasTables)) {
      throw unusable(path, 'is the database of another program');
    }
    if (numberOf(database, 'user_version') > SCHEMA_VERSION) {
      throw unusable(path, 'was written by a newer version of proxmox-mcp; use that one');
    }
    database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
      PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMA_VERSION};`);
  }
}

/** Runs several statements as one: all of them take effect, or none. */
export function transaction<T>({ database }: State, work: () => T): T {
  // IMMEDIATE takes the lock now: two commands that read before they write must not both see the old rows.
  database.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

/** SQLite makes a file by the umask, and its journals with the mode of the file: so the file is made first. */
function makePrivate(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  closeSync(openSync(path, 'a', 0o600));
  chmodSync(path, 0o600);
}

function numberOf(database: DatabaseSync, pragma: string): number {
  return Number(Object.values(database.prepare(`PRAGMA ${pragma}`).get() ?? {})[0]);
}

function unusable(path: string | undefined, problem: string): ConfigError {
  return new ConfigError([{ source: path ?? 'memory', field: 'STATE_FILE', message: problem }]);
}

/** `ENOENT`, or what SQLite says, which names no contents. */
function reasonOf(error: unknown): string {
  const code = errorCode(error);
  return code.startsWith('ERR_SQLITE') && error instanceof Error ? error.message : code;
}
