/** The time source of the engine, so that tests need not wait. */
export interface Clock {
  /** Epoch milliseconds. */
  now(): number;
}

const FAILURES_TO_OPEN = 5;
const OPEN_MS = 30_000;

/**
 * Remembers whether an endpoint is worth asking first: it opens after five failures in a row, and after 30 s lets one
 * call through to find out.
 *
 * It only orders endpoints and never refuses a call, as the last endpoint of a cluster must stay usable: that is why
 * this is not a library's breaker, which rejects.
 */
export class Breaker {
  readonly #clock: Clock;
  #failures = 0;
  #openUntil = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get isOpen(): boolean {
    return this.#failures >= FAILURES_TO_OPEN;
  }

  /** When an open breaker next lets a call through, in epoch milliseconds. */
  get openUntil(): number {
    return this.#openUntil;
  }

  /**
   * Whether the endpoint may be chosen as a healthy one. Where the 30 s are over this answers true once and starts
   * another 30 s, so that one call probes while the others stay away; a probe that is cancelled needs no clean-up.
   */
  admits(): boolean {
    if (!this.isOpen) return true;
    // More than 30 s are left only where the clock was set back.
    const leftMs = this.#openUntil - this.#clock.now();
    if (leftMs > 0 && leftMs <= OPEN_MS) return false;
    this.#openUntil = this.#clock.now() + OPEN_MS;
    return true;
  }

  /** @returns true where this closed it. */
  succeeded(): boolean {
    const wasOpen = this.isOpen;
    this.#failures = 0;
    return wasOpen;
  }

  /** @returns true where this opened it. */
  failed(): boolean {
    this.#failures++;
    if (!this.isOpen) return false;
    this.#openUntil = this.#clock.now() + OPEN_MS;
    return this.#failures === FAILURES_TO_OPEN;
  }
}
