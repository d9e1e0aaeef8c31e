import type { GatedCluster } from '../../../access/gate.ts';
import type { Run } from '../../../access/runs/runs.ts';
import type { Schedule } from '../../../access/schedules/schedule.ts';
import { CallError } from '../../../proxmox/errors.ts';
import { quoted } from '../../../proxmox/text.ts';
import type { ToolContext } from '../../define.ts';
import { type RunWrite, runWrite } from '../../run-write.ts';
import type { TaskShown } from '../../task.ts';
import { REPLICATING_TOOL, type Replica, type ReplicationJob, replicasOf } from './job.ts';

/** Thrown where the time of the call is over and a task goes on. */
export class StillRunning extends Error {
  readonly task: TaskShown;
  readonly doing: string;

  constructor(doing: string, task: TaskShown) {
    super(`${doing} runs`);
    this.doing = doing;
    this.task = task;
  }
}

interface WorkOptions {
  schedule: Schedule;
  job: ReplicationJob;
  /** No fallback answers for either. */
  source: GatedCluster;
  target: GatedCluster;
  run: Run;
  context: ToolContext;
  /** Epoch milliseconds. */
  until: number;
}

/** One run of a replication, as one call goes on with it. */
export class Work {
  readonly schedule: Schedule;
  readonly job: ReplicationJob;
  readonly source: GatedCluster;
  readonly target: GatedCluster;
  readonly run: Run;
  readonly context: ToolContext;
  /** What this call did, and what it could not do and goes on without. */
  readonly done: string[] = [];
  readonly notes: string[] = [];
  readonly #until: number;

  constructor({ schedule, job, source, target, run, context, until }: WorkOptions) {
    this.schedule = schedule;
    this.job = job;
    this.source = source;
    this.target = target;
    this.run = run;
    this.context = context;
    this.#until = until;
  }

  /** By which the backup of this run is known again: no other one has it. */
  get mark(): string {
    return `replication ${this.schedule.name} of ${new Date(this.run.startedAt).toISOString()}`;
  }

  /** Oldest first, as they are known now. */
  replicas(): Replica[] {
    const now = this.context.schedules().find(REPLICATING_TOOL, this.schedule.name);
    return now === undefined ? [] : replicasOf(now);
  }

  async remember(replicas: readonly Replica[]): Promise<void> {
    await this.context.schedules().remember(this.schedule, { replicas });
  }

  /**
   * Makes a write once, and waits for its end.
   *
   * @param doing in words: `the backup`
   * @throws StillRunning; CONFLICT where the replication was deleted meanwhile; what `runWrite` throws
   */
  async write(doing: string, write: RunWrite): Promise<void> {
    if (this.run.step(write.name)?.state === 'done') return;
    this.context.signal.throwIfAborted();
    this.#requireWanted();
    // A task that is asked about once at least can be seen to have ended.
    const left = Math.max(1, Math.floor((this.#until - this.context.now()) / 1000));
    const { task } = await runWrite(this.run, write, left, this.context);
    if (task?.status === 'running' || task?.status === 'unknown') throw new StillRunning(doing, task);
    this.done.push(doing);
  }

  #requireWanted(): void {
    const { id, name } = this.schedule;
    if (this.context.schedules().find(REPLICATING_TOOL, name)?.id === id) return;
    throw new CallError('CONFLICT', `The replication ${quoted(name)} was deleted while this ran.`, {
      cluster: this.target.name,
      hint: 'Nothing more was sent; what was made stays (get_guest, list_backups).',
      retryable: false,
    });
  }
}
