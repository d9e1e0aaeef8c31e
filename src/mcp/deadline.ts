import { CallError } from '../proxmox/errors.ts';

/**
 * The end of one call: the client's cancellation and the time limit in one signal. Disposing it clears the timer and
 * the listener, so that a finished call leaves nothing behind.
 */
export class Deadline implements Disposable {
  readonly #controller = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  readonly #client: AbortSignal;
  readonly #onClientAbort = (): void => this.cancel();
  /** Of those that race: a listener of the signal costs as much as all the rest of it. */
  readonly #rejects = new Set<(reason: unknown) => void>();

  /** @param seconds limit of the whole call; none before `limit` where absent */
  constructor(client: AbortSignal, seconds?: number) {
    this.#client = client;
    if (seconds !== undefined) this.limit(seconds);
    if (client.aborted) this.cancel();
    else client.addEventListener('abort', this.#onClientAbort, { once: true });
  }

  /** Gives the call this many seconds from now on. Called once. */
  limit(seconds: number): void {
    this.#timer = setTimeout(() => this.#end(timedOut(seconds)), seconds * 1000);
    this.#timer.unref();
  }

  /** Ends the call as its client can. */
  cancel(): void {
    this.#end(cancelled());
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Gives the work's outcome, or throws the reason of the end as soon as it comes. */
  async race<T>(work: Promise<T>): Promise<T> {
    const { signal } = this;
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    // Also where the end has come: the work's own rejection must not then count as unhandled.
    work.then(resolve, reject);
    if (signal.aborted) reject(signal.reason);
    this.#rejects.add(reject);
    try {
      return await promise;
    } finally {
      this.#rejects.delete(reject);
    }
  }

  async sleep(milliseconds: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const nap = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, milliseconds);
    });
    try {
      await this.race(nap);
    } finally {
      clearTimeout(timer);
    }
  }

  #end(reason: CallError): void {
    this.#controller.abort(reason);
    for (const reject of this.#rejects) reject(this.signal.reason);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#client.removeEventListener('abort', this.#onClientAbort);
  }
}

function timedOut(seconds: number): CallError {
  return new CallError('TIMEOUT', `The call did not end within ${seconds} s and was given up.`, {
    hint: 'If it was a write, look at the state before repeating it: it may have been carried out.',
    retryable: false,
  });
}

function cancelled(): CallError {
  return new CallError('TIMEOUT', 'The client cancelled the call.', {
    hint: 'If it was a write, look at the state before repeating it: it may have been carried out.',
    retryable: false,
  });
}
