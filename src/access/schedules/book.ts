import type { Principal } from '../principal.ts';
import type { RunData } from '../runs/run.ts';
import type { State } from '../state.ts';
import { readOnlyRefusal, type Schedule, type ScheduleEnd, type WantedSchedule } from './schedule.ts';
import { ScheduleStore } from './store.ts';

/** The schedules of one principal; nobody else sees them. */
export interface Schedules {
  /** False where they end with the process, as there is neither STATE_FILE nor REDIS_URL. */
  readonly isKept: boolean;
  /** By name. */
  list(tool: string): readonly Schedule[];
  find(tool: string, name: string): Schedule | undefined;
  /** As the caller, and with its credential. @throws CallError POLICY_DENIED where only reads are allowed */
  save(wanted: WantedSchedule): Promise<Schedule>;
  /** It is not called any more until it is saved again. @throws CallError as `save` does */
  disable(schedule: Schedule): Promise<void>;
  /** @throws CallError as `save` does */
  remove(schedule: Schedule): Promise<void>;
  /** What the next call has to know, in place of what was known. */
  remember(schedule: Schedule, memory: RunData): Promise<void>;
  /** How a call ended that somebody made, or the service itself. */
  ended(schedule: Schedule, end: Omit<ScheduleEnd, 'at'>): Promise<void>;
}

const LONGEST_TEXT = 1000;

/** What principals have the service do at its time: everybody's, for the scheduler and for tools. */
export class ScheduleBook {
  readonly store: ScheduleStore;
  readonly #isKept: boolean;
  /** Epoch milliseconds, the same for all who share the schedules. */
  readonly clock: () => number;

  /** @param clock epoch milliseconds; that of the state where absent */
  constructor(state: State, clock: () => number = () => state.now()) {
    this.store = new ScheduleStore(state);
    this.#isKept = state.isKept;
    this.clock = clock;
  }

  of(principal: Principal, isReadOnly: boolean): Schedules {
    const { store } = this;
    const find = (tool: string, name: string) =>
      store.list(principal.id, tool).find((schedule) => schedule.name === name);
    const writable = () => {
      if (isReadOnly) throw readOnlyRefusal();
    };
    return {
      isKept: this.#isKept,
      list: (tool) => store.list(principal.id, tool),
      find,
      save: async (wanted) => {
        writable();
        await store.save(principal, wanted);
        const saved = find(wanted.tool, wanted.name);
        if (saved === undefined) throw new Error('a schedule that was saved is there');
        return saved;
      },
      disable: async ({ id }) => {
        writable();
        await store.disable(id);
      },
      remove: async ({ id }) => {
        writable();
        await store.remove(id);
      },
      remember: ({ id }, memory) => store.remember(id, memory),
      ended: (schedule, end) => this.ended(schedule, end),
    };
  }

  async ended({ id }: Pick<Schedule, 'id'>, { isOk, text }: Omit<ScheduleEnd, 'at'>): Promise<void> {
    await this.store.ended(id, { at: this.clock(), isOk, text: text.slice(0, LONGEST_TEXT).toWellFormed() });
  }
}
