import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { CallError } from '../../proxmox/errors.ts';
import type { State } from '../state.ts';
import type { RunData, RunRecord, RunState, RunStep } from './run.ts';
import { RunStore, type StepNews } from './store.ts';

/** How long a process that says nothing more keeps others from a run: it was killed. */
const HELD_MS = 6_000;
const RENEW_MS = 2_000;
const ASK_MS = 250;

export interface RunBookOptions {
  /** Epoch milliseconds; that of the state where absent. */
  clock?: () => number;
  /** Takes secrets out of why a step failed, which may be a text of others. */
  redact?: (text: string) => string;
}

/** A run as a tool works on it. What it notes is kept when the method returns. */
export interface Run extends Omit<RunRecord, 'principalId'> {
  step(name: string): RunStep | undefined;
  /** In the order they were first begun. */
  steps(): readonly RunStep[];
  /**
   * Call it before a write leaves: what was begun and never ended is looked for before it is sent again.
   *
   * @throws CallError CONFLICT where the run was held here, and another process has taken it over
   */
  begin(name: string, data?: RunData): Promise<void>;
  /** Adds to a step that was begun. */
  note(name: string, news: StepNews): Promise<void>;
  done(name: string, data?: RunData): Promise<void>;
  /** It came to nothing, and may be begun anew. @param problem why, without secrets */
  failed(name: string, problem: string): Promise<void>;
  close(state: Exclude<RunState, 'open'>): Promise<void>;
}

/** The runs of one principal; nobody else sees them. */
export interface Runs {
  /** The newest run of a key, open or not. */
  last(key: string): Run | undefined;
  /** Begins a run, or goes on with the open one of this key, which keeps the input that it was begun with. */
  begin(key: string, input: RunData): Promise<Run>;
  /** Newest first. */
  list(): readonly Run[];
  /**
   * Does work on a run that nobody else does meanwhile, in this process or another one.
   *
   * @throws CallError CONFLICT where another call works on it, or gave it up; what `work` throws
   */
  hold<T>(run: Run, signal: AbortSignal, work: () => Promise<T>): Promise<T>;
}

/** Everybody's runs: pieces of work of several writes that outlive a call and this process. */
export class RunBook {
  readonly #store: RunStore;
  readonly #clock: () => number;
  readonly #redact: (text: string) => string;
  /** Who holds a run in this process. */
  readonly #holders = new Map<number, string>();

  constructor(state: State, { clock = () => state.now(), redact = (text) => text }: RunBookOptions = {}) {
    this.#store = new RunStore(state);
    this.#clock = clock;
    this.#redact = redact;
  }

  of(principalId: string): Runs {
    const opened = (record: RunRecord): Run => this.#opened(record);
    return {
      last: (key) => this.#store.list(principalId, key).slice(0, 1).map(opened)[0],
      begin: async (key, input) => opened(await this.#store.begin(principalId, key, input, this.#clock())),
      list: () => this.#store.list(principalId).map(opened),
      hold: (run, signal, work) => this.#hold(run, signal, work),
    };
  }

  #opened({ principalId: _principal, ...record }: RunRecord): Run {
    const store = this.#store;
    const { id } = record;
    const steps = () => store.steps(id);
    return {
      ...record,
      steps,
      step: (name) => steps().find((step) => step.name === name),
      begin: async (name, data = {}) => {
        const holder = this.#holders.get(id);
        const hold = holder === undefined ? undefined : { holder, until: this.#heldUntil() };
        const isHeld = await store.beginStep(id, name, this.#clock(), data, hold);
        // A process that stood still meanwhile may have lost it since.
        if (!isHeld || (hold !== undefined && this.#clock() >= hold.until)) throw busy(id);
      },
      note: async (name, news) =>
        store.setStep(id, name, requireStep(steps(), name).state, this.#clock(), news),
      done: (name, data = {}) => store.setStep(id, name, 'done', this.#clock(), { data }),
      failed: (name, problem) =>
        store.setStep(id, name, 'failed', this.#clock(), { data: { problem: this.#redact(problem) } }),
      close: (state) => store.close(id, state, this.#clock()),
    };
  }

  async #hold<T>({ id }: Run, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const holder = randomUUID();
    const store = this.#store;
    // A process that was killed can't say so: its hold ends by itself.
    for (
      let waited = 0;
      !(await store.hold(id, holder, this.#clock(), this.#heldUntil()));
      waited += ASK_MS
    ) {
      signal.throwIfAborted();
      if (waited > HELD_MS) throw busy(id);
      await sleep(ASK_MS);
    }
    this.#holders.set(id, holder);
    const renew = () => void attempt(() => store.renew(id, holder, this.#heldUntil()));
    const renewing = setInterval(renew, RENEW_MS).unref();
    try {
      if (store.stateOf(id) === 'cancelled') throw givenUp(id);
      return await work();
    } finally {
      clearInterval(renewing);
      this.#holders.delete(id);
      await attempt(() => store.release(id, holder));
    }
  }

  #heldUntil(): number {
    return this.#clock() + HELD_MS;
  }
}

function requireStep(steps: readonly RunStep[], name: string): RunStep {
  const step = steps.find((one) => one.name === name);
  if (step === undefined) throw new Error(`the step ${name} was not begun`);
  return step;
}

/** A state that is locked for a while ends no process: a hold ends by itself, and `begin` tells whether it was lost. */
async function attempt(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch {
    // As above.
  }
}

function givenUp(id: number): CallError {
  return new CallError('CONFLICT', `Another call has given run ${id} up; nothing was sent.`, {
    hint: 'Look at what is there, and call again if it is still wanted.',
  });
}

function busy(id: number): CallError {
  return new CallError('CONFLICT', `Another call works on run ${id}; nothing was sent.`, {
    hint: 'Wait for it to end, then call again: the run goes on where it stands.',
    retryable: true,
  });
}
