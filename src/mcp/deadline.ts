import { CallError } from '../proxmox/errors.ts';

/**
 * The end of one call: the client's cancellation and the time limit in one signal. Disposing it clears the timer and
 * the listener, so that a finished call leaves nothing behind.
 */
export class Deadline implements Disposable {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #client: AbortSignal;
  readonly #onClientAbort = (): void => this.#controller.abort(cancelled());

  /** @param seconds limit of the whole call */
  constructor(client: AbortSignal, seconds: number) {
    this.#client = client;
    this.#timer = setTimeout(() => this.#controller.abort(timedOut(seconds)), seconds * 1000);
    this.#timer.unref();
    if (client.aborted) this.#onClientAbort();
    else client.addEventListener('abort', this.#onClientAbort, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Gives the work's outcome, or throws the reason of the end as soon as it comes. */
  async race<T>(work: Promise<T>): Promise<T> {
    const { signal } = this;
    // The end may come first; the work's own rejection must not then count as unhandled.
    work.catch(() => undefined);
    let onAbort: (() => void) | undefined;
    const end = new Promise<never>((_resolve, reject) => {
      onAbort = () => reject(signal.reason);
      signal.addEventListener('abort', onAbort, { once: true });
    });
    if (signal.aborted) throw signal.reason;
    try {
      return await Promise.race([work, end]);
    } finally {
      if (onAbort) signal.removeEventListener('abort', onAbort);
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
