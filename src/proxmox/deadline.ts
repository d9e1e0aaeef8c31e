/** The reason that a deadline's signal aborts with. */
export class DeadlineExpired extends Error {
  override readonly name = 'DeadlineExpired';
}

/** Node fires a timer that is longer than this at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export interface Deadline {
  readonly signal: AbortSignal;
  /** Aborts the signal with this reason, where it has not aborted before. */
  end(reason: unknown): void;
  /** Stops the timer and lets go of the other signals. */
  clear(): void;
}

/**
 * A signal that aborts with DeadlineExpired after `limitMs` milliseconds, or earlier with the reason of one of
 * `others`. `AbortSignal.timeout` can't be stopped, and would keep a timer per call for its whole length.
 */
export function openDeadline(limitMs: number, others: readonly (AbortSignal | undefined)[]): Deadline {
  const controller = new AbortController();
  const end = (reason: unknown) => controller.abort(reason);
  const follow = (event: Event) => end((event.target as AbortSignal).reason);
  for (const signal of others) {
    if (signal?.aborted) end(signal.reason);
    signal?.addEventListener('abort', follow, { once: true });
  }
  const expire = () => end(new DeadlineExpired(`${limitMs} ms are over`));
  const timer = setTimeout(expire, Math.min(limitMs, LONGEST_TIMER_MS));
  return {
    signal: controller.signal,
    end,
    clear: () => {
      clearTimeout(timer);
      for (const signal of others) signal?.removeEventListener('abort', follow);
    },
  };
}

/**
 * Rejects with the signal's reason once it aborts. To race much work at once against one signal: it listens once, where
 * `abortable` would for each, and a signal looks through its listeners for every one that is added.
 */
export function abortOf(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  if (signal.aborted) reject(signal.reason);
  else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  // Where nothing is left to race against it, nobody has to know.
  promise.catch(() => undefined);
  return promise;
}

/** Waits for work that several callers share: an abort ends this caller's waiting, not the work. */
export function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    // Also where the signal has aborted already: a failure that nobody listens to would end the process.
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
