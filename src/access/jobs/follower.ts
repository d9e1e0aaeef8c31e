import type { Logger } from 'pino';
import type { Cluster } from '../../clusters/cluster.ts';
import { askTask } from '../../clusters/task-status.ts';
import { toCallError } from '../../proxmox/errors.ts';
import { type JobKey, nameOf, type StartedJob } from './job.ts';
import type { JobStore } from './store.ts';

/** What Proxmox said at the end of a task, or why it can't be known any more. */
export type TaskEnd = { exitStatus: string } | { unknown: string };

export interface JobFollowerDeps {
  store: JobStore;
  /** Those of the configuration in force. */
  clusters(): readonly Cluster[];
  /** Takes the end of a job. */
  onEnd(job: StartedJob, end: TaskEnd): Promise<void>;
  /** Epoch milliseconds. */
  clock(): number;
  /** Comes around every few seconds while jobs are followed; must not throw. */
  onLook(): Promise<void>;
  /** From 0 to below 1. */
  random(): number;
  logger: Logger;
}

interface Entry {
  job: StartedJob;
  nextAt: number;
  /** Answers that it still runs. */
  rounds: number;
  failures: number;
  isAsked: boolean;
  problem?: string;
}

const FIRST_MS = 1000;
const LONGEST_MS = 15_000;
/** Between questions to a cluster that does not answer. */
const FAILING_MS = 5000;
const LONGEST_FAILING_MS = 60_000;
/** For a cluster that is not configured: looking whether it is back asks nobody. */
const REMOVED_MS = 5000;
/** Of a pause, up and down, so that many jobs are not asked about in step. */
const JITTER = 0.2;
/** Questions to one cluster at once: a node has few workers, and callers need them more. */
const MOST_AT_ONCE = 2;
/** How often this process says that it is there, and looks for jobs that nobody follows. */
const LOOK_MS = 3000;
/** What could not be asked about for so long is not asked about any more. */
const GIVEN_UP_MS = 30 * 24 * 60 * 60_000;
const SHORTEST_MS = 20;

/**
 * Asks the clusters again and again how the jobs stand that this process started, or took over from one that ended.
 * One timer for all, which keeps no process alive; nothing is sent but GET.
 */
export class JobFollower {
  readonly #deps: JobFollowerDeps;
  readonly #entries = new Map<string, Entry>();
  readonly #asking = new Map<string, number>();
  readonly #questions = new Set<Promise<void>>();
  readonly #closing = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #isRunning = false;
  #nextLook = 0;
  #looking: Promise<void> | undefined;
  #stateProblem: string | undefined;

  constructor(deps: JobFollowerDeps) {
    this.#deps = deps;
  }

  /** Begins, with what an earlier process left; does nothing where it has begun, or was closed. */
  start(): void {
    if (this.#isRunning || this.#closing.signal.aborted) return;
    this.#isRunning = true;
    this.#tick();
  }

  /** Call it before the job is stored: a job in the store that nobody follows is anybody's. */
  add(job: StartedJob): void {
    const now = this.#deps.clock();
    // Not waited for: what is stored next is stored behind it.
    if (this.#isRunning && this.#entries.size === 0) void this.#withState(() => this.#deps.store.renew(now));
    this.#entries.set(nameOf(job), {
      job,
      nextAt: now + this.#pause(FIRST_MS),
      rounds: 0,
      failures: 0,
      isAsked: false,
    });
    this.#schedule();
  }

  /** Its end is known. */
  drop(job: JobKey): void {
    this.#entries.delete(nameOf(job));
  }

  /** Why a running job can't be asked about at present. */
  problemOf(job: JobKey): string | undefined {
    return this.#entries.get(nameOf(job))?.problem;
  }

  /** Ends for good: questions under way are given up, and the jobs left to the next process. */
  async close(): Promise<void> {
    const wasRunning = this.#isRunning;
    this.#isRunning = false;
    this.#closing.abort(new Error('jobs are no longer followed'));
    clearTimeout(this.#timer);
    await Promise.all([...this.#questions, this.#looking]);
    this.#entries.clear();
    if (wasRunning) await this.#withState(() => this.#deps.store.leave());
  }

  #tick(): void {
    const now = this.#deps.clock();
    if (isDue(this.#nextLook, now)) {
      this.#nextLook = now + LOOK_MS;
      this.#looking ??= this.#withState(() => this.#look(now)).finally(() => {
        this.#looking = undefined;
      });
    }
    for (const entry of this.#entries.values()) {
      if (isDue(entry.nextAt, now) && !entry.isAsked && this.#hasRoom(entry)) this.#begin(entry);
    }
    this.#schedule();
  }

  async #look(now: number): Promise<void> {
    const { store } = this.#deps;
    const adopted = await store.adopt(now);
    if (!this.#isRunning) return;
    for (const job of adopted) this.add(job);
    if (adopted.length > 0) this.#deps.logger.info({ jobs: adopted.length }, 'jobs are followed again');
    if (this.#entries.size > 0) await store.renew(now);
    await this.#deps.onLook();
  }

  #hasRoom({ job }: Entry): boolean {
    return (this.#asking.get(job.cluster) ?? 0) < MOST_AT_ONCE;
  }

  #begin(entry: Entry): void {
    const { cluster } = entry.job;
    entry.isAsked = true;
    this.#asking.set(cluster, (this.#asking.get(cluster) ?? 0) + 1);
    const question = this.#ask(entry)
      .catch((error: unknown) => {
        this.#deps.logger.error({ err: error, upid: entry.job.upid }, 'a job could not be followed');
        this.#put(entry, FAILING_MS);
      })
      .finally(() => {
        entry.isAsked = false;
        this.#asking.set(cluster, (this.#asking.get(cluster) ?? 1) - 1);
        this.#questions.delete(question);
        this.#schedule();
      });
    this.#questions.add(question);
  }

  async #ask(entry: Entry): Promise<void> {
    const { job } = entry;
    const cluster = this.#deps.clusters().find(({ name }) => name === job.cluster);
    if (cluster === undefined) {
      return this.#failed(entry, `The cluster ${job.cluster} is not configured any more.`, REMOVED_MS);
    }
    // A reload may put another client in its place meanwhile.
    using _lease = cluster.lease();
    let exitStatus: string | undefined;
    try {
      exitStatus = await askTask(cluster, job.upid, this.#closing.signal);
    } catch (thrown) {
      if (this.#closing.signal.aborted) return;
      const { code, message } = toCallError(thrown);
      if (code === 'NOT_FOUND') return this.#end(entry, { unknown: message });
      const pause = Math.min(LONGEST_FAILING_MS, FAILING_MS * 2 ** entry.failures++);
      return this.#failed(entry, message, pause);
    }
    delete entry.problem;
    entry.failures = 0;
    if (exitStatus !== undefined) return this.#end(entry, { exitStatus });
    this.#put(entry, Math.min(LONGEST_MS, FIRST_MS * 2 ** ++entry.rounds));
  }

  async #failed(entry: Entry, problem: string, pauseMs: number): Promise<void> {
    if (this.#deps.clock() - entry.job.startedAt > GIVEN_UP_MS) {
      return this.#end(entry, { unknown: `It could not be asked for 30 days. ${problem}` });
    }
    entry.problem = problem;
    this.#put(entry, pauseMs);
  }

  async #end(entry: Entry, end: TaskEnd): Promise<void> {
    await this.#deps.onEnd(entry.job, end);
    this.drop(entry.job);
  }

  #put(entry: Entry, pauseMs: number): void {
    entry.nextAt = this.#deps.clock() + this.#pause(pauseMs);
  }

  #pause(ms: number): number {
    return ms * (1 - JITTER + 2 * JITTER * this.#deps.random());
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (!this.#isRunning) return;
    let next = this.#nextLook;
    for (const entry of this.#entries.values()) {
      if (!entry.isAsked && entry.nextAt < next && this.#hasRoom(entry)) next = entry.nextAt;
    }
    const wait = Math.min(LOOK_MS, Math.max(SHORTEST_MS, next - this.#deps.clock()));
    this.#timer = setTimeout(() => this.#tick(), wait).unref();
  }

  /** A state that is locked or full for a while, or out of reach, ends nothing. */
  async #withState(work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.#stateProblem = undefined;
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      if (problem !== this.#stateProblem)
        this.#deps.logger.warn({ problem }, 'the state of jobs can not be kept');
      this.#stateProblem = problem;
    }
  }
}

/** Nothing is put off for that long, so then the clock was set back: it would keep tasks from being asked for hours. */
const LONGEST_WAIT_MS = 10 * 60_000;

function isDue(at: number, now: number): boolean {
  return at <= now || at - now > LONGEST_WAIT_MS;
}
