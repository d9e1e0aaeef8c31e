import type { GatedCluster } from '../../../access/gate.ts';
import type { GuestRow } from '../../../clusters/inventory.ts';
import { compact } from '../../results.ts';
import { type Basis, type Figures, figuresByInventory, figuresOf, round, sumOf } from './bill.ts';
import type { Reading } from './measure.ts';
import type { Period } from './period.ts';
import { type Finding, isStopped, type Rule, sizeFinding, stoppedFinding } from './sizing.ts';

/** What a guest cost, and what could be saved on it. */
export interface Bill {
  cluster: string;
  currency: string | undefined;
  guest: GuestRow;
  figures: Figures;
  finding: Finding | undefined;
  /** By its record; else what the list of guests tells. */
  isMeasured: boolean;
}

/** The bills of one cluster. */
export function billsOf(reading: Reading, period: Period, basis: Basis, rule: Rule): Bill[] {
  const { cluster, guests, measured } = reading;
  const { prices } = cluster.settings;
  return guests.map((guest): Bill => {
    const about = { cluster: cluster.name, currency: prices?.currency, guest };
    const one = measured.get(guest);
    if (one === undefined) {
      const figures = figuresByInventory(guest, period, prices, basis);
      return { ...about, figures, finding: undefined, isMeasured: false };
    }
    const { usage, peaks, tellsMemory = false } = one;
    const allocated = figuresOf(one, prices, 'allocated');
    const judged = peaks && { guest, usage, peaks, tellsMemory, prices, figures: allocated };
    const finding = isStopped(guest, usage, period)
      ? stoppedFinding(allocated, usage)
      : judged && sizeFinding(judged, rule);
    const figures = basis === 'allocated' ? allocated : figuresOf(one, prices, basis);
    return { ...about, figures, finding, isMeasured: true };
  });
}

/** The sums of guests of one cluster, or of one currency. */
export function totalOf(bills: readonly Bill[], hours: number) {
  const [first] = bills;
  const saves = bills.flatMap(({ finding }) => finding?.saves ?? []);
  return {
    guests: bills.length,
    ...sumOf(bills.map(({ figures }) => figures)),
    period_hours: round(bills.length * hours),
    ...compact({ currency: first?.currency }),
    ...(saves.length === 0 ? {} : { could_save: round(saves.reduce((sum, one) => sum + one, 0)) }),
  };
}

/** One for each currency, and one for the clusters without prices: these are never added. */
export function totalsOf(bills: readonly Bill[], hours: number) {
  const groups = Map.groupBy(bills, ({ currency }) => currency);
  return [...groups.values()].map((group) => totalOf(group, hours));
}

/** What could be saved at most, for an order; without prices by hours. */
export function savingsOf(finding: Finding | undefined): number | null {
  if (finding === undefined) return null;
  const { saves, saves_if_off = 0, saves_if_removed = 0, saves_vcpu_hours = 0 } = finding;
  return Math.max(saves ?? saves_vcpu_hours, saves_if_off, saves_if_removed);
}

/** The guests that most could be saved on. */
export function topSavings(bills: readonly Bill[], most: number) {
  const found = bills.filter(({ finding }) => finding !== undefined);
  const sorted = found.toSorted(
    (a, b) => (savingsOf(b.finding) ?? 0) - (savingsOf(a.finding) ?? 0) || a.guest.vmid - b.guest.vmid,
  );
  return {
    savings: sorted.slice(0, most).map(({ cluster, guest, currency, finding }) => ({
      cluster,
      vmid: guest.vmid,
      ...compact({ name: guest.name, currency }),
      ...finding,
    })),
    savings_total: found.length,
  };
}

/** What the figures of a cluster rest on. */
export function basisOf({ cluster, guests, measured }: Reading) {
  const usages = [...measured.values()].map(({ usage }) => usage);
  const sum = (of: (usage: (typeof usages)[number]) => number) =>
    usages.reduce((total, usage) => total + of(usage), 0);
  return {
    cluster: cluster.name,
    guests: guests.length,
    measured: measured.size,
    ...(usages.length === 0 ? {} : { step_seconds: Math.max(...usages.map((usage) => usage.stepSeconds)) }),
    points: sum(({ points }) => points),
    points_known: sum(({ known }) => known),
    ...pricesOf(cluster),
  };
}

function pricesOf({ settings: { prices } }: GatedCluster) {
  if (prices === undefined) return {};
  const { currency, vcpuHour, memoryGibHour, storageGibHour } = prices;
  const parts = { vcpu_hour: vcpuHour, memory_gib_hour: memoryGibHour, storage_gib_hour: storageGibHour };
  return { prices: { currency, ...compact(parts) } };
}
