import { setImmediate as nextTurn } from 'node:timers/promises';
import { AuditError, reasonOf } from './audit-error.ts';
import type { AuditLog, Health } from './audit-log.ts';
import { fragmentOf, type Head } from './chain.ts';
import type { ChainFile, Draft } from './chain-file.ts';
import {
  type AuditBegin,
  type AuditEnd,
  type AuditTask,
  beginFragment,
  endFragment,
  taskFragment,
} from './entry.ts';

const MOST_BATCH_LINES = 1000;
const MOST_BATCH_BYTES = 1024 * 1024;
/** Of all lines that wait, or that are written and not yet on disk. */
const MOST_WAITING_BYTES = 16 * 1024 * 1024;
/** What reads and ends wait for at most before they are on disk. */
const SYNC_AFTER_MS = 500;
/** A timer that is later than this was kept waiting by the process and not by what it waited for. */
const OWN_DELAY_MS = 100;
/** How long the begin of a read waits for another line to be written with. */
const GATHER_MS = 10;
/** Turns of the event loop, of which each takes some calls further where there are many. */
const MOST_TURNS = 8;
/** Turns in a row without a line that end the wait: in one alone each call may just be between two of its steps. */
const MOST_IDLE_TURNS = 2;
const RETRY_AFTER_MS = 500;
/** How soon a file that is gone shows in `healthy()`; a write looks for itself. */
const INSPECT_EVERY_MS = 400;
/** Lines of ends and notes are taken beyond the bound on begins: each belongs to a call that was let through. */
const RESERVE = 2;

/** A line on its way, and whoever waits for it. */
interface Item extends Draft {
  id?: string;
  /** Waits for the disk. */
  needsDisk: boolean;
  /** Nobody waits any more and the call was not made: the line is left out, or answered by an end of its own. */
  isRefused: boolean;
  settle(error?: AuditError): void;
}

export interface AuditWriterOptions {
  file: ChainFile;
  clock: () => number;
  onProblem: (problem: string) => void;
  deadlineMs: number;
  mostWaiting: number;
  onClosed: () => void;
}

/**
 * Writes lines in the order in which they were given. All that waits when the disk is free goes there together: one
 * `fdatasync` serves every write that began meanwhile.
 */
export class AuditWriter implements AuditLog {
  readonly #options: AuditWriterOptions;
  #queue: Item[] = [];
  /** Written, and not known to be on disk. */
  #unsynced: Item[] = [];
  #unsyncedSince = 0;
  #bytes = 0;
  #work: Promise<void> | undefined;
  #stepSince: number | undefined;
  #isSyncDue = false;
  #timer: NodeJS.Timeout | undefined;
  /** Until the begins of reads that wait are written without an end to go with. */
  #gathering: NodeJS.Timeout | undefined;
  #isInspectDue = false;
  /** The problem is that the file is not in its place: no write is needed to see that it is again. */
  #isLost = false;
  readonly #inspecting: NodeJS.Timeout;
  #problem: string | undefined;
  #lost = 0;
  #isClosed = false;

  constructor(options: AuditWriterOptions) {
    this.#options = options;
    this.#inspecting = setInterval(() => {
      this.#isInspectDue = true;
      void this.#kick();
    }, INSPECT_EVERY_MS).unref();
  }

  async begin(entry: AuditBegin): Promise<void> {
    const refusal = this.#refusal(entry.write);
    if (refusal !== undefined) throw new AuditError(refusal);
    const fragment = beginFragment(entry);
    if (entry.write) return await this.#line(fragment, true, entry.id);
    // Nobody waits for it: it goes with the next line, which most often is its own end.
    this.#queue.push({
      time: this.#options.clock(),
      fragment,
      needsDisk: false,
      isRefused: false,
      settle: ignore,
    });
    this.#bytes += fragment.length;
    if (this.#work === undefined) this.#soon();
  }

  async end(entry: AuditEnd): Promise<void> {
    await this.note(endFragment(entry));
  }

  async task(entry: AuditTask): Promise<void> {
    await this.note(taskFragment(entry));
  }

  /** Records something that happened whether it can be recorded or not. Never throws. */
  async note(fragment: string): Promise<void> {
    if (this.#isClosed || this.#isFull(RESERVE)) {
      this.#lost++;
      return;
    }
    await this.#line(fragment, false);
  }

  healthy(): Health {
    const problem = this.#isClosed ? 'The audit record is closed.' : (this.#problem ?? this.#strain());
    return problem === undefined ? { ok: true } : { ok: false, problem };
  }

  head(): Head {
    return this.#options.file.head;
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearInterval(this.#inspecting);
    const done = (async () => {
      await this.#work;
      this.#isSyncDue = true;
      await this.#kick();
    })();
    const isDone = await inTime(done, this.#options.deadlineMs * 2);
    clearTimeout(this.#timer);
    clearTimeout(this.#gathering);
    // A write that hangs may still come through: the lock is then kept until the process ends.
    if (!isDone) return;
    await this.#options.file.close().catch(() => undefined);
    this.#options.onClosed();
  }

  #refusal(write: boolean): string | undefined {
    if (this.#isClosed) return 'The audit record is closed: the service is stopping.';
    if (this.#isFull(1)) return this.#problem ?? TOO_SLOW;
    return write && this.#isStalled() ? STALLED : undefined;
  }

  #strain(): string | undefined {
    if (this.#isStalled()) return STALLED;
    return this.#isFull(1) ? TOO_SLOW : undefined;
  }

  #isStalled(): boolean {
    return this.#stepSince !== undefined && performance.now() - this.#stepSince > this.#options.deadlineMs;
  }

  #isFull(times: number): boolean {
    const waiting = this.#queue.length + this.#unsynced.length;
    return waiting >= this.#options.mostWaiting * times || this.#bytes >= MOST_WAITING_BYTES * times;
  }

  /** Queues a line. @returns settles when it is where it has to be, or not in time */
  #line(fragment: string, needsDisk: boolean, id?: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const cancel = whenOverdue(this.#options.deadlineMs, needsDisk, () => this.#late(item));
    const item: Item = {
      time: this.#options.clock(),
      fragment,
      needsDisk,
      isRefused: false,
      ...(id === undefined ? {} : { id }),
      settle: (error) => {
        cancel();
        if (error === undefined || !needsDisk) resolve();
        else {
          item.isRefused = true;
          reject(error);
        }
        item.settle = () => undefined;
      },
    };
    this.#queue.push(item);
    this.#bytes += fragment.length;
    void this.#kick();
    return promise;
  }

  #late(item: Item): void {
    if (item.needsDisk && this.#problem === undefined) this.#fail(STALLED);
    item.settle(new AuditError(STALLED));
  }

  #soon(): void {
    this.#gathering ??= setTimeout(() => {
      this.#gathering = undefined;
      void this.#kick();
    }, GATHER_MS).unref();
  }

  #kick(): Promise<void> {
    this.#work ??= this.#run();
    return this.#work;
  }

  /**
   * Lets lines of some turns of the event loop go together, as long as each turn brings more: a write costs more than
   * making ten lines. Where little is to do a turn takes no time, and what waits for the disk waits for one alone.
   */
  async #gather(): Promise<void> {
    let idle = 0;
    for (let turn = 0; turn < MOST_TURNS && idle < MOST_IDLE_TURNS; turn++) {
      const before = this.#queue.length;
      await nextTurn();
      if (this.#queue.some(isAwaited)) return;
      idle = this.#queue.length === before ? idle + 1 : 0;
    }
  }

  /** Works until nothing is left, or until it fails. */
  async #run(): Promise<void> {
    try {
      while (true) {
        await this.#gather();
        if (!this.#hasWork()) break;
        this.#stepSince = performance.now();
        await this.#step();
        this.#stepSince = undefined;
      }
      if (this.#unsynced.length > 0) this.#later(SYNC_AFTER_MS);
    } catch (error) {
      this.#fallBack(problemOf(error));
    } finally {
      this.#stepSince = undefined;
      // In the same turn in which the queue was found empty: a line that comes now has to start the work again.
      this.#work = undefined;
    }
  }

  #hasWork(): boolean {
    if (this.#queue.length > 0 || this.#isInspectDue) return true;
    return this.#isSyncDue && this.#unsynced.length > 0;
  }

  /** @throws AuditError where the file is not what it was */
  async #inspect(): Promise<void> {
    this.#isInspectDue = false;
    const wasLost = this.#isLost;
    this.#isLost = true;
    await this.#options.file.inspect();
    this.#isLost = false;
    if (wasLost) this.#heal();
  }

  async #step(): Promise<void> {
    const { file } = this.#options;
    // Only to look: that nothing is on disk proves nothing of a disk that was full.
    if (this.#queue.length === 0 && this.#unsynced.length === 0) return this.#inspect();
    const batch = this.#take();
    if (this.#unsynced.length === 0) this.#unsyncedSince = performance.now();
    // Counted as written before it is: where that fails, all of it has to be written again.
    this.#unsynced.push(...batch);
    if (this.#isInspectDue || this.#problem !== undefined || batch.some(isAwaited)) await this.#inspect();
    if (batch.length > 0) await file.append(batch);
    for (const item of batch) if (!item.needsDisk) item.settle();
    if (this.#mustSync() || batch.some(isAwaited)) {
      await file.sync();
      this.#synced();
      await file.rotateIfFull();
    }
  }

  /** After a failure only the disk itself shows that all is well again. */
  #mustSync(): boolean {
    if (this.#isSyncDue || this.#problem !== undefined) return true;
    if (this.#unsynced.length >= MOST_BATCH_LINES) return true;
    return this.#unsynced.length > 0 && performance.now() - this.#unsyncedSince > SYNC_AFTER_MS;
  }

  #take(): Item[] {
    const batch: Item[] = [];
    let bytes = 0;
    let taken = 0;
    for (const item of this.#queue) {
      if (batch.length >= MOST_BATCH_LINES || bytes >= MOST_BATCH_BYTES) break;
      taken++;
      if (item.isRefused) {
        this.#bytes -= item.fragment.length;
        continue;
      }
      batch.push(item);
      bytes += item.fragment.length;
    }
    this.#queue.splice(0, taken);
    return batch;
  }

  #synced(): void {
    const synced = this.#unsynced;
    this.#unsynced = [];
    this.#isSyncDue = false;
    for (const item of synced) {
      this.#bytes -= item.fragment.length;
      item.settle();
      // It was refused while its line was on the way: the record must not read as if the call had been made.
      if (item.isRefused && item.id !== undefined) {
        void this.#line(endFragment({ id: item.id, outcome: 'NOT_SENT', durationMs: 0 }), false);
      }
    }
    this.#heal();
  }

  /** Refuses the calls that wait, and keeps the lines of those that were made for another try. */
  #fallBack(problem: string): void {
    const all = [...this.#unsynced, ...this.#queue];
    this.#fail(problem);
    for (const item of all) item.settle(new AuditError(problem));
    this.#unsynced = [];
    this.#queue = all.filter((item) => !item.isRefused);
    this.#bytes = this.#queue.reduce((bytes, { fragment }) => bytes + fragment.length, 0);
    this.#later(RETRY_AFTER_MS);
  }

  #fail(problem: string): void {
    if (this.#problem === problem) return;
    this.#problem = problem;
    this.#options.onProblem(problem);
  }

  #heal(): void {
    this.#problem = undefined;
    if (this.#lost === 0 || this.#isFull(1)) return;
    const lost = this.#lost;
    this.#lost = 0;
    void this.#line(fragmentOf('gap', { lost_lines: lost }), false);
  }

  #later(milliseconds: number): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#isSyncDue = true;
      void this.#kick();
    }, milliseconds).unref();
  }
}

const STALLED = "The audit record can't be written: the disk does not answer.";
const TOO_SLOW = "The audit record can't be written: more lines wait than may, as the disk is too slow.";

function problemOf(error: unknown): string {
  return error instanceof AuditError
    ? error.message
    : `The audit record can't be written: ${reasonOf(error)}.`;
}

function ignore(): void {}

/**
 * Says when a time is over. What this process was late by itself is not held against the disk, once: its answer may lie
 * there and was not read yet.
 *
 * @param keepsAlive whether the process waits for it
 * @returns cancels it
 */
function whenOverdue(milliseconds: number, keepsAlive: boolean, overdue: () => void): () => void {
  const due = performance.now() + milliseconds;
  const onTime = (): void => {
    if (performance.now() - due > OWN_DELAY_MS) timer = start(overdue);
    else overdue();
  };
  const start = (then: () => void): NodeJS.Timeout => {
    const started = setTimeout(then, milliseconds);
    return keepsAlive ? started : started.unref();
  };
  let timer = start(onTime);
  return () => clearTimeout(timer);
}

function isAwaited(item: Item): boolean {
  return item.needsDisk;
}

/** @returns whether it was done in time */
async function inTime(work: Promise<unknown>, milliseconds: number): Promise<boolean> {
  const late = Promise.withResolvers<false>();
  const timer = setTimeout(() => late.resolve(false), milliseconds);
  const isDone = await Promise.race([work.then(() => true), late.promise]);
  clearTimeout(timer);
  return isDone;
}
