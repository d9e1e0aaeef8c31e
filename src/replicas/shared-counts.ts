import { createHash } from 'node:crypto';
import type { QuickRedis } from './quick-redis.ts';

/** How often something happened in the window that runs, and the milliseconds until the next begins. */
export interface Counted {
  current: number;
  ttl: number;
}

const COUNT = `
local current = redis.call('INCR', KEYS[1])
local left = redis.call('PTTL', KEYS[1])
if left < 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
  left = tonumber(ARGV[1])
end
return {current, left}`;

/**
 * Counts in windows over all replicas. Each counts by itself beside, and goes by that while Redis does not answer: a
 * limit is then one of each replica, and never none.
 */
export class SharedCounts {
  readonly #quick: QuickRedis | undefined;
  readonly #group: string;
  readonly #most: number;
  readonly #clock: () => number;
  /** In the order in which they were last counted. */
  readonly #own = new Map<string, { current: number; endsAt: number }>();

  /**
   * @param quick absent where there is one replica: counted here, because the usual store goes by the time of day, and
   *   a clock that is set back would keep whoever is over a limit there for as long
   * @param group sets its keys apart from those of other limits
   * @param mostKeys beyond it the one that was counted longest ago is forgotten here; Redis keeps it
   * @param clock milliseconds that only grow
   */
  constructor(
    quick: QuickRedis | undefined,
    group: string,
    mostKeys: number,
    clock = () => performance.now(),
  ) {
    this.#quick = quick;
    this.#group = group;
    this.#most = mostKeys;
    this.#clock = clock;
  }

  /** Counts one more. @param windowMs from the first of a key on. Never throws. */
  async count(key: string, windowMs: number): Promise<Counted> {
    const own = this.#countHere(key, windowMs);
    if (this.#quick === undefined) return own;
    const { redis } = this.#quick;
    const answer = await this.#quick.ask((client) =>
      client.eval(COUNT, 1, redis.key(`count:${this.#group}:${nameOf(key)}`), windowMs),
    );
    if (!Array.isArray(answer)) return own;
    return { current: Number(answer[0]), ttl: Number(answer[1]) };
  }

  #countHere(key: string, windowMs: number): Counted {
    const now = this.#clock();
    const known = this.#own.get(key);
    const window = known !== undefined && known.endsAt > now ? known : { current: 0, endsAt: now + windowMs };
    window.current += 1;
    this.#own.delete(key);
    this.#own.set(key, window);
    if (this.#own.size > this.#most) {
      const [oldest] = this.#own.keys();
      if (oldest !== undefined) this.#own.delete(oldest);
    }
    return { current: window.current, ttl: window.endsAt - now };
  }
}

/** Addresses and subjects are nobody's business who looks into Redis. */
export function nameOf(key: string): string {
  return createHash('sha256').update(key).digest('base64url').slice(0, 22);
}
