import { z } from 'zod';
import type { Backups, GuestRow } from '../../clusters/inventory.ts';
import { compact, isoTime } from '../results.ts';
import { cpuPercent, diskPercent, memPercent } from './guest-filter.ts';

/** A guest as find_guests shows it; `fields` may leave any member out. */
export const guestRow = z
  .object({
    cluster: z.string(),
    vmid: z.int().describe('Unique within its cluster alone.'),
    name: z.string(),
    type: z.enum(['qemu', 'lxc']),
    node: z.string(),
    status: z.string(),
    template: z.boolean(),
    cpu_percent: z.number(),
    cpus: z.number(),
    mem_percent: z.number(),
    max_mem_bytes: z.number(),
    disk_percent: z.number(),
    max_disk_bytes: z.number(),
    uptime_seconds: z.number(),
    pool: z.string(),
    tags: z.array(z.string()),
    lock: z.string(),
    ha_state: z.string(),
    last_backup: z.string().describe('With no_backup_days.'),
  })
  .partial();

export const GUEST_SORTS = ['name', 'vmid', 'cluster', 'cpu', 'mem', 'disk', 'uptime'] as const;
type GuestSort = (typeof GUEST_SORTS)[number];

/** @param backups where they were asked for */
export function shownGuest(guest: GuestRow, backups: Backups | undefined) {
  const madeAt = backups?.newest.get(guest.vmid);
  const isOn = guest.status === 'running';
  return compact({
    vmid: guest.vmid,
    name: guest.name,
    type: guest.type,
    node: guest.node,
    status: guest.status,
    template: guest.template || undefined,
    cpu_percent: isOn ? cpuPercent(guest) : undefined,
    cpus: guest.cpus,
    mem_percent: isOn ? memPercent(guest) : undefined,
    max_mem_bytes: guest.maxMemBytes,
    disk_percent: isOn ? diskPercent(guest) : undefined,
    max_disk_bytes: guest.maxDiskBytes,
    uptime_seconds: isOn ? guest.uptimeSeconds : undefined,
    pool: guest.pool,
    tags: guest.tags.length === 0 ? undefined : [...guest.tags],
    lock: guest.lock,
    ha_state: guest.haState,
    last_backup: madeAt === undefined ? undefined : isoTime(madeAt),
  });
}

/** What guests are sorted by; null sorts to the end. */
export function sorter(sort: GuestSort): (guest: GuestRow, cluster: string) => string | number | null {
  return SORTED_BY[sort];
}

const SORTED_BY: Readonly<Record<GuestSort, ReturnType<typeof sorter>>> = {
  name: ({ nameLower }) => nameLower ?? null,
  vmid: ({ vmid }) => vmid,
  cluster: (_guest, cluster) => cluster,
  cpu: ({ cpuFraction }) => cpuFraction ?? null,
  mem: (guest) => memPercent(guest) ?? null,
  disk: (guest) => diskPercent(guest) ?? null,
  uptime: ({ uptimeSeconds }) => uptimeSeconds ?? null,
};
