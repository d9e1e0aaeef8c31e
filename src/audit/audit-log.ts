import { mkdirSync, realpathSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { AuditError, codeOf, reasonOf } from './audit-error.ts';
import { AuditKey, fragmentOf, type Head, keyIdOf } from './chain.ts';
import { ChainFile } from './chain-file.ts';
import { clippedText } from './clip.ts';
import type { AuditBegin, AuditEnd, AuditTask } from './entry.ts';
import { type AuditFiles, nodeFiles } from './files.ts';
import { lockRecord } from './lock.ts';
import { type Recovered, recover } from './recovery.ts';
import { AuditWriter } from './writer.ts';

/** The record of every call that leaves. */
export interface AuditLog {
  /**
   * Resolves once the line is on disk (write) or queued (read: on disk within a second).
   *
   * @throws AuditError where it can't be written, after a second at most: then nothing may be sent
   */
  begin(entry: AuditBegin): Promise<void>;
  /**
   * Resolves when the operating system has the line, so that it outlives this process, and after a second at most;
   * on disk a second later. Never throws; a failure is remembered and shows in `healthy()`.
   */
  end(entry: AuditEnd): Promise<void>;
  /** How a task ended, where that is known only after the call's end. As `end`. */
  task(entry: AuditTask): Promise<void>;
  healthy(): Health;
  /** The last line that is on disk: keep it elsewhere, and `audit verify --head` proves what came before. */
  head(): Head;
  /** Writes what is queued, as far as that can be done within two seconds, and gives the file back. */
  close(): Promise<void>;
}

export type Health = { ok: true } | { ok: false; problem: string };

export interface AuditLogOptions {
  path: string;
  /** Of one file; then the record goes on in a new one. */
  maxBytes?: number;
  /** Keys the chain: 32 bytes or more. */
  key?: Buffer;
  /** Epoch milliseconds. */
  clock?: () => number;
  /** Hears what an operator should know, once each time it begins. */
  onProblem?: (problem: string) => void;
  files?: AuditFiles;
  /** Milliseconds until a write whose line is not on disk is refused. */
  deadlineMs?: number;
  /** Lines that may wait; beyond it no call begins. */
  mostWaiting?: number;
}

const DEFAULT_MAX_BYTES = 64 * 1024 * 1024;
const DEFAULT_DEADLINE_MS = 1000;
const DEFAULT_MOST_WAITING = 10_000;
const MOST_TORN_CHARACTERS = 4000;
/** A start is no reason to stop reads: with these the service runs, refuses writes and says why. */
const PASSING = new Set(['ENOSPC', 'EDQUOT', 'EIO']);

/**
 * Opens a record, or begins one. What a crash left unfinished is cut off, and said so in the record.
 *
 * @throws AuditError where it can't be used at all: no such folder, no right to write, another process writes it, or it
 *   was written with a key and none is given
 */
export async function openAuditLog(options: AuditLogOptions): Promise<AuditLog> {
  const key = options.key && new AuditKey(options.key);
  const { clock = Date.now, onProblem = () => undefined, files = nodeFiles } = options;
  const path = usablePath(options.path);
  const unlock = lockRecord(path);
  try {
    const recovered = await recovery(path, key);
    const maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES;
    const file = new ChainFile({ path, files, key, maxBytes, clock, onProblem }, recovered);
    await open(file);
    if (recovered.problem !== undefined) onProblem(recovered.problem);
    const writer = new AuditWriter({
      file,
      clock,
      onProblem,
      deadlineMs: options.deadlineMs ?? DEFAULT_DEADLINE_MS,
      mostWaiting: options.mostWaiting ?? DEFAULT_MOST_WAITING,
      onClosed: unlock,
    });
    await writer.note(fragmentOf('open', opening(recovered, key)));
    return writer;
  } catch (error) {
    unlock();
    throw error;
  }
}

function usablePath(path: string): string {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const facts = statSync(path, { throwIfNoEntry: false });
    if (facts === undefined) return path;
    if (!facts.isFile()) throw new AuditError('The audit record must be a regular file.');
    return realpathSync(path);
  } catch (error) {
    throw error instanceof AuditError ? error : unusable(error);
  }
}

async function recovery(path: string, key: AuditKey | undefined): Promise<Recovered> {
  const recovered = await recover(path, key).catch((error: unknown) => {
    throw unusable(error);
  });
  const id = keyIdOf(recovered.head.hash);
  if (id !== undefined && key === undefined) {
    throw new AuditError(
      `The audit record is keyed with ${id}, and no key is given. Set AUDIT_KEY, or begin a new record with another AUDIT_FILE.`,
    );
  }
  return recovered;
}

async function open(file: ChainFile): Promise<void> {
  try {
    await file.open();
  } catch (error) {
    if (PASSING.has(codeOf(error))) return;
    await file.close();
    throw unusable(error);
  }
}

function unusable(error: unknown): AuditError {
  return new AuditError(`The audit record can't be written: ${reasonOf(error)}.`, { cause: error });
}

function opening({ torn }: Recovered, key: AuditKey | undefined): Record<string, unknown> {
  return {
    format: 1,
    ...(key === undefined ? {} : { key: key.id }),
    host: clippedText(hostname()),
    pid: process.pid,
    ...(torn === undefined
      ? {}
      : { torn_bytes: torn.length, torn_text: torn.toString('utf8').slice(0, MOST_TORN_CHARACTERS) }),
  };
}
