import { CallError } from '../../proxmox/errors.ts';
import type { StandingApproval } from '../approving.ts';
import type { Principal } from '../principal.ts';
import type { RunData } from '../runs/run.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

/** Every so many minutes, or each day at a time of UTC such as `02:30`. */
export type Timing = { everyMinutes: number } | { dailyAt: string };

/** What a principal has the service do again and again. */
export interface WantedSchedule {
  /** The tool that is called, with `{job: name}`. */
  tool: string;
  /** Unlike every other of the principal's for this tool. */
  name: string;
  /** What it is about, for the tool to read. No secrets: the state file is no place for them. */
  input: RunData;
  timing: Timing;
  /** What was approved when it was saved, for each of its calls. */
  standing: StandingApproval | undefined;
  /** Epoch milliseconds. */
  dueAt: number;
}

export interface Schedule extends WantedSchedule {
  id: number;
  /** Who saved it, with the credential of that call: it is called as nobody else. */
  principal: Principal;
  isEnabled: boolean;
  /** What the tool wants to know at the next call. */
  memory: RunData;
  last?: ScheduleEnd;
}

/** How a call ended. */
export interface ScheduleEnd {
  /** Epoch milliseconds. */
  at: number;
  isOk: boolean;
  /** What it brought, or why it failed. */
  text: string;
}

/** @returns milliseconds from one call to the next */
export function intervalOf(timing: Timing): number {
  return 'everyMinutes' in timing ? timing.everyMinutes * MINUTE_MS : DAY_MS;
}

/**
 * When the next call is due. What was missed meanwhile is not made up for: it was one call, not many.
 *
 * @param dueAt the time that has come, epoch milliseconds as `now` is
 * @returns always later than `now`
 */
export function nextDue(timing: Timing, dueAt: number, now: number): number {
  const step = intervalOf(timing);
  const first = 'everyMinutes' in timing ? dueAt : timeOfDay(timing.dailyAt, now);
  return first > now ? first : first + (Math.floor((now - first) / step) + 1) * step;
}

/** The next such time of the day, in UTC. @param text `HH:MM` */
function timeOfDay(text: string, now: number): number {
  const [hours = 0, minutes = 0] = text.split(':').map(Number);
  return Math.floor(now / DAY_MS) * DAY_MS + (hours * 60 + minutes) * MINUTE_MS;
}

/** A change of what the service does by itself is one as well. */
export function readOnlyRefusal(): CallError {
  return new CallError('POLICY_DENIED', 'Only reads are allowed; nothing was changed.', {
    hint: 'Read instead, or ask the operator to lift the restriction.',
  });
}
