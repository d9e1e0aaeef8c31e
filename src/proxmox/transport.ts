import type { Logger } from 'pino';
import type { ClusterConfig, Endpoint } from '../config/config.ts';
import { formatEndpoint } from '../config/endpoint.ts';
import type { Observer } from '../observability/observer.ts';
import type { Clock } from './breaker.ts';
import { Deadline } from './deadline.ts';
import { type Delivery, deliver } from './delivery.ts';
import type { Ending } from './ending.ts';
import { CallError, toCallError } from './errors.ts';
import type { WireAnswer, WireRequest } from './exchange.ts';
import { type EngineLimits, NodeLink, type Traffic } from './node-link.ts';
import { Slab } from './slab.ts';
import { redact } from './text.ts';
import { transportError } from './transport-errors.ts';

export interface TransportDeps {
  logger: Logger;
  clock: Clock;
  random: () => number;
  observer: Observer;
  limits: EngineLimits;
  /** What must not stand in the text of an error. */
  secrets: () => readonly string[];
}

export interface BoundedOptions {
  /** The caller's; its reason is thrown as it is. */
  signal?: Ending | undefined;
  /** Ends the work too; its reason is thrown as a CallError. */
  also?: Ending;
  deadlineMs: number;
  isRead: boolean;
  /** A read that is sent once all the same. */
  once?: boolean;
}

/** The connections to one cluster, with the limits of a call and the words for what fails on the way. */
export class Transport {
  /** To the configured endpoints, in their order. */
  readonly links: readonly NodeLink[];
  readonly #config: ClusterConfig;
  readonly #deps: TransportDeps;
  readonly #learned = new Map<string, NodeLink>();
  /** Of the work under way. Not one signal that all listen to: it would look through them for each that comes. */
  readonly #deadlines = new Slab<Deadline>();
  /** Why nothing goes out any more, once it has been closed. */
  #closed: CallError | undefined;

  constructor(config: ClusterConfig, deps: TransportDeps) {
    this.#config = config;
    this.#deps = deps;
    this.links = config.endpoints.map((endpoint) => this.#link(endpoint));
  }

  /** A link to an address that the configuration does not name; the cluster's TLS settings count for it. */
  linkTo(endpoint: Endpoint): NodeLink {
    const name = formatEndpoint(endpoint);
    const link = this.#learned.get(name) ?? this.#link(endpoint);
    this.#learned.set(name, link);
    return link;
  }

  /**
   * Does the work of one call within its deadline.
   *
   * @throws CallError with the cluster's name in it; the reason of the caller's signal, as it is, where that aborts.
   */
  async bounded<T>(options: BoundedOptions, work: (delivery: Delivery) => Promise<T>): Promise<T> {
    const { signal, also, deadlineMs, isRead, once = false } = options;
    const deadline = new Deadline(deadlineMs, [signal, also]);
    const place = this.#deadlines.add(deadline);
    if (this.#closed !== undefined) deadline.end(this.#closed);
    const delivery: Delivery = {
      signal: deadline,
      repeatable: isRead && !once,
      sent: false,
      failures: [],
      onTurn: () => undefined,
      onAnswer: () => undefined,
    };
    try {
      return await work(delivery);
    } catch (thrown) {
      if (signal?.aborted === true && thrown === signal.reason) throw thrown;
      throw this.#named(transportError(thrown, { ...delivery, isRead, deadlineMs }) ?? toCallError(thrown));
    } finally {
      deadline[Symbol.dispose]();
      this.#deadlines.remove(place);
    }
  }

  /** Delivers a request over the given links, as `deliver` does. */
  deliver(
    request: WireRequest,
    delivery: Delivery,
    links: readonly NodeLink[] = this.links,
  ): Promise<{ answer: WireAnswer; link: NodeLink }> {
    const { limits, random, logger } = this.#deps;
    return deliver(request, delivery, { links, attempts: limits.readAttempts, random, logger });
  }

  /** What goes over all links together. */
  traffic(): Traffic {
    const sum: Traffic = { connections: 0, running: 0, queued: 0 };
    for (const link of [...this.links, ...this.#learned.values()]) {
      const { connections, running, queued } = link.traffic();
      sum.connections += connections;
      sum.running += running;
      sum.queued += queued;
    }
    return sum;
  }

  /** Ends all work and closes every socket. */
  async close(): Promise<void> {
    this.#closed ??= new CallError('CLUSTER_UNREACHABLE', 'The connection to this cluster is being closed.', {
      hint: 'Repeat the call once the service has restarted or reloaded.',
    });
    for (const deadline of this.#deadlines) deadline.end(this.#closed);
    await Promise.all([...this.links, ...this.#learned.values()].map((link) => link.close()));
  }

  #link(endpoint: Endpoint): NodeLink {
    const { limits, clock, logger, observer } = this.#deps;
    const { name: cluster, tls } = this.#config;
    return new NodeLink(endpoint, tls, limits, clock, {
      cluster,
      onEvent: (event, link) => logger.warn({ endpoint: link.name }, `breaker ${event}`),
      onAsked: ({ method, lane }, status, seconds) =>
        observer.upstreamAsked({ cluster, method, status, ...(lane === 'uploads' ? {} : { seconds }) }),
    });
  }

  /** The one way out for errors: the cluster's name goes in, and a last look keeps credentials from getting out. */
  #named(error: CallError): CallError {
    const secrets = this.#deps.secrets();
    const status = error.status === undefined ? {} : { status: error.status };
    return new CallError(error.code, redact(error.message, secrets), {
      hint: redact(error.hint, secrets),
      cluster: this.#config.name,
      ...status,
      retryable: error.retryable,
      ...(error.cause === undefined ? {} : { cause: error.cause }),
    });
  }
}
