import { describe, expect, it } from 'vitest';
import type { GuestRow } from '../../../../../src/clusters/inventory.ts';
import { disksOf } from '../../../../../src/tools/between/cost/disks.ts';
import { periodOf } from '../../../../../src/tools/between/cost/period.ts';
import { peaksOf, usageOf } from '../../../../../src/tools/between/cost/usage.ts';
import { recordedOf } from '../../../../../src/tools/metrics/rrd.ts';

const GIB = 1024 ** 3;
const HOUR = 3600;
/** At the full hour, so that steps of an hour fit into the day. */
const NOW = 500_000 * HOUR;

const VM: GuestRow = {
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

const DAY = periodOf({ period: 'day' }, NOW * 1000);
const sizes = { maxcpu: 4, maxmem: 8 * GIB, maxdisk: 32 * GIB, disk: 0 };
const running = { ...sizes, cpu: 0.25, mem: 2 * GIB };
/** Rows of a record, an hour each, the last of which ends now. */
const rows = (values: object[]) =>
  values.map((value, index) => ({ time: NOW - (values.length - index) * HOUR, ...value }));
const times = <T>(count: number, value: T): T[] => Array.from({ length: count }, () => value);

describe('periodOf', () => {
  it('takes the finest record that reaches so far back', () => {
    const found = (days: number) => periodOf({ days }, 0).timeframe;
    expect([1, 2, 7, 8, 30, 31, 365].map(found)).toEqual([
      'day',
      'week',
      'week',
      'month',
      'month',
      'year',
      'year',
    ]);
    expect(periodOf({}, NOW * 1000)).toEqual({
      timeframe: 'week',
      from: NOW - 168 * HOUR,
      to: NOW,
      hours: 168,
    });
    expect(periodOf({ period: 'hour' }, NOW * 1000 + 999)).toMatchObject({ to: NOW, hours: 1 });
  });

  it('is said once', () => {
    expect(() => periodOf({ period: 'day', days: 2 }, 0)).toThrow('Both period and days');
  });
});

describe('usageOf', () => {
  it('tells time that it ran, time that it was off, and time of which nothing is known', () => {
    const series = rows([...times(6, {}), ...times(8, sizes), ...times(10, running)]);
    expect(usageOf(recordedOf(series), DAY, VM)).toEqual({
      stepSeconds: HOUR,
      points: 24,
      known: 18,
      knownHours: 18,
      ranHours: 10,
      allocated: { vcpuHours: 40, memoryGibHours: 80 },
      used: { vcpuHours: 10, memoryGibHours: 20 },
      rootUsedGibHours: undefined,
    });
  });

  it('counts sizes as they were at each moment, and those of now where none was recorded', () => {
    const grown = { ...running, maxcpu: 6, maxmem: 12 * GIB };
    const series = rows([...times(12, running), ...times(6, grown), ...times(6, { cpu: 0.5, mem: GIB })]);
    const { allocated } = usageOf(recordedOf(series), DAY, VM);
    expect(allocated).toEqual({
      vcpuHours: 12 * 4 + 6 * 6 + 6 * 8,
      memoryGibHours: 12 * 8 + 6 * 12 + 6 * 16,
    });
  });

  it('takes figures of zero for a guest that was off, and texts as some versions send them', () => {
    const off = { ...sizes, cpu: 0, mem: 0 };
    const texts = { maxcpu: '4', maxmem: String(8 * GIB), cpu: '0.5', mem: String(GIB) };
    const broken = { maxcpu: 'NaN', cpu: 'NaN', mem: null };
    const series = rows([...times(12, off), ...times(8, texts), ...times(4, broken)]);
    expect(usageOf(recordedOf(series), DAY, VM)).toMatchObject({
      known: 20,
      ranHours: 8,
      allocated: { vcpuHours: 32, memoryGibHours: 64 },
      used: { vcpuHours: 16, memoryGibHours: 8 },
    });
  });

  it('counts of a step what lies within the period', () => {
    // Proxmox VE 8 keeps 70 steps of each kind, which reach further back than is asked for.
    const step = 3 * HOUR;
    const series = times(70, running).map((value, index) => ({
      time: NOW + HOUR - (70 - index) * step,
      ...value,
    }));
    const week = periodOf({ period: 'week' }, NOW * 1000);
    const { knownHours, points, allocated } = usageOf(recordedOf(series), week, VM);
    expect({ knownHours, points, allocated }).toEqual({
      knownHours: 168,
      points: 57,
      allocated: { vcpuHours: 672, memoryGibHours: 1344 },
    });
  });

  it('knows nothing of nothing', () => {
    for (const series of [[], null, rows([running])]) {
      expect(usageOf(recordedOf(series), DAY, VM)).toMatchObject({ known: 0, knownHours: 0, ranHours: 0 });
    }
    expect(peaksOf(recordedOf([]), DAY)).toBeUndefined();
    expect(peaksOf(recordedOf(rows(times(24, sizes))), DAY)).toBeUndefined();
  });

  it('tells what the root file system of a container held while it ran', () => {
    const series = rows([...times(12, sizes), ...times(12, { ...running, disk: 8 * GIB })]);
    const container: GuestRow = { ...VM, id: 'lxc/100', type: 'lxc' };
    expect(usageOf(recordedOf(series), DAY, container).rootUsedGibHours).toBe(96);
  });
});

it('peaks are those of the time that it ran', () => {
  const busy = { ...running, cpu: 0.9, mem: 6 * GIB };
  const series = rows([...times(3, sizes), ...times(20, running), busy]);
  expect(peaksOf(recordedOf(series), DAY)).toEqual({ points: 21, cpuP95: 0.25, memMaxBytes: 6 * GIB });
});

describe('disksOf', () => {
  it('adds up all volumes of a VM, and no CD, no path of the node', () => {
    const values = {
      name: 'web',
      scsi0: 'local-lvm:vm-100-disk-0,size=32G,ssd=1',
      virtio1: 'file=nas:100/vm-100-disk-1.qcow2,size=1T',
      efidisk0: 'local-lvm:vm-100-disk-2,efitype=4m,size=4M',
      tpmstate0: 'local-lvm:vm-100-disk-3,size=4194304',
      ide2: 'local:iso/debian.iso,media=cdrom,size=600M',
      ide3: 'local-lvm:vm-100-cloudinit,media=cdrom',
      sata0: '/dev/disk/by-id/ata-X,size=4T',
      scsi5: 'none',
      unused0: 'local-lvm:vm-100-disk-9',
      vmstate: 'local-lvm:vm-100-state-x',
    };
    const MIB = 1024 ** 2;
    expect(disksOf(values)).toEqual({ bytes: (32 + 1024) * GIB + 8 * MIB, rootBytes: 0, unsized: 2 });
  });

  it('tells the root file system of a container from what is mounted', () => {
    const values = {
      rootfs: 'local-lvm:subvol-110-disk-0,size=8G',
      mp0: 'nas:110/vm-110-disk-0.raw,mp=/srv,size=100G',
      mp1: '/mnt/shared,mp=/shared',
    };
    expect(disksOf(values)).toEqual({ bytes: 108 * GIB, rootBytes: 8 * GIB, unsized: 0 });
  });
});
