import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import { QuickRedis } from './quick-redis.ts';
import type { SharedRedis } from './redis.ts';

/** A living replica as the others know it. */
export interface Replica {
  /** Stands in the ids of its sessions. */
  readonly name: string;
  /** Where the others reach it; no trailing slash. */
  readonly url: string;
  /** Signs what is forwarded to it. */
  readonly key: Buffer;
  /** SHA-256 of the certificate that it shows; without one, https is verified as everywhere. */
  readonly fingerprint?: string | undefined;
}

export interface RegistryOptions {
  redis: SharedRedis;
  logger: Logger;
  /** Milliseconds between two signs of life. */
  beatMs?: number;
  /** Milliseconds after the last sign of life until a replica counts as dead. */
  livesMs?: number;
  /** Milliseconds that only grow. */
  clock?: () => number;
}

const BEAT_MS = 2000;
const LIVES_MS = 6000;
const NAME_LENGTH = 12;
const NAME = /^[0-9a-f]{12}$/;
/** The time is Redis's, so that the clocks of the replicas may differ. */
const BEAT = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[1] ~= '' then redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1]) end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
return redis.call('ZRANGE', KEYS[1], 0, -1)`;

/** Which replicas live, and where each is reached. While Redis does not answer, it is those that lived last. */
export class ReplicaRegistry {
  /** Of this replica. */
  readonly name: string;
  /** Signs what the others forward to this replica. */
  readonly key = randomBytes(32);
  readonly #options: RegistryOptions;
  readonly #quick: QuickRedis;
  readonly #beatMs: number;
  readonly #livesMs: number;
  readonly #clock: () => number;
  readonly #stopListening: () => void;
  #others = new Map<string, Replica>();
  #member = '';
  #timer: NodeJS.Timeout | undefined;
  #refreshing: Promise<void> | undefined;
  #upSince: number;

  constructor(options: RegistryOptions) {
    const { redis, beatMs = BEAT_MS, livesMs = LIVES_MS, clock = () => performance.now() } = options;
    this.#options = options;
    this.name = redis.replica.replaceAll('-', '').slice(0, NAME_LENGTH);
    this.#quick = new QuickRedis(redis);
    this.#beatMs = beatMs;
    this.#livesMs = livesMs;
    this.#clock = clock;
    this.#upSince = clock();
    this.#stopListening = redis.onChange((isUp) => {
      if (!isUp) return;
      // It may have lost what it knew: those that live say so again, each in its time.
      this.#upSince = this.#clock();
      void this.#beat();
    });
  }

  /** How many other replicas live, as far as this one knows. */
  get size(): number {
    return this.#others.size;
  }

  /**
   * Tells the others that this replica lives, from now on until `leave`. The second time takes the place of the first.
   *
   * @param url where they reach it; no trailing slash
   * @param fingerprint of its own certificate, upper-case hex pairs joined by colons
   */
  async join(url: string, fingerprint?: string): Promise<void> {
    await this.#withdraw();
    const key = this.key.toString('base64url');
    this.#member = JSON.stringify({ name: this.name, url, key, fingerprint });
    clearInterval(this.#timer);
    this.#timer = setInterval(() => void this.#beat(), this.#beatMs);
    this.#timer.unref();
    await this.#beat();
    this.#options.logger.info({ replica: this.name, url, others: this.size }, 'one of several replicas');
  }

  /** Another living replica; one that is not known yet is asked for. Undefined for this one. Never throws. */
  async find(name: string): Promise<Replica | undefined> {
    if (name === this.name || !NAME.test(name)) return undefined;
    const known = this.#others.get(name);
    if (known !== undefined) return known;
    // The list under way may have been made before that replica came.
    await this.#refreshing;
    await this.#beat();
    return this.#others.get(name);
  }

  /** Tells the others that this replica takes no more sessions. Never throws. */
  async leave(): Promise<void> {
    clearInterval(this.#timer);
    this.#stopListening();
    await this.#withdraw();
  }

  async #withdraw(): Promise<void> {
    const member = this.#member;
    this.#member = '';
    if (member === '') return;
    // One under way would bring it back.
    await this.#refreshing;
    const { redis } = this.#options;
    await this.#quick.ask((client) => client.zrem(redis.key('replicas'), member));
  }

  /** One at a time: whoever asks meanwhile gets the same list. */
  #beat(): Promise<void> {
    this.#refreshing ??= this.#exchange().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  async #exchange(): Promise<void> {
    const { redis } = this.#options;
    const members = await this.#quick.ask((client) =>
      client.eval(BEAT, 1, redis.key('replicas'), this.#member, this.#livesMs),
    );
    if (!Array.isArray(members)) return;
    const living = members.flatMap((member) => replicaOf(String(member)) ?? []);
    const isWhole = this.#clock() - this.#upSince >= this.#livesMs;
    const others = new Map(isWhole ? [] : this.#others);
    for (const replica of living) if (replica.name !== this.name) others.set(replica.name, replica);
    for (const name of this.#others.keys()) {
      if (!others.has(name)) this.#options.logger.info({ replica: name }, 'a replica is gone');
    }
    this.#others = others;
  }
}

/** Undefined for what no version of this service has written. */
function replicaOf(member: string): Replica | undefined {
  try {
    const { name, url, key, fingerprint } = JSON.parse(member) as Record<string, unknown>;
    if (typeof name !== 'string' || typeof url !== 'string' || typeof key !== 'string') return undefined;
    if (!NAME.test(name) || !/^https?:$/.test(new URL(url).protocol)) return undefined;
    const replica = { name, url, key: Buffer.from(key, 'base64url') };
    return typeof fingerprint === 'string' ? { ...replica, fingerprint } : replica;
  } catch {
    return undefined;
  }
}
