import { describe, expect, test } from 'vitest';
import { loadBuiltInCatalogue } from '../../../src/catalogue/builtin.ts';
import { DEMO_ESTATE } from '../../../src/simulator/estate.ts';
import { METHODS } from '../../../src/simulator/methods/table.ts';
import { type ReplicationJob, stepOf } from '../../../src/simulator/state/replication.ts';
import { rrdRows, TIMEFRAMES, TIMEFRAMES_OF_8 } from '../../../src/simulator/state/rrd.ts';
import { withPendingState } from '../../../src/simulator/state/sdn.ts';
import { digestOf, updateEntry } from '../../../src/simulator/state/section.ts';

describe('a round robin archive', () => {
  const request = { timeframe: 'day', cf: 'AVERAGE', now: 1_800_000_000, since: 0, seed: 7 };
  const rows = (changes = {}) =>
    rrdRows({ cpu: { now: 0.5, limit: 1 } }, { maxcpu: 4 }, { ...request, ...changes });

  test.each(Object.entries(TIMEFRAMES))('%s has its steps', (timeframe, { step, count }) => {
    const times = rows({ timeframe }).map(({ time }) => Number(time));
    expect(times).toHaveLength(count);
    expect(new Set(times.slice(1).map((time, index) => time - (times[index] ?? 0)))).toEqual(new Set([step]));
  });

  test('is the same for the same moment, bounded, and peaks above its average', () => {
    expect(rows()).toEqual(rows());
    expect(rows().every(({ cpu = 0 }) => cpu >= 0 && cpu <= 1)).toBe(true);
    const sum = (cf: string) => rows({ cf }).reduce((total, { cpu = 0 }) => total + cpu, 0);
    expect(sum('MAX')).toBeGreaterThan(sum('AVERAGE'));
  });

  test('knows nothing from before its beginning', () => {
    const since = request.now - 3600;
    expect(rows({ since }).filter(({ cpu }) => cpu !== undefined)).toHaveLength(61);
  });

  test('keeps the sizes of a guest that was off, and nothing of what it used', () => {
    const found = rows({ since: request.now - 7200, runningSince: request.now - 3600 });
    expect(found.filter(({ cpu }) => cpu !== undefined)).toHaveLength(61);
    expect(found.filter(({ cpu, maxcpu }) => cpu === undefined && maxcpu === 4)).toHaveLength(60);
  });

  test('of Proxmox VE 8 has seventy rows of anything', () => {
    const times = rows({ timeframe: 'month', frames: TIMEFRAMES_OF_8 }).map(({ time }) => Number(time));
    expect(times).toHaveLength(70);
    expect(Number(times[1]) - Number(times[0])).toBe(43_200);
  });
});

describe('sections', () => {
  test('have one digest, however they were written', () => {
    expect(digestOf({ a: 1, b: 2 })).toBe(digestOf({ b: 2, a: 1 }));
    expect(digestOf({ a: 1 })).not.toBe(digestOf({ a: 2 }));
  });

  test('refuse to set and delete an option at once', () => {
    expect(() => updateEntry({ a: 1 }, { a: 2, delete: 'a' })).toThrow('Parameter verification failed.');
  });

  test('show what waits to be applied', () => {
    expect(withPendingState({ mtu: 1 }, { mtu: 1 })).toEqual({ mtu: 1 });
    expect(withPendingState({ mtu: 1, ipam: 'pve' }, { mtu: 2 })).toEqual({
      mtu: 1,
      ipam: 'pve',
      pending: { mtu: 2, ipam: 'deleted' },
      state: 'changed',
    });
    expect(withPendingState({ mtu: 1 }, undefined).state).toBe('deleted');
  });
});

test.each([
  ['*/15', 900],
  ['*:0/30', 1800],
  ['hourly', 3600],
  ['02:30', 86_400],
])('a replication on %s runs every %i seconds', (schedule, seconds) => {
  expect(stepOf({ schedule } as ReplicationJob)).toBe(seconds);
});

test('what leaves its permissions to the schema is in the schema', () => {
  const known = new Set(loadBuiltInCatalogue().methods.map(({ method, path }) => `${method} ${path}`));
  const left = METHODS.filter(({ permissions }) => 'check' in permissions && permissions.check.length === 1);
  expect(left.length).toBeGreaterThan(200);
  expect(left.filter(({ method, path }) => !known.has(`${method} ${path}`))).toEqual([]);
});

test('one cluster of the demo has Ceph', () => {
  expect(DEMO_ESTATE.filter(({ ceph }) => ceph).map(({ name }) => name)).toEqual(['production']);
});
