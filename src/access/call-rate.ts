import { CallError } from '../proxmox/errors.ts';

/** The calls of one second. */
interface Slot {
  second: number;
  calls: number;
}

/** The calls of one principal in the minute that ends now. */
interface Window {
  /** In order of time. */
  slots: Slot[];
  /** Of all slots. */
  made: number;
}

const WINDOW_SECONDS = 60;
const MOST_PRINCIPALS = 10_000;

/** What counts the calls of principals. */
export interface CallCounter {
  /**
   * @returns undefined where the call was counted at once
   * @throws CallError RATE_LIMITED, or rejects with it
   */
  take(principalId: string, callsPerMinute: number | undefined): Promise<void> | undefined;
}

export interface CallRateOptions {
  /** Milliseconds that only grow; setting the machine's clock must not lock anybody out. */
  clock?: () => number;
  /** Beyond it the principal whose last call is longest ago is forgotten. */
  mostPrincipals?: number;
}

/**
 * How many tool calls a principal makes: in no minute, whenever it begins, more than its policy allows. Counted by
 * seconds, which takes 61 numbers at most for each principal; what was refused is not counted, so that a client that
 * keeps trying gets through once there is room.
 */
export class CallRate implements CallCounter {
  readonly #clock: () => number;
  readonly #most: number;
  /** The principals in the order of their last call. */
  readonly #windows = new Map<string, Window>();

  constructor({ clock = () => performance.now(), mostPrincipals = MOST_PRINCIPALS }: CallRateOptions = {}) {
    this.#clock = clock;
    this.#most = mostPrincipals;
  }

  /** How many principals are remembered. */
  get size(): number {
    return this.#windows.size;
  }

  /**
   * Counts a call.
   *
   * @param callsPerMinute what the principal may make; undefined where nothing limits it, and nothing is counted
   * @throws CallError RATE_LIMITED with the seconds to wait, where it is one too many
   */
  take(principalId: string, callsPerMinute: number | undefined): undefined {
    if (callsPerMinute === undefined) return;
    const now = this.#clock() / 1000;
    const second = Math.floor(now);
    const window = this.#windows.get(principalId) ?? { slots: [], made: 0 };
    // The slot of the second in which the minute began still counts whole: rather a moment late than one call too many.
    endSlots(window, second - WINDOW_SECONDS);
    const { slots, made } = window;
    if (made >= callsPerMinute)
      throw refusal(callsPerMinute, secondsUntilRoom(slots, made - callsPerMinute, now));
    const last = slots.at(-1);
    if (last?.second === second) last.calls += 1;
    else slots.push({ second, calls: 1 });
    window.made += 1;
    this.#windows.delete(principalId);
    this.#windows.set(principalId, window);
    this.#forgetOne();
  }

  #forgetOne(): void {
    if (this.#windows.size <= this.#most) return;
    for (const oldest of this.#windows.keys()) {
      this.#windows.delete(oldest);
      return;
    }
  }
}

/** @param from the first second that still counts */
function endSlots(window: Window, from: number): void {
  const { slots } = window;
  while ((slots[0]?.second ?? from) < from) window.made -= slots.shift()?.calls ?? 0;
}

/** @param beyond how many calls more than allowed there are already, where the policy has become stricter */
function secondsUntilRoom(slots: readonly Slot[], beyond: number, now: number): number {
  let freed = 0;
  for (const { second, calls } of slots) {
    freed += calls;
    if (freed > beyond) return Math.max(1, Math.ceil(second + WINDOW_SECONDS + 1 - now));
  }
  return WINDOW_SECONDS;
}

/** @param seconds until there is room */
export function refusal(callsPerMinute: number, seconds: number): CallError {
  return new CallError(
    'RATE_LIMITED',
    `The policy allows this principal ${callsPerMinute} calls a minute; nothing was sent.`,
    { hint: `Wait ${seconds} s, then repeat.`, retryAfterSeconds: seconds },
  );
}
