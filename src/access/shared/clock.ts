import type { Logger } from 'pino';

/** An answer that took longer says too little about the time. */
const LONGEST_MS = 500;
/** Beyond it people are told: tokens, and requests between replicas, go by the clocks of the machines. */
const DIFFERENT_MS = 5000;

/**
 * The clock of Redis, as far as it is known: a hold or a lease that one replica writes and another one reads must not
 * be over because their machines differ.
 */
export class SharedClock {
  readonly #logger: Logger;
  readonly #machine: () => number;
  #aheadMs: number | undefined;
  #isDifferent = false;

  /** @param machine epoch milliseconds */
  constructor(logger: Logger, machine: () => number = Date.now) {
    this.#logger = logger;
    this.#machine = machine;
  }

  /** Epoch milliseconds; that of this machine until Redis has said its own. */
  now(): number {
    return Math.round(this.#machine() + (this.#aheadMs ?? 0));
  }

  /** @param tookMs from the question to the answer that said what time it is */
  note(now: number, tookMs: number): void {
    if (!Number.isFinite(now) || (tookMs > LONGEST_MS && this.#aheadMs !== undefined)) return;
    this.#aheadMs = now - (this.#machine() - tookMs / 2);
    const isDifferent = Math.abs(this.#aheadMs) > DIFFERENT_MS;
    if (isDifferent && !this.#isDifferent) {
      const fields = { ahead_ms: Math.round(this.#aheadMs) };
      this.#logger.warn(
        fields,
        'the clock of this machine is not that of Redis: set both by the same time server',
      );
    }
    this.#isDifferent = isDifferent;
  }
}
