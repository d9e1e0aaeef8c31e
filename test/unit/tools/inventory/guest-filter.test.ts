import { describe, expect, it } from 'vitest';
import type { Backups, GuestRow } from '../../../../src/clusters/inventory.ts';
import { type GuestFilters, guestCheck } from '../../../../src/tools/inventory/guest-filter.ts';

const DAY_MS = 86_400_000;
const NOW = 100 * DAY_MS;

function guest(more: Partial<GuestRow> = {}): GuestRow {
  return {
    id: 'lxc/100',
    type: 'lxc',
    vmid: 100,
    node: 'pve1',
    name: 'Web-01',
    nameLower: 'web-01',
    status: 'running',
    template: false,
    tags: ['web'],
    ...more,
  };
}

function fits(filters: GuestFilters, row: GuestRow, backups?: Partial<Backups>) {
  const check = guestCheck(filters, NOW);
  const known = backups && { newest: new Map(), unread: [], asOf: NOW, ...backups };
  return { fits: check.fits(row, known), ...check.unknown };
}

describe('usage', () => {
  it.each([
    [{ min_cpu_percent: 50 }, { cpuFraction: 0.5 }, true],
    [{ min_cpu_percent: 50 }, { cpuFraction: 0.49 }, false],
    [{ min_cpu_percent: 0 }, {}, false],
    [{ min_mem_percent: 90 }, { memBytes: 9, maxMemBytes: 10 }, true],
    [{ min_mem_percent: 90 }, { memBytes: 9, maxMemBytes: 0 }, false],
    [{ min_disk_percent: 10 }, { diskBytes: 1, maxDiskBytes: 10 }, true],
  ])('%j of %j: %s', (filters, row, expected) => {
    expect(fits(filters, guest(row)).fits).toBe(expected);
  });

  it('a VM’s disk is not known, whatever the row says; only one that fits in all else counts', () => {
    const vm = guest({ type: 'qemu', diskBytes: 10, maxDiskBytes: 10 });
    expect(fits({ min_disk_percent: 0 }, vm)).toEqual({ fits: false, disks: 1, backups: 0 });
    expect(fits({ min_disk_percent: 0, name: 'db-*' }, vm)).toEqual({ fits: false, disks: 0, backups: 0 });
  });
});

describe('no_backup_days', () => {
  const filters = { no_backup_days: 7 };

  it.each([
    ['of six days ago', 6, false],
    ['of exactly seven days ago', 7, false],
    ['of eight days ago', 8, true],
  ])('a backup %s', (_title, days, expected) => {
    const newest = new Map([[100, NOW - days * DAY_MS]]);
    expect(fits(filters, guest(), { newest }).fits).toBe(expected);
  });

  it('finds a guest without any, and no template', () => {
    expect(fits(filters, guest(), {}).fits).toBe(true);
    expect(fits(filters, guest({ template: true }), {}).fits).toBe(false);
  });

  it('a guest whose backups nobody may see is not said to have none', () => {
    expect(fits(filters, guest(), { hidden: new Set([100]) })).toEqual({ fits: false, disks: 0, backups: 1 });
  });
});

describe('tags and names', () => {
  it('compare without case; a guest without a name fits none', () => {
    expect(fits({ tag: 'WEB' }, guest()).fits).toBe(true);
    expect(fits({ tag: 'we' }, guest()).fits).toBe(false);
    expect(fits({ name: 'web-?1' }, guest()).fits).toBe(true);
    const { name: _name, nameLower: _lower, ...nameless } = guest();
    expect(fits({ name: 'w*' }, nameless).fits).toBe(false);
  });
});
