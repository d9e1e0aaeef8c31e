import type { DatabaseSync } from 'node:sqlite';

export const APPROVAL_TABLES = `
CREATE TABLE IF NOT EXISTS approval_plans (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  handle_hash BLOB NOT NULL UNIQUE,
  principal_id TEXT NOT NULL, subject TEXT NOT NULL, credential TEXT NOT NULL, client TEXT,
  kind TEXT NOT NULL CHECK (kind IN ('self', 'person', 'second')),
  tool TEXT NOT NULL, cluster TEXT NOT NULL, about TEXT NOT NULL DEFAULT '', binding TEXT NOT NULL,
  guest_digest TEXT NOT NULL,
  calls TEXT NOT NULL, facts TEXT NOT NULL,
  created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL,
  state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'approved', 'denied', 'used', 'expired')),
  approver TEXT, reason TEXT
);
CREATE INDEX IF NOT EXISTS approval_plans_of ON approval_plans (principal_id, binding);
CREATE INDEX IF NOT EXISTS approval_plans_until ON approval_plans (expires_at);
CREATE TABLE IF NOT EXISTS approval_key (id INTEGER PRIMARY KEY CHECK (id = 1), key BLOB NOT NULL);`;

/** Takes back every approval that was given or is waited for: what became of them last may not be known. */
export function voidPlans(database: DatabaseSync): void {
  database.exec("UPDATE approval_plans SET state = 'expired' WHERE state IN ('pending', 'approved')");
}
