import { someOf } from '../../fleet.ts';
import { count } from '../../results.ts';
import type { Basis } from './bill.ts';
import type { Reading } from './measure.ts';

/** What has to be known to read the figures. */
export function notesOf(readings: readonly Reading[], basis: Basis): (string | undefined)[] {
  const measured = readings.flatMap((reading) => [...reading.measured]);
  const all = readings.reduce((sum, { guests }) => sum + guests.length, 0);
  const of = (test: (one: (typeof measured)[number][1]) => boolean): number =>
    measured.filter(([, one]) => test(one)).length;
  const unsized = measured.reduce((sum, [, { disks }]) => sum + disks.unsized, 0);
  const mute = of(({ tellsMemory }) => tellsMemory === false);
  const noCores = of(({ hasNoCores }) => hasNoCores);
  return [
    unpriced(readings),
    byInventory(readings, all - measured.length),
    basis === 'used'
      ? 'Used: what disks hold is told of root file systems of containers alone, all other volumes count as allocated; savings are of what is allocated.'
      : undefined,
    mute === 0
      ? undefined
      : `No memory size is proposed for ${count(mute, 'VM')}: no balloon driver tells now what the guest uses, and the host knows only what it gave.`,
    noCores === 0
      ? undefined
      : `${count(noCores, 'container')} without a limit of cores: counted with all CPUs of the node.`,
    unsized === 0
      ? undefined
      : `Not counted: ${count(unsized, 'volume')} (unused disks, saved memory) of unknown size.`,
  ];
}

function unpriced(readings: readonly Reading[]): string | undefined {
  const names = readings
    .map(({ cluster }) => cluster)
    .filter(({ settings }) => settings.prices === undefined);
  if (names.length === 0) return undefined;
  return `No prices are configured for ${someOf(names.map(({ name }) => name))}, so hours alone are told: set \`prices\` of the cluster in clusters.json, such as {"currency":"EUR","vcpu_hour":0.01,"memory_gib_hour":0.005,"storage_gib_hour":0.0001}, or PROXMOX_CLUSTER_<name>_PRICES.`;
}

function byInventory(readings: readonly Reading[], left: number): string | undefined {
  if (left === 0) return undefined;
  const [first] = readings.flatMap(({ failed }) => failed);
  const why = first === undefined ? '' : ` (some could not be read: ${first.code}: ${first.message})`;
  return `The records of ${count(left, 'guest')} were not read${why}: these count by inventory, running ones since their last start, each with its boot disk as it is now for the whole time. The costliest were read first; \`measure\` says how many.`;
}
