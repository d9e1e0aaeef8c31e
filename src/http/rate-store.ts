import type { FastifyRateLimitStore, FastifyRateLimitStoreCtor } from '@fastify/rate-limit';
import type { QuickRedis } from '../replicas/quick-redis.ts';
import { SharedCounts } from '../replicas/shared-counts.ts';

/** A store of @fastify/rate-limit whose counts all replicas share; its own one fails where Redis or the clock does. */
export function sharedRateStore(quick: QuickRedis | undefined, mostKeys: number): FastifyRateLimitStoreCtor {
  return class SharedRateStore implements FastifyRateLimitStore {
    readonly #counts: SharedCounts;

    constructor(options: object) {
      // Each limit has a group of its own, or the address of one would count for all.
      const { groupId } = options as { groupId?: string };
      this.#counts = new SharedCounts(quick, `rate:${groupId ?? ''}`, mostKeys);
    }

    incr(key: string, callback: Parameters<FastifyRateLimitStore['incr']>[1], windowMs: number): void {
      void this.#counts.count(key, windowMs).then((counted) => callback(null, counted));
    }

    child(options: object): FastifyRateLimitStore {
      return new SharedRateStore(options);
    }
  };
}
