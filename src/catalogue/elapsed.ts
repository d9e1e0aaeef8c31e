/**
 * Milliseconds from one reading of a clock to a later one. Where the clock was set back in between, nobody knows: then
 * it is for ever, so that what is kept for some time is asked anew and what waits has waited long enough.
 */
export function elapsed(since: number, now: number): number {
  return now < since ? Number.POSITIVE_INFINITY : now - since;
}
