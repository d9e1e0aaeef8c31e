import type { Redis } from 'ioredis';
import type { SharedRedis } from './redis.ts';

/** In the same data centre an answer takes less than a millisecond; nobody's request waits longer than this. */
const PATIENCE_MS = 150;
/** After it kept somebody waiting, Redis is not asked for that long. */
const REST_MS = 1000;

export interface QuickRedisOptions {
  patienceMs?: number;
  restMs?: number;
  /** Milliseconds that only grow. */
  clock?: () => number;
}

/** Redis for what goes on without it: who asks gets an answer soon, or none. */
export class QuickRedis {
  readonly redis: SharedRedis;
  readonly #patienceMs: number;
  readonly #restMs: number;
  readonly #clock: () => number;
  #restsUntil = Number.NEGATIVE_INFINITY;

  constructor(redis: SharedRedis, options: QuickRedisOptions = {}) {
    this.redis = redis;
    this.#patienceMs = options.patienceMs ?? PATIENCE_MS;
    this.#restMs = options.restMs ?? REST_MS;
    this.#clock = options.clock ?? (() => performance.now());
  }

  /**
   * Asks Redis.
   *
   * @param work one command or few; where it answers too late it is carried out all the same
   * @param patienceMs for what carries much data
   * @returns undefined where Redis is not reached, fails or takes too long. Never throws.
   */
  async ask<T>(work: (client: Redis) => Promise<T>, patienceMs = this.#patienceMs): Promise<T | undefined> {
    if (!this.redis.isUp() || this.#clock() < this.#restsUntil) return undefined;
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => {
        this.#restsUntil = this.#clock() + this.#restMs;
        resolve(undefined);
      }, patienceMs);
    });
    try {
      return await Promise.race([work(this.redis.client), tooLate]);
    } catch {
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  }
}
