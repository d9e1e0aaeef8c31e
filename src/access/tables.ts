import { createHash } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { ALERT_TABLES } from './alerts/store.ts';
import { API_KEY_TABLES } from './api-keys.ts';
import { APPROVAL_TABLES } from './approvals/tables.ts';
import { ISSUED_TOKEN_TABLES } from './issued-tokens.ts';
import { JOB_TABLES } from './jobs/store.ts';
import { REVOCATION_TABLES } from './revocations.ts';
import { RUN_TABLES } from './runs/store.ts';
import { SCHEDULE_TABLES } from './schedules/store.ts';
import { SIGNING_KEY_TABLES } from './signing-keys.ts';

/** Every table of the state: replicas must have all of them, and the same, before they take each other's changes. */
export function createTables(database: DatabaseSync): void {
  for (const tables of [
    API_KEY_TABLES,
    ISSUED_TOKEN_TABLES,
    SIGNING_KEY_TABLES,
    REVOCATION_TABLES,
    APPROVAL_TABLES,
    JOB_TABLES,
    RUN_TABLES,
    SCHEDULE_TABLES,
    ALERT_TABLES,
  ]) {
    database.exec(tables);
  }
}

/** A text that is another one for every other set of tables. */
export function schemaHash(): string {
  const database = new DatabaseSync(':memory:');
  createTables(database);
  const rows = database.prepare('SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name').all();
  database.close();
  return createHash('sha256').update(JSON.stringify(rows)).digest('hex').slice(0, 32);
}

type Cell = string | number | null | { b: string };
type Dump = Record<string, { columns: string[]; rows: Cell[][] }>;

/** Rows of all tables in the order in which they were made, and the numbers that were given out. */
export function dumpTables(database: DatabaseSync): Uint8Array {
  const dump: Dump = {};
  for (const { name, hasRowid } of tablesOf(database)) {
    const columns = columnsOf(database, name);
    const order = hasRowid ? ' ORDER BY rowid' : '';
    const select = database.prepare(`SELECT ${columns.join(', ')} FROM ${name}${order}`);
    // Rows as arrays: it is done between two turns of the loop, for everything that is kept.
    select.setReturnArrays(true);
    dump[name] = { columns, rows: (select.all() as unknown as unknown[][]).map((row) => row.map(cellOf)) };
  }
  return Buffer.from(JSON.stringify(dump));
}

/** Puts rows in place of all that is there; columns that one side does not have are left out. */
export function restoreTables(database: DatabaseSync, bytes: Uint8Array): void {
  const dump = JSON.parse(Buffer.from(bytes).toString()) as Dump;
  // The rows of `sqlite_sequence` come last: what is inserted before moves them.
  const tables = tablesOf(database);
  database.exec('PRAGMA foreign_keys = OFF; BEGIN');
  try {
    for (const { name } of tables) database.exec(`DELETE FROM ${name}`);
    for (const { name } of tables) {
      if (name === 'sqlite_sequence') database.exec('DELETE FROM sqlite_sequence');
      insertRows(database, name, dump[name]);
    }
    database.exec('COMMIT');
  } catch (error) {
    database.exec('ROLLBACK');
    throw error;
  } finally {
    database.exec('PRAGMA foreign_keys = ON');
  }
}

function insertRows(database: DatabaseSync, name: string, given: Dump[string] | undefined): void {
  const known = new Set(columnsOf(database, name));
  const columns = (given?.columns ?? []).filter((column) => known.has(column));
  if (given === undefined || columns.length === 0) return;
  const places = columns.map((column) => given.columns.indexOf(column));
  const insert = database.prepare(
    `INSERT INTO ${name} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`,
  );
  for (const row of given.rows) insert.run(...places.map((place) => storedOf(row[place] ?? null)));
}

function tablesOf(database: DatabaseSync): { name: string; hasRowid: boolean }[] {
  return database
    .prepare(
      `SELECT name, wr FROM pragma_table_list WHERE schema = 'main' AND type = 'table'
       AND name <> 'sqlite_schema' ORDER BY name = 'sqlite_sequence', name`,
    )
    .all()
    .map(({ name, wr }) => ({ name: String(name), hasRowid: wr === 0 }));
}

function columnsOf(database: DatabaseSync, table: string): string[] {
  const rows = database.prepare('SELECT name FROM pragma_table_info(?)').all(table);
  return rows.map(({ name }) => String(name));
}

function cellOf(value: unknown): Cell {
  if (value instanceof Uint8Array) return { b: Buffer.from(value).toString('base64') };
  return typeof value === 'string' || typeof value === 'number' ? value : null;
}

function storedOf(cell: Cell): string | number | null | Uint8Array {
  return typeof cell === 'object' && cell !== null ? Buffer.from(cell.b, 'base64') : cell;
}
