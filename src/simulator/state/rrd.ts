/** Seconds between two rows and how many there are, per time frame. */
export const TIMEFRAMES: Record<string, { step: number; count: number }> = {
  hour: { step: 60, count: 60 },
  day: { step: 60, count: 1440 },
  week: { step: 1800, count: 336 },
  month: { step: 1800, count: 1440 },
  year: { step: 21_600, count: 1460 },
  decade: { step: 604_800, count: 520 },
};

/** Those of Proxmox VE 8 (PVE::RRD): coarser the further back. */
export const TIMEFRAMES_OF_8: typeof TIMEFRAMES = {
  hour: { step: 60, count: 70 },
  day: { step: 1800, count: 70 },
  week: { step: 10_800, count: 70 },
  month: { step: 43_200, count: 70 },
  year: { step: 604_800, count: 70 },
};

const DAY = 86_400;
const WEEK = 7 * DAY;

/** A load between 0.4 and 1.6: busier by day than by night, on weekdays than at weekends, with a ripple of its own. */
function curve(seed: number, second: number): number {
  const hours = Math.sin(((second % DAY) / DAY) * 2 * Math.PI - Math.PI / 2);
  const days = Math.cos(((second % WEEK) / WEEK) * 2 * Math.PI);
  const ripple = Math.sin(second / 1700 + seed * 2.399) + Math.sin(second / 431 + seed);
  return 1 + 0.3 * hours + 0.1 * days + 0.1 * ripple;
}

export interface Series {
  /** What the value is now, in its own unit. */
  now: number;
  /** The highest it can be. */
  limit?: number;
  /** It grows with time rather than going up and down. */
  grows?: boolean;
}

export interface Request {
  timeframe: string;
  /** `AVERAGE` or `MAX` */
  cf: string;
  /** epoch seconds */
  now: number;
  /** epoch seconds; before that nothing is known. */
  since: number;
  /** Of a guest, epoch seconds: until then it was off. */
  runningSince?: number;
  seed: number;
  /** `TIMEFRAMES` where absent. */
  frames?: typeof TIMEFRAMES;
}

const GROWTH_PER_YEAR = 0.35;
const YEAR = 365 * DAY;

/** The rows of a round robin archive. The last one fits what the status says now; the same moment gives the same rows. */
export function rrdRows(
  series: Record<string, Series>,
  fixed: Record<string, number>,
  { timeframe, cf, now, since, runningSince = since, seed, frames = TIMEFRAMES }: Request,
): Record<string, number>[] {
  const { step, count } = frames[timeframe] ?? { step: 60, count: 60 };
  const last = Math.floor(now / step) * step;
  const peak = cf === 'MAX' ? 1 + Math.min(0.4, Math.log10(step) / 10) : 1;
  return Array.from({ length: count }, (_item, index) => {
    const time = last - (count - 1 - index) * step;
    if (time < since) return { time };
    // Of a guest that is off the sizes are recorded, and what it uses is unknown (PVE::Service::pvestatd).
    if (time < runningSince) return { time, ...fixed };
    const values = Object.entries(series).map(([name, { now: present, limit, grows }], position) => {
      const share = grows
        ? Math.max(0, 1 - ((now - time) / YEAR) * GROWTH_PER_YEAR)
        : (peak * curve(seed + position, time)) / curve(seed + position, now);
      return [name, Math.min(limit ?? Number.POSITIVE_INFINITY, present * share)] as const;
    });
    return { time, ...fixed, ...Object.fromEntries(values) };
  });
}
