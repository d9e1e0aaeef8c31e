import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LARGEST_APIDOC } from './apidoc.ts';
import { isObject } from './json.ts';

/**
 * Where the schema begins in a file, which is JSON: it is its last member, so that megabytes need not be read to tell
 * whether they are known. Within a string the quotes would be escaped.
 */
const SCHEMA_MEMBER = ',"schema":';

/** A schema as it is kept on disk, and when it was last known to be the host's. */
export interface CachedSchema {
  /** The tree, as `JSON.stringify` wrote it; of what is read, it is not known to be whole. */
  readonly json: string;
  readonly lastModified?: string;
  /** Milliseconds since 1970. */
  readonly checkedAt: number;
}

/**
 * API schemas on disk, one file per PVE version. Whether one can be written or read is never worth failing
 * for: a file that is missing, damaged or of another version counts as none.
 *
 * The time a schema was last checked is the file's own, so that a 304 does not write megabytes anew.
 */
export class SchemaCache {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** The schema kept for a version; undefined where there is none that can be read. */
  async read(version: string): Promise<CachedSchema | undefined> {
    const file = this.#file(version);
    if (file === undefined) return undefined;
    try {
      const { size, mtimeMs } = await stat(file);
      if (size > 2 * LARGEST_APIDOC) return undefined;
      const text = await readFile(file, 'utf8');
      const at = text.indexOf(SCHEMA_MEMBER);
      if (at < 0) return undefined;
      const kept: unknown = JSON.parse(`${text.slice(0, at)}}`);
      if (!isObject(kept) || kept.version !== version || !text.endsWith('}')) return undefined;
      const { lastModified } = kept;
      return {
        json: text.slice(at + SCHEMA_MEMBER.length, -1),
        checkedAt: mtimeMs,
        ...(typeof lastModified === 'string' ? { lastModified } : {}),
      };
    } catch {
      return undefined;
    }
  }

  /**
   * Keeps a schema; readers see the old file or the new one, never half of it.
   *
   * @throws the file system's error.
   */
  async write(version: string, schema: CachedSchema): Promise<void> {
    const file = this.#file(version);
    if (file === undefined) return;
    const { json, lastModified } = schema;
    const head = JSON.stringify({ version, lastModified });
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const unfinished = `${file}.${randomUUID()}.tmp`;
    try {
      await writeFile(unfinished, `${head.slice(0, -1)}${SCHEMA_MEMBER}${json}}`, { mode: 0o600 });
      await setTime(unfinished, schema.checkedAt);
      await rename(unfinished, file);
    } catch (error) {
      await rm(unfinished, { force: true });
      throw error;
    }
  }

  /** Notes that a schema was found unchanged. */
  async touch(version: string, checkedAt: number): Promise<void> {
    const file = this.#file(version);
    if (file !== undefined) await setTime(file, checkedAt);
  }

  // The version is what a host says of itself: nothing but a plain word becomes part of a path.
  #file(version: string): string | undefined {
    return /^\w[\w.+~-]{0,63}$/.test(version) ? join(this.#directory, `pve-${version}.json`) : undefined;
  }
}

async function setTime(file: string, milliseconds: number): Promise<void> {
  await utimes(file, milliseconds / 1000, milliseconds / 1000);
}
