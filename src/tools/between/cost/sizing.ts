import type { GuestRow } from '../../../clusters/inventory.ts';
import type { ClusterPrices } from '../../../config/config.ts';
import { percentOf } from '../../results.ts';
import { type Figures, round } from './bill.ts';
import type { Period } from './period.ts';
import { GIB, type Peaks, type Usage } from './usage.ts';

const MIB = 1024 ** 2;
const STEP_MIB = 512;
/** Less of the period says little of what a guest needs. */
const ENOUGH = 0.5;

/** How sizes are judged. */
export interface Rule {
  /** A guest whose CPUs were busier in 5 % of the moments alone is idle. */
  idlePercent: number;
  /** What is added to the highest use. */
  marginPercent: number;
}

/** What could be saved on a guest, in the period that was counted. */
export interface Finding {
  kinds: ('idle' | 'oversized' | 'stopped')[];
  vcpus?: number;
  proposed_vcpus?: number;
  memory_mib?: number;
  proposed_memory_mib?: number;
  cpu_p95_percent?: number;
  mem_max_percent?: number;
  points: number;
  /** By the proposed size; costs are absent without prices. */
  saves_vcpu_hours?: number;
  saves_memory_gib_hours?: number;
  saves?: number;
  /** Of an idle one its CPUs and memory, of a stopped one its disks. */
  saves_if_off?: number;
  saves_if_removed?: number;
}

/** The least size that holds so much with the margin: steps of one vCPU, one at least. */
export function vcpusFor(busy: number, { marginPercent }: Rule): number {
  return Math.max(1, Math.ceil(withMargin(busy, marginPercent)));
}

/** The same of memory, in steps of 512 MiB. */
export function memoryMibFor(bytes: number, { marginPercent }: Rule): number {
  return Math.max(1, Math.ceil(withMargin(bytes / MIB / STEP_MIB, marginPercent))) * STEP_MIB;
}

/** A sum such as 2 + 30 % of 1.538… must not become another step by its last digit. */
function withMargin(value: number, percent: number): number {
  return Number((value * (1 + percent / 100)).toPrecision(12));
}

/** Whether peaks would be worth a question: means are never above them, so that what fails here fails for good. */
export function mayBeSmaller(
  guest: GuestRow,
  usage: Usage,
  means: Peaks | undefined,
  rule: Rule,
  period: Period,
) {
  if (means === undefined || usage.ranHours < ENOUGH * period.hours || guest.template) return undefined;
  const { cpus = 0, maxMemBytes = 0 } = guest;
  const cpu = vcpusFor(means.cpuP95 * cpus, rule) < cpus || means.cpuP95 * 100 < rule.idlePercent;
  const memory = memoryMibFor(means.memMaxBytes, rule) * MIB < maxMemBytes;
  return cpu || memory ? { memory } : undefined;
}

/** A guest that was off for all that is known of the time, which is the most of it. */
export function isStopped(guest: GuestRow, { knownHours, ranHours }: Usage, { hours }: Period): boolean {
  const isOff = guest.status === 'stopped' && !guest.template;
  return isOff && ranHours === 0 && knownHours >= ENOUGH * hours;
}

/** @param figures what it cost as allocated */
export function stoppedFinding({ storage_cost }: Figures, { known }: Usage): Finding {
  return {
    kinds: ['stopped'],
    points: known,
    ...(storage_cost === undefined ? {} : { saves_if_removed: storage_cost }),
  };
}

interface Judged {
  guest: GuestRow;
  usage: Usage;
  peaks: Peaks;
  /** Whether what is recorded of its memory is what the guest itself uses. */
  tellsMemory: boolean;
  prices: ClusterPrices | undefined;
  figures: Figures;
}

/** What its peaks say of its size; undefined where it fits. @param figures what it cost as allocated */
export function sizeFinding(judged: Judged, rule: Rule): Finding | undefined {
  const { guest, usage, peaks, tellsMemory, prices, figures } = judged;
  const { cpus = 0, maxMemBytes = 0 } = guest;
  const vcpus = Math.min(cpus, vcpusFor(peaks.cpuP95 * cpus, rule));
  const memory = tellsMemory ? memoryMibFor(peaks.memMaxBytes, rule) : Number.POSITIVE_INFINITY;
  const memoryMib = maxMemBytes / MIB;
  const isIdle = peaks.cpuP95 * 100 < rule.idlePercent;
  const isOver = vcpus < cpus || memory < memoryMib;
  if (!isIdle && !isOver) return undefined;
  const vcpuHours = (cpus - vcpus) * usage.ranHours;
  const gibHours = ((Math.max(0, memoryMib - memory) * MIB) / GIB) * usage.ranHours;
  const { vcpuHour = 0, memoryGibHour = 0 } = prices ?? {};
  const { vcpu_cost = 0, memory_cost = 0 } = figures;
  return {
    kinds: [...(isIdle ? (['idle'] as const) : []), ...(isOver ? (['oversized'] as const) : [])],
    vcpus: cpus,
    ...(vcpus < cpus ? { proposed_vcpus: vcpus } : {}),
    memory_mib: Math.round(memoryMib),
    ...(memory < memoryMib ? { proposed_memory_mib: memory } : {}),
    cpu_p95_percent: percentOf(peaks.cpuP95, 1) ?? 0,
    ...(tellsMemory ? { mem_max_percent: percentOf(peaks.memMaxBytes, maxMemBytes) ?? 0 } : {}),
    points: peaks.points,
    saves_vcpu_hours: round(vcpuHours),
    saves_memory_gib_hours: round(gibHours),
    ...(prices === undefined ? {} : { saves: round(vcpuHours * vcpuHour + gibHours * memoryGibHour) }),
    ...(prices === undefined || !isIdle ? {} : { saves_if_off: round(vcpu_cost + memory_cost) }),
  };
}
