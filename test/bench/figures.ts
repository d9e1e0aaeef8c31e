/** Something to hold a figure against, taken in the same run: a machine's speed drops out of the ratio. */
interface Baseline {
  name: string;
  median: number;
}

/** One result of a bench. */
export interface Figure {
  name: string;
  unit: 'ms' | 'µs' | 'MB' | 'kB' | 'calls' | 's' | '/s' | '%';
  median: number;
  /** What each round gave, in their order. */
  rounds: number[];
  /** The most it may be; the least where it is a rate (`/s`). */
  goal?: number;
  baseline?: Baseline;
  /** `median` by the baseline's. */
  ratio?: number;
  note?: string;
}

/**
 * Before it is measured, a server answers so many: its code is compiled anew while it learns what it is called with, and
 * gets no faster behind about 30,000 calls.
 */
export const WARM_CALLS = 50_000;

interface Details {
  goal?: number;
  baseline?: { name: string; rounds: readonly number[] };
  note?: string;
}

/** Makes a figure of what its rounds gave. */
export function figure(
  name: string,
  unit: Figure['unit'],
  rounds: readonly number[],
  { goal, baseline, note }: Details = {},
): Figure {
  const middle = median(rounds);
  const against = baseline && { name: baseline.name, median: rounded(median(baseline.rounds)) };
  return {
    name,
    unit,
    median: rounded(middle),
    rounds: rounds.map(rounded),
    ...(goal === undefined ? {} : { goal }),
    ...(against ? { baseline: against, ratio: rounded(middle / against.median) } : {}),
    ...(note === undefined ? {} : { note }),
  };
}

export function isMissed({ median: reached, goal, unit }: Figure): boolean {
  if (goal === undefined) return false;
  return isRate(unit) ? reached < goal : reached > goal;
}

/** Of what more is better. */
export function isRate(unit: Figure['unit']): boolean {
  return unit === '/s';
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** @param share 0 to 1; between two values it is interpolated. @throws Error without any value */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const place = (sorted.length - 1) * share;
  const below = sorted[Math.floor(place)];
  const above = sorted[Math.ceil(place)];
  if (below === undefined || above === undefined) throw new Error('no round gave a value');
  return below + (above - below) * (place - Math.floor(place));
}

/** How long a piece of work takes, in milliseconds. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

/** Does one thing after the other, so many times. */
export async function times<T>(count: number, work: (index: number) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  for (let index = 0; index < count; index++) results.push(await work(index));
  return results;
}

function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
