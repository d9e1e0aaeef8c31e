import { randomUUID } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { ConfigError } from '../config/problems.ts';
import type { ChangeLog, LogEntry, LogPlace, LogStatus } from '../replicas/change-log.ts';
import { SharedClock } from './shared/clock.ts';
import { StateCopy } from './shared/copy.ts';
import { Joining } from './shared/joining.ts';
import { orUnavailable, reasonOf, unavailable, unusable } from './shared/problems.ts';
import type { State } from './state.ts';

export interface SharedStateOptions {
  log: ChangeLog;
  /** STATE_FILE: what the state begins with where Redis has none yet. It is read, and left as it is. */
  path?: string | undefined;
  logger: Logger;
  /** How long Redis is waited for at the start. */
  patienceMs?: number;
  /** How long replicas that know more are waited for before the log is begun anew. */
  settleMs?: number;
  /** Entries between two snapshots. */
  snapshotEach?: number;
  /** That of this machine, epoch milliseconds. */
  clock?: () => number;
}

const PATIENCE_MS = 5000;
/** Longer than a replica needs to connect anew, or to see that the log is gone. */
const SETTLE_MS = 2500;
const MOST_ASK_MS = 100;
/** How long a write goes on trying where others write too, or Redis has not said whether it took it. */
const WRITE_MS = 3000;
const JITTER_MS = 5;
/** How often it is looked whether the log is still there. */
const LOOK_MS = 1000;
const SNAPSHOT_EACH = 1000;
/** Listeners hear of the changes of others at most this often. */
const NEWS_MS = 100;

/**
 * Opens the state that replicas share: Redis puts the changes in one order, and every replica applies them to tables of
 * its own, in memory, which it reads as if it were alone.
 *
 * @throws ConfigError that names REDIS_URL where Redis does not answer, or is used by another version of the program
 */
export async function openSharedState(options: SharedStateOptions): Promise<State> {
  const state = new SharedState(options);
  try {
    await state.open();
  } catch (error) {
    await state.close();
    throw error;
  }
  return state;
}

class SharedState implements State {
  readonly database: DatabaseSync;
  readonly isKept = true;
  readonly #options: SharedStateOptions;
  readonly #log: ChangeLog;
  readonly #copy = new StateCopy((id) => this.#applied(id));
  readonly #joiner: Joining;
  readonly #clock: SharedClock;
  readonly #settleMs: number;
  /** Between two looks at a Redis that is waited for. */
  readonly #askMs: number;
  readonly #listeners = new Set<() => void>();
  /** Whether the log is known to be that of the copy. */
  #isCurrent = false;
  /** Counts connections made and lost: what was seen over an earlier one does not hold for the next. */
  #connection = 0;
  #isClosed = false;
  #closing: Promise<void> | undefined;
  /** Ids that a write under way has tried, and the one of them that was found in the log. */
  #tried = new Set<string>();
  #found: string | undefined;
  #writing: Promise<unknown> = Promise.resolve();
  #joining: Promise<void> | undefined;
  #following: Promise<void> | undefined;
  #news: NodeJS.Timeout | undefined;
  #stopListening: (() => void) | undefined;
  /** Why it is not current, as it was said last. */
  #problem: string | undefined;

  constructor(options: SharedStateOptions) {
    const { log, path, logger, settleMs = SETTLE_MS, clock } = options;
    this.#options = options;
    this.#log = log;
    this.database = this.#copy.database;
    this.#clock = new SharedClock(logger, clock);
    this.#settleMs = settleMs;
    this.#askMs = Math.min(settleMs / 5, MOST_ASK_MS);
    const onProblem = (reason: string) => this.#say(reason);
    this.#joiner = new Joining(this.#copy, { log, path, logger, settleMs, onProblem });
  }

  /** Loads what is there, or begins it. @throws ConfigError */
  async open(): Promise<void> {
    // From here on: a connection that is lost while the state is loaded has to be noticed.
    this.#stopListening = this.#log.onChange((isUp) => {
      this.#isCurrent = false;
      this.#connection += 1;
      if (isUp && this.#following !== undefined) this.#rejoin();
    });
    const { patienceMs = PATIENCE_MS } = this.#options;
    const answersBy = Date.now() + patienceMs;
    while (!this.#isCurrent) {
      try {
        await this.#join(answersBy + 2 * this.#settleMs);
      } catch (error) {
        if (error instanceof ConfigError) throw error;
        if (Date.now() > answersBy) throw unusable('Redis does not answer; nothing is served without it');
        await sleep(this.#askMs);
      }
    }
    this.#following = this.#follow();
  }

  write<T>(work: () => T): Promise<T> {
    const written = this.#writing.then(() => this.#write(work));
    this.#writing = written.catch(() => undefined);
    return written;
  }

  async refresh(): Promise<void> {
    if (!this.#isCurrent) throw unavailable();
    try {
      await this.#catchUp();
    } catch (error) {
      throw unavailable(error);
    }
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  isHealthy(): boolean {
    return this.#isCurrent && this.#log.isUp();
  }

  now(): number {
    return this.#clock.now();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#writing;
    // The last one to go leaves all of it in a form that a later version can read.
    if (this.#isCurrent) await this.#leaveSnapshot().catch(() => undefined);
    this.#isClosed = true;
    this.#stopListening?.();
    clearTimeout(this.#news);
    await this.#log.leave().catch(() => undefined);
    await this.#following;
    await this.#joining?.catch(() => undefined);
    this.database.close();
  }

  /** Writes are made one after the other: the next one sees what the last one did. */
  async #write<T>(work: () => T): Promise<T> {
    const until = Date.now() + WRITE_MS;
    const results = new Map<string, T>();
    this.#tried = new Set();
    this.#found = undefined;
    for (let round = 1; ; round += 1) {
      if (round > 1) await sleep(Math.random() * Math.min(round, 20) * JITTER_MS);
      // It may have been taken, though nobody said so.
      if (this.#found !== undefined) return results.get(this.#found) as T;
      if (Date.now() > until || (results.size === 0 && !this.#isCurrent)) throw unavailable();
      if (!this.#isCurrent) continue;
      const place = this.#requireCurrent();
      const { result, changes } = this.#copy.try(work);
      if (changes.length === 0) {
        // What changes nothing here may change something by now.
        if (await this.#catchUp().catch(orUnavailable)) return result;
      } else {
        const id = randomUUID();
        results.set(id, result);
        this.#tried.add(id);
        const outcome = await this.#log
          .append(place, id, changes)
          .catch((error: unknown) => this.#unknown(error));
        if (outcome === 'taken') return this.#taken({ place, id, changes, result });
        if (outcome === 'behind') await this.#catchUp().catch(() => undefined);
        else this.#rejoin();
      }
    }
  }

  #unknown(error: unknown): 'unknown' {
    this.#say(reasonOf(error));
    return 'unknown';
  }

  #taken<T>(entry: { place: LogPlace; id: string; changes: Uint8Array; result: T }): T {
    const { place, id, changes, result } = entry;
    const position = place.position + 1;
    try {
      this.#copy.apply({ position, id, previous: place.last, bytes: changes });
    } catch {
      this.#rejoin();
    }
    if (position % (this.#options.snapshotEach ?? SNAPSHOT_EACH) === 0) void this.#keepSnapshot();
    return result;
  }

  #applied(id: string): void {
    if (this.#tried.has(id)) this.#found = id;
  }

  #requireCurrent(): LogPlace {
    const { place } = this.#copy;
    if (this.#isCurrent && place !== undefined && !this.#isClosed) return place;
    throw unavailable();
  }

  /**
   * Applies what others have written since.
   *
   * @returns whether there was nothing
   */
  async #catchUp(): Promise<boolean> {
    const before = this.#requireCurrent();
    const now = await this.#log.place();
    if (now === undefined || now.epoch !== before.epoch || now.position < before.position) {
      this.#rejoin();
      throw unavailable();
    }
    while ((this.#copy.place?.position ?? 0) < now.position) {
      const entries = await this.#log.read(this.#requireCurrent().position);
      if (entries.length === 0) break;
      this.#applyAll(entries);
    }
    const { position, last } = this.#requireCurrent();
    if (position < now.position || (position === now.position && last !== now.last)) {
      this.#rejoin();
      throw unavailable();
    }
    return now.last === before.last;
  }

  #applyAll(entries: readonly LogEntry[]): void {
    try {
      for (const entry of entries) this.#copy.apply(entry);
    } catch (error) {
      this.#say(reasonOf(error));
      this.#rejoin();
      throw error;
    }
    if (entries.length > 0) this.#tell();
  }

  /** Applies what others write as it comes. */
  async #follow(): Promise<void> {
    for (let looked = Date.now(); !this.#isClosed; ) {
      try {
        if (!this.#isCurrent) {
          if (this.#log.isUp()) this.#rejoin();
          await sleep(this.#askMs);
          continue;
        }
        const entries = await this.#log.wait(this.#requireCurrent().position);
        if (this.#isCurrent) this.#applyAll(entries);
        if (entries.length > 0 && Date.now() - looked < LOOK_MS) continue;
        await this.#look();
        looked = Date.now();
      } catch {
        // The connection that listens is lost, or all of Redis.
        if (this.#isCurrent) await this.#catchUp().catch(() => this.#rejoin());
        if (!this.#isClosed) await sleep(this.#askMs);
      }
    }
  }

  /** A log that was deleted says nothing by itself. */
  async #look(): Promise<void> {
    const { head, server } = await this.#status();
    if (head?.epoch !== this.#copy.place?.epoch || head?.server !== server) this.#rejoin();
  }

  async #status(): Promise<LogStatus> {
    const asked = performance.now();
    const status = await this.#log.status();
    this.#clock.note(status.now, performance.now() - asked);
    return status;
  }

  /** From now on nothing is written until it is certain that this copy is that of the log. */
  #rejoin(): void {
    this.#isCurrent = false;
    if (this.#isClosed || this.#joining !== undefined) return;
    this.#joining = this.#join()
      .catch((error: unknown) => {
        if (error instanceof ConfigError)
          this.#options.logger.error({ err: error }, 'the shared state is lost');
        else this.#say(reasonOf(error));
      })
      .finally(() => {
        this.#joining = undefined;
      });
  }

  /** Goes on until it has. */
  async #join(until = Number.POSITIVE_INFINITY): Promise<void> {
    const begun = Date.now();
    while (!this.#isClosed) {
      if (Date.now() > until) throw unusable('holds no whole state, and no other replica begins it anew');
      const connection = this.#connection;
      if (await this.#joiner.step(await this.#status(), begun)) {
        this.#isCurrent = connection === this.#connection && this.#log.isUp();
        if (this.#isCurrent) this.#problem = undefined;
        return this.#tell();
      }
      await sleep(this.#askMs);
    }
  }

  /** Each reason once: it is met again with every try. That the connection is lost is said elsewhere. */
  #say(reason: string): void {
    if (!this.#log.isUp() || this.#problem === reason) return;
    this.#problem = reason;
    const words = 'the shared state is not that of Redis: nothing is written to it until it is';
    this.#options.logger.warn({ reason }, words);
  }

  async #leaveSnapshot(): Promise<void> {
    if ((await this.#status()).others > 0) return;
    await this.#catchUp();
    await this.#keepSnapshot();
  }

  async #keepSnapshot(): Promise<void> {
    const snapshot = this.#copy.snapshot();
    if (snapshot === undefined) return;
    try {
      await this.#log.keep(snapshot);
    } catch (error) {
      const reason = reasonOf(error);
      this.#options.logger.warn({ reason }, 'no snapshot of the shared state could be kept');
    }
  }

  /** Many changes at once are one piece of news. */
  #tell(): void {
    this.#news ??= setTimeout(() => {
      this.#news = undefined;
      for (const listener of this.#listeners) listener();
    }, NEWS_MS).unref();
  }
}
