import type { QuickRedis } from '../replicas/quick-redis.ts';
import { nameOf } from '../replicas/shared-counts.ts';
import { type CallCounter, CallRate, refusal } from './call-rate.ts';

/** As `CallRate` counts, in Redis and by its time: seconds to wait, or 0 for a call that was counted. */
const TAKE = `
local second = tonumber(redis.call('TIME')[1])
local most = tonumber(ARGV[1])
local all = redis.call('HGETALL', KEYS[1])
local slots, made = {}, 0
for i = 1, #all, 2 do
  local at, calls = tonumber(all[i]), tonumber(all[i + 1])
  if at < second - 60 then
    redis.call('HDEL', KEYS[1], all[i])
  else
    slots[#slots + 1] = {at, calls}
    made = made + calls
  end
end
if made < most then
  redis.call('HINCRBY', KEYS[1], string.format('%d', second), 1)
  redis.call('EXPIRE', KEYS[1], 62)
  return 0
end
table.sort(slots, function(a, b) return a[1] < b[1] end)
local freed = 0
for _, slot in ipairs(slots) do
  freed = freed + slot[2]
  if freed > made - most then return math.max(1, slot[1] + 61 - second) end
end
return 60`;

/** The calls a minute of a principal over all replicas; while Redis does not answer, those of this one. */
export class SharedCallRate implements CallCounter {
  readonly #quick: QuickRedis;
  readonly #own: CallRate;

  constructor(quick: QuickRedis, own = new CallRate()) {
    this.#quick = quick;
    this.#own = own;
  }

  /** @throws CallError RATE_LIMITED, as `CallRate.take` does */
  take(principalId: string, callsPerMinute: number | undefined): Promise<void> | undefined {
    return callsPerMinute === undefined ? undefined : this.#take(principalId, callsPerMinute);
  }

  async #take(principalId: string, callsPerMinute: number): Promise<void> {
    const here = this.#countHere(principalId, callsPerMinute);
    const { redis } = this.#quick;
    const key = redis.key(`calls:${nameOf(principalId)}`);
    const seconds = await this.#quick.ask((client) => client.eval(TAKE, 1, key, callsPerMinute));
    if (seconds === undefined) {
      if (here !== undefined) throw here;
    } else if (Number(seconds) > 0) throw refusal(callsPerMinute, Number(seconds));
  }

  /** Also while Redis counts, so that its end gives nobody a new minute. @returns why it would be refused */
  #countHere(principalId: string, callsPerMinute: number): unknown {
    try {
      this.#own.take(principalId, callsPerMinute);
      return undefined;
    } catch (error) {
      return error;
    }
  }
}
