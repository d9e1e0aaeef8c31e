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
  readonly #queue = new Set<Waiting>();
  #active = 0;

  constructor(limit: number, queueLimit: number) {
    this.#limit = limit;
    this.#queueLimit = queueLimit;
  }

  /** How many have a place, and how many wait for one. */
  load(): { running: number; queued: number } {
    return { running: this.#active, queued: this.#queue.size };
  }

  /**
   * Waits for a place.
   *
   * @returns the function that gives the place back; further calls of it do nothing.
   * @throws QueueFull at once; the signal's reason when it aborts first.
   */
  async acquire(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (this.#active < this.#limit) this.#active++;
    else await this.#wait(signal);
    let held = true;
    return () => {
      if (held) this.#release();
      held = false;
    };
  }

  #wait(signal: AbortSignal): Promise<void> {
    if (this.#queue.size >= this.#queueLimit) throw new QueueFull('the queue is full');
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        admit: () => {
          signal.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      const onAbort = () => {
        this.#queue.delete(waiting);
        reject(signal.reason);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#queue.add(waiting);
    });
  }

  /** The place goes straight to the next in the queue, so that no newcomer slips in between. */
  #release(): void {
    const [next] = this.#queue;
    if (next === undefined) {
      this.#active--;
      return;
    }
    this.#queue.delete(next);
    next.admit();
  }
}
