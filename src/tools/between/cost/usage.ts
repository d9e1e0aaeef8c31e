import type { GuestRow } from '../../../clusters/inventory.ts';
import type { Recorded } from '../../metrics/rrd.ts';
import { statisticsOf } from '../../metrics/statistics.ts';
import type { Period } from './period.ts';

export const GIB = 1024 ** 3;

/** What a guest was given, or what it took of it. */
export interface Amounts {
  vcpuHours: number;
  memoryGibHours: number;
}

/** What a record tells of a guest in a period. */
export interface Usage {
  stepSeconds: number;
  /** Moments of the period, and those at which something was recorded. */
  points: number;
  known: number;
  knownHours: number;
  ranHours: number;
  allocated: Amounts;
  used: Amounts;
  /** What the root file system of a container held while it ran; of a VM, and of what is off, it is not told. */
  rootUsedGibHours: number | undefined;
}

/** The highest that a guest took while it ran. */
export interface Peaks {
  points: number;
  /** Of its own CPUs, 0 to 1: 95 % of the moments are not above it. */
  cpuP95: number;
  memMaxBytes: number;
}

interface Moment {
  time: number;
  /** Hours of the period that it stands for. */
  hours: number;
  state: 'ran' | 'off' | 'unknown';
  /** A figure by its name in the record. */
  figure(name: string): number | undefined;
}

/**
 * Adds up what was recorded (cf AVERAGE). Sizes are those of each moment, and those of now where none is recorded.
 *
 * @param recorded as `rrddata` tells it: a moment stands for the step that begins with it
 */
export function usageOf(recorded: Recorded, period: Period, guest: GuestRow): Usage {
  const moments = momentsOf(recorded, period);
  const known = moments.filter(({ state }) => state !== 'unknown');
  const ran = known.filter(({ state }) => state === 'ran');
  const over = (all: readonly Moment[], of: (moment: Moment) => number): number =>
    all.reduce((sum, moment) => sum + of(moment) * moment.hours, 0);
  const cpus = ({ figure }: Moment): number => figure('cpus') ?? guest.cpus ?? 0;
  const memory = ({ figure }: Moment): number => figure('max_mem_bytes') ?? guest.maxMemBytes ?? 0;
  return {
    stepSeconds: stepOf(recorded),
    points: moments.length,
    known: known.length,
    knownHours: over(known, () => 1),
    ranHours: over(ran, () => 1),
    allocated: { vcpuHours: over(ran, cpus), memoryGibHours: over(ran, memory) / GIB },
    used: {
      vcpuHours: over(ran, (moment) => (moment.figure('cpu_fraction') ?? 0) * cpus(moment)),
      memoryGibHours: over(ran, ({ figure }) => figure('mem_bytes') ?? 0) / GIB,
    },
    rootUsedGibHours:
      guest.type === 'qemu' ? undefined : over(ran, ({ figure }) => figure('disk_bytes') ?? 0) / GIB,
  };
}

/** What it took at most; undefined where it never ran. @param recorded with cf MAX, or steps too short for peaks */
export function peaksOf(recorded: Recorded, period: Period): Peaks | undefined {
  const ran = momentsOf(recorded, period).filter(({ state }) => state === 'ran');
  const points = ran.flatMap(({ time, figure }) => {
    const value = figure('cpu_fraction');
    return value === undefined ? [] : [{ time, value }];
  });
  const cpu = statisticsOf(points);
  const memory = ran.flatMap(({ figure }) => figure('mem_bytes') ?? []);
  if (cpu === undefined || memory.length === 0) return undefined;
  return { points: ran.length, cpuP95: cpu.p95, memMaxBytes: Math.max(...memory) };
}

/** Those of the period, with the part of it that each stands for. */
function momentsOf(recorded: Recorded, { from, to }: Period): Moment[] {
  const { times, metrics } = recorded;
  const step = stepOf(recorded);
  return times.flatMap((time, index) => {
    const seconds = Math.min(time + step, to) - Math.max(time, from);
    if (seconds <= 0) return [];
    const figure = (name: string): number | undefined => metrics.get(name)?.[index];
    const isAny = [...metrics.values()].some((values) => values[index] !== undefined);
    return [{ time, hours: seconds / 3600, state: isAny ? stateOf(figure) : 'unknown', figure }];
  });
}

/** Of a guest that is off Proxmox records the sizes, and leaves out what it uses (PVE::Service::pvestatd). */
function stateOf(figure: Moment['figure']): 'ran' | 'off' {
  const [cpu, memory] = [figure('cpu_fraction'), figure('mem_bytes')];
  // Other writers of these records put 0 there. Whatever runs holds some memory.
  if (memory !== undefined) return memory > 0 || (cpu ?? 0) > 0 ? 'ran' : 'off';
  return cpu === undefined ? 'off' : 'ran';
}

function stepOf({ times: [first, second] }: Recorded): number {
  return first === undefined || second === undefined ? 0 : second - first;
}
