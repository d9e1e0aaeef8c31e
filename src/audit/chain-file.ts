import { basename, dirname } from 'node:path';
import { AuditError } from './audit-error.ts';
import { type AuditKey, fragmentOf, type Head, nextLine } from './chain.ts';
import { type AuditFiles, archivePath, type WritableFile } from './files.ts';
import type { Recovered } from './recovery.ts';

/** A line that is to be written. */
export interface Draft {
  /** Epoch milliseconds. */
  time: number;
  /** What it says, from `fragmentOf`. */
  fragment: string;
}

export interface ChainFileOptions {
  path: string;
  files: AuditFiles;
  key: AuditKey | undefined;
  maxBytes: number;
  clock: () => number;
  onProblem: (problem: string) => void;
}

/** How far the file reaches: by what is on disk, and by what the operating system holds. */
interface Reach {
  head: Head;
  size: number;
}

const GONE =
  'The file of the audit record was moved, removed or replaced by another program. Move it back, or restart the service to go on in a new file.';
const CUT =
  'The file of the audit record was cut by another program: see `audit verify`. Restart the service to go on in what is left.';

/**
 * The current file of a record. One caller at a time. After any failure the file is cut back to what is known to be on
 * disk before anything else is written, so that a half-written line never stands within the chain: once `fdatasync` has
 * failed nobody can say what became of the pages before it.
 */
export class ChainFile {
  readonly #options: ChainFileOptions;
  #file: WritableFile | undefined;
  #identity = '';
  #durable: Reach;
  #written: Reach;
  #firstSeq: number;
  /** Name of the file before, which the first line of a new one says. */
  #previous: string | undefined;
  /** Whether the file ends with the last line that is on disk. */
  #isCutBack = false;
  /** Whether an earlier process left an unfinished line, to be cut off. */
  #isTorn: boolean;
  #fullAtBytes: number;

  constructor(options: ChainFileOptions, recovered: Recovered) {
    this.#options = options;
    const { head, size, firstSeq, previous } = recovered;
    this.#durable = { head, size };
    this.#written = this.#durable;
    this.#firstSeq = firstSeq ?? head.seq + 1;
    this.#previous = previous;
    this.#isTorn = recovered.torn !== undefined;
    this.#fullAtBytes = options.maxBytes;
  }

  /** Opens the file, and makes it where it is not there. @throws what the file system throws */
  async open(): Promise<void> {
    await this.#ready();
  }

  /** The last line that is on disk. */
  get head(): Head {
    return this.#durable.head;
  }

  get isDurable(): boolean {
    return this.#durable === this.#written;
  }

  /** Hands lines to the operating system. @throws what the file system throws; then nothing since `sync` is written */
  async append(drafts: readonly Draft[]): Promise<void> {
    const file = await this.#ready();
    const lines: string[] = [];
    let { head } = this.#written;
    const add = ({ time, fragment }: Draft): void => {
      const next = nextLine(head, time, fragment, this.#options.key);
      lines.push(next.text);
      head = next.head;
    };
    if (this.#written.size === 0 && head.seq > 0) add(this.#continuation());
    for (const draft of drafts) add(draft);
    const bytes = Buffer.from(lines.join(''));
    try {
      await file.append(bytes);
    } catch (error) {
      this.#isCutBack = false;
      throw error;
    }
    this.#written = { head, size: this.#written.size + bytes.length };
  }

  /** On disk when it resolves. @throws what the file system throws; then nothing since the last `sync` is written */
  async sync(): Promise<void> {
    const file = await this.#ready();
    try {
      await file.sync();
    } catch (error) {
      this.#isCutBack = false;
      throw error;
    }
    this.#durable = this.#written;
  }

  /** Goes on in a new file where this one is full. Call it when all is durable. */
  async rotateIfFull(): Promise<void> {
    const { maxBytes, onProblem } = this.#options;
    if (this.#written.size < this.#fullAtBytes || !this.isDurable) return;
    try {
      await this.#rotate();
      this.#fullAtBytes = maxBytes;
    } catch {
      this.#fullAtBytes = this.#written.size + maxBytes;
      onProblem('The audit record is full and its file could not be moved: it goes on in the same file.');
    }
  }

  /**
   * Notices a file that another program moved, removed, replaced or cut, which the handle alone would not show. No new
   * one is begun in its place: lines that nobody can read any more are no record.
   *
   * @throws AuditError while it is so; also what the file system throws
   */
  async inspect(): Promise<void> {
    if (this.#file === undefined) return;
    const { path, files, onProblem } = this.#options;
    const facts = await files.facts(path);
    if (facts?.identity !== this.#identity) throw this.#lost(GONE);
    // Behind a failure nobody knows what stands after the last line on disk.
    const { size } = this.#isCutBack ? this.#written : this.#durable;
    if (facts.size < size) throw this.#lost(CUT);
    if (facts.size > size && this.#isCutBack && this.isDurable) {
      onProblem('The file of the audit record was changed by another program: see `audit verify`.');
      this.#durable = { head: this.#written.head, size: facts.size };
      this.#written = this.#durable;
    }
  }

  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
  }

  #lost(what: string): AuditError {
    // What was written since the last sync is written again, should the file come back.
    this.#isCutBack = false;
    const { seq, hash } = this.#durable.head;
    return new AuditError(`${what} Its last line was ${seq}:${hash}.`);
  }

  async #rotate(): Promise<void> {
    const { path, files } = this.#options;
    let target = archivePath(path, this.#firstSeq);
    for (let copy = 1; (await files.facts(target)) !== undefined; copy++) {
      target = archivePath(path, this.#firstSeq, copy);
    }
    await files.rename(path, target);
    await this.#leave();
    this.#previous = target;
    await files.syncFolder(dirname(path));
  }

  /** Lets go of the current file; the next line opens a new one. */
  async #leave(): Promise<void> {
    const left = this.#file;
    this.#file = undefined;
    this.#durable = { head: this.#durable.head, size: 0 };
    this.#written = this.#durable;
    this.#firstSeq = this.#durable.head.seq + 1;
    await left?.close();
  }

  #continuation(): Draft {
    const previous = this.#previous;
    return {
      time: this.#options.clock(),
      fragment: fragmentOf('rotate', {
        ...(previous === undefined ? {} : { previous_file: basename(previous) }),
        previous_seq: this.#written.head.seq,
      }),
    };
  }

  /** The file, open and ending with the last durable line. */
  async #ready(): Promise<WritableFile> {
    const file = this.#file ?? (await this.#opened());
    if (this.#isCutBack) return file;
    this.#written = this.#durable;
    const { size } = await file.stat();
    // Somebody else cut it shorter: to make it as long again would fill it with zeros.
    if (size < this.#durable.size) this.#durable = { head: this.#durable.head, size };
    else if (size > this.#durable.size) await file.truncate(this.#durable.size);
    this.#written = this.#durable;
    this.#isCutBack = true;
    return file;
  }

  async #opened(): Promise<WritableFile> {
    const { path, files } = this.#options;
    const file = await files.open(path);
    const { identity, size } = await file.stat().catch(async (error: unknown) => {
      await file.close();
      throw error;
    });
    this.#file = file;
    this.#identity = identity;
    this.#isCutBack = false;
    // Lines that are not ours, in a file that came in between, are evidence: they stay.
    if (!this.#isTorn) this.#durable = { head: this.#durable.head, size };
    this.#isTorn = false;
    await files.syncFolder(dirname(path));
    return file;
  }
}
