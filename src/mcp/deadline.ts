import { abortable, pause } from '../proxmox/deadline.ts';
import { LightEnding } from '../proxmox/ending.ts';
import { CallError } from '../proxmox/errors.ts';

/**
 * The end of one call: the client's cancellation and the time limit in one. Disposing it clears the timer and the
 * listener, so that a finished call leaves nothing behind.
 */
export class Deadline extends LightEnding implements Disposable {
  #timer: NodeJS.Timeout | undefined;
  readonly #client: AbortSignal;
  readonly #onClientAbort = (): void => this.cancel();

  /** @param seconds limit of the whole call; none before `limit` where absent */
  constructor(client: AbortSignal, seconds?: number) {
    super();
    this.#client = client;
    if (seconds !== undefined) this.limit(seconds);
    if (client.aborted) this.cancel();
    else client.addEventListener('abort', this.#onClientAbort, { once: true });
  }

  /** Gives the call this many seconds from now on. Called once. */
  limit(seconds: number): void {
    this.#timer = setTimeout(() => this.end(timedOut(seconds)), seconds * 1000);
    this.#timer.unref();
  }

  /** Ends the call as its client can. */
  cancel(): void {
    this.end(cancelled());
  }

  /** Gives the work's outcome, or throws the reason of the end as soon as it comes. */
  race<T>(work: Promise<T>): Promise<T> {
    return abortable(work, this);
  }

  sleep(milliseconds: number): Promise<void> {
    return pause(milliseconds, this);
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
