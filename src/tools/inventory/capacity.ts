import type { GuestRow, Inventory, NodeRow, StorageRow } from '../../clusters/inventory.ts';
import { compact } from '../results.ts';

/** Made once: `localeCompare` makes one for every comparison, of which a large estate needs a million. */
const COLLATOR = new Intl.Collator('en', { numeric: true });

/** What the guests of a node or a cluster may take at most. Templates never run, so they count for disk alone. */
interface Allocation {
  guests: number;
  guests_running: number;
  vcpus: number;
  vcpus_running: number;
  mem_allocated_bytes: number;
  mem_allocated_running_bytes: number;
  /** PVE's list tells the size of a VM's boot disk and of a container's root file system, and no other disk. */
  boot_disk_bytes: number;
}

export interface NodeCapacity extends Allocation {
  node: string;
  status: string;
  cpu_fraction?: number;
  cpus?: number;
  /** Running vCPUs for each CPU. */
  cpu_overcommit?: number;
  mem_bytes?: number;
  max_mem_bytes?: number;
  free_mem_bytes?: number;
  /** Memory that running guests may take, for each byte there is. */
  mem_overcommit?: number;
}

export interface StorageCapacity {
  storage: string;
  /** Absent for a shared one, which counts once. */
  node?: string;
  type?: string;
  shared: boolean;
  status: string;
  content: string[];
  used_bytes?: number;
  total_bytes?: number;
  free_bytes?: number;
}

export interface CapacitySums extends Allocation {
  nodes: number;
  nodes_offline: number;
  /** Of the nodes that tell, as every figure of memory and load below. */
  cpus: number;
  cpus_busy: number;
  cpu_overcommit?: number;
  mem_bytes: number;
  max_mem_bytes: number;
  free_mem_bytes: number;
  mem_overcommit?: number;
  storage_used_bytes: number;
  storage_total_bytes: number;
  storage_free_bytes: number;
}

const ALLOCATED = [
  'guests',
  'guests_running',
  'vcpus',
  'vcpus_running',
  'mem_allocated_bytes',
  'mem_allocated_running_bytes',
  'boot_disk_bytes',
] as const satisfies readonly (keyof Allocation)[];

/** What clusters add up to beside what is allocated, and the ratios. */
const FIGURES = [
  'nodes',
  'nodes_offline',
  'cpus',
  'cpus_busy',
  'mem_bytes',
  'max_mem_bytes',
  'free_mem_bytes',
  'storage_used_bytes',
  'storage_total_bytes',
  'storage_free_bytes',
] as const satisfies readonly (keyof CapacitySums)[];

export interface Capacity {
  nodes: NodeCapacity[];
  storages: StorageCapacity[];
  sums: CapacitySums;
}

/** Works out what a cluster has, what its guests use and what they may claim. Nodes and storages come by name. */
export function capacityOf({ guests, nodes, storages }: Inventory): Capacity {
  const byNode = Map.groupBy(guests, ({ node }) => node);
  const known = new Set(nodes.map(({ node }) => node));
  const others = [...byNode.keys()].filter((node) => !known.has(node));
  const rows = [...nodes, ...others.map((node) => ({ node, status: 'unknown' }))]
    .map((row) => nodeCapacity(row, byNode.get(row.node) ?? []))
    .sort((a, b) => byName(a.node, b.node));
  const places = storageCapacities(storages);
  return { nodes: rows, storages: places, sums: sumsOf(rows, places) };
}

/** Adds clusters up. A storage that two clusters see under a name each counts twice: nothing here tells of it. */
export function addUp(parts: readonly CapacitySums[]): CapacitySums {
  const sums = { ...summed(parts, ALLOCATED), ...summed(parts, FIGURES) };
  return withRatios({ ...sums, cpus_busy: round(sums.cpus_busy) }, parts);
}

/** As people sort names: pve2 before pve10. */
export function byName(a: string, b: string): number {
  return COLLATOR.compare(a, b);
}

function nodeCapacity(row: NodeRow, guests: readonly GuestRow[]): NodeCapacity {
  const { node, status } = row;
  // For minutes PVE goes on telling what a node that is offline had (PVE::API2Tools, extract_node_stats): nobody has it.
  const { cpuFraction, cpus, memBytes, maxMemBytes }: Partial<NodeRow> = status === 'offline' ? {} : row;
  const allocation = allocationOf(guests);
  const told = maxMemBytes !== undefined && memBytes !== undefined;
  return {
    node,
    status,
    ...compact({
      cpu_fraction: cpuFraction,
      cpus,
      cpu_overcommit: ratio(allocation.vcpus_running, cpus),
      mem_bytes: memBytes,
      max_mem_bytes: maxMemBytes,
      free_mem_bytes: told ? Math.max(0, maxMemBytes - memBytes) : undefined,
      mem_overcommit: ratio(allocation.mem_allocated_running_bytes, maxMemBytes),
    }),
    ...allocation,
  };
}

function allocationOf(all: readonly GuestRow[]): Allocation {
  const guests = all.filter(({ template }) => !template);
  const running = guests.filter(({ status }) => status === 'running');
  return {
    guests: guests.length,
    guests_running: running.length,
    vcpus: sum(guests.map(({ cpus }) => cpus)),
    vcpus_running: sum(running.map(({ cpus }) => cpus)),
    mem_allocated_bytes: sum(guests.map(({ maxMemBytes }) => maxMemBytes)),
    mem_allocated_running_bytes: sum(running.map(({ maxMemBytes }) => maxMemBytes)),
    boot_disk_bytes: sum(all.map(({ maxDiskBytes }) => maxDiskBytes)),
  };
}

/** A shared storage has a row per node; one that answers speaks for all. */
function storageCapacities(rows: readonly StorageRow[]): StorageCapacity[] {
  const places = Map.groupBy(rows, ({ shared, storage, node }) => (shared ? storage : `${node}/${storage}`));
  return [...places.values()]
    .flatMap((group) => group.find(isAvailable) ?? group[0] ?? [])
    .map((row) => {
      const { storage, node, shared, status, pluginType, content, usedBytes, totalBytes } = row;
      const told = isAvailable(row) && usedBytes !== undefined && totalBytes !== undefined && totalBytes > 0;
      return {
        storage,
        ...(shared ? {} : { node }),
        ...compact({ type: pluginType }),
        shared,
        status,
        content: [...content].sort(),
        ...(told ? figures(usedBytes, totalBytes) : {}),
      };
    })
    .sort((a, b) => byName(a.storage, b.storage) || byName(a.node ?? '', b.node ?? ''));
}

function figures(used: number, total: number) {
  return { used_bytes: used, total_bytes: total, free_bytes: Math.max(0, total - used) };
}

/** Whether a storage can be used on its node now; PVE reports figures of `unknown` ones that may be old or 0. */
export function isAvailable({ status }: { status: string }): boolean {
  return status === 'available';
}

function sumsOf(nodes: readonly NodeCapacity[], storages: readonly StorageCapacity[]): CapacitySums {
  return withRatios(
    {
      ...summed(nodes, ALLOCATED),
      nodes: nodes.length,
      // One whose state is not told, as a tenant sees it, may well be online.
      nodes_offline: nodes.filter(({ status }) => status === 'offline').length,
      cpus: sum(nodes.map(({ cpus }) => cpus)),
      cpus_busy: round(sum(nodes.map(({ cpus = 0, cpu_fraction = 0 }) => cpus * cpu_fraction))),
      mem_bytes: sum(nodes.map((node) => node.mem_bytes)),
      max_mem_bytes: sum(nodes.map((node) => node.max_mem_bytes)),
      free_mem_bytes: sum(nodes.map((node) => node.free_mem_bytes)),
      storage_used_bytes: sum(storages.map((storage) => storage.used_bytes)),
      storage_total_bytes: sum(storages.map((storage) => storage.total_bytes)),
      storage_free_bytes: sum(storages.map((storage) => storage.free_bytes)),
    },
    nodes,
  );
}

interface Part extends Allocation {
  cpu_overcommit?: number;
  mem_overcommit?: number;
}

/** A ratio to what only some nodes tell would be a wrong one. */
function withRatios(sums: CapacitySums, parts: readonly Part[]): CapacitySums {
  const cpusTold = parts.every((part) => part.vcpus_running === 0 || part.cpu_overcommit !== undefined);
  const memTold = parts.every((part) => part.guests_running === 0 || part.mem_overcommit !== undefined);
  return {
    ...sums,
    ...compact({
      cpu_overcommit: cpusTold ? ratio(sums.vcpus_running, sums.cpus) : undefined,
      mem_overcommit: memTold ? ratio(sums.mem_allocated_running_bytes, sums.max_mem_bytes) : undefined,
    }),
  };
}

function ratio(part: number, whole: number | undefined): number | undefined {
  return whole === undefined || whole <= 0 ? undefined : round(part / whole);
}

/** Each of these figures, of all parts together. */
function summed<Figure extends string>(
  parts: readonly Readonly<Record<Figure, number>>[],
  figures: readonly Figure[],
): Record<Figure, number> {
  const sums = figures.map((figure) => [figure, sum(parts.map((part) => part[figure]))]);
  return Object.fromEntries(sums) as Record<Figure, number>;
}

function sum(values: readonly (number | undefined)[]): number {
  return values.reduce<number>((total, value) => total + (value ?? 0), 0);
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
