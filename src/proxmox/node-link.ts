import { Pool } from 'undici';
import type { ClusterTls, Endpoint } from '../config/config.ts';
import { formatEndpoint } from '../config/endpoint.ts';
import { statusClass } from '../observability/observer.ts';
import { type NamedSpan, traced } from '../observability/tracing.ts';
import { Breaker, type Clock } from './breaker.ts';
import { DeadlineExpired } from './deadline.ts';
import type { Ending } from './ending.ts';
import type { EndpointState } from './endpoint-state.ts';
import {
  type ExchangeOptions,
  exchange,
  type Lane,
  type WireAnswer,
  WireFailure,
  type WireRequest,
} from './exchange.ts';
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

/** Where a node is reached, and the certificate that it showed there. */
export interface NodeAddress {
  /** Host name or address; IPv6 without brackets. */
  host: string;
  port: number;
  /** SHA-256, upper-case hex pairs joined by colons. */
  fingerprint: string;
  /** It was verified, or is the pinned one; else the configuration holds it against nothing. */
  isProven: boolean;
}

/** What goes over a link at present. */
export interface Traffic {
  connections: number;
  running: number;
  /** Requests that wait for their turn. */
  queued: number;
}

/** What a link tells of its health, for the log. */
export type LinkEvent = 'opened' | 'closed';

/** Whom a link belongs to, and who hears of it. */
interface LinkOwner {
  readonly cluster: string;
  /** Its breaker has changed. */
  onEvent(event: LinkEvent, link: NodeLink): void;
  /** A request was answered, or failed. @param status class of its status, or how it failed */
  onAsked(request: WireRequest, status: string, seconds: number): void;
}

/** The connections to one endpoint, with a queue for calls, one for uploads, one for probes, and its breaker. */
export class NodeLink {
  readonly name: string;
  readonly breaker: Breaker;
  readonly #lanes: Readonly<Record<Lane, { limiter: Limiter; pool: Pool }>>;
  readonly #closing = new AbortController();
  readonly #maxBytes: number;
  readonly #clock: Clock;
  readonly #endpoint: Endpoint;
  /** What the conversations that ended, and the connections that were made, have shown. */
  #seen: Omit<EndpointState, 'endpoint' | 'breakerOpen'> = { answers: undefined };
  #address: NodeAddress | undefined;
  readonly #owner: LinkOwner;

  constructor(endpoint: Endpoint, tls: ClusterTls, limits: EngineLimits, clock: Clock, owner: LinkOwner) {
    this.name = formatEndpoint(endpoint);
    this.breaker = new Breaker(clock);
    this.#maxBytes = limits.maxAnswerBytes;
    this.#clock = clock;
    this.#owner = owner;
    this.#endpoint = endpoint;
    const connect = tlsConnector(endpoint, tls, limits.connectMs, this.#closing.signal, (certificate) => {
      const { expiresAt, fingerprint, trust } = certificate;
      if (Number.isFinite(expiresAt)) this.#seen.certificateExpiresAt = expiresAt;
      if (trust === 'refused') return;
      const { host, port } = endpoint;
      this.#address = { host, port, fingerprint, isProven: trust === 'proven' };
    });
    const lane = (connections: number) => ({
      limiter: new Limiter(connections, limits.queuedPerNode),
      // A pool connects when it is first used.
      pool: new Pool(`https://${this.name}`, {
        connections,
        pipelining: 1,
        keepAliveTimeout: IDLE_MS,
        keepAliveMaxTimeout: IDLE_MS,
        allowH2: false,
        connect,
      }),
    });
    this.#lanes = {
      calls: lane(limits.callsPerNode),
      uploads: lane(limits.uploadsPerNode),
      probes: lane(1),
    };
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
    signal: Ending,
    hooks: { onTurn(): void; onSent(): void; onAnswer(answer: WireAnswer): void },
  ): Promise<WireAnswer> {
    const { lane = 'calls' } = request;
    const { limiter, pool } = this.#lanes[lane];
    const release = await limiter.acquire(signal);
    let sentAt = this.#clock.now();
    const onSent = () => {
      sentAt = this.#clock.now();
      hooks.onSent();
    };
    try {
      hooks.onTurn();
      const maxBytes = request.maxBytes ?? this.#maxBytes;
      const options = { signal, maxBytes, onSent };
      const answer = await this.#ask(pool, request, options);
      // 595 and its like count as success: this endpoint works, the node behind it does not.
      const failed = PROXY_STATUSES.includes(answer.status);
      this.#record(failed ? `answered ${answer.status}, as a proxy does whose host is down` : undefined);
      if (lane === 'probes') this.#seen.latencyMs = this.#clock.now() - sentAt;
      hooks.onAnswer(answer);
      return answer;
    } catch (thrown) {
      if (isEndpointFailure(thrown)) this.#record(problemOf(thrown));
      throw thrown;
    } finally {
      release();
    }
  }

  /** With the certificate of the newest connection that was not refused for it; undefined before one. */
  address(): NodeAddress | undefined {
    return this.#address;
  }

  state(): EndpointState {
    return { endpoint: this.name, ...this.#seen, breakerOpen: this.breaker.isOpen };
  }

  traffic(): Traffic {
    const sum = { connections: 0, running: 0, queued: 0 };
    for (const { limiter, pool } of Object.values(this.#lanes)) {
      const { running, queued } = limiter.load();
      sum.connections += pool.stats.connected;
      sum.running += running;
      sum.queued += queued;
    }
    return sum;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all(Object.values(this.#lanes).map(({ pool }) => pool.destroy()));
  }

  async #ask(pool: Pool, request: WireRequest, options: ExchangeOptions): Promise<WireAnswer> {
    const startedAt = performance.now();
    let status: string | undefined;
    try {
      const answer = await traced({
        span: () => this.#spanOf(request),
        work: () => exchange(pool, request, options),
        attributesOf: (got) => ({ 'http.response.status_code': got.status }),
        problemOf: failureOf,
      });
      status = statusClass(answer.status);
      return answer;
    } catch (thrown) {
      status = failureOf(thrown);
      throw thrown;
    } finally {
      this.#owner.onAsked(request, status ?? 'other', (performance.now() - startedAt) / 1000);
    }
  }

  /** Of a path nothing but its template; nothing of headers, parameters and the body. */
  #spanOf({ method, template, lane }: WireRequest): NamedSpan {
    const { host, port } = this.#endpoint;
    return {
      name: template === undefined ? method : `${method} ${template}`,
      kind: 'client',
      attributes: {
        'http.request.method': method,
        'url.template': template,
        'server.address': host,
        'server.port': port,
        'proxmox.cluster': this.#owner.cluster,
        'proxmox.lane': lane,
      },
    };
  }

  /** @param problem why it failed; undefined where it went well */
  #record(problem: string | undefined): void {
    this.#seen.answers = problem === undefined;
    this.#seen.checkedAt = this.#clock.now();
    if (problem === undefined) delete this.#seen.problem;
    else this.#seen.problem = problem;
    if (problem === undefined && this.breaker.succeeded()) this.#owner.onEvent('closed', this);
    if (problem !== undefined && this.breaker.failed()) this.#owner.onEvent('opened', this);
  }
}

/** A caller that went away says nothing about the endpoint; a deadline that passed does. */
function isEndpointFailure(thrown: unknown): thrown is Error {
  if (thrown instanceof WireFailure) return thrown.kind === 'broken';
  return thrown instanceof ConnectFailure || thrown instanceof DeadlineExpired;
}

/** How a request failed, in a word of a closed set. */
function failureOf(thrown: unknown): string {
  if (thrown instanceof ConnectFailure) return 'unreachable';
  if (thrown instanceof WireFailure) return thrown.kind;
  return thrown instanceof DeadlineExpired ? 'timeout' : 'cancelled';
}

/** Fixed words and codes alone: nothing that the other side sent is in them. They complete "host:port …". */
function problemOf(failure: Error): string {
  if (failure instanceof ConnectFailure) return failure.message;
  if (failure instanceof DeadlineExpired) return 'did not answer in time';
  return 'closed the connection before it had answered';
}

/**
 * Picks the next endpoint to try: the first healthy one in the configured order, else the one whose breaker has
 * waited longest. An open breaker puts an endpoint last and never out.
 */
export function nextLink(links: readonly NodeLink[], tried: ReadonlySet<NodeLink>): NodeLink | undefined {
  const isLeft = (link: NodeLink) => !tried.has(link);
  return (
    links.find((link) => isLeft(link) && link.breaker.admits()) ??
    links.filter(isLeft).sort((one, other) => one.breaker.openUntil - other.breaker.openUntil)[0]
  );
}
