import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CallRate } from '../../../src/access/call-rate.ts';
import { CallError } from '../../../src/proxmox/errors.ts';

function rateAt(start: number, mostPrincipals?: number) {
  const time = { ms: start };
  const rate = new CallRate({ clock: () => time.ms, ...(mostPrincipals ? { mostPrincipals } : {}) });
  /** Seconds to wait; 0 where it went through. */
  const take = (principal: string, most: number | undefined): number => {
    try {
      rate.take(principal, most);
      return 0;
    } catch (error) {
      if (!(error instanceof CallError) || error.code !== 'RATE_LIMITED') throw error;
      expect(error.retryable).toBe(true);
      expect(error.toBody().retry_after_seconds).toBe(error.retryAfterSeconds);
      expect(error.hint).toContain(`${error.retryAfterSeconds} s`);
      return error.retryAfterSeconds ?? Number.NaN;
    }
  };
  return { time, rate, take };
}

describe('CallRate', () => {
  it('lets as many through as the policy says, and says when there is room again', () => {
    const { time, take } = rateAt(5_200);
    expect([take('a', 2), take('a', 2)]).toEqual([0, 0]);
    const seconds = take('a', 2);
    expect(seconds).toBe(61);
    time.ms += (seconds - 1) * 1000 - 201;
    expect(take('a', 2)).toBeGreaterThan(0);
    time.ms = 5_200 + seconds * 1000;
    expect(take('a', 2)).toBe(0);
  });

  it('counts each principal by itself, and those without a limit not at all', () => {
    const { rate, take } = rateAt(0);
    expect([take('a', 1), take('a', 1) > 0, take('b', 1)]).toEqual([0, true, 0]);
    for (let call = 0; call < 1000; call++) expect(take('free', undefined)).toBe(0);
    expect(rate.size).toBe(2);
  });

  it('does not count what it refused', () => {
    const { time, take } = rateAt(0);
    take('a', 1);
    for (; time.ms < 60_900; time.ms += 100) expect(take('a', 1)).toBeGreaterThan(0);
    time.ms = 61_000;
    expect(take('a', 1)).toBe(0);
  });

  it('takes a stricter policy at once, and a limit of nothing as nothing', () => {
    const { time, take } = rateAt(0);
    for (let call = 0; call < 10; call++) {
      take('a', 100);
      time.ms += 1000;
    }
    const seconds = take('a', 3);
    time.ms += seconds * 1000;
    expect(take('a', 3)).toBe(0);
    expect(take('b', 0)).toBe(60);
  });

  it('never lets more through in any minute than it says, and always gets on after the time it named', () => {
    const gaps = fc.array(fc.integer({ min: 0, max: 20_000 }), { minLength: 1, maxLength: 120 });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 0, max: 999 }),
        gaps,
        (most, start, waits) => {
          const { time, take } = rateAt(start);
          const through: number[] = [];
          for (const wait of waits) {
            time.ms += wait;
            const seconds = take('a', most);
            if (seconds > 0) time.ms += seconds * 1000;
            if (seconds === 0 || take('a', most) === 0) through.push(time.ms);
            else throw new Error('refused after the time it had named');
          }
          for (const begin of through) {
            const within = through.filter((at) => at >= begin && at < begin + 60_000);
            expect(within.length).toBeLessThanOrEqual(most);
          }
        },
      ),
    );
  });

  it('remembers a bounded number of principals, those that called last', () => {
    const { rate, take } = rateAt(0, 100);
    take('old', 1);
    for (let other = 0; other < 100_000; other++) take(`p${other}`, 1);
    expect(rate.size).toBe(100);
    expect(take('p99999', 1)).toBeGreaterThan(0);
    expect(take('old', 1)).toBe(0);
  });

  it('forgets what is older than a minute, however much there was', () => {
    const { time, take } = rateAt(0);
    for (let call = 0; call < 5000; call++) {
      take('a', 10_000);
      time.ms += 500;
    }
    expect(take('a', 120)).toBe(1);
    expect(take('a', 121)).toBe(0);
  });
});
