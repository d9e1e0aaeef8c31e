import { randomUUID } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { CallError } from '../../proxmox/errors.ts';
import type { RunData, RunRecord, RunState, RunStep } from './run.ts';
import { RunStore } from './store.ts';

/** How long a process that says nothing more keeps others from a run: it was killed. */
const HELD_MS = 6_000;
const RENEW_MS = 2_000;
const ASK_MS = 250;

/** A run as a tool works on it. What it notes is on disk when the method returns. */
export interface Run extends Omit<RunRecord, 'steps' | 'principalId'> {
  step(name: string): RunStep | undefined;
  /** In the order they were first begun. */
  steps(): readonly RunStep[];
  /** Call it before a write leaves: what was begun and never ended is looked for before it is sent again. */
  begin(name: string, data?: RunData): void;
  /** Adds to a step that was begun. */
  note(name: string, given: { upid?: string; data?: RunData }): void;
  done(name: string, data?: RunData): void;
  /** It came to nothing, and may be begun anew. @param problem why, without secrets */
  failed(name: string, problem: string): void;
  close(state: Exclude<RunState, 'open'>): void;
}

/** The runs of one principal; nobody else sees them. */
export interface Runs {
  /** The newest run of a key, open or not. */
  last(key: string): Run | undefined;
  /** Begins a run, or goes on with the open one of this key, which keeps the input that it was begun with. */
  begin(key: string, input: RunData): Run;
  /** Newest first. */
  list(): readonly Run[];
  /**
   * Does work on a run that nobody else does meanwhile, in this process or another one.
   *
   * @throws CallError CONFLICT where another call works on it; what `work` throws
   */
  hold<T>(run: Run, signal: AbortSignal, work: () => Promise<T>): Promise<T>;
}

/** Everybody's runs: pieces of work of several writes that outlive a call and this process. */
export class RunBook {
  readonly #store: RunStore;
  readonly #clock: () => number;

  /** @param clock epoch milliseconds */
  constructor(database: DatabaseSync, clock: () => number = Date.now) {
    this.#store = new RunStore(database);
    this.#clock = clock;
  }

  of(principalId: string): Runs {
    const opened = (record: RunRecord): Run => this.#opened(record);
    return {
      last: (key) => this.#store.list(principalId, key).slice(0, 1).map(opened)[0],
      begin: (key, input) => opened(this.#store.begin(principalId, key, input, this.#clock())),
      list: () => this.#store.list(principalId).map(opened),
      hold: (run, signal, work) => this.#hold(run, signal, work),
    };
  }

  #opened({ steps: _steps, principalId: _principal, ...record }: RunRecord): Run {
    const store = this.#store;
    const { id } = record;
    const steps = () => store.steps(id);
    return {
      ...record,
      steps,
      step: (name) => steps().find((step) => step.name === name),
      begin: (name, data = {}) => store.set(id, name, 'begun', this.#clock(), { data }),
      note: (name, given) => store.set(id, name, requireStep(steps(), name).state, this.#clock(), given),
      done: (name, data = {}) => store.set(id, name, 'done', this.#clock(), { data }),
      failed: (name, problem) => store.set(id, name, 'failed', this.#clock(), { data: { problem } }),
      close: (state) => store.close(id, state, this.#clock()),
    };
  }

  async #hold<T>({ id }: Run, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const holder = randomUUID();
    const take = () => this.#store.hold(id, holder, this.#clock(), this.#clock() + HELD_MS);
    // A process that was killed can't say so: its hold ends by itself.
    for (let waited = 0; !take(); waited += ASK_MS) {
      signal.throwIfAborted();
      if (waited > HELD_MS) throw busy(id);
      await new Promise((resolve) => setTimeout(resolve, ASK_MS));
    }
    const renewing = setInterval(take, RENEW_MS).unref();
    try {
      return await work();
    } finally {
      clearInterval(renewing);
      this.#store.release(id, holder);
    }
  }
}

function requireStep(steps: readonly RunStep[], name: string): RunStep {
  const step = steps.find((one) => one.name === name);
  if (step === undefined) throw new Error(`the step ${name} was not begun`);
  return step;
}

function busy(id: number): CallError {
  return new CallError('CONFLICT', `Another call works on run ${id}; nothing was sent.`, {
    hint: 'Wait for it to end, then call again: the run goes on where it stands.',
    retryable: true,
  });
}
