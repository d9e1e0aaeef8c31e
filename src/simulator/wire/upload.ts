import { createHash, randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { ClusterState } from '../state/cluster-state.ts';
import type { Fields, Target } from './request.ts';

const PATH = /^\/nodes\/[^/]+\/storage\/[^/]+\/upload$/;
const ALGORITHMS = ['md5', 'sha1', 'sha224', 'sha256', 'sha384', 'sha512'];
const HEAD_LIMIT = 64 * 1024;

/** The one call whose body may be of any size: it holds a file. */
export function isUpload({ method, headers }: IncomingMessage, { apiPath }: Target): boolean {
  const multipart = /^multipart\/form-data\b/i.test(headers['content-type'] ?? '');
  return method === 'POST' && multipart && apiPath !== undefined && PATH.test(apiPath);
}

/** Takes the parts of a multipart body as they come. The file is measured and hashed, never kept. */
class PartReader {
  readonly fields: Fields = {};
  size = 0;
  complete = false;
  readonly #hashes = ALGORITHMS.map((name) => [name, createHash(name)] as const);
  readonly #delimiter: Buffer;
  #rest: Buffer = Buffer.alloc(0);
  #state: 'head' | 'file' | 'end' = 'head';

  constructor(boundary: string) {
    this.#delimiter = Buffer.from(`\r\n--${boundary}`);
    // So that the first delimiter looks like all others.
    this.#rest = Buffer.from('\r\n');
  }

  get digests(): Record<string, string> {
    return Object.fromEntries(this.#hashes.map(([name, hash]) => [name, hash.digest('hex')]));
  }

  push(chunk: Buffer): void {
    if (this.#state === 'end') return;
    this.#rest = Buffer.concat([this.#rest, chunk]);
    if (this.#state === 'head') this.#readParts();
    if (this.#state === 'file') this.#readFile();
  }

  /** Text parts up to the file; what comes after the file is not looked at, as PVE doesn't. */
  #readParts(): void {
    while (this.#state === 'head') {
      const headEnd = this.#rest.indexOf('\r\n\r\n');
      if (headEnd < 0) {
        if (this.#rest.length > HEAD_LIMIT) this.#state = 'end';
        return;
      }
      const head = this.#rest.subarray(0, headEnd).toString('utf8');
      const name = /name="([^"]*)"/i.exec(head.replace(/filename="[^"]*"/i, ''))?.[1];
      const filename = /filename="([^"]*)"/i.exec(head)?.[1];
      if (filename !== undefined) {
        this.fields.filename = filename;
        this.#rest = this.#rest.subarray(headEnd + 4);
        this.#state = 'file';
        return;
      }
      const valueEnd = this.#rest.indexOf(this.#delimiter, headEnd + 4);
      if (valueEnd < 0) return;
      if (name !== undefined) this.fields[name] = this.#rest.subarray(headEnd + 4, valueEnd).toString('utf8');
      this.#rest = this.#rest.subarray(valueEnd);
    }
  }

  #readFile(): void {
    const end = this.#rest.indexOf(this.#delimiter);
    // A delimiter may be cut in two by the end of a chunk.
    const sure = end < 0 ? Math.max(0, this.#rest.length - this.#delimiter.length) : end;
    const part = this.#rest.subarray(0, sure);
    for (const [, hash] of this.#hashes) hash.update(part);
    this.size += part.length;
    this.#rest = this.#rest.subarray(sure);
    if (end < 0) return;
    this.complete = true;
    this.#state = 'end';
  }
}

/**
 * Reads the body of an upload to its end and notes the file in the state, for the call that stores it.
 * @returns the parameters, or undefined for what is no multipart body with a file
 */
export async function readUpload(request: IncomingMessage, state: ClusterState): Promise<Fields | undefined> {
  const [, quoted, plain] =
    /boundary=(?:"([^"]+)"|([^;]+))/i.exec(request.headers['content-type'] ?? '') ?? [];
  const reader = new PartReader(quoted ?? plain ?? '');
  for await (const chunk of request) reader.push(chunk);
  if (!reader.complete) return undefined;
  const tmpfilename = `/var/tmp/pveupload-${randomBytes(16).toString('hex')}`;
  state.uploads ??= new Map();
  state.uploads.set(tmpfilename, { size: reader.size, digests: reader.digests });
  return { ...reader.fields, tmpfilename };
}
