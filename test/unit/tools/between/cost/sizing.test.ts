import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { GuestRow } from '../../../../../src/clusters/inventory.ts';
import { periodOf } from '../../../../../src/tools/between/cost/period.ts';
import {
  isStopped,
  mayBeSmaller,
  memoryMibFor,
  sizeFinding,
  stoppedFinding,
  vcpusFor,
} from '../../../../../src/tools/between/cost/sizing.ts';
import type { Peaks, Usage } from '../../../../../src/tools/between/cost/usage.ts';

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
const RULE = { idlePercent: 5, marginPercent: 30 };
const WEEK = periodOf({ period: 'week' }, 1_800_000_000_000);

const guest: GuestRow = {
  id: 'qemu/100',
  type: 'qemu',
  vmid: 100,
  node: 'pve1',
  status: 'running',
  template: false,
  cpus: 8,
  maxMemBytes: 16 * GIB,
  tags: [],
};
const usage = (ranHours: number, knownHours = 168): Usage => ({
  stepSeconds: 1800,
  points: 336,
  known: 336,
  knownHours,
  ranHours,
  allocated: { vcpuHours: 8 * ranHours, memoryGibHours: 16 * ranHours },
  used: { vcpuHours: 0, memoryGibHours: 0 },
  rootUsedGibHours: undefined,
});
const peaks = (cpuP95: number, memGib: number): Peaks => ({ points: 336, cpuP95, memMaxBytes: memGib * GIB });
const PRICES = { currency: 'EUR', vcpuHour: 0.01, memoryGibHour: 0.005 };
const figures = {
  known_hours: 168,
  ran_hours: 100,
  vcpu_hours: 800,
  memory_gib_hours: 1600,
  storage_gib_hours: 0,
  vcpu_cost: 8,
  memory_cost: 8,
  storage_cost: 0.5,
  cost: 16.5,
};
const judged = (peak: Peaks, more = {}) => ({
  guest,
  usage: usage(100),
  peaks: peak,
  tellsMemory: true,
  prices: PRICES,
  figures,
  ...more,
});

describe('the size that is enough', () => {
  it('is in steps, with the margin, and never below the least', () => {
    expect([0, 0.1, 0.77, 0.78, 1.5384, 2, 6.2].map((busy) => vcpusFor(busy, RULE))).toEqual([
      1, 1, 2, 2, 2, 3, 9,
    ]);
    expect(vcpusFor(2 / 1.3, RULE)).toBe(2);
    expect([0, 100, 393, 394, 1024].map((mib) => memoryMibFor(mib * MIB, RULE))).toEqual([
      512, 512, 512, 1024, 1536,
    ]);
    expect(memoryMibFor(1024 * MIB, { ...RULE, marginPercent: 0 })).toBe(1024);
  });

  it('always holds what was used with the margin, and is the least that does', () => {
    const margin = fc.integer({ min: 0, max: 300 });
    fc.assert(
      fc.property(fc.double({ min: 0, max: 512, noNaN: true }), margin, (busy, marginPercent) => {
        const vcpus = vcpusFor(busy, { ...RULE, marginPercent });
        const wanted = busy * (1 + marginPercent / 100);
        expect(vcpus).toBeGreaterThanOrEqual(Math.max(1, wanted * (1 - 1e-9)));
        expect(vcpus === 1 || vcpus - 1 < wanted * (1 + 1e-9)).toBe(true);
      }),
    );
  });
});

describe('a guest that is too large', () => {
  it('is told with what smaller ones would save', () => {
    expect(sizeFinding(judged(peaks(0.25, 4)), RULE)).toEqual({
      kinds: ['oversized'],
      vcpus: 8,
      proposed_vcpus: 3,
      memory_mib: 16_384,
      proposed_memory_mib: 5632,
      cpu_p95_percent: 25,
      mem_max_percent: 25,
      points: 336,
      saves_vcpu_hours: 500,
      saves_memory_gib_hours: 1050,
      saves: 10.25,
    });
  });

  it('is idle where it does next to nothing, and costs its CPUs and memory for it', () => {
    const found = sizeFinding(judged(peaks(0.049, 15)), RULE);
    expect(found).toMatchObject({ kinds: ['idle', 'oversized'], proposed_vcpus: 1, saves_if_off: 16 });
    expect(found).not.toHaveProperty('proposed_memory_mib');
    expect(sizeFinding(judged(peaks(0.05, 15)), RULE)?.kinds).toEqual(['oversized']);
    const least = { ...guest, cpus: 1, maxMemBytes: GIB / 2 };
    expect(sizeFinding(judged(peaks(0, 0.1), { guest: least }), RULE)).toMatchObject({
      kinds: ['idle'],
      saves: 0,
      saves_if_off: 16,
    });
  });

  it('is proposed no memory where the host alone says what it took', () => {
    const found = sizeFinding(judged(peaks(0.25, 1), { tellsMemory: false }), RULE);
    expect(found).toMatchObject({ proposed_vcpus: 3, saves_memory_gib_hours: 0 });
    expect(found).not.toHaveProperty('proposed_memory_mib');
    expect(found).not.toHaveProperty('mem_max_percent');
  });

  it('has no sum of money without prices', () => {
    const found = sizeFinding(judged(peaks(0.01, 1), { prices: undefined }), RULE);
    expect(found).toMatchObject({ saves_vcpu_hours: 700 });
    expect(found).not.toHaveProperty('saves');
    expect(found).not.toHaveProperty('saves_if_off');
  });

  it('is none that fits', () => {
    expect(sizeFinding(judged(peaks(0.9, 15)), RULE)).toBeUndefined();
  });

  it('is looked at closer only where means leave room, and where it ran for half of the time', () => {
    const may = (ran: number, means: Peaks | undefined, row = guest) =>
      mayBeSmaller(row, usage(ran), means, RULE, WEEK);
    expect(may(168, peaks(0.9, 15))).toBeUndefined();
    expect(may(168, peaks(0.3, 15))).toEqual({ memory: false });
    expect(may(168, peaks(0.9, 2))).toEqual({ memory: true });
    expect(may(84, peaks(0.3, 2))).toEqual({ memory: true });
    expect(may(83.9, peaks(0.3, 2))).toBeUndefined();
    expect(may(168, undefined)).toBeUndefined();
    expect(may(168, peaks(0.3, 2), { ...guest, template: true })).toBeUndefined();
  });
});

it('stopped is what was off for all that is known, and that is half of the time at least', () => {
  const off = { ...guest, status: 'stopped' };
  expect(isStopped(off, usage(0), WEEK)).toBe(true);
  expect(isStopped(off, usage(0.5), WEEK)).toBe(false);
  expect(isStopped(off, usage(0, 80), WEEK)).toBe(false);
  expect(isStopped(guest, usage(0), WEEK)).toBe(false);
  expect(isStopped({ ...off, template: true }, usage(0), WEEK)).toBe(false);
  expect(stoppedFinding(figures, usage(0))).toEqual({
    kinds: ['stopped'],
    points: 336,
    saves_if_removed: 0.5,
  });
});
