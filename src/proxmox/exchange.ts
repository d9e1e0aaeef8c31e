import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import type { Dispatcher } from 'undici';
import type { Ending } from './ending.ts';
import { ConnectFailure } from './tls.ts';

/** A request as it goes over the wire. `target` is path and query. */
export interface WireRequest {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  target: string;
  headers: Readonly<Record<string, string>>;
  /** A stream needs its `content-length` among the headers, and can be sent once. */
  body?: string | Readable;
  /** The longest answer that is read, where it differs from that of the link. */
  maxBytes?: number;
  /** Uploads take hours and queue by themselves, and probes must not wait behind calls; other calls where absent. */
  lane?: Lane;
  /** As `ProxmoxCall` has it. */
  template?: string | undefined;
}

export type Lane = 'calls' | 'uploads' | 'probes';

/** An answer as it came over the wire; `reason` is the HTTP reason phrase, where older PVE puts its message. */
export interface WireAnswer {
  status: number;
  reason: string;
  contentType: string;
  lastModified?: string;
  body: string;
}

/** The connection broke, or the answer was too large. `sent` says whether the request may have reached the other side. */
export class WireFailure extends Error {
  override readonly name = 'WireFailure';
  readonly kind: 'broken' | 'too-large';
  readonly sent: boolean;

  constructor(kind: 'broken' | 'too-large', sent: boolean, message: string) {
    super(message);
    this.kind = kind;
    this.sent = sent;
  }
}

export interface ExchangeOptions {
  /** Ends the exchange, whatever it is doing; a socket in use is closed. */
  signal: Ending;
  /** The longest answer that is read, as it comes and once it is unpacked. */
  maxBytes: number;
  /** Called right before the first byte of the request is written. */
  onSent(): void;
}

/**
 * Sends one request once and reads its whole answer. No redirect is followed and nothing is repeated.
 *
 * @throws ConnectFailure, WireFailure, or the signal's reason.
 */
export function exchange(
  pool: Dispatcher,
  request: WireRequest,
  options: ExchangeOptions,
): Promise<WireAnswer> {
  return new Promise((resolve, reject) => {
    if (options.signal.aborted) throw options.signal.reason;
    const collector = new Collector(options, resolve, reject);
    pool.dispatch(
      {
        method: request.method,
        path: request.target,
        headers: request.headers,
        body: request.body ?? null,
        // The caller's deadline covers everything; undici's own time-outs would only blur which one struck.
        headersTimeout: 0,
        bodyTimeout: 0,
      },
      collector,
    );
  });
}

type Head = Omit<WireAnswer, 'body'>;

const gunzipAsync = promisify(gunzip);

/** Unpacks no more than `maxBytes`: a megabyte of gzip may hold a thousand. */
async function unpacked(head: Head, bytes: Buffer, maxBytes: number): Promise<WireAnswer> {
  try {
    const whole = await gunzipAsync(bytes, { maxOutputLength: maxBytes });
    return { ...head, body: whole.toString() };
  } catch (error) {
    if (error instanceof RangeError) {
      throw new WireFailure('too-large', true, `the answer is larger than ${maxBytes} bytes once unpacked`);
    }
    if (head.status >= 400) return { ...head, body: '' };
    throw new WireFailure('broken', true, 'the answer is gzip that is cut off or broken');
  }
}

/** Collects the answer of one request; the dispatcher calls its `on…` methods. */
class Collector implements Dispatcher.DispatchHandler {
  readonly #options: ExchangeOptions;
  readonly #resolve: (answer: WireAnswer | Promise<WireAnswer>) => void;
  readonly #reject: (reason: unknown) => void;
  readonly #onAbort = (): void => this.#giveUp(this.#options.signal.reason);
  readonly #chunks: Buffer[] = [];
  #controller: Dispatcher.DispatchController | undefined;
  #head: Head | undefined;
  #isGzip = false;
  #size = 0;
  #ended = false;

  constructor(
    options: ExchangeOptions,
    resolve: (answer: WireAnswer | Promise<WireAnswer>) => void,
    reject: (reason: unknown) => void,
  ) {
    this.#options = options;
    this.#resolve = resolve;
    this.#reject = reject;
    options.signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#ended) {
      controller.abort(new Error('given up'));
      return;
    }
    this.#controller = controller;
    this.#options.onSent();
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
    reason?: string,
  ): void {
    if (status < 200) return;
    const lastModified = headers['last-modified'];
    const encoding = headers['content-encoding'];
    this.#isGzip = encoding !== undefined && /^(?:x-)?gzip$/i.test(String(encoding));
    this.#head = { status, reason: reason ?? '', contentType: String(headers['content-type'] ?? '') };
    if (lastModified !== undefined) this.#head.lastModified = String(lastModified);
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#size += chunk.length;
    if (this.#size <= this.#options.maxBytes) this.#chunks.push(chunk);
    else
      this.#giveUp(
        new WireFailure('too-large', true, `the answer is larger than ${this.#options.maxBytes} bytes`),
      );
  }

  onResponseEnd(): void {
    const head = this.#head;
    if (head === undefined) {
      this.#fail(new WireFailure('broken', true, 'the answer has no head'));
      return;
    }
    const [first] = this.#chunks;
    const bytes = first !== undefined && this.#chunks.length === 1 ? first : Buffer.concat(this.#chunks);
    this.#letGo();
    if (this.#isGzip && bytes.length > 0) this.#resolve(unpacked(head, bytes, this.#options.maxBytes));
    else this.#resolve({ ...head, body: bytes.toString() });
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#head !== undefined && this.#head.status >= 400) {
      // PVE closes the connection after every error: its status is enough to know what happened.
      this.onResponseEnd();
    } else if (error instanceof ConnectFailure) {
      this.#fail(error);
    } else {
      // undici's errors are not kept as a cause: a parser error holds the bytes that the other side sent.
      const code = 'code' in error ? String(error.code) : error.name;
      const sent = this.#controller !== undefined;
      this.#fail(new WireFailure('broken', sent, `the connection broke (${code})`));
    }
  }

  /** Closes the socket where there is one, and keeps a request that still waits for one from being sent. */
  #giveUp(reason: unknown): void {
    this.#ended = true;
    this.#fail(reason);
    this.#controller?.abort(new Error('given up'));
  }

  #fail(reason: unknown): void {
    this.#letGo();
    this.#reject(reason);
  }

  #letGo(): void {
    this.#options.signal.removeEventListener('abort', this.#onAbort);
  }
}
