import type { ServerResponse } from 'node:http';
import type { Principal } from '../access/principal.ts';
import type { ClusterDirectory } from '../clusters/cluster.ts';

export interface SessionLimits {
  /** Sessions of all kinds together; the next one is refused. */
  most: number;
  /** A session that neither sends nor holds a stream for this long is closed. */
  idleMs: number;
}

export const DEFAULT_LIMITS: SessionLimits = { most: 10_000, idleMs: 30 * 60_000 };

/** What a door keeps of a session: whose it is, what is under way, and how to end it. */
export interface Session<Transport> {
  readonly id: string;
  readonly principalId: string;
  readonly directory: ClusterDirectory;
  readonly transport: Transport;
  /** Requests that have not been answered, each with the response that waits for it. */
  readonly inFlight: Map<string | number, ServerResponse>;
  /** Open responses: streams and waiting POSTs. A session that holds one is not idle. */
  open: number;
  lastSeenAt: number;
  close(): Promise<void>;
}

/**
 * The sessions of one kind of door. A session answers only to the principal who opened it, and under the set of
 * clusters it was opened to: for anybody else it does not exist, and an id never authenticates.
 */
export class SessionStore<Transport> {
  readonly #sessions = new Map<string, Session<Transport>>();
  readonly #limits: SessionLimits;
  readonly #clock: () => number;
  readonly #sweeper: NodeJS.Timeout;

  constructor(limits: SessionLimits, clock: () => number = Date.now) {
    this.#limits = limits;
    this.#clock = clock;
    this.#sweeper = setInterval(() => this.sweep(), Math.min(limits.idleMs, 60_000));
    this.#sweeper.unref();
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** False where the bound is reached; the caller then answers 503. */
  hasRoom(): boolean {
    if (this.#sessions.size < this.#limits.most) return true;
    this.sweep();
    return this.#sessions.size < this.#limits.most;
  }

  add(session: Omit<Session<Transport>, 'inFlight' | 'open' | 'lastSeenAt'>): Session<Transport> {
    const added = { ...session, inFlight: new Map(), open: 0, lastSeenAt: this.#clock() };
    this.#sessions.set(session.id, added);
    return added;
  }

  find(id: string, principal: Principal, directory: ClusterDirectory): Session<Transport> | undefined {
    const session = this.#sessions.get(id);
    if (!session || session.principalId !== principal.id || session.directory !== directory) return undefined;
    session.lastSeenAt = this.#clock();
    return session;
  }

  /** Counts a response as held open by the session until it closes. */
  hold(session: Session<Transport>, response: ServerResponse): void {
    session.open += 1;
    response.once('close', () => {
      session.open -= 1;
      session.lastSeenAt = this.#clock();
    });
  }

  /** Takes a request out of flight because its answer is on its way. */
  answered(id: string, requestId: string | number): void {
    this.#sessions.get(id)?.inFlight.delete(requestId);
  }

  remove(id: string): void {
    this.#sessions.delete(id);
  }

  /** Closes what has been idle for too long. */
  sweep(): void {
    const before = this.#clock() - this.#limits.idleMs;
    for (const session of this.#sessions.values()) {
      if (session.open > 0 || session.lastSeenAt > before) continue;
      this.remove(session.id);
      session.close().catch(() => undefined);
    }
  }

  async closeAll(): Promise<void> {
    clearInterval(this.#sweeper);
    const sessions = [...this.#sessions.values()];
    this.#sessions.clear();
    await Promise.allSettled(sessions.map((session) => session.close()));
  }
}
