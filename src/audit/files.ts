import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rename, stat } from 'node:fs/promises';
import { basename, dirname, join, parse } from 'node:path';
import { codeOf } from './audit-error.ts';

/** A file of the record while it is written. */
export interface WritableFile {
  /** Appends all of it, or throws having appended some. */
  append(bytes: Buffer): Promise<void>;
  /** On disk when it resolves. */
  sync(): Promise<void>;
  truncate(size: number): Promise<void>;
  stat(): Promise<FileFacts>;
  close(): Promise<void>;
}

/** Which file it is, and how long. */
export interface FileFacts {
  identity: string;
  size: number;
}

/** What the writer needs of a file system; tests put failing and slow ones in its place. */
export interface AuditFiles {
  /** Opens for appending; made, readable by its owner alone, where it is not there. */
  open(path: string): Promise<WritableFile>;
  /** Undefined where there is no such file. */
  facts(path: string): Promise<FileFacts | undefined>;
  rename(from: string, to: string): Promise<void>;
  /** Makes a rename or a new file last. */
  syncFolder(folder: string): Promise<void>;
}

export const nodeFiles: AuditFiles = {
  async open(path) {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;
    return writable(await open(path, flags, 0o600));
  },
  async facts(path) {
    try {
      const { dev, ino, size } = await stat(path);
      return { identity: `${dev}:${ino}`, size };
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  },
  rename,
  async syncFolder(folder) {
    const handle = await open(folder, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
};

function writable(handle: FileHandle): WritableFile {
  return {
    async append(bytes) {
      for (let at = 0; at < bytes.length; ) at += (await handle.write(bytes, at)).bytesWritten;
    },
    sync: () => handle.datasync(),
    truncate: (size) => handle.truncate(size),
    async stat() {
      const { dev, ino, size } = await handle.stat();
      return { identity: `${dev}:${ino}`, size };
    },
    close: () => handle.close(),
  };
}

const SEQ_DIGITS = 12;

/** Where a file goes when it is full: beside the record, named after its first line, so that names sort as lines do. */
export function archivePath(path: string, firstSeq: number, copy = 0): string {
  const { dir, name, ext } = parse(path);
  const suffix = copy === 0 ? '' : `-${copy}`;
  return join(dir, `${name}-${String(firstSeq).padStart(SEQ_DIGITS, '0')}${suffix}${ext}`);
}

/** A full file of the record. */
export interface Archive {
  path: string;
  firstSeq: number;
}

/** The full files of a record, oldest first. */
export async function archivesOf(path: string): Promise<Archive[]> {
  const { dir, name, ext } = parse(path);
  const found: { path: string; firstSeq: number; copy: number }[] = [];
  for (const file of await namesIn(dir)) {
    if (!file.startsWith(`${name}-`) || !file.endsWith(ext) || file === basename(path)) continue;
    const middle = file.slice(name.length + 1, file.length - ext.length);
    const [, seq, copy] = /^(\d{12,16})(?:-(\d{1,4}))?$/.exec(middle) ?? [];
    if (seq === undefined) continue;
    found.push({ path: join(dir, file), firstSeq: Number(seq), copy: Number(copy ?? 0) });
  }
  return found.sort((left, right) => left.firstSeq - right.firstSeq || left.copy - right.copy);
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder === '' ? '.' : folder);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
}
