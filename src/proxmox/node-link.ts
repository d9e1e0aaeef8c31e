import { Pool } from 'undici';
import type { ClusterTls, Endpoint } from '../config/config.ts';
import { formatEndpoint } from '../config/endpoint.ts';
import { Breaker, type Clock } from './breaker.ts';
import { DeadlineExpired } from './deadline.ts';
import type { EndpointState } from './endpoint-state.ts';
import { exchange, type Lane, type WireAnswer, WireFailure, type WireRequest } from './exchange.ts';
import { Limiter } from './limiter.ts';
import { PROXY_STATUSES } from './pve-errors.ts';
import { ConnectFailure, tlsConnector } from './tls.ts';

export interface EngineLimits {
  /** For a whole call, in milliseconds, where the call sets none. */
  deadlineMs: number;
  /** For TCP and TLS together, in milliseconds. */
  connectMs: number;
  /** Calls at once on one node, and calls that may wait for their turn. */
  callsPerNode: number;
  queuedPerNode: number;
  /** Uploads at once on one node, beside the calls; as many more may wait as calls may. */
  uploadsPerNode: number;
  maxAnswerBytes: number;
  /** How often a read is sent at most. */
  readAttempts: number;
}

/** pveproxy drops a connection after 5 s without a request: ours must be gone before it does. */
const IDLE_MS = 4_000;

/** What a link tells of its health, for the log. */
export type LinkEvent = 'opened' | 'closed';

/** The connections to one endpoint, with a queue for calls, one for uploads, and its breaker. */
export class NodeLink {
  readonly name: string;
  readonly breaker: Breaker;
  readonly #lanes: Readonly<Record<Lane, { limiter: Limiter; pool: Pool }>>;
  readonly #closing = new AbortController();
  readonly #maxBytes: number;
  readonly #onEvent: (event: LinkEvent, link: NodeLink) => void;

  constructor(
    endpoint: Endpoint,
    tls: ClusterTls,
    limits: EngineLimits,
    clock: Clock,
    onEvent: (event: LinkEvent, link: NodeLink) => void,
  ) {
    this.name = formatEndpoint(endpoint);
    this.breaker = new Breaker(clock);
    this.#maxBytes = limits.maxAnswerBytes;
    this.#onEvent = onEvent;
    const lane = (connections: number) => ({
      limiter: new Limiter(connections, limits.queuedPerNode),
      // A pool connects when it is first used.
      pool: new Pool(`https://${this.name}`, {
        connections,
        pipelining: 1,
        keepAliveTimeout: IDLE_MS,
        keepAliveMaxTimeout: IDLE_MS,
        allowH2: false,
        connect: tlsConnector(endpoint, tls, limits.connectMs, this.#closing.signal),
      }),
    });
    this.#lanes = { calls: lane(limits.callsPerNode), uploads: lane(limits.uploadsPerNode) };
  }

  /**
   * Sends one request once, when its turn has come.
   *
   * @param hooks what is called before anything is sent (what it throws ends the call), when the first byte is, and
   *   with the answer, before the next call has its turn
   * @throws what `exchange` throws, QueueFull, or the signal's reason.
   */
  async exchange(
    request: WireRequest,
    signal: AbortSignal,
    hooks: { onTurn(): void; onSent(): void; onAnswer(answer: WireAnswer): void },
  ): Promise<WireAnswer> {
    const { limiter, pool } = this.#lanes[request.lane ?? 'calls'];
    const release = await limiter.acquire(signal);
    try {
      hooks.onTurn();
      const maxBytes = request.maxBytes ?? this.#maxBytes;
      const options = { signal, maxBytes, onSent: hooks.onSent };
      const answer = await exchange(pool, request, options);
      // 595 and its like count as success: this endpoint works, the node behind it does not.
      this.#record(!PROXY_STATUSES.includes(answer.status));
      hooks.onAnswer(answer);
      return answer;
    } catch (thrown) {
      if (isEndpointFailure(thrown)) this.#record(false);
      throw thrown;
    } finally {
      release();
    }
  }

  state(): EndpointState {
    return { endpoint: this.name, answers: undefined, breakerOpen: this.breaker.isOpen };
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all(Object.values(this.#lanes).map(({ pool }) => pool.destroy()));
  }

  #record(success: boolean): void {
    if (success && this.breaker.succeeded()) this.#onEvent('closed', this);
    if (!success && this.breaker.failed()) this.#onEvent('opened', this);
  }
}

/** A caller that went away says nothing about the endpoint; a deadline that passed does. */
function isEndpointFailure(thrown: unknown): boolean {
  if (thrown instanceof WireFailure) return thrown.kind === 'broken';
  return thrown instanceof ConnectFailure || thrown instanceof DeadlineExpired;
}

/**
 * Picks the next endpoint to try: the first healthy one in the configured order, else the one whose breaker has
 * waited longest. An open breaker puts an endpoint last and never out.
 */
export function nextLink(links: readonly NodeLink[], tried: ReadonlySet<NodeLink>): NodeLink | undefined {
  const left = links.filter((link) => !tried.has(link));
  return (
    left.find((link) => link.breaker.admits()) ??
    left.toSorted((one, other) => one.breaker.openUntil - other.breaker.openUntil)[0]
  );
}
