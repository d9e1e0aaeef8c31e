import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { codeOf } from './audit-error.ts';
import { archivesOf, nodeFiles } from './files.ts';

const CHUNK_BYTES = 256 * 1024;
/** No line that the service writes comes near it; what is longer is cut there, so that memory stays bounded. */
const LONGEST_LINE_BYTES = 1024 * 1024;
const BREAK = 0x0a;

/** Where a line stands. */
export interface Place {
  /** Path of the file. */
  file: string;
  /** From 1. */
  line: number;
}

export interface RawLine extends Place {
  /** Without its line break. */
  bytes: Buffer;
  /** False for what stands behind the last line break. */
  finished: boolean;
}

/** One file of a record that is open for reading. */
export interface OpenFile {
  path: string;
  handle: FileHandle;
  identity: string;
}

/** The files of a record, oldest first; full ones are opened when their turn comes, as there may be thousands. */
export interface RecordFiles {
  archives: readonly string[];
  current: OpenFile | undefined;
}

/**
 * Finds the files of a record as they are at one moment: the current file is opened before the others are listed, so
 * that one which is full and moved meanwhile is still read once, and no newer line follows a gap.
 *
 * @throws what the file system throws; ENOENT where there is no file at all
 */
export async function openRecord(path: string): Promise<RecordFiles> {
  const current = await openedIfThere(path);
  try {
    const archives: string[] = [];
    let isMoved = false;
    for (const archive of await archivesOf(path)) {
      archives.push(archive.path);
      isMoved ||= (await nodeFiles.facts(archive.path))?.identity === current?.identity;
    }
    if (current === undefined && archives.length === 0) {
      throw Object.assign(new Error('there is no audit record'), { code: 'ENOENT' });
    }
    if (!isMoved) return { archives, current };
    await current?.handle.close();
    return { archives, current: undefined };
  } catch (error) {
    await current?.handle.close();
    throw error;
  }
}

/** @returns undefined where there is no such file */
export async function openedIfThere(path: string): Promise<OpenFile | undefined> {
  try {
    const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const { dev, ino } = await handle.stat();
    return { path, handle, identity: `${dev}:${ino}` };
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** The lines of all files, in order. */
export async function* linesOf({ archives, current }: RecordFiles): AsyncGenerator<RawLine> {
  for (const path of archives) {
    // One that was taken away meanwhile shows as missing lines.
    const file = await openedIfThere(path);
    if (file === undefined) continue;
    try {
      // Every line of a full file was finished before it was moved.
      yield* linesIn(path, new LineReader(file.handle), true);
    } finally {
      await file.handle.close();
    }
  }
  if (current !== undefined) yield* linesIn(current.path, new LineReader(current.handle), false);
}

async function* linesIn(file: string, reader: LineReader, isFull: boolean): AsyncGenerator<RawLine> {
  let line = 0;
  for (;;) {
    const lines = await reader.more();
    if (lines === undefined) break;
    for (const bytes of lines) yield { file, line: ++line, bytes, finished: true };
  }
  const rest = reader.rest();
  if (rest.length > 0) yield { file, line: line + 1, bytes: rest, finished: isFull };
}

/** Reads finished lines from a file that may still grow. */
export class LineReader {
  readonly #handle: FileHandle;
  #position: number;
  #rest: Buffer[] = [];
  #restBytes = 0;

  constructor(handle: FileHandle, position = 0) {
    this.#handle = handle;
    this.#position = position;
  }

  /** The next finished lines, possibly none; undefined at the end of the file as it is now. */
  async more(): Promise<Buffer[] | undefined> {
    const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
    const { bytesRead } = await this.#handle.read(buffer, 0, CHUNK_BYTES, this.#position);
    if (bytesRead === 0) return undefined;
    this.#position += bytesRead;
    const chunk = buffer.subarray(0, bytesRead);
    const lines: Buffer[] = [];
    let from = 0;
    for (let at = chunk.indexOf(BREAK); at >= 0; at = chunk.indexOf(BREAK, from)) {
      this.#keep(chunk.subarray(from, at));
      lines.push(this.rest());
      this.#rest = [];
      this.#restBytes = 0;
      from = at + 1;
    }
    this.#keep(chunk.subarray(from));
    return lines;
  }

  /** What stands behind the last line break so far. */
  rest(): Buffer {
    return this.#rest.length === 1 ? (this.#rest[0] ?? Buffer.alloc(0)) : Buffer.concat(this.#rest);
  }

  #keep(part: Buffer): void {
    const room = LONGEST_LINE_BYTES - this.#restBytes;
    if (part.length === 0 || room <= 0) return;
    const kept = part.subarray(0, room);
    this.#rest.push(kept);
    this.#restBytes += kept.length;
  }
}
