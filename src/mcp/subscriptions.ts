import { type NodeMcpRequestHandler, toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, type McpHttpHandler } from '@modelcontextprotocol/server';
import type { Logger } from 'pino';
import type { ClusterDirectory } from '../clusters/cluster.ts';
import { carried, carry } from './carried.ts';
import type { Dispatcher } from './dispatcher.ts';
import { type DoorRequest, refuseSession } from './door.ts';
import { createModernServer } from './modern.ts';
import { DEFAULT_LIMITS, hasGone, type SessionLimits } from './sessions.ts';

export interface SubscriptionOptions {
  dispatcher: Dispatcher;
  logger: Logger;
  limits?: SessionLimits;
}

/** What serves the subscriptions to one set of clusters. */
interface Channel {
  handler: McpHttpHandler;
  serve: NodeMcpRequestHandler;
  unsubscribe(): void;
}

/**
 * The streams of `subscriptions/listen` (revision 2026-07-28). The SDK tells every subscription of a handler of a
 * change, so each set of clusters has a handler of its own; and no handler serves anything else, so that closing it
 * ends no call.
 */
export class Subscriptions {
  readonly #options: SubscriptionOptions;
  readonly #limits: SessionLimits;
  readonly #channels = new Map<ClusterDirectory, Channel>();
  /** Open streams by principal. */
  readonly #counts = new Map<string, number>();

  constructor(options: SubscriptionOptions) {
    this.#options = options;
    this.#limits = options.limits ?? DEFAULT_LIMITS;
  }

  get size(): number {
    return [...this.#counts.values()].reduce((sum, count) => sum + count, 0);
  }

  async open({ request, response, body, principal, directory }: DoorRequest): Promise<void> {
    if (hasGone(response)) return;
    const open = this.#counts.get(principal.id) ?? 0;
    const hasMost = open >= this.#limits.perPrincipal;
    if (hasMost || this.size >= this.#limits.most) return refuseSession(response, hasMost);
    this.#counts.set(principal.id, open + 1);
    response.once('close', () => this.#closed(principal.id));
    const authorized = carry(request, principal, directory) as Parameters<NodeMcpRequestHandler>[0];
    await this.#channel(directory).serve(authorized, response, body);
  }

  /** Ends every stream with the result that says so. */
  async close(): Promise<void> {
    const channels = [...this.#channels.values()];
    this.#channels.clear();
    await Promise.allSettled(channels.map((channel) => end(channel)));
  }

  #channel(directory: ClusterDirectory): Channel {
    const known = this.#channels.get(directory);
    if (known) return known;
    const { dispatcher, logger } = this.#options;
    const handler = createMcpHandler(
      (context) => createModernServer(dispatcher, carried(context.authInfo, 'stateless')),
      {
        legacy: 'reject',
        maxSubscriptions: this.#limits.most,
        onerror: (error) => logger.debug({ problem: error.message }, 'subscription'),
      },
    );
    const channel: Channel = {
      handler,
      serve: toNodeHandler(handler, {
        onerror: (error) => logger.warn({ problem: error.message }, 'subscription'),
      }),
      unsubscribe: dispatcher.listChanges.subscribe(directory, {
        changed: () => handler.notify.toolsChanged(),
        gone: () => {
          this.#channels.delete(directory);
          void end(channel);
        },
      }),
    };
    this.#channels.set(directory, channel);
    return channel;
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

async function end({ handler, unsubscribe }: Channel): Promise<void> {
  unsubscribe();
  await handler.close();
}
