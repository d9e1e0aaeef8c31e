import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import type { AuditLog } from '../../audit/audit-log.ts';
import type { Cluster } from '../../clusters/cluster.ts';
import { type Observer, UNOBSERVED } from '../../observability/observer.ts';
import type { Redaction } from '../../observability/redaction.ts';
import { taskOutcome } from '../../proxmox/task.ts';
import { cleanText } from '../../proxmox/text.ts';
import type { State } from '../state.ts';
import { JobFollower, type TaskEnd } from './follower.ts';
import { type Job, type JobKey, nameOf, type StartedJob } from './job.ts';
import { type JobEnd, type JobQuery, JobStore } from './store.ts';

export interface JobsOptions {
  state: State;
  /** Those of the configuration in force; each call may give others. */
  clusters(): readonly Cluster[];
  /** Gets the end of every job, once. */
  audit?: AuditLog | undefined;
  redaction: Redaction;
  logger: Logger;
  /** Counts jobs; nobody does where absent. */
  observer?: Observer | undefined;
  /** Epoch milliseconds; that of the state where absent. */
  clock?: (() => number) | undefined;
  /** From 0 to below 1. */
  random?: (() => number) | undefined;
}

/** A job as it is shown; `problem` says why it can't be asked about at present. */
export type KnownJob = Job & { problem?: string };

/** A job that the state did not take yet, and its end where that came first. */
interface Unkept {
  job: StartedJob;
  ending?: JobEnd;
}

/** Beyond this many their ends go unrecorded. */
const MOST_UNKEPT = 1000;
/** Between two looks for jobs to be forgotten, counted in jobs. */
const PRUNED_EACH = 50;
const TOO_MANY = 'Too many tasks of one principal ran at once to follow them all.';

/**
 * The tasks that this service started: remembered over a restart, and followed to their end whoever asks or doesn't.
 * What has been sent is never sent again.
 */
export class Jobs {
  readonly #options: JobsOptions;
  readonly #clock: () => number;
  readonly #store: JobStore;
  readonly #follower: JobFollower;
  readonly #observer: Observer;
  readonly #unkept = new Map<string, Unkept>();
  #keeping: Promise<void> | undefined;
  #added = 0;

  constructor(options: JobsOptions) {
    const { state, clusters, logger } = options;
    this.#options = options;
    this.#clock = options.clock ?? (() => state.now());
    this.#observer = options.observer ?? UNOBSERVED;
    this.#store = new JobStore(state, randomUUID());
    this.#follower = new JobFollower({
      store: this.#store,
      clusters,
      onEnd: (job, end) => this.#ended(job, end),
      onLook: () => this.#keepUnkept(),
      clock: this.#clock,
      random: options.random ?? Math.random,
      logger,
    });
  }

  /** Follows the jobs from now on, also those that an earlier process left. */
  follow(): void {
    this.#follower.start();
  }

  /** Remembers a task that was started. Never throws: the write is done, and its answer must reach the caller. */
  async started(job: StartedJob): Promise<void> {
    this.#follower.add(job);
    this.#observer.jobStarted(job.cluster);
    try {
      await this.#store.add(job);
    } catch (error) {
      this.#options.logger.error({ err: error, upid: job.upid }, 'a job could not be remembered');
      this.#keepLater(job);
      return;
    }
    if (this.#added++ % PRUNED_EACH === 0) await this.#prune(job);
  }

  /**
   * Somebody has seen how a task ended. Does nothing where it is no running job of this service.
   *
   * @param exitStatus as Proxmox gives it: `OK`, `WARNINGS: n`, or a text that is somebody else's
   */
  async ended(job: JobKey, exitStatus: string): Promise<void> {
    try {
      await this.#ended(job, { exitStatus });
      this.#follower.drop(job);
    } catch (error) {
      // The follower will see it, too.
      this.#options.logger.warn({ err: error, upid: job.upid }, 'the end of a job could not be kept');
    }
  }

  /** How many this process follows. */
  running(): number {
    return this.#store.running();
  }

  /** Newest first; what the caller may see has to be in the query. */
  list(query: JobQuery): KnownJob[] {
    return this.#store.list(query).map((job) => {
      const problem = job.state === 'running' ? this.#follower.problemOf(job) : undefined;
      return problem === undefined ? job : { ...job, problem };
    });
  }

  /** Names of the clusters on which a principal has jobs. */
  clustersOf(principalId: string): string[] {
    return this.#store.clustersOf(principalId);
  }

  /** Names of the clusters that there are now. */
  configured(): string[] {
    return this.#options.clusters().map(({ name }) => name);
  }

  /** Stops following; running jobs stay for the next process. Before the clusters, the record and the state. */
  async close(): Promise<void> {
    await this.#follower.close();
  }

  /** The one place where a job ends, and where the record hears of it. */
  async #ended(key: JobKey, end: TaskEnd): Promise<void> {
    const ending = this.#endOf(end);
    const job = await this.#endedJob(key, ending);
    if (job === undefined) return;
    const { state, exitStatus } = ending;
    const { upid, cluster, requestId, auditId } = job;
    this.#observer.jobEnded(cluster, state);
    this.#options.logger.info({ cluster, upid, request_id: requestId, outcome: state }, 'job ended');
    const taskStatus = state === 'unknown' ? `unknown: ${exitStatus}` : exitStatus;
    await this.#options.audit?.task({ id: auditId, upid, taskStatus });
  }

  /** @returns the job to exactly one caller */
  async #endedJob(key: JobKey, ending: JobEnd): Promise<StartedJob | undefined> {
    await this.#keeping;
    const unkept = this.#unkept.get(nameOf(key));
    if (unkept === undefined) return this.#store.end(key, ending);
    if (unkept.ending !== undefined) return undefined;
    // The record hears of it now; the state, with the job, once it can.
    unkept.ending = ending;
    return unkept.job;
  }

  #keepLater(job: StartedJob): void {
    if (this.#unkept.size >= MOST_UNKEPT) {
      // Of what has ended the record knows all; of what runs nobody else.
      const [name] = [...this.#unkept].find(([, { ending }]) => ending !== undefined) ?? [];
      if (name === undefined) return;
      this.#unkept.delete(name);
    }
    this.#unkept.set(nameOf(job), { job });
  }

  /** Stores what could not be stored when it started. */
  async #keepUnkept(): Promise<void> {
    if (this.#unkept.size === 0) return;
    this.#keeping ??= this.#storeUnkept().finally(() => {
      this.#keeping = undefined;
    });
    await this.#keeping;
  }

  async #storeUnkept(): Promise<void> {
    try {
      for (const [name, unkept] of this.#unkept) {
        // It may have been stored all along, and only nobody said so: then this changes nothing.
        await this.#store.add(unkept.job);
        if (unkept.ending !== undefined) await this.#store.end(unkept.job, unkept.ending);
        this.#unkept.delete(name);
      }
    } catch {
      // Said when it started; the next look tries again.
    }
  }

  #endOf(end: TaskEnd): JobEnd {
    const at = this.#clock();
    if ('unknown' in end) return { state: 'unknown', exitStatus: this.#fit(end.unknown), at };
    const { state } = taskOutcome({ exitstatus: end.exitStatus });
    // Something that ended with the text "running" has ended all the same.
    return { state: state === 'running' ? 'failed' : state, exitStatus: this.#fit(end.exitStatus), at };
  }

  #fit(text: string): string {
    return this.#options.redaction.text(cleanText(text));
  }

  async #prune({ principalId }: StartedJob): Promise<void> {
    try {
      for (const job of this.#store.tooMany(principalId)) {
        this.#follower.drop(job);
        void this.#ended(job, { unknown: TOO_MANY }).catch(() => undefined);
      }
      await this.#store.prune(this.#clock(), principalId);
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'old jobs could not be forgotten');
    }
  }
}
