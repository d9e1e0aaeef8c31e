import type { GatedCluster, GateRequest } from '../../access/gate.ts';
import { CallError, toCallError } from '../../proxmox/errors.ts';
import type { ToolContext } from '../define.ts';
import { runTask, type TaskShown } from '../task.ts';

/** One write of several. */
export interface Step {
  /** `downloading the image`, as progress says it. */
  doing: string;
  /** `the image is on the storage`, once it is done. */
  done: string;
  request: GateRequest;
}

/** Thrown inside where a step goes on behind the time of the call. */
export class Unfinished extends Error {
  readonly doing: string;
  readonly task: TaskShown;

  constructor(doing: string, task: TaskShown) {
    super(doing);
    this.doing = doing;
    this.task = task;
  }
}

interface StepsOptions {
  cluster: GatedCluster;
  context: ToolContext;
  waitSeconds: number;
  /** How many there are, for the progress. */
  count: number;
  /** What is left behind where one fails, and how to clean it up, in whole sentences. */
  leftBehind(done: readonly string[]): Promise<string>;
}

/** Makes writes one after the other, and says of a failure what was done before it. */
export class Steps {
  readonly done: string[] = [];
  readonly #options: StepsOptions;
  readonly #startedAt: number;
  #number = 0;

  constructor(options: StepsOptions) {
    this.#options = options;
    this.#startedAt = options.context.now();
  }

  /** Of the time that the call may wait, in whole seconds. */
  get secondsLeft(): number {
    const { context, waitSeconds } = this.#options;
    return Math.max(0, Math.floor(waitSeconds - (context.now() - this.#startedAt) / 1000));
  }

  /** @throws Unfinished; CallError with what was done and what is left behind */
  async run({ doing, done, request }: Step): Promise<void> {
    const { cluster } = this.#options;
    this.say(doing);
    const task = await this.#explained(doing, async () => {
      const outcome = await runTask(cluster, request, Math.max(1, this.secondsLeft), this.#contextOf(doing));
      return outcome.task;
    });
    if (task?.status === 'running' || task?.status === 'unknown') throw new Unfinished(doing, task);
    const warned =
      task?.status === 'warnings' ? `, with ${task.exit_status ?? 'warnings'} (${task.upid})` : '';
    this.done.push(`${done}${warned}`);
  }

  /** Runs what is no write, with the same words where it fails. */
  check<T>(doing: string, work: () => Promise<T>): Promise<T> {
    return this.#explained(doing, work);
  }

  /** Tells the client what comes next. */
  say(doing: string): void {
    this.#number += 1;
    this.#progress(doing);
  }

  #progress(doing: string): void {
    const { context, waitSeconds, count } = this.#options;
    // It has to grow from one to the next, whatever step it is.
    const progress = Math.round((context.now() - this.#startedAt) / 1000);
    context.progress({ progress, total: waitSeconds, message: `${this.#number} of ${count}: ${doing}` });
  }

  #contextOf(doing: string): ToolContext {
    const { context } = this.#options;
    // A context is a plain object of functions: what is not said stays as it is.
    return { ...context, progress: () => this.#progress(doing) };
  }

  async #explained<T>(doing: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (thrown) {
      this.#options.context.signal.throwIfAborted();
      const error = toCallError(thrown);
      // One that carries more than words, such as a plan, has to stay what it is.
      if (thrown instanceof CallError && thrown.constructor !== CallError) throw thrown;
      throw await this.#failure(doing, error);
    }
  }

  async #failure(doing: string, error: CallError): Promise<CallError> {
    const before =
      this.done.length === 0 ? 'Nothing was done before it.' : `Done before it: ${this.done.join('; ')}.`;
    const left = await this.#options.leftBehind(this.done);
    return new CallError(error.code, `While ${doing}: ${error.message}`, {
      cluster: error.cluster ?? this.#options.cluster.name,
      hint: `${before} ${left} ${error.hint}`.replaceAll(/\s+/g, ' '),
      // A repetition would find what is there, and refuse.
      retryable: false,
      ...(error.status === undefined ? {} : { status: error.status }),
      cause: error.cause,
    });
  }
}
