import type { GatedCluster } from '../../../access/gate.ts';
import type { Inventory, NodeRow } from '../../../clusters/inventory.ts';
import { quoted } from '../../../proxmox/text.ts';
import { byName, type Capacity, capacityOf, type NodeCapacity } from '../../inventory/capacity.ts';
import type { Finding, Site, Wanted } from '../../inventory/placement.ts';
import { objections, withNewGuest } from './affinity.ts';
import { type Machine, machinesOf } from './cpu-models.ts';
import { type Load, type LoadTimeframe, loadOfNode, loadsOf } from './load.ts';
import { type Needs, sayOfNode } from './needs.ts';
import { readSurroundings, type Surroundings, unfit } from './surroundings.ts';

/** More nodes of a cluster are not measured: those with the least free memory count as they are now. */
const MOST_NODES = 16;
/** What the tags or HA would rather not see comes last. */
const UNWANTED_MALUS = 200;
/** Of a guest that is not there yet. */
const NO_VMID = 0;

/** A cluster with what was measured of it. */
export interface Looked {
  cluster: GatedCluster;
  around: Surroundings;
  /** By node. */
  loads: ReadonlyMap<string, Load>;
  machines: ReadonlyMap<string, Machine>;
}

/** Reads what decides about places in a cluster. @throws CallError of its inventory; the signal's reason */
export async function lookAt(
  cluster: GatedCluster,
  timeframe: LoadTimeframe,
  wantsMachines: boolean,
  signal: AbortSignal,
): Promise<Looked> {
  const around = await readSurroundings(cluster, signal);
  const online = around.inventory.nodes.filter(({ status }) => status === 'online');
  const emptiest = online
    .toSorted((a, b) => freeOf(b) - freeOf(a) || byName(a.node, b.node))
    .slice(0, MOST_NODES);
  const [loads, machines] = await Promise.all([
    loadsOf(
      emptiest,
      ({ node }) => node,
      (row) => loadOfNode({ cluster, timeframe, peaks: true }, row, signal),
    ),
    wantsMachines
      ? machinesOf(
          cluster,
          emptiest.map(({ node }) => node),
          signal,
        )
      : new Map<string, Machine>(),
  ]);
  return { cluster, around, loads, machines };
}

function freeOf({ memBytes = 0, maxMemBytes = 0 }: NodeRow): number {
  return maxMemBytes - memBytes;
}

interface Guest {
  wanted: Wanted;
  tags: readonly string[];
  /** Of one that is there, and where. */
  existing?: { needs: Needs; home: string; load: Load | undefined; machine: Machine | undefined } | undefined;
}

/** A cluster to rank places in: with the load over time in place of that of this moment, and what else speaks. */
export function siteOf(
  { cluster, around, loads, machines }: Looked,
  timeframe: LoadTimeframe,
  guest: Guest,
): Site {
  const { wanted, existing } = guest;
  const isHome = existing?.home === cluster.name;
  const vmid = isHome ? existing.needs.guest.vmid : NO_VMID;
  const affinity = isHome ? around.affinity : withNewGuest(around.affinity, NO_VMID, guest.tags);
  const places = new Map(around.inventory.guests.map((row) => [row.vmid, row.node]));
  const look = (node: string): Finding => {
    const away = unfit(node, around);
    // That it is not online is found without this.
    const isOnline = around.inventory.nodes.some((row) => row.node === node && row.status === 'online');
    const against = objections(affinity, vmid, node, (other) =>
      other === vmid ? undefined : places.get(other),
    );
    const said = isHome ? sayOfNode(existing.needs, node, around.inventory.storages) : undefined;
    const machine = existing === undefined ? [] : machineWords(existing, machines.get(node), isHome);
    const lacks = [
      ...(away !== undefined && isOnline ? [away] : []),
      ...against.flatMap(({ why, strict }) => (strict ? [why] : [])),
      ...(said?.lacks ?? []),
    ];
    const unwanted = against.filter(({ strict }) => !strict).map(({ why }) => why);
    const elsewhere =
      existing !== undefined && !isHome ? elsewhereWords(existing.needs, around.inventory) : undefined;
    return {
      for: said?.for ?? [],
      against: [...unwanted, ...(said?.against ?? []), ...machine, ...(elsewhere?.against ?? [])],
      lacks: [...lacks, ...(elsewhere?.lacks ?? [])],
      bonus: -UNWANTED_MALUS * unwanted.length,
      isBarred: lacks.length > 0,
    };
  };
  const capacity = measured(
    capacityOf(withoutGuest(around.inventory, isHome ? vmid : NO_VMID)),
    loads,
    isHome ? existing : undefined,
  );
  const words = new Map(
    [...loads].flatMap(([node, { basis }]) =>
      basis === 'recorded' ? [[node, `p95 of the last ${timeframe}`]] : [],
    ),
  );
  const { diskBytes: _disk, storage: _storage, ...withoutDisk } = wanted;
  return {
    cluster: cluster.name,
    settings: cluster.settings,
    capacity,
    storages: around.inventory.storages,
    wanted: isHome ? withoutDisk : wanted,
    look,
    measured: words,
  };
}

function withoutGuest(inventory: Inventory, vmid: number): Inventory {
  return { ...inventory, guests: inventory.guests.filter((guest) => guest.vmid !== vmid) };
}

/** The record of its own node holds what the guest takes itself. */
function measured(capacity: Capacity, loads: ReadonlyMap<string, Load>, own: Guest['existing']): Capacity {
  const nodes = capacity.nodes.map((row): NodeCapacity => {
    const load = loads.get(row.node);
    const isOwn = own?.needs.guest.node === row.node && own.needs.isRunning;
    if (load === undefined || row.status !== 'online' || row.max_mem_bytes === undefined) return row;
    const taken = isOwn ? (own.load?.memMeanBytes ?? own.needs.guest.memBytes ?? 0) : 0;
    const busy = isOwn
      ? ((own.load?.cpuMean ?? 0) * (own.needs.guest.cpus ?? 0)) / Math.max(1, row.cpus ?? 1)
      : 0;
    const used = Math.max(0, Math.max(row.mem_bytes ?? 0, load.memP95Bytes) - taken);
    return {
      ...row,
      mem_bytes: used,
      free_mem_bytes: Math.max(0, row.max_mem_bytes - used),
      cpu_fraction: Math.max(0, load.cpuP95 - busy),
    };
  });
  return { ...capacity, nodes };
}

function machineWords(
  { needs, machine: own }: NonNullable<Guest['existing']>,
  there: Machine | undefined,
  isHome: boolean,
): string[] {
  if (own === undefined || there === undefined) return [];
  const isOther =
    own.cpuModel !== undefined && there.cpuModel !== undefined && own.cpuModel !== there.cpuModel;
  const [here, target] = [majorMinor(own.version), majorMinor(there.version)];
  return [
    ...(isOther && needs.hostCpu
      ? [`its CPU is another (${quoted(there.cpuModel ?? '')}), and the VM has cpu host: it can't go live`]
      : []),
    ...(here !== undefined && target !== undefined && target < here
      ? [`it has the older Proxmox VE ${there.version ?? ''}${isHome ? '' : ', which may refuse the guest'}`]
      : []),
  ];
}

function majorMinor(version: string | undefined): number | undefined {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(version ?? '') ?? [];
  return major === undefined ? undefined : Number(major) * 1000 + Number(minor);
}

function elsewhereWords({ guest, devices }: Needs, { guests }: Inventory) {
  const taken = guests.some(({ vmid }) => vmid === guest.vmid);
  return {
    against: [
      'it is another cluster: migrate_guest_between_clusters tells what that takes',
      ...(taken ? [`the VMID ${guest.vmid} is taken there`] : []),
    ],
    lacks:
      devices.length === 0
        ? []
        : [`the devices of ${quoted(guest.node)} that it uses: ${devices.join(', ')}`],
  };
}
