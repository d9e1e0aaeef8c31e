import type { JSONRPCMessage, Transport } from '@modelcontextprotocol/server';
import { StdioServerTransport } from '@modelcontextprotocol/server/stdio';
import { isObject } from '../catalogue/json.ts';

type Received = NonNullable<Transport['onmessage']>;

/** Standard input and output, with somebody who reads along what comes in. */
export class ObservedStdio implements Transport {
  onclose: (() => void) | undefined;
  onerror: ((error: Error) => void) | undefined;
  onmessage: Received | undefined;
  readonly #inner = new StdioServerTransport();

  constructor(observe: (message: JSONRPCMessage) => void) {
    const received: Received = (message, extra) => {
      observe(message);
      this.onmessage?.(message, extra);
    };
    Object.assign(this.#inner, {
      onmessage: received,
      onclose: () => this.onclose?.(),
      onerror: (error: Error) => this.onerror?.(error),
    });
  }

  start(): Promise<void> {
    return this.#inner.start();
  }

  send(message: JSONRPCMessage): Promise<void> {
    return this.#inner.send(message);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}

/**
 * The resources that `subscriptions/listen` asks for on one connection. Over stdio the SDK answers that method itself
 * and tells nobody for what, so it is read along.
 */
export class StdioListens {
  readonly #byId = new Map<unknown, ReadonlySet<string>>();
  readonly #begin: (uri: string) => void;
  readonly #end: (uri: string) => void;

  constructor({ begin, end }: { begin: (uri: string) => void; end: (uri: string) => void }) {
    this.#begin = begin;
    this.#end = end;
  }

  observe(message: JSONRPCMessage): void {
    if (!('method' in message) || !isObject(message.params)) return;
    const { method, params } = message;
    if (method === 'subscriptions/listen' && 'id' in message) this.#listen(message.id, params.notifications);
    if (method === 'notifications/cancelled') this.#cancel(params.requestId);
  }

  #listen(id: unknown, notifications: unknown): void {
    const uris = isObject(notifications) ? notifications.resourceSubscriptions : undefined;
    if (!Array.isArray(uris) || this.#byId.has(id)) return;
    const wanted = new Set(uris.filter((uri) => typeof uri === 'string'));
    this.#byId.set(id, wanted);
    for (const uri of wanted) this.#begin(uri);
  }

  #cancel(id: unknown): void {
    const ended = this.#byId.get(id);
    if (ended === undefined) return;
    this.#byId.delete(id);
    const left = new Set([...this.#byId.values()].flatMap((uris) => [...uris]));
    for (const uri of ended) if (!left.has(uri)) this.#end(uri);
  }
}
