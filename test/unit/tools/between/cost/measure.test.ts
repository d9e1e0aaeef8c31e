import { describe, expect, it } from 'vitest';
import type { GatedCluster, GateRequest } from '../../../../../src/access/gate.ts';
import type { GuestRow } from '../../../../../src/clusters/inventory.ts';
import { CallError } from '../../../../../src/proxmox/errors.ts';
import { measure, type Reading } from '../../../../../src/tools/between/cost/measure.ts';
import { periodOf } from '../../../../../src/tools/between/cost/period.ts';
import type { ToolContext } from '../../../../../src/tools/define.ts';

const GIB = 1024 ** 3;
const HOUR = 3600;
const NOW = 500_000 * HOUR;
const RULE = { idlePercent: 5, marginPercent: 0 };
const DAY = periodOf({ period: 'day' }, NOW * 1000);

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

/** A day that a guest ran, in steps of so many seconds. */
const series = (figures: { cpu: number; mem: number }, step = HOUR) =>
  Array.from({ length: (24 * HOUR) / step }, (_none, index) => ({
    time: NOW - 24 * HOUR + index * step,
    maxcpu: 4,
    maxmem: 8 * GIB,
    ...figures,
  }));

interface World {
  guests: readonly GuestRow[];
  reply(path: string, data: Readonly<Record<string, unknown>> | undefined): unknown;
  nodes?: Reading['inventory']['nodes'];
}

/** Measures the guests of one cluster that answers as the test says. */
async function measured(
  { guests, reply, nodes = [] }: World,
  most = 100,
  changes: Partial<ToolContext> = {},
) {
  const asked: string[] = [];
  const cluster = {
    name: 'a',
    settings: {},
    async request({ path, data }: GateRequest) {
      const cf = data?.cf === undefined ? '' : ` ${data.cf}`;
      asked.push(`${path}${cf}`);
      return { data: reply(String(path), data), endpoint: 'a' };
    },
  } as unknown as GatedCluster;
  const inventory = { guests, nodes, storages: [], rows: [], asOf: 0 };
  const reading: Reading = { cluster, inventory, guests, measured: new Map(), failed: [] };
  const { signal } = new AbortController();
  const context = { signal, now: () => NOW * 1000, progress: () => undefined, ...changes } as ToolContext;
  await measure([reading], most, { period: DAY, rule: RULE, context });
  return { asked, reading, of: (guest: GuestRow) => reading.measured.get(guest) };
}

/** A guest that takes little by its means, and this much at its peaks. */
const world = (guest: GuestRow, peaks: { cpu: number; mem: number }, live: object, step = HOUR): World => ({
  guests: [guest],
  reply: (path, data) => {
    if (path.endsWith('/config')) return { scsi0: 'local-lvm:vm-1-disk-0,size=32G' };
    if (path.endsWith('/status/current')) return live;
    return series(data?.cf === 'MAX' ? peaks : { cpu: 0.1, mem: GIB }, step);
  },
});

describe('what is asked', () => {
  const vm = guestRow(100);
  const low = { cpu: 0.2, mem: 2 * GIB };

  it('is the peaks too where means leave room, and whether the guest tells its memory', async () => {
    const { asked, of } = await measured(world(vm, low, { freemem: 6 * GIB }));
    expect(asked.toSorted()).toEqual([
      '/nodes/pve1/qemu/100/config',
      '/nodes/pve1/qemu/100/rrddata AVERAGE',
      '/nodes/pve1/qemu/100/rrddata MAX',
      '/nodes/pve1/qemu/100/status/current',
    ]);
    expect(of(vm)).toMatchObject({ tellsMemory: true, peaks: { cpuP95: 0.2, memMaxBytes: 2 * GIB } });
  });

  it('is told not by a VM without a balloon driver, nor by one that is off by now', async () => {
    expect((await measured(world(vm, low, { mem: GIB }))).of(vm)).toMatchObject({ tellsMemory: false });
    const off = guestRow(100, { status: 'stopped' });
    const { asked, of } = await measured(world(off, low, {}));
    expect(of(off)).toMatchObject({ tellsMemory: false });
    expect(asked.filter((path) => path.endsWith('/current'))).toEqual([]);
  });

  it('is not a container, whose kernel is that of the host', async () => {
    const container = guestRow(100, { id: 'lxc/100', type: 'lxc' });
    const { asked, of } = await measured(world(container, low, {}));
    expect(of(container)).toMatchObject({ tellsMemory: true, hasNoCores: true });
    expect(asked.filter((path) => path.endsWith('/current'))).toEqual([]);
  });

  it('is no peak of what is recorded each minute', async () => {
    const { asked, of } = await measured(world(vm, low, {}, 60));
    expect(asked.filter((path) => path.endsWith('MAX'))).toEqual([]);
    expect(of(vm)?.peaks).toMatchObject({ points: 1440, cpuP95: 0.1 });
  });

  it('is no more than the record of a guest that fits', async () => {
    const busy: World = {
      guests: [vm],
      reply: (path) => (path.endsWith('/config') ? {} : series({ cpu: 0.99, mem: 8 * GIB })),
    };
    const { asked, of } = await measured(busy);
    expect(asked).toHaveLength(2);
    expect(of(vm)).not.toHaveProperty('peaks');
  });
});

describe('who is asked', () => {
  const guests = Array.from({ length: 20 }, (_none, index) => guestRow(100 + index, { cpus: index + 1 }));
  const quiet = (path: string) => (path.endsWith('/config') ? {} : series({ cpu: 0.9, mem: 8 * GIB }));

  it('is the costliest first, and none of a node that is down', async () => {
    const { reading } = await measured({ guests, reply: quiet }, 3);
    expect([...reading.measured.keys()].map(({ vmid }) => vmid).toSorted()).toEqual([117, 118, 119]);
    const nodes = [{ node: 'pve1', status: 'offline' }];
    expect((await measured({ guests, reply: quiet, nodes })).asked).toEqual([]);
    expect((await measured({ guests, reply: quiet }, 0)).asked).toEqual([]);
  });

  it('is a hundred of ten thousand', async () => {
    const many = Array.from({ length: 10_000 }, (_none, index) =>
      guestRow(100 + index, { cpus: 1 + (index % 97) }),
    );
    const { reading, asked } = await measured({ guests: many, reply: quiet }, 100);
    expect(reading.measured.size).toBe(100);
    expect(asked.length).toBeLessThanOrEqual(300);
    expect(Math.min(...[...reading.measured.keys()].map(({ cpus = 0 }) => cpus))).toBe(97);
  });

  it('is nobody else of a node that does not answer, and everybody where one guest alone is refused', async () => {
    const failing = (code: 'TIMEOUT' | 'PERMISSION_DENIED', status?: number) => () => {
      throw new CallError(code, 'No.', { hint: 'Look.', ...(status === undefined ? {} : { status }) });
    };
    const silent = await measured({ guests, reply: failing('TIMEOUT') });
    expect(silent.reading.failed.length).toBeLessThanOrEqual(4);
    expect(silent.reading.measured.size).toBe(0);
    const proxied = await measured({ guests, reply: failing('PERMISSION_DENIED', 596) });
    expect(proxied.reading.failed.length).toBeLessThanOrEqual(4);
    expect((await measured({ guests, reply: failing('PERMISSION_DENIED') })).reading.failed).toHaveLength(20);
  });

  it('is nobody once the time is over', async () => {
    let now = NOW * 1000;
    const slow = (path: string) => {
      now += 1000;
      return quiet(path);
    };
    const { reading } = await measured({ guests, reply: slow }, 100, { now: () => now });
    expect(reading.measured.size).toBeGreaterThan(5);
    expect(reading.measured.size).toBeLessThan(20);
  });

  it('ends with the call', async () => {
    const controller = new AbortController();
    const cancelling = (path: string) => {
      controller.abort(new Error('cancelled'));
      return quiet(path);
    };
    const work = measured({ guests, reply: cancelling }, 100, { signal: controller.signal });
    await expect(work).rejects.toThrow('cancelled');
  });
});
