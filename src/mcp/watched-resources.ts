import { isDeepStrictEqual } from 'node:util';
import { CallerKeys } from './caller-keys.ts';
import type { Caller } from './dispatcher.ts';
import { INVALID_PARAMS, ProtocolProblem, RESOURCE_NOT_FOUND } from './protocol-problem.ts';
import type { Essence } from './resource-kinds.ts';

export interface WatchOptions {
  /**
   * @param isRoutine nobody waits for this look
   * @throws what says that it can't be read
   */
  read(uri: string, caller: Caller, options: { signal: AbortSignal; isRoutine: boolean }): Promise<Essence>;
  /** From the end of one look to the next. */
  pauseMs?: number;
  /** Resources that one principal may have watched at once. */
  perPrincipal?: number;
  /** Epoch milliseconds. */
  clock?: () => number;
}

/** One resource, looked at for one principal, however many of its sessions want to know. */
interface Watched {
  readonly uri: string;
  /** Who looks: the last who came, whose credential is valid the longest. */
  caller: Caller;
  readonly listeners: Set<() => void>;
  readonly end: AbortController;
  timer: NodeJS.Timeout | undefined;
  /** What was seen last, part by part; empty as long as nothing was. */
  seen: Essence;
  looks: number;
}

interface Watch extends Watched {
  /** The first look; it settles when that is over. */
  readonly begun: Promise<void>;
}

const PAUSE_MS = 10_000;
const PER_PRINCIPAL = 50;
/** Whoever subscribes waits no longer for the first look. */
const FIRST_LOOK_MS = 5_000;

/**
 * Looks at resources for those who have subscribed to them: Proxmox VE tells nobody of a change. Each look is a
 * reading like the subscriber's own, so what it may not see it is told nothing of.
 */
export class WatchedResources {
  readonly #options: WatchOptions;
  readonly #watches = new Map<string, Watch>();
  readonly #callers = new CallerKeys();

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  /** How many resources are looked at, for those who look for a leak. */
  get size(): number {
    return this.#watches.size;
  }

  /**
   * Begins to watch; returns once the resource was seen, so that no change after that is missed. A cluster that does
   * not answer now is no reason to refuse.
   *
   * @param changed called after each change, until the watch is taken back
   * @returns takes it back; nothing is asked any more after the last one did
   * @throws ProtocolProblem for a resource that is not there, or one too many
   */
  async watch(uri: string, caller: Caller, changed: () => void): Promise<() => void> {
    const key = `${this.#callers.of(caller)} ${uri}`;
    const watch = this.#watches.get(key) ?? this.#open(key, uri, caller);
    watch.caller = laterOf(watch.caller, caller);
    // Each subscriber counts for itself, also where two bring the same function.
    const listener = (): void => changed();
    watch.listeners.add(listener);
    const stop = (): void => {
      watch.listeners.delete(listener);
      if (watch.listeners.size === 0) this.#close(key, watch);
    };
    try {
      await watch.begun;
      return stop;
    } catch (error) {
      stop();
      throw error;
    }
  }

  closeAll(): void {
    for (const [key, watch] of this.#watches) this.#close(key, watch);
  }

  #open(key: string, uri: string, caller: Caller): Watch {
    const { perPrincipal = PER_PRINCIPAL } = this.#options;
    const own = [...this.#watches.values()].filter((one) => one.caller.principal.id === caller.principal.id);
    if (own.length >= perPrincipal) {
      throw new ProtocolProblem(
        INVALID_PARAMS,
        `${perPrincipal} resources are watched for this principal; unsubscribe from one first.`,
        { code: 'RATE_LIMITED' },
      );
    }
    const end = new AbortController();
    const first: Watched = {
      uri,
      caller,
      listeners: new Set(),
      end,
      timer: undefined,
      seen: {},
      looks: 0,
    };
    const watch: Watch = Object.assign(first, { begun: this.#begin(first) });
    this.#watches.set(key, watch);
    return watch;
  }

  async #begin(watch: Watched): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<void>((passed) => {
      timer = setTimeout(passed, FIRST_LOOK_MS);
    });
    const look = this.#look(watch).finally(() => this.#rest(watch));
    // Whoever stopped waiting for it is not told how it ended.
    look.catch(() => undefined);
    try {
      await Promise.race([look, limit]);
    } catch (error) {
      if (isRefusal(error)) throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** The next look begins a pause after the last one has ended, so that no two overlap. */
  #rest(watch: Watched): void {
    if (watch.end.signal.aborted) return;
    watch.timer = setTimeout(() => {
      this.#look(watch)
        // It may be down, or gone: it is looked at again.
        .catch(() => undefined)
        .finally(() => this.#rest(watch));
    }, this.#options.pauseMs ?? PAUSE_MS);
    watch.timer.unref();
  }

  async #look(watch: Watched): Promise<void> {
    const { caller, end, seen } = watch;
    if (this.#hasExpired(caller)) return;
    const found = await this.#essence(watch);
    if (end.signal.aborted) return;
    // A part that could not be read now is as it was.
    const known = Object.fromEntries(Object.entries(found).filter(([, part]) => part !== undefined));
    watch.seen = { ...seen, ...known };
    const isFirst = Object.keys(seen).length === 0;
    if (!isFirst && !isDeepStrictEqual(watch.seen, seen)) this.#tell(watch);
  }

  /** That a resource is gone is a change like any other, once it was there. */
  async #essence(watch: Watched): Promise<Essence> {
    const { uri, caller, end, seen } = watch;
    try {
      // Who subscribes makes a call; what follows of it is the service's own doing.
      const options = { signal: end.signal, isRoutine: watch.looks++ > 0 };
      return { isThere: true, ...(await this.#options.read(uri, caller, options)) };
    } catch (error) {
      if (seen.isThere !== undefined && isNotThere(error)) return { isThere: false };
      throw error;
    }
  }

  #tell(watch: Watched): void {
    for (const listener of [...watch.listeners]) listener();
  }

  /** With a credential that is no longer valid nothing is read; whoever brings a new one goes on. */
  #hasExpired({ principal: { expiresAt } }: Caller): boolean {
    return expiresAt !== undefined && expiresAt * 1000 <= (this.#options.clock ?? Date.now)();
  }

  #close(key: string, watch: Watch): void {
    clearTimeout(watch.timer);
    watch.end.abort();
    if (this.#watches.get(key) === watch) this.#watches.delete(key);
  }
}

function laterOf(one: Caller, other: Caller): Caller {
  const until = ({ principal: { expiresAt } }: Caller) => expiresAt ?? Number.POSITIVE_INFINITY;
  return until(other) >= until(one) ? other : one;
}

function isNotThere(error: unknown): boolean {
  return error instanceof ProtocolProblem && error.code === RESOURCE_NOT_FOUND;
}

/** Errors that asking again would not change. */
function isRefusal(error: unknown): boolean {
  if (!(error instanceof ProtocolProblem)) return false;
  if (error.code === RESOURCE_NOT_FOUND || error.code === INVALID_PARAMS) return true;
  return error.data?.code === 'POLICY_DENIED';
}
