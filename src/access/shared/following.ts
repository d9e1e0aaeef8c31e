import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { ConfigError } from '../../config/problems.ts';
import type { ChangeLog, LogEntry, LogPlace, LogStatus } from '../../replicas/change-log.ts';
import { SharedClock } from './clock.ts';
import type { StateCopy } from './copy.ts';
import { Joining } from './joining.ts';
import { reasonOf, unavailable, unusable } from './problems.ts';

export interface FollowingOptions {
  log: ChangeLog;
  /** STATE_FILE: what the state begins with where Redis has none yet. It is read, and left as it is. */
  path?: string | undefined;
  logger: Logger;
  /** How long Redis is waited for at the start. */
  patienceMs?: number;
  /** How long replicas that know more are waited for before the log is begun anew. */
  settleMs?: number;
  /** That of this machine, epoch milliseconds. */
  clock?: () => number;
}

const PATIENCE_MS = 5000;
/** Longer than a replica needs to connect anew, or to see that the log is gone. */
const SETTLE_MS = 2500;
const MOST_ASK_MS = 100;
/** How often it is looked whether the log is still there. */
const LOOK_MS = 1000;
/** Listeners hear of the changes of others at most this often. */
const NEWS_MS = 100;

/** Keeps a copy that of the log: reads what others write, and joins it again where that was lost. */
export class Following {
  readonly #options: FollowingOptions;
  readonly #log: ChangeLog;
  readonly #copy: StateCopy;
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
  #joining: Promise<void> | undefined;
  #following: Promise<void> | undefined;
  #news: NodeJS.Timeout | undefined;
  #stopListening: (() => void) | undefined;
  /** Why it is not current, as it was said last. */
  #problem: string | undefined;

  constructor(copy: StateCopy, options: FollowingOptions) {
    const { log, path, logger, settleMs = SETTLE_MS, clock } = options;
    this.#options = options;
    this.#log = log;
    this.#copy = copy;
    this.#clock = new SharedClock(logger, clock);
    this.#settleMs = settleMs;
    this.#askMs = Math.min(settleMs / 5, MOST_ASK_MS);
    const onProblem = (reason: string) => this.say(reason);
    this.#joiner = new Joining(copy, { log, path, logger, settleMs, onProblem });
  }

  get isCurrent(): boolean {
    return this.#isCurrent;
  }

  now(): number {
    return this.#clock.now();
  }

  /** Calls a listener after others have written, and after the copy was made anew. @returns ends the listening */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Loads what is there, or begins it. @throws ConfigError */
  async open(): Promise<void> {
    // From here on: a connection that is lost while the state is loaded has to be noticed.
    this.#stopListening = this.#log.onChange((isUp) => {
      this.#isCurrent = false;
      this.#connection += 1;
      if (isUp && this.#following !== undefined) this.rejoin();
    });
    const { patienceMs = PATIENCE_MS } = this.#options;
    const answersBy = performance.now() + patienceMs;
    while (!this.#isCurrent) {
      try {
        await this.#join(answersBy + 2 * this.#settleMs);
      } catch (error) {
        if (error instanceof ConfigError) throw error;
        if (performance.now() > answersBy)
          throw unusable('Redis does not answer; nothing is served without it');
        await sleep(this.#askMs);
      }
    }
    this.#following = this.#follow();
  }

  /** What the copy holds. @throws CallError INTERNAL where it is not certain that it is that of the log */
  requireCurrent(): LogPlace {
    const { place } = this.#copy;
    if (this.#isCurrent && place !== undefined && !this.#isClosed) return place;
    throw unavailable();
  }

  /**
   * Applies what others have written since.
   *
   * @returns whether there was nothing
   * @throws CallError INTERNAL; what the connection throws
   */
  async catchUp(): Promise<boolean> {
    const before = this.requireCurrent();
    const now = await this.#log.place();
    if (now === undefined || now.epoch !== before.epoch || now.position < before.position) {
      this.rejoin();
      throw unavailable();
    }
    while ((this.#copy.place?.position ?? 0) < now.position) {
      const entries = await this.#log.read(this.requireCurrent().position);
      if (entries.length === 0) break;
      this.#applyAll(entries);
    }
    const { position, last } = this.requireCurrent();
    if (position < now.position || (position === now.position && last !== now.last)) {
      this.rejoin();
      throw unavailable();
    }
    return now.last === before.last;
  }

  #applyAll(entries: readonly LogEntry[]): void {
    try {
      for (const entry of entries) this.#copy.apply(entry);
    } catch (error) {
      this.say(reasonOf(error));
      this.rejoin();
      throw error;
    }
    if (entries.length > 0) this.#tell();
  }

  /** Applies what others write as it comes. */
  async #follow(): Promise<void> {
    for (let looked = performance.now(); !this.#isClosed; ) {
      try {
        if (!this.#isCurrent) {
          if (this.#log.isUp()) this.rejoin();
          await sleep(this.#askMs);
          continue;
        }
        const entries = await this.#log.wait(this.requireCurrent().position);
        if (this.#isCurrent) this.#applyAll(entries);
        if (entries.length > 0 && performance.now() - looked < LOOK_MS) continue;
        await this.#look();
        looked = performance.now();
      } catch {
        // The connection that listens is lost, or all of Redis.
        if (this.#isCurrent) await this.catchUp().catch(() => this.rejoin());
        if (!this.#isClosed) await sleep(this.#askMs);
      }
    }
  }

  /** A log that was deleted says nothing by itself. */
  async #look(): Promise<void> {
    const { head, server } = await this.status();
    if (head?.epoch !== this.#copy.place?.epoch || head?.server !== server) this.rejoin();
  }

  /** Asks Redis, and what time it is. */
  async status(): Promise<LogStatus> {
    const asked = performance.now();
    const status = await this.#log.status();
    this.#clock.note(status.now, performance.now() - asked);
    return status;
  }

  /** From now on nothing is written until it is certain that this copy is that of the log. */
  rejoin(): void {
    this.#isCurrent = false;
    if (this.#isClosed || this.#joining !== undefined) return;
    this.#joining = this.#join()
      .catch((error: unknown) => {
        if (error instanceof ConfigError)
          this.#options.logger.error({ err: error }, 'the shared state is lost');
        else this.say(reasonOf(error));
      })
      .finally(() => {
        this.#joining = undefined;
      });
  }

  /** Goes on until it has. */
  async #join(until = Number.POSITIVE_INFINITY): Promise<void> {
    const begun = performance.now();
    while (!this.#isClosed) {
      if (performance.now() > until)
        throw unusable('holds no whole state, and no other replica begins it anew');
      const connection = this.#connection;
      if (await this.#joiner.step(await this.status(), begun)) {
        this.#isCurrent = connection === this.#connection && this.#log.isUp();
        if (this.#isCurrent) this.#problem = undefined;
        return this.#tell();
      }
      await sleep(this.#askMs);
    }
  }

  /** Each reason once: it is met again with every try. That the connection is lost is said elsewhere. */
  say(reason: string): void {
    if (!this.#log.isUp() || this.#problem === reason) return;
    this.#problem = reason;
    const words = 'the shared state is not that of Redis: nothing is written to it until it is';
    this.#options.logger.warn({ reason }, words);
  }

  /** Ends it; the copy stays as it is. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#stopListening?.();
    clearTimeout(this.#news);
    await this.#log.leave().catch(() => undefined);
    await this.#following;
    await this.#joining?.catch(() => undefined);
  }

  /** Many changes at once are one piece of news. */
  #tell(): void {
    this.#news ??= setTimeout(() => {
      this.#news = undefined;
      for (const listener of this.#listeners) listener();
    }, NEWS_MS).unref();
  }
}
