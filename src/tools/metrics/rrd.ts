import { isObject } from '../../catalogue/json.ts';
import { numberOf, rowsOf } from '../results.ts';

/** PVE's names, which say nothing of their unit, and ours (PVE::RRD, pve2 and pve9 formats of pmxcfs). */
const NAMES: Readonly<Record<string, string>> = {
  cpu: 'cpu_fraction',
  maxcpu: 'cpus',
  iowait: 'iowait_fraction',
  loadavg: 'load_average',
  mem: 'mem_bytes',
  maxmem: 'max_mem_bytes',
  memhost: 'mem_host_bytes',
  memused: 'mem_used_bytes',
  memtotal: 'mem_total_bytes',
  memavailable: 'mem_available_bytes',
  memfree: 'mem_free_bytes',
  arcsize: 'zfs_arc_bytes',
  swapused: 'swap_used_bytes',
  swaptotal: 'swap_total_bytes',
  rootused: 'root_used_bytes',
  roottotal: 'root_total_bytes',
  disk: 'disk_bytes',
  maxdisk: 'max_disk_bytes',
  used: 'used_bytes',
  total: 'total_bytes',
  netin: 'net_in_bytes_per_second',
  netout: 'net_out_bytes_per_second',
  diskread: 'disk_read_bytes_per_second',
  diskwrite: 'disk_write_bytes_per_second',
};
/** Pressure stall information: the share of the time in which something had to wait. */
const PRESSURE = /^pressure(cpu|io|memory)(some|full)$/;

/** What an RRD holds over a time. */
export interface Recorded {
  /** Epoch seconds, rising. */
  times: readonly number[];
  /** By name with its unit; undefined where nothing was recorded. */
  metrics: ReadonlyMap<string, readonly (number | undefined)[]>;
}

/** Reads what `rrddata` answers: rows leave out, or hold as null or text `NaN`, what was not recorded. */
export function recordedOf(data: unknown): Recorded {
  const rows = rowsOf(data)
    .filter((row) => isObject(row) && numberOf(row.time) !== undefined)
    .sort((a, b) => Number(a.time) - Number(b.time));
  const names = new Set(rows.flatMap((row) => Object.keys(row)));
  names.delete('time');
  const columns = [...names].map((name) => [nameOf(name), rows.map((row) => figureOf(row[name]))] as const);
  return {
    times: rows.map(({ time }) => Number(time)),
    metrics: new Map(columns.filter(([, values]) => values.some((value) => value !== undefined))),
  };
}

function nameOf(name: string): string {
  const [, what, how] = PRESSURE.exec(name) ?? [];
  return what === undefined ? (NAMES[name] ?? name) : `pressure_${what}_${how}_percent`;
}

/** Some versions send numbers as texts. */
function figureOf(value: unknown): number | undefined {
  return numberOf(typeof value === 'string' && value.trim() !== '' ? Number(value) : value);
}
