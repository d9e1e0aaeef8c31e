import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { codeOf } from './audit-error.ts';
import { type AuditKey, type AuditLine, EMPTY, type Head, hashOf, keyIdOf, parseLine } from './chain.ts';
import { archivesOf } from './files.ts';

const WINDOW_BYTES = 512 * 1024;
const BREAK = 0x0a;

/** What an earlier process left. */
export interface Recovered {
  head: Head;
  /** Bytes of the current file up to its last line break: what stands behind it was never finished. */
  size: number;
  /** Seq of the current file's first line; undefined where it has none. */
  firstSeq: number | undefined;
  /** Name of the newest full file, where the current one has no line. */
  previous: string | undefined;
  /** What stands behind the last line break. */
  torn: Buffer | undefined;
  /** Said of the last line where its hash is not that of its text. */
  problem: string | undefined;
}

/**
 * Finds where a record goes on. Only what was never finished is to be cut off: a finished line that can't be read is
 * somebody's work and stays where it is, for `audit verify` to name.
 *
 * @throws what the file system throws
 */
export async function recover(path: string, key: AuditKey | undefined): Promise<Recovered> {
  const tail = await tailOf(path);
  const firstSeq = tail.size === 0 ? undefined : await firstSeqOf(path);
  let last = tail.last;
  let previous: string | undefined;
  if (last === undefined) {
    for (const archive of (await archivesOf(path)).reverse()) {
      last = (await tailOf(archive.path)).last;
      previous ??= archive.path;
      if (last !== undefined) break;
    }
  }
  return {
    head: last === undefined ? EMPTY : { seq: last.seq, hash: last.hash },
    size: tail.size,
    firstSeq,
    previous,
    torn: tail.torn,
    problem: last && mismatch(last, key),
  };
}

function mismatch(line: AuditLine, key: AuditKey | undefined): string | undefined {
  const id = keyIdOf(line.hash);
  if (id !== undefined && id !== key?.id) return undefined;
  if (hashOf(line.body, id === undefined ? undefined : key) === line.hash) return undefined;
  return `The last line of the audit record, number ${line.seq}, was altered while the service did not run: see \`audit verify\`.`;
}

interface Tail {
  last: AuditLine | undefined;
  size: number;
  torn: Buffer | undefined;
}

/** Reads a file from its end, as far back as it takes to find a line. */
async function tailOf(path: string): Promise<Tail> {
  const handle = await openedForReading(path);
  if (handle === undefined) return { last: undefined, size: 0, torn: undefined };
  try {
    const { size } = await handle.stat();
    for (let window = WINDOW_BYTES; ; window *= 4) {
      const from = Math.max(0, size - window);
      const buffer = Buffer.alloc(size - from);
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, from);
      const bytes = buffer.subarray(0, bytesRead);
      const last = lastLine(bytes, from === 0);
      if (last === undefined && from > 0) continue;
      const ended = bytes.lastIndexOf(BREAK) + 1;
      return { last, size: from + ended, torn: ended < bytes.length ? bytes.subarray(ended) : undefined };
    }
  } finally {
    await handle.close();
  }
}

/** @param whole whether the bytes begin where a line begins */
function lastLine(bytes: Buffer, whole: boolean): AuditLine | undefined {
  let end = bytes.lastIndexOf(BREAK);
  while (end >= 0) {
    const start = end === 0 ? -1 : bytes.lastIndexOf(BREAK, end - 1);
    if (start < 0 && !whole) return undefined;
    const line = parseLine(bytes.subarray(start + 1, end));
    if (line !== undefined) return line;
    end = start;
  }
  return undefined;
}

async function firstSeqOf(path: string): Promise<number | undefined> {
  const handle = await openedForReading(path);
  if (handle === undefined) return undefined;
  try {
    const buffer = Buffer.alloc(WINDOW_BYTES);
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0);
    const end = buffer.subarray(0, bytesRead).indexOf(BREAK);
    return end < 0 ? undefined : parseLine(buffer.subarray(0, end))?.seq;
  } finally {
    await handle.close();
  }
}

async function openedForReading(path: string) {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
