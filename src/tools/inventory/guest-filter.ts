import { z } from 'zod';
import type { Backups, GuestRow } from '../../clusters/inventory.ts';
import { matchesGlob } from '../../config/wildcard.ts';
import { textParam, wildcardParam } from '../params.ts';
import { percentOf } from '../results.ts';

const percentParam = z
  .number()
  .min(0)
  .refine((percent) => percent <= 100, 'is more than 100')
  .optional();

/** What find_guests filters by. */
export const guestFilters = {
  name: wildcardParam,
  tag: textParam().optional(),
  pool: textParam().optional(),
  node: textParam().optional(),
  status: textParam().optional(),
  type: z.enum(['qemu', 'lxc']).optional(),
  template: z.boolean().optional(),
  min_cpu_percent: percentParam,
  min_mem_percent: percentParam,
  min_disk_percent: percentParam.describe('Containers only.'),
  no_backup_days: z
    .int()
    .min(1)
    .refine((days) => days <= 36_500, 'are more than 100 years')
    .optional(),
};

const FILTERS = z.object(guestFilters);
export type GuestFilters = z.output<typeof FILTERS>;

/** What a guest was held against, and why some can't be judged. */
export interface GuestCheck {
  fits(guest: GuestRow, backups: Backups | undefined): boolean;
  /** Whether a guest that fits in all else was left out because nothing is known of it. */
  unknown: { disks: number; backups: number };
}

/** Makes one test of all filters. */
export function guestCheck(filters: GuestFilters, now: number): GuestCheck {
  const unknown = { disks: 0, backups: 0 };
  const tag = filters.tag?.toLowerCase();
  const name = filters.name?.toLowerCase();
  const { min_disk_percent: disk, no_backup_days: days } = filters;
  const since = days === undefined ? undefined : now - days * 86_400_000;
  const fits = (guest: GuestRow, backups: Backups | undefined): boolean => {
    if (!isSame(guest, filters)) return false;
    if (tag !== undefined && !guest.tags.includes(tag)) return false;
    if (name !== undefined && !matchesGlob(name, guest.nameLower ?? '')) return false;
    if (!reaches(cpuPercent(guest), filters.min_cpu_percent)) return false;
    if (!reaches(memPercent(guest), filters.min_mem_percent)) return false;
    if (disk !== undefined) {
      if (guest.type === 'qemu') unknown.disks++;
      if (!reaches(diskPercent(guest), disk)) return false;
    }
    if (since === undefined) return true;
    if (guest.template || (backups?.newest.get(guest.vmid) ?? 0) >= since) return false;
    if (!backups?.hidden?.has(guest.vmid)) return true;
    unknown.backups++;
    return false;
  };
  return { fits, unknown };
}

export function cpuPercent({ cpuFraction }: GuestRow): number | undefined {
  return percentOf(cpuFraction, 1);
}

export function memPercent({ memBytes, maxMemBytes }: GuestRow): number | undefined {
  return percentOf(memBytes, maxMemBytes);
}

/** For a VM Proxmox always says 0, which is no figure. */
export function diskPercent({ type, diskBytes, maxDiskBytes }: GuestRow): number | undefined {
  return type === 'qemu' ? undefined : percentOf(diskBytes, maxDiskBytes);
}

function isSame(guest: GuestRow, { type, node, status, pool, template }: GuestFilters): boolean {
  return (
    (type === undefined || guest.type === type) &&
    (node === undefined || guest.node === node) &&
    (status === undefined || guest.status === status) &&
    (pool === undefined || guest.pool === pool) &&
    (template === undefined || guest.template === template)
  );
}

function reaches(percent: number | undefined, least: number | undefined): boolean {
  return least === undefined || (percent !== undefined && percent >= least);
}
