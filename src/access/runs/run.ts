export const RUN_STATES = ['open', 'done', 'cancelled'] as const;
export type RunState = (typeof RUN_STATES)[number];

/** `begun`: it may have been sent, and nobody knows yet what became of it. `failed`: it came to nothing. */
export const STEP_STATES = ['begun', 'done', 'failed'] as const;
export type StepState = (typeof STEP_STATES)[number];

/** What is remembered of a run or a step. No secrets: the state file is no place for them. */
export type RunData = Readonly<Record<string, unknown>>;

/** One write of a run, or something else that has to happen once. */
export interface RunStep {
  name: string;
  state: StepState;
  /** When it last changed, in epoch milliseconds. */
  at: number;
  /** When it was begun (last, where it failed before), in epoch milliseconds. */
  begunAt: number;
  /** The task that it started. */
  upid?: string;
  /** What it brought, or why it failed (`problem`). */
  data: RunData;
}

/** Work of several writes that outlives a call and this process. */
export interface RunRecord {
  /** For people to name it by. */
  id: number;
  principalId: string;
  /** What it is about, such as `migrate production/100`; one run of a key is open at a time. */
  key: string;
  input: RunData;
  state: RunState;
  /** Epoch milliseconds. */
  startedAt: number;
  endedAt?: number;
}
