import type { Logger } from 'pino';
import type { AlertConfig } from '../../config/config.ts';
import type { Clock } from '../../proxmox/breaker.ts';
import { Limiter } from '../../proxmox/limiter.ts';
import type { Cluster } from '../cluster.ts';
import type { Group } from './alert.ts';
import type { AlertBoard, GroupLook } from './board.ts';
import { lookQuickly, lookSlowly } from './cluster-look.ts';

export interface WatchOptions {
  clusters(): readonly Cluster[];
  board: AlertBoard;
  /** ALERT_INTERVAL_SECONDS. */
  intervalSeconds: number;
  /** Read anew for each look. */
  config(): AlertConfig;
  /** What the service knows of itself: its record, state and credentials. A group it can't tell of is left out. */
  own(): Promise<ReadonlyMap<Group, GroupLook>>;
  clock: Clock;
  /** From 0 to below 1. */
  random(): number;
  logger: Logger;
}

/** Of the interval, up and down, so that many clusters and many services do not ask in step. */
const JITTER = 0.2;
/** What changes slowly is looked at with every so many looks, beginning with the first. */
const SLOW_EVERY = 10;
/** Clusters that are looked at in the same moment. */
const AT_ONCE = 4;

/**
 * Looks at each cluster, and at the service itself, about once a minute, and tells the board what it finds. It only
 * reads, one look at a time for each cluster, and asks nothing of one that is down.
 */
export class AlertWatch {
  readonly #options: WatchOptions;
  readonly #closing = new AbortController();
  readonly #places = new Limiter(AT_ONCE, Number.POSITIVE_INFINITY);
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #looks = new Map<string, number>();
  readonly #running = new Set<Promise<void>>();
  #ownTimer: NodeJS.Timeout | undefined;

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  /** Begins; does nothing where it has begun, was closed, or ALERT_INTERVAL_SECONDS is 0. No timer keeps the process alive. */
  start(): void {
    const { intervalSeconds } = this.#options;
    if (intervalSeconds === 0 || this.#ownTimer !== undefined || this.#closing.signal.aborted) return;
    this.#follow();
    this.#ownTimer = setInterval(() => {
      this.#follow();
      this.#run(this.#lookAtOwn());
    }, intervalSeconds * 1000).unref();
  }

  /** Ends for good; looks under way are given up. */
  async close(): Promise<void> {
    this.#closing.abort(new Error('the watch has ended'));
    clearInterval(this.#ownTimer);
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    await Promise.allSettled(this.#running);
  }

  /** One look at everything there is, slow parts included. Never throws. */
  async lookAtAll(): Promise<void> {
    const { board, clusters } = this.#options;
    board.retain(clusters().map(({ name }) => name));
    await Promise.all([this.#lookAtOwn(), ...clusters().map(({ name }) => this.#look(name, true))]);
  }

  /** Clusters that came get a timer; what is said of those that went ends. */
  #follow(): void {
    const { board, clusters, intervalSeconds } = this.#options;
    const names = clusters().map(({ name }) => name);
    board.retain(names);
    for (const name of names) {
      if (!this.#timers.has(name)) this.#schedule(name, (intervalSeconds * 1000) / 4);
    }
  }

  #schedule(name: string, ms: number): void {
    const jitter = 1 - JITTER + 2 * JITTER * this.#options.random();
    this.#timers.set(name, setTimeout(() => this.#run(this.#round(name)), ms * jitter).unref());
  }

  /** The next one is scheduled when this one has ended, so that none overlaps. */
  async #round(name: string): Promise<void> {
    const count = this.#looks.get(name) ?? 0;
    this.#looks.set(name, count + 1);
    await this.#look(name, count % SLOW_EVERY === 0);
    if (this.#closing.signal.aborted) return;
    if (this.#options.clusters().some((cluster) => cluster.name === name)) {
      this.#schedule(name, this.#options.intervalSeconds * 1000);
      return;
    }
    this.#timers.delete(name);
    this.#looks.delete(name);
  }

  async #look(name: string, isSlow: boolean): Promise<void> {
    const { clusters, logger, board, config, clock } = this.#options;
    const { signal } = this.#closing;
    const log = logger.child({ cluster: name });
    let release: (() => void) | undefined;
    try {
      release = await this.#places.acquire(signal);
      const cluster = clusters().find((one) => one.name === name);
      if (cluster === undefined) return;
      // A reload, or the end of its client's time, must not close it meanwhile.
      using _lease = cluster.lease();
      const unread = (part: string, problem: string): void => {
        if (!signal.aborted) log.debug({ part, problem }, 'watch: not read');
      };
      const parts = { board, config: config(), now: clock.now(), signal, unread };
      await lookQuickly(cluster, parts);
      if (isSlow && !signal.aborted) await lookSlowly(cluster, parts);
    } catch (error) {
      if (!signal.aborted) log.warn({ err: error }, 'a cluster could not be looked at');
    } finally {
      release?.();
    }
  }

  async #lookAtOwn(): Promise<void> {
    const { own, board, logger } = this.#options;
    try {
      for (const [group, look] of await own()) board.take(undefined, group, look);
    } catch (error) {
      logger.warn({ err: error }, 'the service could not look at itself');
    }
  }

  #run(work: Promise<void>): void {
    const running = work.finally(() => this.#running.delete(running));
    this.#running.add(running);
  }
}
