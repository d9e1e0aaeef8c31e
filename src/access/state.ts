import { chmodSync, closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { errorCode } from '../config/environment.ts';
import { ConfigError } from '../config/problems.ts';

/** `PMCP`: keeps the service from writing its tables into the database of another program. */
const APPLICATION_ID = 0x504d_4350;
/** Of the file as a whole; a later version of the program may migrate it, an earlier one leaves it alone. */
const SCHEMA_VERSION = 1;
/** How long a write waits for that of another process. Reads wait for nobody (WAL). */
const BUSY_TIMEOUT_MS = 2000;

/** How long a change by another process may go unnoticed by those who listen. */
const POLL_MS = 1000;

/**
 * What the service remembers over a restart, and shares with the commands and with other replicas: keys, revocations,
 * approvals, jobs, runs, schedules.
 */
export interface State {
  /** To read from, and to write to within `write` alone. Each module makes its own tables with `CREATE TABLE IF NOT EXISTS`. */
  readonly database: DatabaseSync;
  /** False where it ends with the process: neither STATE_FILE nor REDIS_URL was given. */
  readonly isKept: boolean;
  /**
   * Runs several statements as one: all of them take effect for everybody who shares the state, or none. They see what
   * everybody else has written before.
   *
   * @param work synchronous, and about the database alone: where replicas contend it is run again
   * @returns what the work returned, once that is kept
   * @throws what the work throws; CallError INTERNAL where replicas share the state and Redis does not answer
   */
  write<T>(work: () => T): Promise<T>;
  /**
   * Says whether what was read may have changed: another number than before, unless certainly nobody has written since,
   * in this process or another. It is asked before the reading.
   *
   * @throws what SQLite throws
   */
  version(): number;
  /** The same as it is known without asking: a write of another process counts once somebody has noticed it. */
  readonly lastVersion: number;
  /** Waits until what others wrote before can be read here. @throws CallError as `write` does */
  refresh(): Promise<void>;
  /**
   * Calls a listener after others have changed the state, within a second; it may be called where nobody has. Does not
   * keep the process alive.
   *
   * @returns ends the listening
   */
  onChange(listener: () => void): () => void;
  /** Whether `write` can do its work at present. */
  isHealthy(): boolean;
  /** Epoch milliseconds, by a clock that is the same for all who share the state: who holds what goes by it. */
  now(): number;
  close(): Promise<void>;
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
    return new FileState(database, path !== undefined);
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

/** The state of one process, or of several on one machine that share STATE_FILE. */
class FileState implements State {
  readonly database: DatabaseSync;
  readonly isKept: boolean;
  readonly #listeners = new Set<() => void>();
  #timer: NodeJS.Timeout | undefined;
  #seen: unknown;
  readonly #dataVersionOf: StatementSync;
  #dataVersion: unknown;
  #version = 0;

  constructor(database: DatabaseSync, isKept: boolean) {
    this.database = database;
    this.isKept = isKept;
    this.#dataVersionOf = database.prepare('PRAGMA data_version');
    this.#dataVersionOf.setReturnArrays(true);
  }

  /** On disk when it is called: nothing is waited for. */
  async write<T>(work: () => T): Promise<T> {
    const { database } = this;
    // Twice: what the work itself reads may be taken back.
    this.#version += 1;
    // IMMEDIATE takes the lock now: two commands that read before they write must not both see the old rows.
    database.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      database.exec('COMMIT');
      return result;
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK');
      throw error;
    } finally {
      this.#version += 1;
    }
  }

  version(): number {
    this.#look();
    return this.#version;
  }

  get lastVersion(): number {
    return this.#version;
  }

  async refresh(): Promise<void> {
    // A read sees what other connections have committed.
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    if (this.#timer === undefined) {
      this.#seen = this.#polled();
      this.#timer = setInterval(() => this.#poll(), POLL_MS).unref();
    }
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      clearInterval(this.#timer);
      this.#timer = undefined;
    };
  }

  isHealthy(): boolean {
    return this.database.isOpen;
  }

  now(): number {
    return Date.now();
  }

  async close(): Promise<void> {
    if (this.database.isOpen) this.database.close();
  }

  #poll(): void {
    const now = this.#polled();
    if (now === this.#seen) return;
    this.#seen = now;
    for (const listener of this.#listeners) listener();
  }

  /** Changes with each commit of another connection, and with none of this one. */
  #look(): unknown {
    const now = this.#dataVersionOf.get()?.[0];
    if (now !== this.#dataVersion) this.#version += 1;
    this.#dataVersion = now;
    return now;
  }

  /** Undefined where the file can't be asked. */
  #polled(): unknown {
    try {
      return this.#look();
    } catch {
      // What is open is then judged again, and where that fails too it is ended.
      return undefined;
    }
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
