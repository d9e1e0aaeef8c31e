import { describe, expect, it } from 'vitest';
import { intervalOf, nextDue } from '../../../../src/access/schedules/schedule.ts';

const at = (text: string) => Date.parse(`2026-11-22T${text}Z`);

describe('every so many minutes', () => {
  const hourly = { everyMinutes: 60 };

  it.each([
    ['in time', '10:00:00', '10:00:05', '11:00:00'],
    ['where it took longer than the interval', '10:00:00', '11:20:00', '12:00:00'],
    ['where nobody ran for hours: once, and not for each hour', '10:00:00', '17:59:59', '18:00:00'],
    ['at the very moment', '10:00:00', '11:00:00', '12:00:00'],
    ['where it is not due yet', '12:00:00', '10:30:00', '12:00:00'],
  ])('%s', (_what, due, now, next) => {
    expect(new Date(nextDue(hourly, at(due), at(now))).toISOString()).toBe(`2026-11-22T${next}.000Z`);
  });
});

describe('each day at a time of UTC', () => {
  it.each([
    ['today', '01:00:00', '2026-11-22T02:30:00.000Z'],
    ['tomorrow', '02:30:00', '2026-11-23T02:30:00.000Z'],
    ['tomorrow, whenever it was due', '23:59:59', '2026-11-23T02:30:00.000Z'],
  ])('%s', (_what, now, next) => {
    const due = Date.parse('2026-11-01T02:30:00Z');
    expect(new Date(nextDue({ dailyAt: '02:30' }, due, at(now))).toISOString()).toBe(next);
  });

  it('is a day from one to the next', () => {
    expect(intervalOf({ dailyAt: '02:30' })).toBe(86_400_000);
  });
});
