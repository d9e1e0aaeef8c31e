import { describe, expect, it } from 'vitest';
import { figure, isMissed, median, quantile } from '../../bench/figures.ts';

describe('a figure', () => {
  it('is the median of its rounds, and their ratio to the baseline’s', () => {
    const made = figure('load', 'ms', [30, 10, 20], { goal: 20, baseline: { name: 'ping', rounds: [4, 6] } });
    expect(made).toEqual({
      name: 'load',
      unit: 'ms',
      median: 20,
      rounds: [30, 10, 20],
      goal: 20,
      baseline: { name: 'ping', median: 5 },
      ratio: 4,
    });
    expect(isMissed(made)).toBe(false);
  });

  it('misses its goal above it alone, and without one never', () => {
    expect(isMissed(figure('load', 'ms', [20.1], { goal: 20 }))).toBe(true);
    expect(isMissed(figure('failed', 'calls', [0], { goal: 0 }))).toBe(false);
    expect(isMissed(figure('failed', 'calls', [1], { goal: 0 }))).toBe(true);
    expect(isMissed(figure('load', 'ms', [1e9]))).toBe(false);
  });
});

describe('quantile', () => {
  it('lies between the values around it', () => {
    expect(median([1, 2, 3, 4])).toBe(2.5);
    expect(quantile([10, 20, 30], 0)).toBe(10);
    expect(quantile([10, 20, 30], 0.75)).toBe(25);
    expect(quantile([10, 20, 30], 1)).toBe(30);
  });

  it('is an error without values, not a number', () => {
    expect(() => median([])).toThrow('no round');
  });
});
