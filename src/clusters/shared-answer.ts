import type { Clock } from '../proxmox/breaker.ts';
import { abortable } from '../proxmox/deadline.ts';

/** One answer for many callers: they share a question under way, and its answer for a while after. */
export class SharedAnswer<T> {
  readonly #ask: () => Promise<T>;
  readonly #freshMs: number;
  readonly #clock: Clock;
  #last: { answer: T; at: number } | undefined;
  #pending: Promise<T> | undefined;

  /** @param ask a failure is told to those who wait, and not kept */
  constructor(ask: () => Promise<T>, freshMs: number, clock: Clock) {
    this.#ask = ask;
    this.#freshMs = freshMs;
    this.#clock = clock;
  }

  /** @throws what the question fails with, or the signal's reason: that ends this caller's waiting alone. */
  async get(signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    if (this.#last !== undefined && this.#clock.now() - this.#last.at < this.#freshMs)
      return this.#last.answer;
    this.#pending ??= this.#renew().finally(() => {
      this.#pending = undefined;
    });
    return signal === undefined ? this.#pending : abortable(this.#pending, signal);
  }

  /** Drops the answer that is kept; a question under way goes on. */
  forget(): void {
    this.#last = undefined;
  }

  async #renew(): Promise<T> {
    const answer = await this.#ask();
    this.#last = { answer, at: this.#clock.now() };
    return answer;
  }
}
