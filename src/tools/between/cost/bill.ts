import type { GuestRow } from '../../../clusters/inventory.ts';
import type { ClusterPrices } from '../../../config/config.ts';
import type { Disks } from './disks.ts';
import type { Period } from './period.ts';
import { GIB, type Usage } from './usage.ts';

export const BASES = ['allocated', 'used'] as const;
export type Basis = (typeof BASES)[number];

/** Hours, and what they cost. Rounded to four decimals for each guest, so that sums are those of what is shown. */
export interface Figures {
  known_hours: number;
  ran_hours: number;
  vcpu_hours: number;
  memory_gib_hours: number;
  storage_gib_hours: number;
  /** Absent without prices, as the rest. */
  vcpu_cost?: number;
  memory_cost?: number;
  storage_cost?: number;
  cost?: number;
}

/** What was read of one guest. */
export interface Measured {
  usage: Usage;
  disks: Disks;
}

/** The figures of a guest by its record. */
export function figuresOf(
  { usage, disks }: Measured,
  prices: ClusterPrices | undefined,
  basis: Basis,
): Figures {
  const { knownHours, ranHours, rootUsedGibHours } = usage;
  const allocated = (disks.bytes * knownHours) / GIB;
  const unusedRoot =
    basis === 'used' && rootUsedGibHours !== undefined
      ? Math.max(0, (disks.rootBytes * ranHours) / GIB - rootUsedGibHours)
      : 0;
  const hours = {
    known: knownHours,
    ran: ranHours,
    ...usage[basis],
    storageGibHours: allocated - unusedRoot,
  };
  return priced(hours, prices);
}

/**
 * The figures of a guest whose record was not read. A running one ran since its start; of one that is off nothing is
 * known but the disk that it has now, which is counted for the whole time, as that of the others.
 */
export function figuresByInventory(
  guest: GuestRow,
  { hours }: Period,
  prices: ClusterPrices | undefined,
  basis: Basis,
): Figures {
  const { status, uptimeSeconds = 0, cpus = 0, maxMemBytes = 0, maxDiskBytes = 0 } = guest;
  const ran = status === 'running' ? Math.min(hours, uptimeSeconds / 3600) : 0;
  // What it used over the time no list of guests tells.
  const counted = basis === 'used' ? 0 : ran;
  const amounts = { vcpuHours: cpus * counted, memoryGibHours: (maxMemBytes * counted) / GIB };
  return priced({ known: ran, ran, ...amounts, storageGibHours: (maxDiskBytes * hours) / GIB }, prices);
}

/** What a guest could cost in an hour, to tell which are worth a question; without prices by what such prices are like. */
export function weightOf(
  { template, cpus = 0, maxMemBytes = 0, maxDiskBytes = 0 }: GuestRow,
  prices = LIKELY,
) {
  const { vcpuHour = 0, memoryGibHour = 0, storageGibHour = 0 } = prices;
  const running = template ? 0 : cpus * vcpuHour + (maxMemBytes / GIB) * memoryGibHour;
  return running + (maxDiskBytes / GIB) * storageGibHour;
}

const LIKELY: ClusterPrices = { currency: '', vcpuHour: 1, memoryGibHour: 0.25, storageGibHour: 0.005 };

interface Hours {
  known: number;
  ran: number;
  vcpuHours: number;
  memoryGibHours: number;
  storageGibHours: number;
}

function priced(hours: Hours, prices: ClusterPrices | undefined): Figures {
  const counted = {
    known_hours: round(hours.known),
    ran_hours: round(hours.ran),
    vcpu_hours: round(hours.vcpuHours),
    memory_gib_hours: round(hours.memoryGibHours),
    storage_gib_hours: round(hours.storageGibHours),
  };
  if (prices === undefined) return counted;
  const { vcpuHour = 0, memoryGibHour = 0, storageGibHour = 0 } = prices;
  const vcpu_cost = round(hours.vcpuHours * vcpuHour);
  const memory_cost = round(hours.memoryGibHours * memoryGibHour);
  const storage_cost = round(hours.storageGibHours * storageGibHour);
  return {
    ...counted,
    vcpu_cost,
    memory_cost,
    storage_cost,
    cost: round(vcpu_cost + memory_cost + storage_cost),
  };
}

/** Adds figures up: each sum is exactly that of the rounded parts. */
export function sumOf(all: readonly Figures[]): Figures {
  const sum = (of: (figures: Figures) => number | undefined): number =>
    round(all.reduce((total, figures) => total + (of(figures) ?? 0), 0));
  const counted = {
    known_hours: sum((one) => one.known_hours),
    ran_hours: sum((one) => one.ran_hours),
    vcpu_hours: sum((one) => one.vcpu_hours),
    memory_gib_hours: sum((one) => one.memory_gib_hours),
    storage_gib_hours: sum((one) => one.storage_gib_hours),
  };
  if (!all.some(({ cost }) => cost !== undefined)) return counted;
  return {
    ...counted,
    vcpu_cost: sum((one) => one.vcpu_cost),
    memory_cost: sum((one) => one.memory_cost),
    storage_cost: sum((one) => one.storage_cost),
    cost: sum((one) => one.cost),
  };
}

export function round(value: number): number {
  return Math.round(value * 10_000) / 10_000;
}
