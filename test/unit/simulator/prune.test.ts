import { describe, expect, test } from 'vitest';
import type { Volume } from '../../../src/simulator/state/cluster-state.ts';
import { markBackups, parseRetention } from '../../../src/simulator/state/prune.ts';

/** One backup a day at noon, the newest first, ending on Sunday 2027-01-31. */
function daily(count: number, protectedAt: number[] = []): Volume[] {
  return Array.from({ length: count }, (_none, age) => ({
    volid: `local:backup/${age}`,
    storage: 'local',
    content: 'backup',
    format: 'vma',
    size: 1,
    ctime: Date.UTC(2027, 0, 31, 12) / 1000 - age * 86_400,
    ...(protectedAt.includes(age) ? { protected: true } : {}),
  }));
}

/** The ages in days of the backups that stay. */
function kept(count: number, retention: string, protectedAt: number[] = []): number[] {
  const marks = markBackups(daily(count, protectedAt), parseRetention(retention));
  const staying = [...marks].filter(([, mark]) => mark !== 'remove');
  return staying.map(([volume]) => Number(volume.volid.split('/')[1])).sort((a, b) => a - b);
}

describe('retention', () => {
  test.each([
    ['keep-all=1', [0, 1, 2, 3]],
    ['keep-last=0', [0, 1, 2, 3]],
    ['keep-last=2', [0, 1]],
    ['keep-daily=3', [0, 1, 2]],
  ])('%s of four days', (retention, ages) => {
    expect(kept(4, retention)).toEqual(ages);
  });

  test('a week or month counts only where no shorter period keeps one', () => {
    // Sunday 31 is kept by day; the weeks before end on the 24th and the 17th; December by month.
    expect(kept(60, 'keep-daily=1,keep-weekly=2,keep-monthly=1')).toEqual([0, 7, 14, 31]);
  });

  test('what is protected stays, and is not counted', () => {
    expect(kept(4, 'keep-last=1', [0, 3])).toEqual([0, 1, 3]);
  });

  test.each(['keep-last=x', 'keep-decades=1', 'last=1'])('%s is refused', (text) => {
    expect(() => parseRetention(text)).toThrow('Parameter verification failed.');
  });
});
