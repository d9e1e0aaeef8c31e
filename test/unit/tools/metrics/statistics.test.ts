import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { recordedOf } from '../../../../src/tools/metrics/rrd.ts';
import { statisticsOf, thinned } from '../../../../src/tools/metrics/statistics.ts';

const DAY = 86_400;
const START = 1_763_000_000;

describe('the figures of a series', () => {
  it('are min, mean, p95, max and last', () => {
    const points = Array.from({ length: 100 }, (_, index) => ({ time: START + index, value: 100 - index }));
    expect(statisticsOf(points)).toMatchObject({ min: 1, mean: 50.5, p95: 95, max: 100, last: 1 });
  });

  it('have a trend per day, in whatever steps the time goes', () => {
    const points = [0, 1, 5, 6, 30].map((day) => ({ time: START + day * DAY, value: 7 + 2.5 * day }));
    expect(statisticsOf(points)?.trend_per_day).toBe(2.5);
  });

  it('have a trend of 0 where nothing changes, and none of two points or of one moment', () => {
    const flat = [0, 1, 2].map((day) => ({ time: START + day * DAY, value: 5 }));
    expect(statisticsOf(flat)?.trend_per_day).toBe(0);
    expect(statisticsOf(flat.slice(1))).not.toHaveProperty('trend_per_day');
    expect(statisticsOf(flat.map(({ value }) => ({ time: START, value })))).not.toHaveProperty(
      'trend_per_day',
    );
  });

  it('are none of nothing', () => {
    expect(statisticsOf([])).toBeUndefined();
  });

  it('stand in order, whatever was measured', () => {
    const values = fc.array(fc.double({ min: 0, max: 1e15, noNaN: true }), { minLength: 1 });
    fc.assert(
      fc.property(values, (all) => {
        const {
          min = 0,
          mean = 0,
          p95 = 0,
          max = 0,
        } = statisticsOf(all.map((value, index) => ({ time: START + index * 60, value }))) ?? {
          min: undefined,
        };
        const slack = 1e-5 * max;
        expect(min).toBeLessThanOrEqual(mean + slack);
        expect(mean).toBeLessThanOrEqual(max + slack);
        expect(p95).toBeLessThanOrEqual(max);
        expect(min).toBeLessThanOrEqual(p95);
      }),
    );
  });
});

describe('a series that is thinned out', () => {
  it('has means or peaks of what was recorded, and null where nothing was', () => {
    const values = [1, 3, undefined, 5, undefined, undefined, 7];
    expect(thinned(values, 4, 'AVERAGE')).toEqual([2, 5, null, 7]);
    expect(thinned(values, 4, 'MAX')).toEqual([3, 5, null, 7]);
    expect(thinned(values, 10, 'AVERAGE')).toEqual([1, 3, null, 5, null, null, 7]);
    expect(thinned([], 10, 'MAX')).toEqual([]);
  });

  it('never has more points than asked for', () => {
    fc.assert(
      fc.property(fc.nat({ max: 3000 }), fc.integer({ min: 1, max: 500 }), (length, most) => {
        const points = thinned(new Array(length).fill(1), most, 'AVERAGE');
        expect(points.length).toBeLessThanOrEqual(most);
      }),
    );
  });
});

describe('what rrddata answers', () => {
  it('gets units into its names, in the order of time, with gaps left open', () => {
    const { times, metrics } = recordedOf([
      { time: 120, cpu: 0.5, netin: 10, pressureiosome: 1.5, strange: 1 },
      { time: 60, cpu: null, maxmem: '1024' },
      { time: 180, cpu: 'NaN' },
    ]);
    expect(times).toEqual([60, 120, 180]);
    expect(Object.fromEntries(metrics)).toEqual({
      cpu_fraction: [undefined, 0.5, undefined],
      max_mem_bytes: [1024, undefined, undefined],
      net_in_bytes_per_second: [undefined, 10, undefined],
      pressure_io_some_percent: [undefined, 1.5, undefined],
      strange: [undefined, 1, undefined],
    });
  });

  it('holds no metric that was never recorded, and takes nonsense for nothing', () => {
    expect(recordedOf([{ time: 60, cpu: null }]).metrics.size).toBe(0);
    expect(recordedOf([{ cpu: 1 }, null, 'x']).times).toEqual([]);
    expect(recordedOf(null).times).toEqual([]);
  });
});
