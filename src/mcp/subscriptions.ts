import { type NodeMcpRequestHandler, toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, type McpHttpHandler } from '@modelcontextprotocol/server';
import type { Logger } from 'pino';
import { isObject } from '../catalogue/json.ts';
import type { ClusterDirectory } from '../clusters/cluster.ts';
import { carried, carry } from './carried.ts';
import type { Caller, Dispatcher } from './dispatcher.ts';
import { type DoorRequest, ready, refuseSession } from './door.ts';
import { createModernServer } from './modern.ts';
import type { SessionWatches } from './session-watches.ts';
import { DEFAULT_LIMITS, hasGone, type SessionLimits } from './sessions.ts';

export interface SubscriptionOptions {
  dispatcher: Dispatcher;
  logger: Logger;
  limits?: SessionLimits;
}

/** One open stream, and what serves it. */
interface Stream {
  handler: McpHttpHandler;
  serve: NodeMcpRequestHandler;
  watches: SessionWatches;
  unsubscribe(): void;
}

/** Of one stream; a principal may not have more watched at once either. */
const MOST_RESOURCES = 50;

/**
 * The streams of `subscriptions/listen` (revision 2026-07-28). The SDK tells every subscription of a handler of a
 * change, so each stream has a handler of its own: what one principal is told of a resource is for no other. And no
 * handler serves anything else, so that closing it ends no call.
 */
export class Subscriptions {
  readonly #options: SubscriptionOptions;
  readonly #limits: SessionLimits;
  readonly #streams = new Set<Stream>();
  /** Open streams by principal. */
  readonly #counts = new Map<string, number>();

  constructor(options: SubscriptionOptions) {
    this.#options = options;
    this.#limits = options.limits ?? DEFAULT_LIMITS;
  }

  get size(): number {
    return [...this.#counts.values()].reduce((sum, count) => sum + count, 0);
  }

  async open(exchange: DoorRequest): Promise<void> {
    const { request, response, body, principal, directory } = exchange;
    if (hasGone(response)) return;
    const open = this.#counts.get(principal.id) ?? 0;
    const hasMost = open >= this.#limits.perPrincipal;
    if (hasMost || this.size >= this.#limits.most) return refuseSession(exchange, hasMost);
    this.#counts.set(principal.id, open + 1);
    const stream = this.#open(directory);
    response.once('close', () => {
      this.#closed(principal.id);
      this.#end(stream);
    });
    const authorized = carry(request, principal, directory);
    const wanted = await subscribed(stream.watches, body, carried(authorized.auth, 'stateless'));
    if (hasGone(response)) return;
    // A reload may have taken the cluster away meanwhile, or the door is closing.
    if (!this.#streams.has(stream)) return refuseSession(exchange, false);
    await stream.serve(authorized as Parameters<NodeMcpRequestHandler>[0], ready(exchange), wanted);
  }

  /** Ends every stream with the result that says so. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.#streams].map((stream) => this.#end(stream)));
  }

  #open(directory: ClusterDirectory): Stream {
    const { dispatcher, logger } = this.#options;
    const handler = createMcpHandler(
      (context) => createModernServer(dispatcher, carried(context.authInfo, 'stateless')),
      {
        legacy: 'reject',
        onerror: (error) => logger.debug({ problem: error.message }, 'subscription'),
      },
    );
    const stream: Stream = {
      handler,
      serve: toNodeHandler(handler, {
        onerror: (error) => logger.warn({ problem: error.message }, 'subscription'),
      }),
      watches: dispatcher.beside.watches((uri) => handler.notify.resourceUpdated(uri)),
      unsubscribe: dispatcher.listChanges.subscribe(directory, {
        changed: ({ tools, resources }) => {
          if (tools) handler.notify.toolsChanged();
          if (resources) handler.notify.resourcesChanged();
        },
        gone: () => void this.#end(stream),
      }),
    };
    this.#streams.add(stream);
    return stream;
  }

  async #end(stream: Stream): Promise<void> {
    this.#streams.delete(stream);
    stream.unsubscribe();
    stream.watches.close();
    await stream.handler.close();
  }

  #closed(principalId: string): void {
    const left = (this.#counts.get(principalId) ?? 1) - 1;
    if (left > 0) this.#counts.set(principalId, left);
    else this.#counts.delete(principalId);
  }
}

/** Whether a body asks for a stream of changes, which stays open for as long as the client likes. */
export function isListen(body: unknown): boolean {
  return (
    typeof body === 'object' && body !== null && 'method' in body && body.method === 'subscriptions/listen'
  );
}

/**
 * Watches the resources that a stream asks for.
 *
 * @returns the body without those that this caller can't watch, so that the acknowledgement names the others alone
 */
async function subscribed(watches: SessionWatches, body: unknown, caller: Caller): Promise<unknown> {
  if (!isObject(body) || !isObject(body.params) || !isObject(body.params.notifications)) return body;
  const { notifications } = body.params;
  const { resourceSubscriptions: uris } = notifications;
  // What is no list of texts is left to the SDK to refuse.
  if (!Array.isArray(uris) || !uris.every((uri): uri is string => typeof uri === 'string')) return body;
  const wanted = [...new Set(uris)].slice(0, MOST_RESOURCES);
  const outcomes = await Promise.allSettled(wanted.map((uri) => watches.subscribe(uri, caller)));
  const resourceSubscriptions = wanted.filter((_uri, index) => outcomes[index]?.status === 'fulfilled');
  return { ...body, params: { ...body.params, notifications: { ...notifications, resourceSubscriptions } } };
}
