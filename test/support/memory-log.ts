import type {
  Appended,
  ChangeLog,
  LogEntry,
  LogHead,
  LogPlace,
  LogSnapshot,
  LogStatus,
} from '../../src/replicas/change-log.ts';

/** What becomes of an append: carried out, lost on its way, or carried out with its answer lost. */
export type Fate = 'answered' | 'not sent' | 'unanswered';

/** A Redis in memory that keeps one log, for replicas of one test. */
export class MemoryRedis {
  server = 'run-1';
  isUp = true;
  head: LogHead | undefined;
  entries: LogEntry[] = [];
  snapshot: LogSnapshot | undefined;
  readonly candidates = new Map<string, number>();
  readonly alive = new Set<string>();
  readonly listeners = new Set<(isUp: boolean) => void>();
  readonly waiting = new Set<() => void>();
  appends = 0;
  /** How far its clock is before that of this machine. */
  aheadMs = 0;

  /** Another start of the server. @param keep how much is still there */
  restart(keep: 'all' | 'nothing' | number): void {
    this.set(false);
    this.server += '+';
    if (keep === 'nothing') this.forget();
    if (typeof keep === 'number' && this.head !== undefined) {
      this.entries = this.entries.filter(({ position }) => position <= keep);
      const last = this.entries.at(-1)?.id ?? this.snapshot?.last ?? '';
      this.head = { ...this.head, position: keep, last };
    }
    this.set(true);
  }

  forget(): void {
    this.head = undefined;
    this.entries = [];
    this.snapshot = undefined;
  }

  set(isUp: boolean): void {
    this.isUp = isUp;
    for (const listener of this.listeners) listener(isUp);
    this.wake();
  }

  wake(): void {
    for (const wake of this.waiting) wake();
  }
}

/** A replica's view of it. */
export class MemoryLog implements ChangeLog {
  readonly replica: string;
  readonly redis: MemoryRedis;
  /** Of the next appends, in their order. */
  readonly fates: Fate[] = [];
  /** Called before an append reaches the log: what others do meanwhile. */
  beforeAppend: (() => Promise<void> | void) | undefined;
  /** It hears of nothing by itself, as one whose listening connection is not there again yet. */
  isDeaf = false;

  constructor(redis: MemoryRedis, replica: string) {
    this.redis = redis;
    this.replica = replica;
  }

  async status(): Promise<LogStatus> {
    const { head, server, alive } = this.#asked();
    alive.add(this.replica);
    return {
      head: head && { ...head },
      server,
      others: alive.size - 1,
      now: Date.now() + this.redis.aheadMs,
    };
  }

  async place(): Promise<LogPlace | undefined> {
    const { head } = this.#asked();
    return head && { epoch: head.epoch, position: head.position, last: head.last };
  }

  async append(place: LogPlace, id: string, bytes: Uint8Array): Promise<Appended> {
    const before = this.beforeAppend;
    this.beforeAppend = undefined;
    await before?.();
    this.#asked().appends += 1;
    const fate = this.fates.shift() ?? 'answered';
    if (fate === 'not sent') throw new Error('the connection is closed');
    const appended = this.#append(place, id, bytes);
    if (fate === 'unanswered') throw new Error('no answer');
    return appended;
  }

  #append({ epoch, last }: LogPlace, id: string, bytes: Uint8Array): Appended {
    const { head, entries } = this.redis;
    if (head?.epoch !== epoch) return 'lost';
    if (head.last !== last) return 'behind';
    const position = head.position + 1;
    entries.push({ position, id, previous: last, bytes });
    this.redis.head = { ...head, position, last: id };
    this.redis.wake();
    return 'taken';
  }

  async read(position: number): Promise<LogEntry[]> {
    return this.#asked().entries.filter((entry) => entry.position > position);
  }

  async wait(position: number): Promise<LogEntry[]> {
    const found = this.isDeaf ? [] : await this.read(position);
    if (found.length > 0) return found;
    const { waiting } = this.redis;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(wake, 50);
      function wake(): void {
        clearTimeout(timer);
        waiting.delete(wake);
        resolve();
      }
      waiting.add(wake);
    });
    return this.isDeaf ? [] : this.read(position);
  }

  async snapshot(): Promise<LogSnapshot | undefined> {
    return this.#asked().snapshot;
  }

  async keep(snapshot: LogSnapshot): Promise<void> {
    const redis = this.#asked();
    if (redis.head?.epoch !== snapshot.epoch) return;
    redis.snapshot = snapshot;
    redis.entries = redis.entries.filter(({ position }) => position > snapshot.position);
  }

  async begin(head: LogHead, bytes: Uint8Array, instead?: string): Promise<boolean> {
    const redis = this.#asked();
    if (redis.head?.epoch !== instead) return false;
    redis.head = head;
    redis.entries = [];
    const { epoch, position, last } = head;
    redis.snapshot = { epoch, position, last, bytes };
    return true;
  }

  async leads(position: number): Promise<boolean> {
    const { candidates } = this.#asked();
    candidates.set(this.replica, position);
    return [...candidates.values()].every((other) => other <= position);
  }

  isUp(): boolean {
    return this.redis.isUp;
  }

  onChange(listener: (isUp: boolean) => void): () => void {
    this.redis.listeners.add(listener);
    return () => this.redis.listeners.delete(listener);
  }

  async leave(): Promise<void> {
    this.redis.alive.delete(this.replica);
    this.redis.wake();
  }

  #asked(): MemoryRedis {
    if (!this.redis.isUp) throw new Error('not connected');
    return this.redis;
  }
}
