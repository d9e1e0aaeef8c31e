import { once } from 'node:events';
import type { Redis } from 'ioredis';
import type { SharedRedis } from './redis.ts';

/** Where the log stands. */
export interface LogPlace {
  /** Another one after the log was begun anew. */
  epoch: string;
  /** Entries since then. */
  position: number;
  /** The id of the last entry: two logs that went different ways differ in it. */
  last: string;
}

/** Where it stands, and for whom. */
export interface LogHead extends LogPlace {
  /** What the entries are written in; who writes another one must not read them. */
  schema: string;
  /** The run of the Redis server in which the log was begun: one that was started since may have lost the end of it. */
  server: string;
}

export interface LogStatus {
  /** Undefined where there is no log. */
  head: LogHead | undefined;
  /** The run of the Redis server that answered. */
  server: string;
  /** How many others follow the log. */
  others: number;
  /** The server's clock, epoch milliseconds: the one that all replicas see. */
  now: number;
}

export interface LogEntry {
  position: number;
  /** Unlike that of every other entry. */
  id: string;
  /** The id of the entry before. */
  previous: string;
  bytes: Uint8Array;
}

export interface LogSnapshot extends LogPlace {
  bytes: Uint8Array;
}

/** `behind`: others wrote since. `lost`: it is not the log any more that was written to. */
export type Appended = 'taken' | 'behind' | 'lost';

/**
 * A log of changes that several replicas append to, one after the other: an entry is taken only from who knows all
 * entries before it. All methods reject where Redis does not answer.
 */
export interface ChangeLog {
  /** This replica, unlike every other. */
  readonly replica: string;
  /** Looks where the log stands, and says that this replica follows it. */
  status(): Promise<LogStatus>;
  /** Where the log stands; undefined where there is none. Quicker than `status`. */
  place(): Promise<LogPlace | undefined>;
  append(place: LogPlace, id: string, bytes: Uint8Array): Promise<Appended>;
  /** Entries after a position, the oldest first; not all where there are many. */
  read(position: number): Promise<LogEntry[]>;
  /** As `read`, and waits a second for the first of them. Call it once at a time. */
  wait(position: number): Promise<LogEntry[]>;
  /** What the entries before it amount to. */
  snapshot(): Promise<LogSnapshot | undefined>;
  /** Keeps a snapshot, and gives up entries that it stands for. */
  keep(snapshot: LogSnapshot): Promise<void>;
  /** Begins the log anew. @param instead the epoch that it takes the place of @returns whether nobody was faster */
  begin(head: LogHead, bytes: Uint8Array, instead: string | undefined): Promise<boolean>;
  /** Of those who want to begin the log anew, finds the one who knows most. @returns whether it is this replica */
  leads(position: number): Promise<boolean>;
  isUp(): boolean;
  /** Calls a listener whenever Redis is reached, or lost. @returns ends the listening */
  onChange(listener: (isUp: boolean) => void): () => void;
  /** Says that this replica follows the log no longer. */
  leave(): Promise<void>;
}

/** Entries that are read at once. */
const AT_ONCE = 500;
const WAIT_MS = 1000;
/** What takes longer than it was to wait hangs. */
const HANGS_MS = 1000;
/** Entries that a snapshot stands for are kept for replicas that lag by no more. */
const KEPT_BEHIND = 200;
/** Who says nothing for so long follows no more. */
const ALIVE_MS = 5000;
/** Who wants to begin the log says so again and again; who stops to say so is out of it. */
const CANDIDATE_MS = 3000;

const NOW = `local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`;

/** A restarted server has another run id. */
const STATUS = `${NOW}
redis.call('ZADD', KEYS[2], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - ARGV[2])
local head = redis.call('HMGET', KEYS[1], 'epoch', 'position', 'last', 'schema', 'server')
local server = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
return {server, redis.call('ZCARD', KEYS[2]) - 1, now, head[1], head[2], head[3], head[4], head[5]}`;

const APPEND = `local head = redis.call('HMGET', KEYS[1], 'epoch', 'position', 'last')
if head[1] ~= ARGV[1] then return 'lost' end
if head[3] ~= ARGV[2] then return 'behind' end
local position = string.format('%.0f', head[2] + 1)
redis.call('XADD', KEYS[2], position .. '-0', 'i', ARGV[3], 'p', ARGV[2], 'b', ARGV[4])
redis.call('HSET', KEYS[1], 'position', position, 'last', ARGV[3])
return 'taken'`;

const KEEP = `if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return 0 end
local kept = redis.call('HMGET', KEYS[3], 'epoch', 'position')
if kept[1] == ARGV[1] and tonumber(kept[2]) >= tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[3], 'epoch', ARGV[1], 'position', ARGV[2], 'last', ARGV[3], 'b', ARGV[4])
redis.call('XTRIM', KEYS[2], 'MINID', string.format('%.0f', math.max(ARGV[2] - ARGV[5], 0)) .. '-0')
return 1`;

const BEGIN = `local epoch = redis.call('HGET', KEYS[1], 'epoch') or ''
if epoch ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[2], KEYS[3])
redis.call('HSET', KEYS[1], 'epoch', ARGV[2], 'position', ARGV[3], 'last', ARGV[4], 'schema', ARGV[5], 'server', ARGV[6])
redis.call('HSET', KEYS[3], 'epoch', ARGV[2], 'position', ARGV[3], 'last', ARGV[4], 'b', ARGV[7])
return 1`;

/** Members are `position replica`, in an order in which the highest position comes last. */
const LEADS = `${NOW}
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local best = ''
for _, one in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do if one > best then best = one end end
return best == ARGV[1] and 1 or 0`;

type Fields = Buffer[];

/** The log of the state that replicas share, in Redis. */
export class RedisChangeLog implements ChangeLog {
  readonly replica: string;
  readonly #redis: SharedRedis;
  readonly #client: Redis;
  readonly #keys: Record<'head' | 'log' | 'snapshot' | 'alive' | 'candidates', string>;
  #waiting: Redis | undefined;

  constructor(redis: SharedRedis) {
    this.#redis = redis;
    this.#client = redis.client;
    this.replica = redis.replica;
    // In braces: where Redis is a cluster, scripts need their keys in one place.
    const name = (part: string) => redis.key(`{state}:${part}`);
    this.#keys = {
      head: name('head'),
      log: name('log'),
      snapshot: name('snapshot'),
      alive: name('alive'),
      candidates: name('candidates'),
    };
  }

  async status(): Promise<LogStatus> {
    const { head, alive } = this.#keys;
    const answer = (await this.#client.eval(STATUS, 2, head, alive, this.replica, ALIVE_MS)) as unknown[];
    const [server, others, now, epoch, position, last, schema, begunIn] = answer;
    return {
      server: String(server),
      others: Number(others),
      now: Number(now),
      head:
        typeof epoch === 'string'
          ? {
              epoch,
              position: Number(position),
              last: String(last),
              schema: String(schema),
              server: String(begunIn),
            }
          : undefined,
    };
  }

  async place(): Promise<LogPlace | undefined> {
    const [epoch, position, last] = await this.#client.hmget(this.#keys.head, 'epoch', 'position', 'last');
    return typeof epoch === 'string' ? { epoch, position: Number(position), last: String(last) } : undefined;
  }

  async append({ epoch, last }: LogPlace, id: string, bytes: Uint8Array): Promise<Appended> {
    const { head, log } = this.#keys;
    return (await this.#client.eval(APPEND, 2, head, log, epoch, last, id, Buffer.from(bytes))) as Appended;
  }

  async read(position: number): Promise<LogEntry[]> {
    const rows = await this.#client.xrangeBuffer(this.#keys.log, `(${position}-0`, '+', 'COUNT', AT_ONCE);
    return rows.map(([id, fields]) => entryOf(id, fields));
  }

  async wait(position: number): Promise<LogEntry[]> {
    this.#waiting ??= this.#redis.connection();
    const waiting = this.#waiting;
    if (waiting.status !== 'ready') await once(waiting, 'ready', { signal: AbortSignal.timeout(WAIT_MS) });
    // A server that hangs keeps the connection, and says nothing.
    const tooLong = setTimeout(() => waiting.disconnect(true), WAIT_MS + HANGS_MS).unref();
    const streams = await waiting
      .xreadBuffer('COUNT', AT_ONCE, 'BLOCK', WAIT_MS, 'STREAMS', this.#keys.log, `${position}-0`)
      .finally(() => clearTimeout(tooLong));
    const [stream] = (streams ?? []) as [Buffer, [Buffer, Fields][]][];
    return (stream?.[1] ?? []).map(([id, fields]) => entryOf(id, fields));
  }

  async snapshot(): Promise<LogSnapshot | undefined> {
    const fields = await this.#client.hmgetBuffer(this.#keys.snapshot, 'epoch', 'position', 'last', 'b');
    const [epoch, position, last, bytes] = fields;
    if (!epoch || !position || !last || !bytes) return undefined;
    return { epoch: String(epoch), position: Number(position), last: String(last), bytes };
  }

  async keep({ epoch, position, last, bytes }: LogSnapshot): Promise<void> {
    const { head, log, snapshot } = this.#keys;
    const values = [epoch, position, last, Buffer.from(bytes), KEPT_BEHIND];
    await this.#client.eval(KEEP, 3, head, log, snapshot, ...values);
  }

  async begin(
    { epoch, position, last, schema, server }: LogHead,
    bytes: Uint8Array,
    instead = '',
  ): Promise<boolean> {
    const { head, log, snapshot } = this.#keys;
    const values = [instead, epoch, position, last, schema, server, Buffer.from(bytes)];
    return (await this.#client.eval(BEGIN, 3, head, log, snapshot, ...values)) === 1;
  }

  async leads(position: number): Promise<boolean> {
    const member = `${String(position).padStart(16, '0')} ${this.replica}`;
    return (await this.#client.eval(LEADS, 1, this.#keys.candidates, member, CANDIDATE_MS)) === 1;
  }

  isUp(): boolean {
    return this.#redis.isUp();
  }

  onChange(listener: (isUp: boolean) => void): () => void {
    return this.#redis.onChange(listener);
  }

  async leave(): Promise<void> {
    this.#waiting?.disconnect();
    await this.#client.zrem(this.#keys.alive, this.replica);
  }
}

function entryOf(id: Buffer, fields: Fields): LogEntry {
  const value = (name: string): Buffer => {
    const at = fields.findIndex((field, index) => index % 2 === 0 && String(field) === name);
    const found = fields[at + 1];
    if (at < 0 || found === undefined) throw new Error(`an entry of the log lacks ${name}`);
    return found;
  };
  return {
    position: Number(String(id).split('-')[0]),
    id: String(value('i')),
    previous: String(value('p')),
    bytes: value('b'),
  };
}
