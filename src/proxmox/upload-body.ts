import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import type { ApiPath } from './api-path.ts';
import { DeadlineExpired } from './deadline.ts';
import { CallError } from './errors.ts';
import { WireFailure, type WireRequest } from './exchange.ts';
import { type Upload, uploadFields } from './upload.ts';

/** Between the file and the socket; what a socket itself holds comes on top. */
const BUFFERED_BYTES = 64 * 1024;
/** How long nothing may move before the upload counts as stuck. */
const STALLED_MS = 60_000;
/** The slowest line worth waiting for, in bytes per millisecond, after a minute for everything else. */
const SLOWEST = 256;

/**
 * The multipart body of one upload (RFC 7578), made while it is sent. PVE wants its length ahead, and the text fields
 * before the file.
 */
export class UploadBody {
  readonly #upload: Upload;
  readonly #boundary = `proxmox-mcp-${randomUUID()}`;
  readonly #failed = new AbortController();
  #stream: Readable | undefined;
  #timer: NodeJS.Timeout | undefined;
  #bytesSent = 0;
  #isWhole = false;

  constructor(upload: Upload) {
    this.#upload = upload;
    // A source may fail before it is read: without a listener that would end the process.
    if (upload.body instanceof Readable) upload.body.on('error', () => undefined);
  }

  /** Aborts with a CallError where the body can't be sent to its end. */
  get failed(): AbortSignal {
    return this.#failed.signal;
  }

  /** A deadline for the whole upload over a slow line, in milliseconds. */
  get likelyMs(): number {
    return 60_000 + Math.ceil((this.#upload.size || 0) / SLOWEST);
  }

  /**
   * The request to send, once.
   *
   * @throws CallError INVALID_ARGUMENTS as `uploadFields` does.
   */
  request(path: ApiPath): WireRequest {
    const head = Buffer.from(this.#headText());
    const tail = Buffer.from(`\r\n--${this.#boundary}--\r\n`);
    this.#stream = Readable.from(this.#bytes(head, tail), {
      objectMode: false,
      highWaterMark: BUFFERED_BYTES,
    });
    // Failures come over `failed`; a stream that nobody listens to would end the process.
    this.#stream.on('error', () => undefined);
    return {
      method: 'POST',
      target: `/api2/json${path.wire}`,
      headers: {
        accept: 'application/json',
        'content-type': `multipart/form-data; boundary=${this.#boundary}`,
        'content-length': String(head.length + this.#upload.size + tail.length),
      },
      body: this.#stream,
      lane: 'uploads',
    };
  }

  /** Where the file had not left as a whole, PVE has thrown away what came: there is nothing to be in doubt of. */
  explain(thrown: unknown, endpoint: string): unknown {
    if (this.#isWhole) return thrown;
    const progress = `after ${this.#bytesSent} of ${this.#upload.size} bytes. Nothing was stored.`;
    if (thrown instanceof DeadlineExpired) {
      return new CallError('TIMEOUT', `The time for the upload was over ${progress}`, {
        hint: 'Allow more time, or let the node fetch the file itself (download-url).',
        cause: thrown,
      });
    }
    if (!(thrown instanceof WireFailure) || thrown.kind !== 'broken') return thrown;
    return new CallError('UPSTREAM_ERROR', `${endpoint} closed the connection ${progress}`, {
      hint: 'Look at the free space of /var/tmp on that node, where uploads arrive first, and at its journal (pveproxy).',
      retryable: true,
      cause: thrown,
    });
  }

  /** Lets go of the source and of the timer. */
  close(): void {
    clearTimeout(this.#timer);
    this.#stream?.destroy();
    const { body } = this.#upload;
    if (body instanceof Readable) body.destroy();
  }

  #headText(): string {
    const part = (name: string) => `--${this.#boundary}\r\nContent-Disposition: form-data; name="${name}"`;
    const fields = uploadFields(this.#upload).map(([name, value]) => `${part(name)}\r\n\r\n${value}\r\n`);
    const file = `${part('filename')}; filename="${this.#upload.filename}"`;
    return `${fields.join('')}${file}\r\nContent-Type: application/octet-stream\r\n\r\n`;
  }

  async *#bytes(head: Buffer, tail: Buffer): AsyncGenerator<Uint8Array> {
    try {
      this.#watch();
      yield head;
      yield* this.#file();
      // From here on the node may have all of it.
      clearTimeout(this.#timer);
      this.#isWhole = true;
      yield tail;
    } catch (error) {
      this.#failed.abort(error instanceof CallError ? error : unreadable(error));
      throw error;
    } finally {
      clearTimeout(this.#timer);
    }
  }

  async *#file(): AsyncGenerator<Uint8Array> {
    const { body, size, onProgress } = this.#upload;
    for await (const chunk of body) {
      if (!(chunk instanceof Uint8Array)) throw new TypeError('the source gives something else than bytes');
      if (this.#bytesSent + chunk.length > size) throw wrongLength('longer', size);
      if (chunk.length === 0) continue;
      yield chunk;
      this.#bytesSent += chunk.length;
      this.#watch();
      onProgress?.(this.#bytesSent);
    }
    if (this.#bytesSent < size) throw wrongLength('shorter', size, this.#bytesSent);
  }

  /** Starts anew to wait for the next bytes to move. */
  #watch(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const sent = `${this.#bytesSent} of ${this.#upload.size} bytes`;
      this.#failed.abort(
        new CallError(
          'TIMEOUT',
          `The upload stood still for ${STALLED_MS / 1000} s at ${sent}. Nothing was stored.`,
          {
            hint: 'Look at the node and at the source of the file, then repeat.',
          },
        ),
      );
    }, STALLED_MS);
  }
}

function wrongLength(comparison: 'longer' | 'shorter', size: number, seen?: number): CallError {
  const ended = seen === undefined ? '' : `: it ended after ${seen}`;
  return new CallError(
    'INVALID_ARGUMENTS',
    `The file is ${comparison} than the ${size} bytes announced${ended}. The upload was broken off; nothing was stored.`,
    { hint: 'Give the size of the file as it is; it must not change while it is sent.' },
  );
}

function unreadable(cause: unknown): CallError {
  return new CallError('INTERNAL', 'The file could not be read to its end. Nothing was stored.', {
    hint: 'Check the source of the file; the server log has the cause.',
    cause,
  });
}
