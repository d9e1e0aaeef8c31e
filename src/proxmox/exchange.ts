import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import type { Dispatcher } from 'undici';
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
  signal: AbortSignal;
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
export async function exchange(
  pool: Dispatcher,
  request: WireRequest,
  options: ExchangeOptions,
): Promise<WireAnswer> {
  const { signal } = options;
  if (signal.aborted) throw signal.reason;

  const { promise, resolve, reject } = Promise.withResolvers<RawAnswer>();
  const collector = new Collector(options, resolve, reject);
  const onAbort = () => collector.end(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
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
  try {
    return await unpack(await promise, options.maxBytes);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

interface RawAnswer {
  head: Omit<WireAnswer, 'body'>;
  isGzip: boolean;
  bytes: Buffer;
}

const gunzipAsync = promisify(gunzip);

/** Unpacks no more than `maxBytes`: a megabyte of gzip may hold a thousand. */
async function unpack({ head, isGzip, bytes }: RawAnswer, maxBytes: number): Promise<WireAnswer> {
  if (!isGzip || bytes.length === 0) return { ...head, body: bytes.toString() };
  try {
    const unpacked = await gunzipAsync(bytes, { maxOutputLength: maxBytes });
    return { ...head, body: unpacked.toString() };
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
  readonly #resolve: (answer: RawAnswer) => void;
  readonly #reject: (reason: unknown) => void;
  readonly #chunks: Buffer[] = [];
  #controller: Dispatcher.DispatchController | undefined;
  #head: RawAnswer['head'] | undefined;
  #isGzip = false;
  #size = 0;
  #ended = false;

  constructor(
    options: ExchangeOptions,
    resolve: (answer: RawAnswer) => void,
    reject: (reason: unknown) => void,
  ) {
    this.#options = options;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** Gives up: closes the socket where there is one, and keeps a request that still waits for one from being sent. */
  end(reason: unknown): void {
    this.#ended = true;
    this.#reject(reason);
    this.#controller?.abort(new Error('given up'));
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
      this.end(
        new WireFailure('too-large', true, `the answer is larger than ${this.#options.maxBytes} bytes`),
      );
  }

  onResponseEnd(): void {
    const [first, ...more] = this.#chunks;
    const bytes = first !== undefined && more.length === 0 ? first : Buffer.concat(this.#chunks);
    if (this.#head !== undefined) this.#resolve({ head: this.#head, isGzip: this.#isGzip, bytes });
    else this.#reject(new WireFailure('broken', true, 'the answer has no head'));
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#head !== undefined && this.#head.status >= 400) {
      // PVE closes the connection after every error: its status is enough to know what happened.
      this.onResponseEnd();
    } else if (error instanceof ConnectFailure) {
      this.#reject(error);
    } else {
      // undici's errors are not kept as a cause: a parser error holds the bytes that the other side sent.
      const code = 'code' in error ? String(error.code) : error.name;
      const sent = this.#controller !== undefined;
      this.#reject(new WireFailure('broken', sent, `the connection broke (${code})`));
    }
  }
}
