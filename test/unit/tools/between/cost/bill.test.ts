import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { GatedCluster } from '../../../../../src/access/gate.ts';
import type { GuestRow } from '../../../../../src/clusters/inventory.ts';
import type { ClusterPrices } from '../../../../../src/config/config.ts';
import {
  figuresByInventory,
  figuresOf,
  sumOf,
  weightOf,
} from '../../../../../src/tools/between/cost/bill.ts';
import type { MeasuredGuest, Reading } from '../../../../../src/tools/between/cost/measure.ts';
import { periodOf } from '../../../../../src/tools/between/cost/period.ts';
import { reportOf } from '../../../../../src/tools/between/cost/report.ts';

const GIB = 1024 ** 3;
const PRICES: ClusterPrices = {
  currency: 'EUR',
  vcpuHour: 0.01,
  memoryGibHour: 0.005,
  storageGibHour: 0.0001,
};
const WEEK = periodOf({ period: 'week' }, 1_800_000_000_000);
const RULE = { idlePercent: 5, marginPercent: 30 };

const guestRow = (vmid: number, more: Partial<GuestRow> = {}): GuestRow => ({
  id: `qemu/${vmid}`,
  type: 'qemu',
  vmid,
  node: 'pve1',
  status: 'running',
  template: false,
  cpus: 4,
  maxMemBytes: 8 * GIB,
  maxDiskBytes: 32 * GIB,
  tags: [],
  ...more,
});

/** A guest that ran so many hours of those that are known, with four vCPUs, 8 GiB and so much of disks. */
const measured = (ran: number, known: number, diskGib = 100): MeasuredGuest => ({
  usage: {
    stepSeconds: 1800,
    points: 336,
    known: known * 2,
    knownHours: known,
    ranHours: ran,
    allocated: { vcpuHours: 4 * ran, memoryGibHours: 8 * ran },
    used: { vcpuHours: ran, memoryGibHours: 2 * ran },
    rootUsedGibHours: undefined,
  },
  disks: { bytes: diskGib * GIB, rootBytes: 0, unsized: 0 },
  hasNoCores: false,
});

const reading = (name: string, prices: ClusterPrices | undefined, guests: [GuestRow, MeasuredGuest?][]) =>
  ({
    cluster: { name, settings: prices === undefined ? {} : { prices } } as GatedCluster,
    inventory: { guests: [], nodes: [], storages: [], rows: [], asOf: 0 },
    guests: guests.map(([guest]) => guest),
    measured: new Map(guests.flatMap(([guest, one]) => (one === undefined ? [] : [[guest, one]]))),
    failed: [],
  }) satisfies Reading;

describe('what a guest costs', () => {
  it('is vCPUs and memory while it ran, and its disks always', () => {
    expect(figuresOf(measured(100, 168), PRICES, 'allocated')).toEqual({
      known_hours: 168,
      ran_hours: 100,
      vcpu_hours: 400,
      memory_gib_hours: 800,
      storage_gib_hours: 16_800,
      vcpu_cost: 4,
      memory_cost: 4,
      storage_cost: 1.68,
      cost: 9.68,
    });
  });

  it('is storage alone for one that was off', () => {
    const { cost, vcpu_cost, memory_cost } = figuresOf(measured(0, 168), PRICES, 'allocated');
    expect({ cost, vcpu_cost, memory_cost }).toEqual({ cost: 1.68, vcpu_cost: 0, memory_cost: 0 });
  });

  it('is by use what it took, with disks as they are allocated but for what a root file system held', () => {
    expect(figuresOf(measured(100, 168), PRICES, 'used')).toMatchObject({
      vcpu_hours: 100,
      memory_gib_hours: 200,
      storage_gib_hours: 16_800,
    });
    const one = measured(100, 168);
    const usage = { ...one.usage, rootUsedGibHours: 300 };
    const container = { ...one, usage, disks: { bytes: 100 * GIB, rootBytes: 8 * GIB, unsized: 0 } };
    // 92 GiB that are mounted and 68 hours off as allocated, 300 of the root file system while it ran.
    expect(figuresOf(container, PRICES, 'used').storage_gib_hours).toBe(92 * 168 + 8 * 68 + 300);
  });

  it('has no costs without prices, and none for a part without one', () => {
    expect(figuresOf(measured(1, 1), undefined, 'allocated')).not.toHaveProperty('cost');
    const free = { currency: 'EUR', memoryGibHour: 1 };
    expect(figuresOf(measured(1, 1), free, 'allocated')).toMatchObject({
      vcpu_cost: 0,
      memory_cost: 8,
      cost: 8,
    });
  });

  it('by inventory counts no more of the time than since the last start', () => {
    const since = (uptimeSeconds: number, more = {}) =>
      figuresByInventory(guestRow(100, { uptimeSeconds, ...more }), WEEK, PRICES, 'allocated');
    expect(since(36_000)).toMatchObject({ known_hours: 10, vcpu_hours: 40, storage_gib_hours: 32 * 168 });
    expect(since(1e9)).toMatchObject({ known_hours: 168, ran_hours: 168 });
    expect(since(0, { status: 'stopped' })).toMatchObject({ known_hours: 0, vcpu_hours: 0, cost: 0.5376 });
    expect(figuresByInventory(guestRow(100, { uptimeSeconds: 3600 }), WEEK, PRICES, 'used')).toMatchObject({
      vcpu_hours: 0,
      memory_gib_hours: 0,
    });
  });

  it('weighs a template by its disk alone', () => {
    expect(weightOf(guestRow(100, { template: true }), PRICES)).toBeCloseTo(0.0032);
    expect(weightOf(guestRow(100), PRICES)).toBeCloseTo(0.0832);
  });
});

describe('a report', () => {
  const wanted = { sort: 'cost', basis: 'allocated', tenants: [], period: WEEK, rule: RULE } as const;

  it('never adds currencies, nor what has no price', () => {
    const readings = [
      reading('a', PRICES, [[guestRow(100), measured(100, 168)]]),
      reading('b', { currency: 'USD', vcpuHour: 1 }, [[guestRow(100), measured(10, 168)]]),
      reading('c', undefined, [[guestRow(100), measured(1, 168)]]),
      reading('d', PRICES, [[guestRow(101), measured(100, 168)]]),
    ];
    const { beside, sources } = reportOf(readings, { ...wanted, by: 'cluster' });
    expect(beside.totals.map(({ currency, cost, guests }) => [currency, cost, guests])).toEqual([
      ['EUR', 19.36, 2],
      ['USD', 40, 1],
      [undefined, undefined, 1],
    ]);
    // What has no price comes last, whatever its hours.
    expect(sources.map(({ rows }) => rows[0]?.cost)).toEqual([9.68, 40, null, 9.68]);
  });

  it('counts a guest under each of its tags, those without any by themselves, and each once in the sum', () => {
    const guests: [GuestRow, MeasuredGuest][] = [
      [guestRow(100, { tags: ['web', 'prod'] }), measured(100, 168)],
      [guestRow(101, { tags: ['web', 'web'] }), measured(100, 168)],
      [guestRow(102), measured(100, 168)],
    ];
    const { sources, beside, isTwice } = reportOf([reading('a', PRICES, guests)], { ...wanted, by: 'tag' });
    const lines = sources[0]?.rows.map(({ id, shown }) => [id, shown.guests, shown.cost]);
    expect(lines).toEqual([
      ['web', 2, 19.36],
      ['prod', 1, 9.68],
      ['(none)', 1, 9.68],
    ]);
    expect(beside.totals).toMatchObject([{ guests: 3, cost: 29.04 }]);
    expect(isTwice).toBe(true);
  });

  it('counts by the bindings of tenants, of which two may have one name', () => {
    const tenants = [
      { name: 'Shop', pools: ['web'], tags: [] },
      { name: 'Shop', pools: [], tags: ['shop'] },
      { name: 'Empty', pools: ['none'], tags: [] },
    ];
    const guests: [GuestRow, MeasuredGuest][] = [
      [guestRow(100, { pool: 'web', tags: ['shop'] }), measured(100, 168)],
      [guestRow(101, { pool: 'other' }), measured(100, 168)],
    ];
    const { sources, isTwice } = reportOf([reading('a', PRICES, guests)], {
      ...wanted,
      by: 'tenant',
      tenants,
    });
    expect(sources[0]?.rows.map(({ shown }) => [shown.tenant, shown.pools, shown.guests])).toEqual([
      ['Shop', ['web'], 1],
      ['Shop', [], 1],
      ['(none)', undefined, 1],
    ]);
    expect(isTwice).toBe(true);
  });

  it('shows in the order of savings those alone that something could be saved on', () => {
    const guests: [GuestRow, MeasuredGuest?][] = [
      [guestRow(100), { ...measured(168, 168), peaks: { points: 336, cpuP95: 0.01, memMaxBytes: GIB } }],
      [guestRow(101, { status: 'stopped' }), measured(0, 168)],
      [guestRow(102), measured(168, 168)],
      [guestRow(103)],
    ];
    const one = [reading('a', PRICES, guests)];
    const { sources, beside } = reportOf(one, { ...wanted, by: 'guest', sort: 'savings' });
    expect(sources[0]?.rows.map(({ id, savings }) => [id, savings])).toEqual([
      ['qemu/100', 13.44],
      ['qemu/101', 1.68],
    ]);
    expect(beside).toMatchObject({ savings_total: 2 });
    expect(beside).not.toHaveProperty('savings');
    expect(reportOf(one, { ...wanted, by: 'cluster' }).beside.savings).toHaveLength(2);
    expect(beside.rests_on).toMatchObject([
      {
        guests: 4,
        measured: 3,
        step_seconds: 1800,
        points: 1008,
        points_known: 1008,
        prices: { currency: 'EUR' },
      },
    ]);
  });

  it('adds up: guests are pools are the cluster, to the last digit', () => {
    const hours = fc.integer({ min: 0, max: 168_000_000 }).map((number) => number / 1e6);
    const price = fc.double({ min: 0, max: 1, noNaN: true });
    const guest = fc.record({
      ran: hours,
      disk: fc.integer({ min: 0, max: 5000 }),
      pool: fc.constantFrom('a', 'b', undefined),
      isMeasured: fc.boolean(),
      uptimeSeconds: fc.integer({ min: 0, max: 10_000_000 }),
    });
    const prices = fc.record({ currency: fc.constant('EUR'), vcpuHour: price, storageGibHour: price });
    fc.assert(
      fc.property(fc.array(guest, { minLength: 1, maxLength: 30 }), prices, (specs, charged) => {
        const guests = specs.map(({ ran, disk, pool, isMeasured, uptimeSeconds }, index) => {
          const row = guestRow(100 + index, { pool, uptimeSeconds });
          return [row, ...(isMeasured ? [measured(ran, 168, disk)] : [])] as [GuestRow, MeasuredGuest?];
        });
        const lines = (by: 'guest' | 'pool' | 'cluster') =>
          reportOf([reading('a', charged, guests)], { ...wanted, by }).sources[0]?.rows ?? [];
        const [total] = reportOf([reading('a', charged, guests)], { ...wanted, by: 'cluster' }).beside.totals;
        for (const by of ['guest', 'pool', 'cluster'] as const) {
          const shown = lines(by).map((line) => line.shown as unknown as ReturnType<typeof sumOf>);
          const sum = sumOf(shown);
          expect(total).toMatchObject(sum);
          for (const { cost = 0, vcpu_cost = 0, memory_cost = 0, storage_cost = 0 } of shown) {
            expect(cost).toBeCloseTo(vcpu_cost + memory_cost + storage_cost, 6);
          }
        }
      }),
      { numRuns: 50 },
    );
  });
});
