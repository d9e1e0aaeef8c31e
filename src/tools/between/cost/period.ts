import { CallError } from '../../../proxmox/errors.ts';

const HOUR = 3600;
const DAY = 24 * HOUR;

/** What Proxmox keeps records of, and how many seconds back. */
const SPANS = { hour: HOUR, day: DAY, week: 7 * DAY, month: 30 * DAY, year: 365 * DAY } as const;

export type PeriodName = keyof typeof SPANS;
export const PERIODS = Object.keys(SPANS) as [PeriodName, ...PeriodName[]];

/** The time that a report is about. */
export interface Period {
  /** The record of Proxmox that reaches as far back, the finest one. */
  timeframe: PeriodName;
  /** Epoch seconds. */
  from: number;
  to: number;
  hours: number;
}

/**
 * The time until now; a week where nothing is said.
 *
 * @param now epoch milliseconds
 * @throws CallError INVALID_ARGUMENTS where it is said twice
 */
export function periodOf(
  { period, days }: { period?: PeriodName | undefined; days?: number | undefined },
  now: number,
): Period {
  if (period !== undefined && days !== undefined) {
    throw new CallError('INVALID_ARGUMENTS', 'Both period and days say how far back to count.', {
      hint: 'Pass one of the two. Nothing was sent.',
    });
  }
  const span = days === undefined ? SPANS[period ?? 'week'] : days * DAY;
  const to = Math.floor(now / 1000);
  return {
    timeframe: PERIODS.find((name) => SPANS[name] >= span) ?? 'year',
    from: to - span,
    to,
    hours: span / HOUR,
  };
}
