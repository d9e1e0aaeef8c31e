import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import type { QuickRedis } from './quick-redis.ts';
import type { SharedRedis } from './redis.ts';
import { nameOf } from './shared-counts.ts';

/** The inventory of 20,000 guests takes a twentieth of it. */
const MOST_BYTES = 16 * 1024 * 1024;
/** Unpacked: a few bytes of gzip may stand for more than there is memory. */
const MOST_TEXT_BYTES = 64 * 1024 * 1024;
/** For what carries an answer. */
const CARRYING_MS = 500;
const COPY_MS = 60_000;
/** Nobody keeps an answer that long. */
const STAMP_MS = 86_400_000;
/** How long the others wait for the one that asks, at most; then each asks for itself. */
const ASKING_MS = 5000;
const LOOK = `
local stamp = redis.call('GET', KEYS[1]) or ''
local changed = -1
if stamp ~= '' then changed = ${STAMP_MS} - redis.call('PTTL', KEYS[1]) end
if tonumber(ARGV[1]) <= 0 then return {stamp, changed, 'none'} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local copy = redis.call('HMGET', KEYS[2], 'stamp', 'at')
if copy[1] == stamp and copy[2] and now - copy[2] <= tonumber(ARGV[1]) then
  return {stamp, changed, 'copy', now - copy[2], redis.call('HGET', KEYS[2], 'data')}
end
if redis.call('SET', KEYS[3], ARGV[2], 'NX', 'PX', ${ASKING_MS}) then return {stamp, changed, 'ask'} end
return {stamp, changed, 'wait'}`;
const STORE = `
if (redis.call('GET', KEYS[1]) or '') == ARGV[1] then
  local time = redis.call('TIME')
  local at = time[1] * 1000 + math.floor(time[2] / 1000) - ARGV[2]
  redis.call('HSET', KEYS[2], 'stamp', ARGV[1], 'at', string.format('%.0f', at), 'data', ARGV[3])
  redis.call('PEXPIRE', KEYS[2], ${COPY_MS})
end
if redis.call('GET', KEYS[3]) == ARGV[4] then redis.call('DEL', KEYS[3]) end`;
const RELEASE = `if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end`;

const compress = promisify(gzip);
const decompress = promisify(gunzip);

/** What Redis says about an answer. */
export interface Looked {
  /** What was asked before the last change, by whichever replica, holds no longer: then this is another one. */
  stamp: string;
  /** Milliseconds since the last change that is known of. */
  changedAgoMs: number | undefined;
  /** `wait`: another replica is asking just now. `ask`: this one is to ask; the others wait for it. */
  found: 'copy' | 'ask' | 'wait' | 'none';
  copy?: { data: unknown; ageMs: number };
}

/** One answer that replicas share. */
export interface SharedCopy {
  /**
   * @param maxAgeMs how old a copy may be; 0 asks for the stamp alone
   * @returns undefined where Redis does not answer: then nobody knows whether something was changed. Never throws.
   */
  look(maxAgeMs: number): Promise<Looked | undefined>;
  /** Gives an answer to the others. @param tookMs since the question began. Never throws. */
  store(stamp: string, data: unknown, tookMs: number): Promise<void>;
  /** Nothing came of the question: another may ask. Never throws. */
  release(): Promise<void>;
  /** What was asked until now holds no longer; resolves once the others can know. Never throws. @returns the stamp */
  changed(): Promise<string>;
}

/** Answers that replicas share, so that one of them asks for all. */
export class SharedAnswers {
  readonly #quick: QuickRedis;
  readonly #redis: SharedRedis;
  /** Changes that the others could not be told, by key. */
  readonly #untold = new Map<string, string>();
  #isBack: Promise<void> = Promise.resolve();
  #connections = 0;

  constructor(quick: QuickRedis) {
    this.#quick = quick;
    this.#redis = quick.redis;
    // Until the process ends, as the connection does.
    quick.redis.onChange((isUp) => {
      if (isUp) this.#isBack = this.#tellRest();
    });
  }

  /** @param name what the answer is about; its digest is in the keys */
  of(name: string): SharedCopy {
    const key = (part: string) => this.#redis.key(`answer:${nameOf(name)}:${part}`);
    const [stampKey, copyKey, askingKey] = [key('stamp'), key('copy'), key('asking')];
    const { replica } = this.#redis;
    const release = async (): Promise<void> => {
      await this.#quick.ask((client) => client.eval(RELEASE, 1, askingKey, replica));
    };
    return {
      release,
      look: async (maxAgeMs) => {
        await this.#isBack;
        const answer = await this.#quick.ask(
          (client) =>
            client.callBuffer('EVAL', LOOK, 3, stampKey, copyKey, askingKey, Math.floor(maxAgeMs), replica),
          maxAgeMs > 0 ? CARRYING_MS : undefined,
        );
        return Array.isArray(answer) ? this.#looked(answer) : undefined;
      },
      store: async (stamp, data, tookMs) => {
        const bytes = await compress(JSON.stringify(data), { level: 1 });
        const own = this.#own(stamp);
        if (own === undefined || bytes.length > MOST_BYTES) return await release();
        await this.#quick.ask(
          (client) =>
            client.eval(STORE, 3, stampKey, copyKey, askingKey, own, Math.ceil(tookMs), bytes, replica),
          CARRYING_MS,
        );
      },
      changed: async () => {
        const stamp = randomUUID();
        const isTold = await this.#quick.ask((client) => client.set(stampKey, stamp, 'PX', STAMP_MS));
        if (isTold === undefined) this.#untold.set(stampKey, stamp);
        return this.#shown(stamp);
      },
    };
  }

  async #tellRest(): Promise<void> {
    this.#connections += 1;
    for (const [key, stamp] of [...this.#untold]) {
      const isTold = await this.#quick.ask((client) => client.set(key, stamp, 'PX', STAMP_MS));
      if (isTold !== undefined && this.#untold.get(key) === stamp) this.#untold.delete(key);
    }
  }

  async #looked(answer: unknown[]): Promise<Looked> {
    const [stamp, changed, found, ageMs, data] = answer;
    const changedAgoMs = Number(changed) < 0 ? undefined : Number(changed);
    const looked = { stamp: this.#shown(String(stamp)), changedAgoMs };
    if (String(found) !== 'copy') return { ...looked, found: String(found) as 'ask' | 'wait' | 'none' };
    try {
      const text = (await decompress(data as Buffer, { maxOutputLength: MOST_TEXT_BYTES })).toString();
      return { ...looked, found: 'copy', copy: { data: JSON.parse(text), ageMs: Number(ageMs) } };
    } catch {
      return { ...looked, found: 'none' };
    }
  }

  /** After a break Redis may have lost changes: with each connection every stamp is another one. */
  #shown(stamp: string): string {
    return `${this.#connections} ${stamp}`;
  }

  /** Undefined for a stamp from before the last break. */
  #own(shown: string): string | undefined {
    const [connection, stamp = ''] = shown.split(' ');
    return connection === String(this.#connections) ? stamp : undefined;
  }
}
