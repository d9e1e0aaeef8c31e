import type { ServerResponse } from 'node:http';
import { type Answering, type HeaderList, writeHead } from './door.ts';

type RequestId = string | number;

/** How long an answer may take until its stream is opened without it, so that the client sees that it was heard. */
const OPEN_AFTER_MS = 50;
/** Proxies cut what is silent for a minute. */
const KEEP_ALIVE_MS = 15_000;
/** Without `Connection`, which Node sets as the client asked for it. */
const EVENT_STREAM: HeaderList = [
  'Content-Type',
  'text/event-stream',
  'Cache-Control',
  'no-cache, no-transform',
  'X-Accel-Buffering',
  'no',
];

interface Waiting {
  exchange: Answering;
  abort: AbortController;
  timer: NodeJS.Timeout;
}

/**
 * The requests of one session that are answered without the SDK's transport, on the streams of their POSTs. What
 * arrives is what the SDK would send; an answer that comes at once is one write, where the SDK makes a web stream of it.
 */
export class DirectAnswers {
  readonly #headers: HeaderList;
  readonly #waiting = new Map<RequestId, Waiting>();

  constructor(sessionId: string) {
    this.#headers = [...EVENT_STREAM, 'mcp-session-id', sessionId];
  }

  has(id: RequestId): boolean {
    return this.#waiting.has(id);
  }

  /** Begins a request; its answer, or its cancellation, ends it. A client that goes away leaves the work going on. */
  begin(id: RequestId, exchange: Answering): AbortSignal {
    const abort = new AbortController();
    const timer = setTimeout(() => this.#keepOpen(id), OPEN_AFTER_MS);
    timer.unref();
    this.#waiting.set(id, { exchange, abort, timer });
    return abort.signal;
  }

  /** Sends what belongs to a request and is not its answer: progress, a question. @throws Error where nobody reads */
  event(id: RequestId, message: unknown): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined || isGone(waiting.exchange.response)) {
      throw new Error('the client has gone away');
    }
    this.#open(waiting.exchange);
    waiting.exchange.response.write(`event: message\ndata: ${JSON.stringify(message)}\n\n`);
  }

  /** Sends the answer, unless the request was cancelled. @param message as JSON */
  answer(id: RequestId, message: string): void {
    const waiting = this.#end(id);
    if (waiting === undefined || isGone(waiting.exchange.response)) return;
    const { exchange } = waiting;
    const { response } = exchange;
    const text = `event: message\ndata: ${message}\n\n`;
    if (!response.headersSent) this.#writeHead(exchange, ['Content-Length', Buffer.byteLength(text)]);
    // As a text: Node writes it in one piece with the head, where bytes would be a second one.
    response.end(text);
  }

  /** Ends a POST with these bytes. */
  send(exchange: Answering, parts: readonly Buffer[], encoding?: 'gzip'): void {
    const { response } = exchange;
    if (isGone(response)) return;
    this.#writeHead(exchange, bodyHeaders(parts, encoding));
    endWith(response, parts);
  }

  #writeHead(exchange: Answering, own: HeaderList): void {
    writeHead(exchange, 200, [...this.#headers, ...own]);
  }

  /** As the SDK does: the work is told to stop, and the stream ends without an answer. */
  cancel(ids: readonly RequestId[], reason?: unknown): void {
    for (const id of ids) {
      const waiting = this.#end(id);
      if (waiting === undefined) continue;
      waiting.abort.abort(reason);
      const { response } = waiting.exchange;
      if (isGone(response)) continue;
      this.#open(waiting.exchange);
      response.end();
    }
  }

  /** The session is over. */
  close(): void {
    this.cancel([...this.#waiting.keys()], new Error('Connection closed'));
  }

  #end(id: RequestId): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return undefined;
    this.#waiting.delete(id);
    clearTimeout(waiting.timer);
    return waiting;
  }

  #keepOpen(id: RequestId): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined || isGone(waiting.exchange.response)) return;
    const { response } = waiting.exchange;
    this.#open(waiting.exchange);
    waiting.timer = setInterval(() => isGone(response) || response.write(': keepalive\n\n'), KEEP_ALIVE_MS);
    waiting.timer.unref();
  }

  #open(exchange: Answering): void {
    if (exchange.response.headersSent) return;
    this.#writeHead(exchange, []);
    exchange.response.flushHeaders();
  }
}

/** Says how long a body is, and how it is packed. */
export function bodyHeaders(parts: readonly Buffer[], encoding: 'gzip' | undefined): HeaderList {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return encoding === undefined
    ? ['Content-Length', length]
    : ['Content-Length', length, 'Content-Encoding', encoding];
}

/** Writes all of it at once: head and body leave in as few packets as they fit in. */
export function endWith(response: ServerResponse, parts: readonly Buffer[]): void {
  const last = parts.length - 1;
  if (last === 0) return void response.end(parts[0]);
  response.cork();
  for (const part of parts.slice(0, last)) response.write(part);
  response.end(parts[last]);
  response.uncork();
}

function isGone(response: ServerResponse): boolean {
  return response.writableEnded || response.destroyed;
}
