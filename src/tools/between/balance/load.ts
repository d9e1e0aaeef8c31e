import type { GatedCluster } from '../../../access/gate.ts';
import type { GuestRow, NodeRow } from '../../../clusters/inventory.ts';
import { type ApiPath, apiPath } from '../../../proxmox/api-path.ts';
import { targetOf } from '../../guest-target.ts';
import { recordedOf } from '../../metrics/rrd.ts';
import { statisticsOf } from '../../metrics/statistics.ts';
import { pooled } from '../../pooled.ts';

export const LOAD_TIMEFRAMES = ['hour', 'day', 'week'] as const;
export type LoadTimeframe = (typeof LOAD_TIMEFRAMES)[number];

export const LOAD_CALLS = [
  ['GET', '/nodes/{node}/rrddata', 'timeframe', 'cf'],
  ['GET', '/nodes/{node}/qemu/{vmid}/rrddata', 'timeframe', 'cf'],
  ['GET', '/nodes/{node}/lxc/{vmid}/rrddata', 'timeframe', 'cf'],
] as const;

/** What a node or a guest took of CPU and memory over a time. */
export interface Load {
  /** `now`: nothing was recorded, or it could not be read; then all figures are those of this moment. */
  basis: 'recorded' | 'now';
  /** How many moments it rests on. */
  points: number;
  /** Of its own CPUs, 0 to 1. */
  cpuMean: number;
  cpuP95: number;
  memMeanBytes: number;
  memP95Bytes: number;
  /** The highest of the peaks (cf MAX); of the means where peaks were not asked for. */
  memPeakBytes: number;
}

interface Asked {
  cluster: GatedCluster;
  timeframe: LoadTimeframe;
  /** Whether peaks are asked for, too. */
  peaks: boolean;
}

/**
 * Reads what a node took over a time.
 *
 * @returns undefined where neither its record nor its present figures are told
 * @throws the signal's reason
 */
export function loadOfNode(asked: Asked, row: NodeRow, signal: AbortSignal): Promise<Load | undefined> {
  return loadOf(asked, apiPath`/nodes/${row.node}/rrddata`, row, signal);
}

/** The same for a guest: its record goes where the guest goes. */
export function loadOfGuest(asked: Asked, row: GuestRow, signal: AbortSignal): Promise<Load | undefined> {
  return loadOf(asked, targetOf(asked.cluster, row).at('rrddata'), row, signal);
}

/** Loads of many, by key; those without any figure are left out. @throws the signal's reason */
export async function loadsOf<Key, Row>(
  rows: readonly Row[],
  keyOf: (row: Row) => Key,
  load: (row: Row) => Promise<Load | undefined>,
): Promise<Map<Key, Load>> {
  const found = await pooled(rows, async (row) => [keyOf(row), await load(row)] as const);
  return new Map(found.flatMap(([key, one]) => (one === undefined ? [] : [[key, one]])));
}

/** What is so at this moment, as the list of the cluster tells it. */
export function loadNow({
  cpuFraction,
  memBytes,
}: Pick<NodeRow, 'cpuFraction' | 'memBytes'>): Load | undefined {
  if (cpuFraction === undefined || memBytes === undefined) return undefined;
  return {
    basis: 'now',
    points: 1,
    cpuMean: cpuFraction,
    cpuP95: cpuFraction,
    memMeanBytes: memBytes,
    memP95Bytes: memBytes,
    memPeakBytes: memBytes,
  };
}

async function loadOf(
  asked: Asked,
  path: ApiPath,
  row: Pick<NodeRow, 'cpuFraction' | 'memBytes'>,
  signal: AbortSignal,
): Promise<Load | undefined> {
  const read = async (cf: 'AVERAGE' | 'MAX') => {
    const data = { timeframe: asked.timeframe, cf };
    return recordedOf((await asked.cluster.request({ method: 'GET', path, data, signal })).data);
  };
  try {
    const [means, peaks] = await Promise.all([read('AVERAGE'), asked.peaks ? read('MAX') : undefined]);
    const [cpu, memory, peak] = [
      statisticsIn(means, ['cpu_fraction']),
      statisticsIn(means, MEMORY),
      peaks && statisticsIn(peaks, MEMORY),
    ];
    if (cpu === undefined || memory === undefined) return loadNow(row);
    return {
      basis: 'recorded',
      points: cpu.points,
      cpuMean: cpu.mean,
      cpuP95: cpu.p95,
      memMeanBytes: memory.mean,
      memP95Bytes: memory.p95,
      memPeakBytes: Math.max(memory.max, peak?.max ?? 0),
    };
  } catch {
    signal.throwIfAborted();
    return loadNow(row);
  }
}

/** What the host gives a guest comes before what the guest says it uses; a node has a name of its own for it. */
const MEMORY = ['mem_host_bytes', 'mem_used_bytes', 'mem_bytes'];

function statisticsIn({ times, metrics }: ReturnType<typeof recordedOf>, names: readonly string[]) {
  const values = names.map((name) => metrics.get(name)).find((one) => one !== undefined);
  const points = times.flatMap((time, index) => {
    const value = values?.[index];
    return value === undefined ? [] : [{ time, value }];
  });
  const statistics = statisticsOf(points);
  return statistics && { ...statistics, points: points.length };
}
