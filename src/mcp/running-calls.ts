import { CallError } from '../proxmox/errors.ts';

export interface CallLimits {
  /** Calls of one principal at once. */
  perPrincipal: number;
  /** Of these, calls that are at work on one cluster: where one hangs, the principal still reaches the others. */
  perPrincipalAndCluster: number;
  /** Calls at work on one cluster, of all principals together; one principal has no more than a quarter of them. */
  perCluster: number;
}

/** More than a person's assistants need at once, and fewer than would fill the queues of a node. */
const DEFAULT_CALL_LIMITS: CallLimits = {
  perPrincipal: 96,
  perPrincipalAndCluster: 64,
  perCluster: 256,
};
const RETRY_SECONDS = 5;

/**
 * Takes a place on a cluster for the call it was made for. The first time decides: a call that is let in goes on until
 * its end, because one that has changed something must still be able to see what came of it.
 */
export type EnterCluster = (cluster: string) => void;

/** Things under way, by key. */
class Tally {
  readonly #counts = new Map<string, number>();

  of(key: string): number {
    return this.#counts.get(key) ?? 0;
  }

  add(key: string): void {
    this.#counts.set(key, this.of(key) + 1);
  }

  remove(key: string): void {
    const left = this.of(key) - 1;
    if (left > 0) this.#counts.set(key, left);
    else this.#counts.delete(key);
  }
}

/** The calls of one principal that are under way. */
class OfPrincipal {
  count = 0;
  /** Of these, what is at work on each cluster. */
  readonly clusters = new Tally();
}

/**
 * The calls under way: how many each principal has, and how many are at work on each cluster, so that neither one
 * principal nor one cluster that hangs takes all; and what a drain waits for.
 */
export class RunningCalls {
  readonly #limits: CallLimits;
  readonly #principals = new Map<string, OfPrincipal>();
  readonly #clusters = new Tally();
  readonly #whenNone: (() => void)[] = [];
  #count = 0;

  constructor(limits: CallLimits = DEFAULT_CALL_LIMITS) {
    this.#limits = limits;
  }

  /** How many are under way. */
  get size(): number {
    return this.#count;
  }

  /**
   * Counts the work until it ends.
   *
   * @param work gets what takes its places on clusters, which throws CallError RATE_LIMITED where there is none
   * @throws CallError RATE_LIMITED where the principal has too many under way; the work is then not begun.
   */
  async run<T>(principalId: string, work: (enter: EnterCluster) => Promise<T>): Promise<T> {
    const own = this.#principals.get(principalId) ?? new OfPrincipal();
    if (own.count >= this.#limits.perPrincipal)
      throw full(`${own.count} calls of this principal run already`);
    this.#principals.set(principalId, own);
    own.count++;
    this.#count++;
    const entered: string[] = [];
    let isOver = false;
    try {
      return await work((cluster) => {
        // What a call has left running behind its end is told to stop, and takes no place that nobody would give back.
        if (isOver || entered.includes(cluster)) return;
        this.#enter(own, cluster);
        entered.push(cluster);
      });
    } finally {
      isOver = true;
      for (const cluster of entered) {
        this.#clusters.remove(cluster);
        own.clusters.remove(cluster);
      }
      own.count--;
      if (own.count === 0) this.#principals.delete(principalId);
      this.#count--;
      if (this.#count === 0) for (const resolve of this.#whenNone.splice(0)) resolve();
    }
  }

  #enter(own: OfPrincipal, cluster: string): void {
    const { perCluster, perPrincipalAndCluster } = this.#limits;
    const running = own.clusters.of(cluster);
    if (running >= perPrincipalAndCluster) {
      throw full(`${running} calls of this principal are at work on ${cluster} already`, cluster);
    }
    const all = this.#clusters.of(cluster);
    if (all >= perCluster) throw full(`${all} calls are at work on ${cluster} already`, cluster);
    this.#clusters.add(cluster);
    own.clusters.add(cluster);
  }

  /** Resolves when no call is under way any more, or after `milliseconds`. */
  async settled(milliseconds: number): Promise<void> {
    if (this.#count === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#whenNone.push(resolve);
    const timer = setTimeout(resolve, milliseconds);
    await promise;
    clearTimeout(timer);
  }
}

function full(what: string, cluster?: string): CallError {
  return new CallError('RATE_LIMITED', `${what}; nothing was sent${cluster === undefined ? '' : ' to it'}.`, {
    hint: 'Wait for some of them to end, then repeat.',
    retryAfterSeconds: RETRY_SECONDS,
    ...(cluster === undefined ? {} : { cluster }),
  });
}
