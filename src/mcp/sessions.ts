import { hash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Principal } from '../access/principal.ts';
import type { ClusterDirectory } from '../clusters/cluster.ts';
import { InFlight } from './in-flight.ts';

export interface SessionLimits {
  /** Sessions of one door; the next one is refused. */
  most: number;
  /** Sessions of one principal at one door: its own oldest idle one makes room, so that nobody takes all places. */
  perPrincipal: number;
  /** A session that neither sends nor holds a stream for this long is closed. */
  idleMs: number;
}

export const DEFAULT_LIMITS: SessionLimits = { most: 10_000, perPrincipal: 1_000, idleMs: 30 * 60_000 };

/** What a door keeps of a session: whose it is, what is under way, and how to end it. */
export interface Session<Transport> {
  readonly id: string;
  /** What the record calls it: so that whoever reads that can tell sessions apart, and enter none. */
  readonly recordedAs: string;
  readonly principalId: string;
  /** Who opened it, with which credential: once that is revoked, the session ends. */
  readonly openedBy: Principal;
  readonly directory: ClusterDirectory;
  readonly transport: Transport;
  readonly inFlight: InFlight;
  /** Open responses: streams and waiting POSTs. A session that holds one is not idle. */
  open: number;
  lastSeenAt: number;
  close(): Promise<void>;
  /** Called once, when the door no longer keeps the session. */
  forgotten?: (() => void) | undefined;
}

/**
 * The sessions of one door. A session answers only to the principal who opened it, and under the set of clusters it
 * was opened to: for anybody else it does not exist, and an id never authenticates.
 */
export class SessionStore<Transport> {
  readonly #sessions = new Map<string, Session<Transport>>();
  readonly #counts = new Map<string, number>();
  readonly #limits: SessionLimits;
  readonly #clock: () => number;
  readonly #sweeper: NodeJS.Timeout;

  constructor(limits: SessionLimits, clock: () => number = () => performance.now()) {
    this.#limits = limits;
    this.#clock = clock;
    this.#sweeper = setInterval(() => this.sweep(), Math.min(limits.idleMs, 60_000));
    this.#sweeper.unref();
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Makes room for one more session of this principal; false where there is none. */
  hasRoom(principal: Principal): boolean {
    if (this.hasMost(principal) && !this.#closeOldest(principal.id)) return false;
    if (this.#sessions.size >= this.#limits.most) this.sweep();
    return this.#sessions.size < this.#limits.most;
  }

  /** Whether a principal has as many sessions as it may: then it is by its own doing that there is no room. */
  hasMost(principal: Principal): boolean {
    return (this.#counts.get(principal.id) ?? 0) >= this.#limits.perPrincipal;
  }

  add(
    session: Omit<Session<Transport>, 'recordedAs' | 'inFlight' | 'open' | 'lastSeenAt'>,
  ): Session<Transport> {
    const recordedAs = hash('sha256', session.id, 'hex').slice(0, 12);
    const added = { ...session, recordedAs, inFlight: new InFlight(), open: 0, lastSeenAt: this.#clock() };
    this.#sessions.set(session.id, added);
    this.#counts.set(session.principalId, (this.#counts.get(session.principalId) ?? 0) + 1);
    return added;
  }

  find(id: string, principal: Principal, directory: ClusterDirectory): Session<Transport> | undefined {
    const session = this.#sessions.get(id);
    if (!session || session.principalId !== principal.id || session.directory !== directory) return undefined;
    session.lastSeenAt = this.#clock();
    return session;
  }

  /**
   * Counts a response as held open by the session until it closes. One that has closed already is not counted: its
   * `close` event will not come again.
   */
  hold(session: Session<Transport>, response: ServerResponse): void {
    if (hasGone(response)) return;
    session.open += 1;
    response.on('close', () => {
      session.open -= 1;
      session.lastSeenAt = this.#clock();
    });
  }

  remove(id: string): void {
    const session = this.#sessions.get(id);
    if (!session) return;
    this.#sessions.delete(id);
    session.forgotten?.();
    const left = (this.#counts.get(session.principalId) ?? 1) - 1;
    if (left > 0) this.#counts.set(session.principalId, left);
    else this.#counts.delete(session.principalId);
  }

  /** Takes a session away from its clients; it is closed once its requests under way have been answered. */
  async retire(id: string): Promise<void> {
    const session = this.#sessions.get(id);
    if (!session) return;
    this.remove(id);
    await session.inFlight.over();
    await session.close().catch(() => undefined);
  }

  /** Closes what has been idle for too long. */
  sweep(): void {
    const before = this.#clock() - this.#limits.idleMs;
    for (const session of this.#sessions.values()) {
      if (session.open === 0 && session.lastSeenAt <= before) this.#close(session);
    }
  }

  /** Ends the sessions that were opened by such a principal, and the calls that are under way in them. */
  closeWhere(ends: (openedBy: Principal) => boolean): void {
    for (const session of [...this.#sessions.values()]) if (ends(session.openedBy)) this.#close(session);
  }

  async closeAll(): Promise<void> {
    clearInterval(this.#sweeper);
    const sessions = [...this.#sessions.values()];
    this.#sessions.clear();
    this.#counts.clear();
    for (const session of sessions) session.forgotten?.();
    await Promise.allSettled(sessions.map((session) => session.close()));
  }

  #closeOldest(principalId: string): boolean {
    const idle = [...this.#sessions.values()].filter(
      (session) => session.principalId === principalId && session.open === 0,
    );
    const [oldest] = idle.sort((a, b) => a.lastSeenAt - b.lastSeenAt);
    if (oldest) this.#close(oldest);
    return oldest !== undefined;
  }

  #close(session: Session<Transport>): void {
    this.remove(session.id);
    session.close().catch(() => undefined);
  }
}

/** Whether the client went away before the door came to hold its response, for example during the token check. */
export function hasGone(response: ServerResponse): boolean {
  return response.closed || response.destroyed || response.socket?.destroyed === true;
}
