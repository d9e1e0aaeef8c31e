import { randomUUID } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Appended, LogPlace } from '../replicas/change-log.ts';
import { StateCopy } from './shared/copy.ts';
import { Following, type FollowingOptions } from './shared/following.ts';
import { orUnavailable, reasonOf, unavailable } from './shared/problems.ts';
import type { State } from './state.ts';

export interface SharedStateOptions extends FollowingOptions {
  /** Entries between two snapshots. */
  snapshotEach?: number;
}

/** How long a write goes on trying where others write too, or Redis has not said whether it took it. */
const WRITE_MS = 3000;
const JITTER_MS = 5;
const SNAPSHOT_EACH = 1000;

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
  readonly #copy = new StateCopy((id) => this.#applied(id));
  readonly #following: Following;
  #closing: Promise<void> | undefined;
  /** Ids that a write under way has tried, and the one of them that was found in the log. */
  #tried = new Set<string>();
  #found: string | undefined;
  #writing: Promise<unknown> = Promise.resolve();
  #versions = 0;

  constructor(options: SharedStateOptions) {
    this.#options = options;
    this.database = this.#copy.database;
    this.#following = new Following(this.#copy, options);
  }

  open(): Promise<void> {
    return this.#following.open();
  }

  write<T>(work: () => T): Promise<T> {
    const written = this.#writing.then(() => this.#write(work));
    this.#writing = written.catch(() => undefined);
    return written;
  }

  /** Always another one: the tables are in memory, where reading them again costs no more than to know of all changes. */
  version(): number {
    this.#versions += 1;
    return this.#versions;
  }

  get lastVersion(): number {
    return this.version();
  }

  async refresh(): Promise<void> {
    this.#following.requireCurrent();
    await this.#following.catchUp().catch(orUnavailable);
  }

  onChange(listener: () => void): () => void {
    return this.#following.onChange(listener);
  }

  isHealthy(): boolean {
    return this.#following.isCurrent && this.#options.log.isUp();
  }

  now(): number {
    return this.#following.now();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#writing;
    // The last one to go leaves all of it in a form that a later version can read.
    if (this.#following.isCurrent) await this.#leaveSnapshot().catch(() => undefined);
    await this.#following.close();
    this.database.close();
  }

  /** Writes are made one after the other: the next one sees what the last one did. */
  async #write<T>(work: () => T): Promise<T> {
    const until = performance.now() + WRITE_MS;
    const results = new Map<string, T>();
    this.#tried = new Set();
    this.#found = undefined;
    for (let round = 1; ; round += 1) {
      if (round > 1) await sleep(Math.random() * Math.min(round, 20) * JITTER_MS);
      // It may have been taken, though nobody said so.
      if (this.#found !== undefined) return results.get(this.#found) as T;
      if (performance.now() > until || (results.size === 0 && !this.#following.isCurrent))
        throw unavailable();
      if (!this.#following.isCurrent) continue;
      const place = this.#following.requireCurrent();
      const { result, changes } = this.#copy.try(work);
      if (changes.length === 0) {
        // What changes nothing here may change something by now.
        if (await this.#following.catchUp().catch(orUnavailable)) return result;
      } else {
        const id = randomUUID();
        results.set(id, result);
        this.#tried.add(id);
        const outcome = await this.#append(place, id, changes);
        if (outcome === 'taken') return this.#taken({ place, id, changes, result });
        if (outcome === 'behind') await this.#following.catchUp().catch(() => undefined);
        else this.#following.rejoin();
      }
    }
  }

  async #append(place: LogPlace, id: string, changes: Uint8Array): Promise<Appended | 'unknown'> {
    try {
      return await this.#options.log.append(place, id, changes);
    } catch (error) {
      this.#following.say(reasonOf(error));
      return 'unknown';
    }
  }

  #taken<T>(entry: { place: LogPlace; id: string; changes: Uint8Array; result: T }): T {
    const { place, id, changes, result } = entry;
    const position = place.position + 1;
    try {
      this.#copy.apply({ position, id, previous: place.last, bytes: changes });
    } catch {
      this.#following.rejoin();
    }
    if (position % (this.#options.snapshotEach ?? SNAPSHOT_EACH) === 0) void this.#keepSnapshot();
    return result;
  }

  #applied(id: string): void {
    if (this.#tried.has(id)) this.#found = id;
  }

  async #leaveSnapshot(): Promise<void> {
    if ((await this.#following.status()).others > 0) return;
    await this.#following.catchUp();
    await this.#keepSnapshot();
  }

  async #keepSnapshot(): Promise<void> {
    const snapshot = this.#copy.snapshot();
    if (snapshot === undefined) return;
    try {
      await this.#options.log.keep(snapshot);
    } catch (error) {
      const reason = reasonOf(error);
      this.#options.logger.warn({ reason }, 'no snapshot of the shared state could be kept');
    }
  }
}
