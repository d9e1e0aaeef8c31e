const DAY_SECONDS = 86_400;
/** Below this many, a line through the values says nothing. */
const FEWEST_FOR_TREND = 3;

/** What was measured at one moment. */
export interface Point {
  /** Epoch seconds. */
  time: number;
  value: number;
}

export interface Statistics {
  min: number;
  mean: number;
  /** 95 % of the values are not above it. */
  p95: number;
  max: number;
  last: number;
  /** Change per day of the line that fits best (least squares), in the unit of the values. */
  trend_per_day?: number;
}

/** Sums values up, of which there is at least one; undefined where there is none. */
export function statisticsOf(points: readonly Point[]): Statistics | undefined {
  const last = points.at(-1);
  if (last === undefined) return undefined;
  const sorted = points.map(({ value }) => value).sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? last.value;
  const trend = slopeOf(points);
  return {
    min: rounded(at(0)),
    mean: rounded(meanOf(sorted)),
    p95: rounded(at(0.95)),
    max: rounded(at(1)),
    last: rounded(last.value),
    ...(trend === undefined ? {} : { trend_per_day: rounded(trend * DAY_SECONDS) }),
  };
}

/** Of the line that fits best, per second. */
function slopeOf(points: readonly Point[]): number | undefined {
  if (points.length < FEWEST_FOR_TREND) return undefined;
  // From the middle on, as squares of epoch seconds would leave no digits for the values.
  const middle = meanOf(points.map(({ time }) => time));
  const mean = meanOf(points.map(({ value }) => value));
  let [above, below] = [0, 0];
  for (const { time, value } of points) {
    above += (time - middle) * (value - mean);
    below += (time - middle) ** 2;
  }
  return below === 0 ? undefined : above / below;
}

/**
 * Thins points out to at most so many, evenly over the time.
 *
 * @param by what stands for the points of one step: their mean, or their maximum
 */
export function thinned(
  rows: readonly (number | undefined)[],
  most: number,
  by: 'AVERAGE' | 'MAX',
): (number | null)[] {
  const step = Math.max(1, Math.ceil(rows.length / most));
  const thin: (number | null)[] = [];
  for (let start = 0; start < rows.length; start += step) {
    const values = rows.slice(start, start + step).filter((value) => value !== undefined);
    if (values.length === 0) thin.push(null);
    else thin.push(rounded(by === 'MAX' ? Math.max(...values) : meanOf(values)));
  }
  return thin;
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** As many digits as anybody compares: RRDs interpolate. */
function rounded(value: number): number {
  return Number(value.toPrecision(6));
}
