import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import type { Revocations } from '../access/revocations.ts';
import type { ScheduleBook } from '../access/schedules/book.ts';
import { nextDue, type Schedule } from '../access/schedules/schedule.ts';
import type { ClusterDirectory } from '../clusters/cluster.ts';
import type { Dispatcher, ToolResult } from './dispatcher.ts';
import { UnknownToolError } from './offered-tools.ts';

export interface SchedulerOptions {
  book: ScheduleBook;
  dispatcher: Pick<Dispatcher, 'callTool'>;
  directory: ClusterDirectory;
  revocations: Pick<Revocations, 'isRevoked'>;
  logger: Logger;
  /** Epoch milliseconds; that of the schedules where absent. */
  clock?: () => number;
}

const TICK_MS = 5_000;
/** A process that says nothing for so long was killed: another one calls what it had begun. */
const LEASE_MS = 12_000;
/** What is not over is gone on with after so long. */
const CONTINUED_MS = 30_000;
const MOST_AT_ONCE = 4;
/** The most that a call waits for tasks before it is made again, in seconds. */
const WAIT_SECONDS = 1800;

/** A call that runs, and what ends it. */
interface Running {
  schedule: Schedule;
  ending: AbortController;
}

/**
 * Calls tools when their time has come, each as the principal who saved it: policy, limits and record hold for these
 * calls as for any other. What came due while no service ran is called once. A tool says with `status: "running"` that
 * its work is not over.
 *
 * One timer, which keeps no process alive.
 */
export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #holder = randomUUID();
  readonly #running = new Map<Promise<void>, Running>();
  readonly #closing = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;

  constructor(options: SchedulerOptions) {
    this.#options = options;
  }

  /** Does nothing where it has begun, or was closed. */
  start(): void {
    if (this.#timer !== undefined || this.#closing.signal.aborted) return;
    this.#timer = setInterval(() => this.#tick(), TICK_MS).unref();
    this.#tick();
  }

  /**
   * Calls nothing any more, and ends the waiting of what it called: tasks go on in Proxmox, and the next process goes on
   * with them.
   */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#closing.abort();
    await this.#looking;
    await Promise.allSettled(this.#running.keys());
  }

  #tick(): void {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
  }

  async #look(): Promise<void> {
    const { book, logger } = this.#options;
    try {
      this.#endRevoked();
      if (this.#running.size > 0) await book.store.renew(this.#holder, this.#now() + LEASE_MS);
      while (this.#running.size < MOST_AT_ONCE) {
        const now = this.#now();
        const schedule = await book.store.claim(this.#holder, now, now + LEASE_MS);
        if (schedule === undefined) return;
        if (this.#closing.signal.aborted) return await book.store.release(schedule, this.#holder);
        const ending = new AbortController();
        const run = this.#run(schedule, ending.signal).finally(() => this.#running.delete(run));
        this.#running.set(run, { schedule, ending });
      }
    } catch (error) {
      // A state that is locked or out of reach for a while: the next tick looks again.
      logger.error({ err: error }, 'what is due could not be looked up');
    }
  }

  /** A call may take hours: what it has not sent when its credential is revoked is not sent. */
  #endRevoked(): void {
    for (const { schedule, ending } of this.#running.values()) {
      if (this.#options.revocations.isRevoked(schedule.principal)) ending.abort();
    }
  }

  async #run(schedule: Schedule, ended: AbortSignal): Promise<void> {
    const { book, logger } = this.#options;
    const { name, timing, dueAt } = schedule;
    try {
      const { failure, isRunning } = await this.#called(schedule, ended);
      if (this.#closing.signal.aborted) return await book.store.release(schedule, this.#holder);
      if (failure !== undefined) await book.ended(schedule, { isOk: false, text: failure });
      const now = this.#now();
      const next = isRunning ? now + CONTINUED_MS : nextDue(timing, dueAt, now);
      await book.store.release(schedule, this.#holder, next);
    } catch (error) {
      logger.error({ err: error, schedule: name }, 'how a scheduled call ended could not be kept');
    }
  }

  async #called(schedule: Schedule, ended: AbortSignal): Promise<{ failure?: string; isRunning?: boolean }> {
    const { dispatcher, directory } = this.#options;
    const { principal, tool, name, standing } = schedule;
    const revoked = this.#revoked(schedule);
    if (revoked !== undefined) return { failure: revoked };
    const caller = { principal, door: 'schedule', directory, standing } as const;
    try {
      const args = { job: name, wait_seconds: WAIT_SECONDS };
      const signal = AbortSignal.any([this.#closing.signal, ended]);
      const outcome = outcomeOf(await dispatcher.callTool(tool, args, caller, { signal }));
      return ended.aborted ? { failure: endedText(schedule) } : outcome;
    } catch (error) {
      if (error instanceof UnknownToolError) return { failure: error.message };
      throw error;
    }
  }

  /** Why its principal may not call any more; an expiry is none, as it says nothing about who saved the schedule. */
  #revoked({ principal }: Schedule): string | undefined {
    const { revocations, logger } = this.#options;
    try {
      if (!revocations.isRevoked(principal)) return undefined;
    } catch (error) {
      logger.error({ err: error }, 'revocations can not be read: nothing is called');
      return 'Whether its credential was revoked could not be read; nothing was sent.';
    }
    return `The credential that it was saved with (${principal.credential}) was revoked; nothing was sent. Whoever still may saves it again.`;
  }

  #now(): number {
    return (this.#options.clock ?? this.#options.book.clock)();
  }
}

function endedText({ principal }: Schedule): string {
  return `The credential that it was saved with (${principal.credential}) was revoked while it ran; nothing more was sent, and tasks that ran go on.`;
}

function outcomeOf({ isError, structuredContent }: ToolResult): { failure?: string; isRunning?: boolean } {
  if (!isError) return { isRunning: structuredContent.status === 'running' };
  const { code, message } = structuredContent.error as { code: string; message: string };
  return { failure: `${code}: ${message}` };
}
