import type { Ending } from './ending.ts';

/** Thrown where a node's queue is full. */
export class QueueFull extends Error {
  override readonly name = 'QueueFull';
}

interface Waiting {
  admit(): void;
}

/**
 * Lets `limit` callers in at once and queues at most `queueLimit` more, first come first served. pveproxy has three
 * blocking workers: more calls at once only move the queue to where nobody can leave it.
 */
export class Limiter {
  readonly #limit: number;
  readonly #queueLimit: number;
  readonly #queue: Waiting[] = [];
  #active = 0;

  constructor(limit: number, queueLimit: number) {
    this.#limit = limit;
    this.#queueLimit = queueLimit;
  }

  /** How many have a place, and how many wait for one. */
  load(): { running: number; queued: number } {
    return { running: this.#active, queued: this.#queue.length };
  }

  /**
   * Waits for a place.
   *
   * @returns the function that gives the place back; further calls of it do nothing.
   * @throws QueueFull at once; the signal's reason when it aborts first.
   */
  async acquire(signal: Ending): Promise<() => void> {
    signal.throwIfAborted();
    if (this.#active < this.#limit) this.#active++;
    else await this.#wait(signal);
    let held = true;
    return () => {
      if (held) this.#release();
      held = false;
    };
  }

  #wait(signal: Ending): Promise<void> {
    if (this.#queue.length >= this.#queueLimit) throw new QueueFull('the queue is full');
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        admit: () => {
          signal.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      const onAbort = () => {
        this.#queue.splice(this.#queue.indexOf(waiting), 1);
        reject(signal.reason);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#queue.push(waiting);
    });
  }

  /** The place goes straight to the next in the queue, so that no newcomer slips in between. */
  #release(): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#active--;
    else next.admit();
  }
}
