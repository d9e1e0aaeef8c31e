import { randomUUID } from 'node:crypto';
import { constants, DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { ConfigError } from '../config/problems.ts';
import { CallError } from '../proxmox/errors.ts';
import type { ChangeLog, LogEntry, LogHead, LogPlace, LogStatus } from '../replicas/change-log.ts';
import { voidPlans } from './approvals/tables.ts';
import { openState, type State } from './state.ts';
import { createTables, dumpTables, restoreTables, schemaHash } from './tables.ts';

export interface SharedStateOptions {
  log: ChangeLog;
  /** STATE_FILE: what the state begins with where Redis has none yet. It is read, and left as it is. */
  path?: string | undefined;
  logger: Logger;
  /** How long Redis is waited for at the start. */
  patienceMs?: number;
  /** How long replicas that know more are waited for before the log is begun anew. */
  settleMs?: number;
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
/** Entries between two snapshots. */
const SNAPSHOT_EACH = 1000;
/** Listeners hear of the changes of others at most this often. */
const NEWS_MS = 100;

const ANEW =
  'redis was started anew or lost its data: the shared state begins anew with what this replica knows, and all open approvals are void';

/** An entry does not follow the last one that is known here. */
class GapError extends Error {}

/**
 * Opens the state that replicas share: Redis puts the changes in one order, and every replica applies them to tables of
 * its own, in memory, which it reads as if it were alone.
 *
 * @throws ConfigError that names REDIS_URL where Redis does not answer, or is used by another version of the program
 */
export async function openSharedState(options: SharedStateOptions): Promise<State> {
  const database = new DatabaseSync(':memory:');
  database.exec('PRAGMA foreign_keys = ON');
  createTables(database);
  const state = new SharedState(database, options);
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
  readonly #settleMs: number;
  /** Between two looks at a Redis that is waited for. */
  readonly #askMs: number;
  readonly #schema = schemaHash();
  readonly #listeners = new Set<() => void>();
  /** What this copy of the tables holds; undefined until it was loaded. */
  #place: LogPlace | undefined;
  /** Whether the log is known to be that of `#place`. */
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

  constructor(database: DatabaseSync, options: SharedStateOptions) {
    this.database = database;
    this.#options = options;
    this.#log = options.log;
    this.#settleMs = options.settleMs ?? SETTLE_MS;
    this.#askMs = Math.min(this.#settleMs / 5, MOST_ASK_MS);
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
      const { result, changes } = this.#try(work);
      if (changes.length === 0) {
        // What changes nothing here may change something by now.
        if (await this.#catchUp().catch(orUnavailable)) return result;
      } else {
        const id = randomUUID();
        results.set(id, result);
        this.#tried.add(id);
        const outcome = await this.#log.append(place, id, changes).catch(() => 'unknown' as const);
        if (outcome === 'taken') return this.#taken({ place, id, changes, result });
        if (outcome === 'behind') await this.#catchUp().catch(() => undefined);
        else this.#rejoin();
      }
    }
  }

  /** What a write would do: it is carried out, looked at, and taken back, as others may have been faster. */
  #try<T>(work: () => T): { result: T; changes: Uint8Array } {
    const { database } = this;
    database.exec('BEGIN');
    const session = database.createSession();
    try {
      const result = work();
      return { result, changes: session.changeset() };
    } finally {
      session.close();
      if (database.isTransaction) database.exec('ROLLBACK');
    }
  }

  #taken<T>(entry: { place: LogPlace; id: string; changes: Uint8Array; result: T }): T {
    const { place, id, changes, result } = entry;
    const position = place.position + 1;
    try {
      this.#apply({ position, id, previous: place.last, bytes: changes });
    } catch {
      this.#rejoin();
    }
    if (position % SNAPSHOT_EACH === 0) void this.#keepSnapshot();
    return result;
  }

  #requireCurrent(): LogPlace {
    if (this.#isCurrent && this.#place !== undefined && !this.#isClosed) return this.#place;
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
    while ((this.#place?.position ?? 0) < now.position) {
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
      for (const entry of entries) this.#apply(entry);
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'the shared state is read anew');
      this.#rejoin();
      throw error;
    }
    if (entries.length > 0) this.#tell();
  }

  #apply({ position, id, previous, bytes }: LogEntry): void {
    const place = this.#place;
    if (place === undefined || position <= place.position) return;
    if (position !== place.position + 1 || previous !== place.last) {
      throw new GapError(`entry ${position} does not follow ${place.position}`);
    }
    const { database } = this;
    // What a cascade removed is in the entry, too.
    database.exec('PRAGMA foreign_keys = OFF');
    try {
      const onConflict = () => constants.SQLITE_CHANGESET_ABORT;
      if (!database.applyChangeset(bytes, { onConflict }))
        throw new GapError(`entry ${position} does not fit`);
    } finally {
      database.exec('PRAGMA foreign_keys = ON');
    }
    this.#place = { ...place, position, last: id };
    if (this.#tried.has(id)) this.#found = id;
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
    const { head, server } = await this.#log.status();
    if (head?.epoch !== this.#place?.epoch || head?.server !== server) this.#rejoin();
  }

  /** From now on nothing is written until it is certain that this copy is that of the log. */
  #rejoin(): void {
    this.#isCurrent = false;
    if (this.#isClosed || this.#joining !== undefined) return;
    this.#joining = this.#join()
      .catch((error: unknown) => {
        if (error instanceof ConfigError)
          this.#options.logger.error({ err: error }, 'the shared state is lost');
      })
      .finally(() => {
        this.#joining = undefined;
      });
  }

  /** Makes this copy that of the log, and begins the log where there is none that can be relied on. */
  async #join(until = Number.POSITIVE_INFINITY): Promise<void> {
    const begun = Date.now();
    while (!this.#isClosed) {
      if (Date.now() > until) throw unusable('holds no whole state, and no other replica begins it anew');
      const connection = this.#connection;
      const status = await this.#log.status();
      const { head, server } = status;
      this.#checkSchema(status);
      if (head !== undefined && head.server === server && head.schema === this.#schema) {
        if (await this.#load(head)) return this.#joined(connection);
      } else if (await this.#beginAnew(status, begun)) {
        return this.#joined(connection);
      }
      await sleep(this.#askMs);
    }
  }

  #joined(connection: number): void {
    this.#isCurrent = connection === this.#connection && this.#log.isUp();
    this.#tell();
  }

  #checkSchema({ head, others }: LogStatus): void {
    if (head === undefined || head.schema === this.#schema || others === 0) return;
    throw unusable(
      'other replicas run another version of proxmox-mcp; stop all of them before this one starts',
    );
  }

  /** @returns false where the log was begun anew, or cut, meanwhile */
  async #load({ epoch }: Pick<LogHead, 'epoch'>): Promise<boolean> {
    if (this.#place?.epoch !== epoch || !(await this.#readOn())) {
      const snapshot = await this.#log.snapshot();
      if (snapshot?.epoch !== epoch) return false;
      const { bytes, ...place } = snapshot;
      restoreTables(this.database, bytes);
      this.#place = place;
      return this.#readOn();
    }
    return true;
  }

  /** @returns whether this copy is that of the log now */
  async #readOn(): Promise<boolean> {
    try {
      for (;;) {
        const now = await this.#log.place();
        const place = this.#place;
        if (now === undefined || place === undefined || now.epoch !== place.epoch) return false;
        if (now.position <= place.position) return now.last === place.last;
        const entries = await this.#log.read(place.position);
        if (entries.length === 0) return false;
        for (const entry of entries) this.#apply(entry);
      }
    } catch (error) {
      if (error instanceof GapError) return false;
      throw error;
    }
  }

  /**
   * Begins the log with what the replica that knows most holds: nobody has one yet, Redis lost it, or Redis was
   * started anew and may have lost the end of it.
   */
  async #beginAnew({ head, server }: LogStatus, since: number): Promise<boolean> {
    const { logger } = this.#options;
    if (head !== undefined && this.#place?.epoch !== head.epoch) await this.#loadForAnew(head);
    const isFirst = head === undefined && this.#place === undefined;
    // Only others can know what belongs to a head without a body.
    if (head !== undefined && this.#place === undefined) return false;
    const leads = await this.#log.leads(this.#place?.position ?? 0);
    if (!leads || Date.now() - since < this.#settleMs) return false;
    if (isFirst) this.#takeFile();
    else if (head?.server !== server) voidPlans(this.database);
    const next = {
      epoch: randomUUID(),
      position: (this.#place?.position ?? 0) + 1,
      last: randomUUID(),
      schema: this.#schema,
      server,
    };
    if (!(await this.#log.begin(next, dumpTables(this.database), head?.epoch))) return false;
    this.#place = { epoch: next.epoch, position: next.position, last: next.last };
    if (isFirst) logger.info('the shared state begins');
    else if (head?.server !== server) logger.warn({ lost: head === undefined }, ANEW);
    return true;
  }

  /** What Redis still has, for who starts now and can add nothing to it. */
  async #loadForAnew({ epoch, position, schema }: LogHead): Promise<void> {
    const snapshot = await this.#log.snapshot();
    if (snapshot?.epoch !== epoch) return;
    if (schema !== this.#schema && snapshot.position !== position) {
      throw unusable(
        'holds changes of another version of proxmox-mcp: start that version once more, and stop it with SIGTERM',
      );
    }
    const { bytes, ...place } = snapshot;
    restoreTables(this.database, bytes);
    this.#place = place;
    await this.#readOn();
  }

  #takeFile(): void {
    const { path, logger } = this.#options;
    if (path === undefined) return;
    const file = openState(path);
    try {
      createTables(file.database);
      restoreTables(this.database, dumpTables(file.database));
    } finally {
      void file.close();
    }
    logger.info('the shared state begins with that of STATE_FILE, which is not written any more');
  }

  async #leaveSnapshot(): Promise<void> {
    if ((await this.#log.status()).others > 0) return;
    await this.#catchUp();
    await this.#keepSnapshot();
  }

  async #keepSnapshot(): Promise<void> {
    const place = this.#place;
    if (place === undefined) return;
    try {
      await this.#log.keep({ ...place, bytes: dumpTables(this.database) });
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'no snapshot of the shared state could be kept');
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

function orUnavailable(error: unknown): never {
  throw unavailable(error);
}

function unavailable(cause?: unknown): CallError {
  if (cause instanceof CallError) return cause;
  return new CallError(
    'INTERNAL',
    'What the replicas share can not be changed: Redis does not answer. Nothing further was sent.',
    {
      hint: 'Reads go on. Repeat the call once Redis is back: what was begun is looked for before anything is sent again.',
      retryable: true,
      cause,
    },
  );
}

function unusable(message: string): ConfigError {
  return new ConfigError([{ source: 'environment', field: 'REDIS_URL', message }]);
}
