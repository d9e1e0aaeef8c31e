import { writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { AuditError, codeOf, reasonOf } from './audit-error.ts';

/**
 * Claims a record for this process. The lock is the operating system's, held through SQLite: it ends with the process
 * however that ends, while a file with a pid would outlive a crash, and in containers every service has pid 1.
 *
 * @returns gives the lock back
 * @throws AuditError where another process, or this one, writes the record already
 */
export function lockRecord(path: string): () => void {
  const file = `${path}.lock`;
  try {
    // Not opened where it exists: closing it again would drop a lock that this process holds on it (POSIX).
    writeFileSync(file, '', { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if (codeOf(error) !== 'EEXIST')
      throw new AuditError(`The audit record can't be locked: ${reasonOf(error)}.`);
  }
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file);
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = OFF; BEGIN EXCLUSIVE');
  } catch (error) {
    database?.close();
    if (isBusy(error)) {
      throw new AuditError(
        'Another process writes this audit record. Stop it, or give each service an AUDIT_FILE of its own.',
      );
    }
    throw new AuditError(
      "The audit record can't be locked: its .lock file is damaged and may be removed, or its file system knows no locks.",
    );
  }
  const held = database;
  return () => held.close();
}

/** SQLITE_BUSY, in whichever extended form. */
function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && (Number(error.errcode) & 0xff) === 5;
}
