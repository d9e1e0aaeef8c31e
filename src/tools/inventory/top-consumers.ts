import type { GuestRow } from '../../clusters/inventory.ts';
import { compact } from '../results.ts';
import { byName } from './capacity.ts';

/** A guest of the list, with the one figure that the list is about. */
export type Consumer = {
  cluster: string;
  /** `qemu/100`. */
  guest: string;
  name?: string;
  node: string;
  /** How many CPUs it keeps busy. */
  cpus_busy?: number;
  mem_bytes?: number;
  boot_disk_bytes?: number;
};

export interface Consumers {
  cpu: Consumer[];
  memory: Consumer[];
  disk: Consumer[];
}

/** The guests that take most, the largest first. Disks are counted by their size: what a VM wrote PVE does not know. */
export function topConsumers(
  guests: readonly { cluster: string; guest: GuestRow }[],
  most: number,
): Consumers {
  const top = (of: (guest: GuestRow) => number | undefined, named: (value: number) => Partial<Consumer>) =>
    guests
      .flatMap(({ cluster, guest }) => {
        const value = of(guest) ?? 0;
        return value > 0 ? [{ cluster, guest, value }] : [];
      })
      .sort(
        (a, b) =>
          b.value - a.value || byName(a.cluster, b.cluster) || byName(String(a.guest.id), String(b.guest.id)),
      )
      .slice(0, most)
      .map(({ cluster, guest, value }) => ({
        cluster,
        guest: guest.id,
        ...compact({ name: guest.name }),
        node: guest.node,
        ...named(value),
      }));
  return {
    cpu: top(busy, (value) => ({ cpus_busy: Math.round(value * 100) / 100 })),
    memory: top(
      ({ memBytes }) => memBytes,
      (value) => ({ mem_bytes: value }),
    ),
    disk: top(
      ({ maxDiskBytes }) => maxDiskBytes,
      (value) => ({ boot_disk_bytes: value }),
    ),
  };
}

function busy({ cpuFraction = 0, cpus = 0 }: GuestRow): number {
  return cpuFraction * cpus;
}
