import type { ClusterSettings } from '../../access/gate.ts';
import type { StorageRow } from '../../clusters/inventory.ts';
import { quoted } from '../../proxmox/text.ts';
import { count } from '../results.ts';
import { inWords } from '../size.ts';
import { byName, type Capacity, isAvailable, type NodeCapacity } from './capacity.ts';

/** The guest that looks for a place. What is absent is not asked of a place. */
export interface Wanted {
  type: 'qemu' | 'lxc';
  cpus?: number | undefined;
  memBytes?: number | undefined;
  diskBytes?: number | undefined;
  /** On this storage and no other. */
  storage?: string | undefined;
}

/** A cluster to look in. */
export interface Site {
  cluster: string;
  settings: Pick<ClusterSettings, 'defaultNode' | 'defaultStorage' | 'readOnly'>;
  capacity: Capacity;
  /** A row per node and storage. */
  storages: readonly StorageRow[];
  /** What the guest wants here, where that is not what it wants elsewhere. */
  wanted?: Wanted;
  /** What else is to be said of a node. */
  look?: (node: string) => Finding;
  /** What the load of a node is, where it is not that of this moment: `p95 of the day`. */
  measured?: ReadonlyMap<string, string>;
}

/** A node, and a storage on it where a disk is wanted. */
export interface Place {
  cluster: string;
  node: string;
  storage?: string;
  /** 0 to 100 and up to 30 more for defaults; comparable over all places of one question. */
  score: number;
  /** What speaks for it and against it, in words. */
  for: string[];
  against: string[];
  /** Why the guest does not fit; empty where it does. */
  lacks: string[];
  /** How far it is from fitting: the missing shares of what is wanted, added up. */
  shortfall: number;
  /** Whether anything but room keeps the guest out: a node that is offline, a storage that is not there. */
  isBarred: boolean;
}

/** Up to this many vCPUs for each CPU count as usual. */
const USUAL_OVERCOMMIT = 4;
const DEFAULT_BONUS = 15;
const QUORUM_MALUS = 40;
const TIGHT = 0.1;

/**
 * Every place of the sites, the best first: those where the guest fits by score, then the others by how near they are.
 * The order depends on nothing but the figures, and then on the names.
 *
 * The score is the mean of what is looked at: memory (half the share of the node that stays free, half the share that
 * running guests could not claim), CPU (half the idle share, half what is left of four vCPUs for each CPU) and storage
 * (the share that stays free), in percent; plus 15 for the cluster's default node and for its default storage, minus 40
 * where nodes are missing so that there may be no quorum. More free memory can only raise it.
 */
export function rankPlaces(sites: readonly Site[], wanted: Wanted): Place[] {
  return sites
    .flatMap((site) => {
      const byNode = Map.groupBy(site.storages, ({ node }) => node);
      const here = site.wanted ?? wanted;
      return site.capacity.nodes.flatMap((node) =>
        storagesFor(byNode.get(node.node) ?? [], here).map((storage) => judge(site, node, storage, here)),
      );
    })
    .sort(byRank);
}

export function fits({ lacks }: Place): boolean {
  return lacks.length === 0;
}

function byRank(a: Place, b: Place): number {
  return (
    Number(fits(b)) - Number(fits(a)) ||
    (fits(a) ? 0 : Number(a.isBarred) - Number(b.isBarred) || a.shortfall - b.shortfall) ||
    b.score - a.score ||
    byName(a.cluster, b.cluster) ||
    byName(a.node, b.node) ||
    byName(a.storage ?? '', b.storage ?? '')
  );
}

/** Nothing to store needs no storage; a node without a storage that would do is judged without one. */
function storagesFor(rows: readonly StorageRow[], wanted: Wanted): (StorageRow | undefined)[] {
  if (wanted.diskBytes === undefined && wanted.storage === undefined) return [undefined];
  const content = contentOf(wanted);
  const here = rows.filter((row) =>
    wanted.storage === undefined ? row.content.includes(content) : row.storage === wanted.storage,
  );
  return here.length === 0 ? [undefined] : here;
}

function contentOf({ type }: Wanted): 'images' | 'rootdir' {
  return type === 'qemu' ? 'images' : 'rootdir';
}

/** What one look at a place found. `headroom` is 0 to 1. */
export interface Finding {
  headroom?: number;
  bonus?: number;
  for?: string[];
  against?: string[];
  lacks?: string[];
  shortfall?: number;
  isBarred?: boolean;
}

function judge(site: Site, node: NodeCapacity, storage: StorageRow | undefined, wanted: Wanted): Place {
  const state = stateOf(site, node);
  // Of a node that is offline there are no figures to speak of.
  const looked = node.status === 'online' ? [memoryOf(node, wanted), cpuOf(node, wanted, site.measured)] : [];
  const beside = site.look === undefined ? [] : [site.look(node.node)];
  const findings = [state, ...looked, diskOf(site, node, storage, wanted), ...beside];
  const headrooms = findings.flatMap(({ headroom }) => headroom ?? []);
  const mean = headrooms.reduce((sum, value) => sum + value, 0) / Math.max(1, headrooms.length);
  const bonus = findings.reduce((sum, finding) => sum + (finding.bonus ?? 0), 0);
  return {
    cluster: site.cluster,
    node: node.node,
    ...(storage === undefined ? {} : { storage: storage.storage }),
    score: Math.max(0, Math.round((100 * mean + bonus) * 10) / 10),
    for: findings.flatMap((finding) => finding.for ?? []),
    against: findings.flatMap((finding) => finding.against ?? []),
    lacks: findings.flatMap((finding) => finding.lacks ?? []),
    shortfall: findings.reduce((sum, finding) => sum + (finding.shortfall ?? 0), 0),
    isBarred: findings.some(({ isBarred }) => isBarred),
  };
}

function stateOf({ settings, capacity: { nodes } }: Site, { node, status }: NodeCapacity): Finding {
  if (status !== 'online') return barred(`the node is ${status}`);
  if (settings.readOnly) return barred('the cluster is read-only for this server (`read_only`)');
  const online = nodes.filter((other) => other.status === 'online').length;
  const isDefault = settings.defaultNode === node;
  // Half the nodes are no majority, but a vote may come from a QDevice.
  const quorumUnknown = online * 2 <= nodes.length;
  return {
    bonus: (isDefault ? DEFAULT_BONUS : 0) - (quorumUnknown ? QUORUM_MALUS : 0),
    ...(isDefault ? { for: ['it is the default node of the cluster'] } : {}),
    ...(quorumUnknown
      ? { against: [`only ${online} of ${nodes.length} nodes are online: there may be no quorum`] }
      : {}),
  };
}

function barred(why: string): Finding {
  return { lacks: [why], isBarred: true };
}

function memoryOf(node: NodeCapacity, { memBytes: wanted }: Wanted): Finding {
  if (wanted === undefined) return {};
  const { max_mem_bytes: max, free_mem_bytes: free } = node;
  if (max === undefined || free === undefined || max <= 0) return barred(untold('memory'));
  const after = free - wanted;
  if (after < 0) {
    return {
      lacks: [`${inWords(-after)} of memory: ${inWords(free)} free, ${inWords(wanted)} wanted`],
      shortfall: -after / wanted,
    };
  }
  const claimed = (node.mem_allocated_running_bytes + wanted) / max;
  return {
    headroom: 0.5 * (after / max) + 0.5 * Math.max(0, 1 - claimed),
    for: [`${inWords(after)} of ${inWords(max)} memory stay free`],
    against: [
      ...(after / max < TIGHT ? [`less than ${TIGHT * 100}% of its memory stays free`] : []),
      ...(claimed > 1 ? [`running guests could claim ${percent(claimed)} of its memory`] : []),
    ],
  };
}

function cpuOf(node: NodeCapacity, { cpus: wanted }: Wanted, measured: Site['measured']): Finding {
  const { cpus, cpu_fraction: load } = node;
  if (cpus === undefined || load === undefined || cpus <= 0) {
    return wanted === undefined ? {} : barred(untold('CPUs'));
  }
  // qemu-server refuses to start a VM with more vCPUs than the host has CPUs.
  if (wanted !== undefined && wanted > cpus) {
    return {
      lacks: [`${count(wanted - cpus, 'CPU')}: the node has ${cpus}, ${wanted} wanted`],
      shortfall: (wanted - cpus) / wanted,
    };
  }
  const overcommit = (node.vcpus_running + (wanted ?? 0)) / cpus;
  const over = measured?.get(node.node);
  return {
    headroom: 0.5 * Math.max(0, 1 - load) + 0.5 * Math.max(0, 1 - overcommit / USUAL_OVERCOMMIT),
    for: [
      `CPU load ${percent(load)}${over === undefined ? '' : ` (${over})`}, ${overcommit.toFixed(2)} running vCPUs for each CPU with this guest`,
    ],
    against: [
      ...(load > 0.8 ? [over === undefined ? 'its CPUs are busy now' : 'its CPUs are busy'] : []),
      ...(overcommit > USUAL_OVERCOMMIT ? [`more than ${USUAL_OVERCOMMIT} vCPUs for each CPU`] : []),
    ],
  };
}

function diskOf(site: Site, node: NodeCapacity, storage: StorageRow | undefined, wanted: Wanted): Finding {
  const { diskBytes, storage: named } = wanted;
  if (diskBytes === undefined && named === undefined) return {};
  const content = contentOf(wanted);
  if (storage === undefined) {
    return barred(named === undefined ? `a storage for ${content}` : `the storage ${named}`);
  }
  if (!storage.content.includes(content)) return barred(`${named} does not take ${content}`);
  if (!isAvailable(storage))
    return barred(`the storage ${quoted(storage.storage)} is ${quoted(storage.status ?? '')} on it`);
  return roomOn(site, node, storage, diskBytes ?? 0);
}

function roomOn({ settings }: Site, { node }: NodeCapacity, row: StorageRow, wanted: number): Finding {
  const { shared, usedBytes, totalBytes } = row;
  const storage = quoted(row.storage);
  if (usedBytes === undefined || totalBytes === undefined || totalBytes <= 0) {
    return barred(`${storage} does not tell its size`);
  }
  const free = Math.max(0, totalBytes - usedBytes);
  const after = free - wanted;
  if (after < 0) {
    return {
      lacks: [`${inWords(-after)} on ${storage}: ${inWords(free)} free, ${inWords(wanted)} wanted`],
      shortfall: -after / wanted,
    };
  }
  const isDefault = settings.defaultStorage === row.storage;
  return {
    headroom: after / totalBytes,
    bonus: isDefault ? DEFAULT_BONUS : 0,
    for: [
      `${inWords(after)} of ${inWords(totalBytes)} stay free on ${storage}`,
      ...(isDefault ? [`${storage} is the default storage of the cluster`] : []),
      ...(shared ? [`${storage} is shared: the guest can move without its disk being copied`] : []),
    ],
    against: [
      ...(after / totalBytes < TIGHT ? [`less than ${TIGHT * 100}% of ${storage} stays free`] : []),
      ...(shared ? [] : [`the disk is tied to ${quoted(node)}, as ${storage} is not shared`]),
    ],
  };
}

function untold(what: string): string {
  return `known ${what}: the token needs Sys.Audit on the node`;
}

function percent(fraction: number): string {
  return `${Math.round(fraction * 100)}%`;
}
