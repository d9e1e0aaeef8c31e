import { type Ending, LightEnding } from './ending.ts';

/** The reason that a deadline's signal aborts with. */
export class DeadlineExpired extends Error {
  override readonly name = 'DeadlineExpired';
}

/** Node fires a timer that is longer than this at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Ends with DeadlineExpired after `limitMs` milliseconds, or earlier with the reason of one of `others`.
 * `AbortSignal.timeout` can't be stopped, and would keep a timer per call for its whole length.
 */
export class Deadline extends LightEnding implements Disposable {
  readonly #others: readonly (Ending | undefined)[];
  readonly #timer: NodeJS.Timeout;
  readonly #onOther = (): void => {
    const first = this.#others.find((other) => other?.aborted);
    if (first !== undefined) this.end(first.reason);
  };

  constructor(limitMs: number, others: readonly (Ending | undefined)[]) {
    super();
    this.#others = others;
    for (const other of others) other?.addEventListener('abort', this.#onOther, { once: true });
    const expire = () => this.end(new DeadlineExpired(`${limitMs} ms are over`));
    this.#timer = setTimeout(expire, Math.min(limitMs, LONGEST_TIMER_MS));
    this.#onOther();
  }

  /** Stops the timer and lets go of the others. */
  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    for (const other of this.#others) other?.removeEventListener('abort', this.#onOther);
  }
}

/**
 * Rejects with the signal's reason once it aborts. To race much work at once against one signal: it listens once, where
 * `abortable` would for each, and a signal looks through its listeners for every one that is added.
 */
export function abortOf(signal: Ending): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  if (signal.aborted) reject(signal.reason);
  else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  // Where nothing is left to race against it, nobody has to know.
  promise.catch(() => undefined);
  return promise;
}

/** Waits for work that several callers share: an abort ends this caller's waiting, not the work. */
export function abortable<T>(work: Promise<T>, signal: Ending): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    const letGo = () => signal.removeEventListener('abort', onAbort);
    // Also where the signal has aborted already: a failure that nobody listens to would end the process.
    work.then(
      (value) => {
        letGo();
        resolve(value);
      },
      (error: unknown) => {
        letGo();
        reject(error);
      },
    );
  });
}

/** Waits so many milliseconds. @throws the reason of the ending, as soon as it comes */
export async function pause(milliseconds: number, ending: Ending): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  try {
    await abortable(over, ending);
  } finally {
    clearTimeout(timer);
  }
}
