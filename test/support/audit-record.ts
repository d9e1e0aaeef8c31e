import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type AuditLog, type AuditLogOptions, openAuditLog } from '../../src/audit/audit-log.ts';
import type { AuditBegin } from '../../src/audit/entry.ts';
import { type AuditFiles, nodeFiles, type WritableFile } from '../../src/audit/files.ts';

/** Path of a record in a fresh folder that is gone after the test. */
export function freshRecord(): string {
  const folder = mkdtempSync(join(tmpdir(), 'proxmox-mcp-audit-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'audit.jsonl');
}

/** Opens a record and closes it with the test. */
export async function opened(options: AuditLogOptions): Promise<AuditLog> {
  const log = await openAuditLog(options);
  onTestFinished(() => log.close());
  return log;
}

export function call(id: string, changes: Partial<AuditBegin> = {}): AuditBegin {
  return {
    id,
    requestId: `request-of-${id}`,
    write: true,
    subject: 'alice',
    credential: 'key:1',
    door: 'http',
    tool: 'stop_guest',
    cluster: 'production',
    selectedBy: 'name',
    method: 'POST',
    path: '/nodes/pve1/qemu/100/status/stop',
    parameters: { timeout: 30 },
    risks: ['change'],
    decision: 'allowed',
    rule: 'role operator',
    ...changes,
  };
}

/** The lines of one file, each with its break left out. */
export function linesIn(path: string): string[] {
  return readFileSync(path, 'utf8').split('\n').slice(0, -1);
}

export function parsed(path: string): Record<string, unknown>[] {
  return linesIn(path).map((line) => JSON.parse(line) as Record<string, unknown>);
}

export function putLines(path: string, lines: readonly string[]): void {
  writeFileSync(path, lines.map((line) => `${line}\n`).join(''));
}

/** Names of a record's files, oldest first. */
export function filesBeside(path: string): string[] {
  const names = readdirSync(join(path, '..')).filter((name) => name.endsWith('.jsonl'));
  return [
    ...names.filter((name) => name !== 'audit.jsonl').sort(),
    ...names.filter((name) => name === 'audit.jsonl'),
  ];
}

/** What a disk does to each operation, until it is told otherwise. */
export interface Disk {
  append?: (bytes: Buffer, file: WritableFile) => Promise<void>;
  sync?: (file: WritableFile) => Promise<void>;
  truncate?: (size: number, file: WritableFile) => Promise<void>;
  rename?: () => Promise<void>;
  /** Of all that was asked of it. */
  done: string[];
}

/** The real file system with a disk in between that can fail. */
export function filesOn(disk: Disk): AuditFiles {
  return {
    ...nodeFiles,
    async rename(from, to) {
      await disk.rename?.();
      await nodeFiles.rename(from, to);
    },
    async open(path) {
      const file = await nodeFiles.open(path);
      return {
        ...file,
        append: (bytes) => {
          disk.done.push('append');
          return disk.append ? disk.append(bytes, file) : file.append(bytes);
        },
        sync: () => {
          disk.done.push('sync');
          return disk.sync ? disk.sync(file) : file.sync();
        },
        truncate: (size) => {
          disk.done.push('truncate');
          return disk.truncate ? disk.truncate(size, file) : file.truncate(size);
        },
      };
    },
  };
}

export function failure(code: string): Error {
  return Object.assign(new Error(`${code}: no such luck, write '/secret/place/audit.jsonl'`), { code });
}
