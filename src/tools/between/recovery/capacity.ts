import type { Inventory, StorageRow } from '../../../clusters/inventory.ts';
import { quoted } from '../../../proxmox/text.ts';
import { capacityOf, isAvailable } from '../../inventory/capacity.ts';
import { count } from '../../results.ts';
import { inWords } from '../../size.ts';

/** A guest that looks for a place. */
export interface Need {
  vmid: number;
  type: 'qemu' | 'lxc';
  cores: number;
  /** None of one that is not started. */
  memBytes: number;
  /** Undefined where the backup does not tell. */
  diskBytes: number | undefined;
  /** Ids of the storages that its disks were on. */
  wereOn: readonly string[];
  /** Nodes that can read its backup. */
  nodes: readonly string[];
}

export interface Placed {
  node: string;
  storage: string;
}

interface Limits {
  /** No other node, no other storage. */
  node?: string | undefined;
  storage?: string | undefined;
  defaultStorage?: string | undefined;
}

/** A node before and behind the guests that come to it. */
export interface NodeRoom {
  node: string;
  cpus: number | undefined;
  /** Of the guests that run, with those that come. */
  vcpus: number;
  vcpusBefore: number;
  maxBytes: number | undefined;
  /** What neither use nor the claims of running guests take. */
  freeBytes: number | undefined;
  freeBytesBefore: number | undefined;
  /** What the claims of running guests leave, whatever is in use. */
  unclaimedBytes: number | undefined;
}

export interface StorageRoom {
  storage: string;
  /** Absent for a shared one. */
  node?: string;
  type: string | undefined;
  freeBytes: number | undefined;
  freeBytesBefore: number | undefined;
}

/** Where disks take no more than what is written to them. */
const THIN = ['lvmthin', 'zfspool', 'rbd', 'btrfs'];

/**
 * Gives each guest a place, in their order: those that come first find room first. A node is chosen by what the guests
 * of the cluster claim and not by its load, which would be another one at the next call.
 */
export class Room {
  readonly nodes: readonly NodeRoom[];
  readonly #storages: readonly StorageRow[];
  readonly #rooms = new Map<string, StorageRoom>();
  readonly #limits: Limits;

  constructor(inventory: Inventory, limits: Limits) {
    this.#limits = limits;
    this.#storages = inventory.storages.filter(isAvailable);
    this.nodes = capacityOf(inventory)
      .nodes.filter(({ status }) => status === 'online')
      .map((node) => {
        const claimed =
          node.max_mem_bytes === undefined
            ? undefined
            : node.max_mem_bytes - node.mem_allocated_running_bytes;
        const free = least(node.free_mem_bytes, claimed);
        return {
          node: node.node,
          cpus: node.cpus,
          vcpus: node.vcpus_running,
          vcpusBefore: node.vcpus_running,
          maxBytes: node.max_mem_bytes,
          freeBytes: free,
          freeBytesBefore: free,
          unclaimedBytes: claimed,
        };
      });
  }

  /** Those that something came to, or could have. */
  get storages(): StorageRoom[] {
    return [...this.#rooms.values()].sort((a, b) => (a.storage < b.storage ? -1 : 1));
  }

  /** @returns its place, or why it has none */
  place(need: Need): Placed | { why: string } {
    const wanted = this.#limits.node;
    const known = this.nodes.filter(({ node }) => wanted === undefined || node === wanted);
    if (known.length === 0) return { why: `the node ${quoted(wanted ?? '')} is not online` };
    const reading = known.filter(({ node }) => need.nodes.includes(node));
    if (reading.length === 0) return { why: 'no node that may take it can read its backup' };
    const strong = reading.filter(({ cpus }) => cpus === undefined || need.cores <= cpus);
    if (strong.length === 0) return { why: `it has ${count(need.cores, 'vCPU')}, and no node so many CPUs` };
    const roomy = strong.filter(({ freeBytes }) => freeBytes === undefined || need.memBytes <= freeBytes);
    if (roomy.length === 0) {
      const most = Math.max(...strong.map(({ freeBytes = 0 }) => freeBytes));
      return {
        why: `it takes ${inWords(need.memBytes)} of memory, and no node has more than ${inWords(Math.max(0, most))} left`,
      };
    }
    const places = roomy.flatMap((room) => {
      const storage = this.#storageOn(room.node, need);
      return storage === undefined ? [] : [{ room, storage }];
    });
    const [best] = places.sort(
      (a, b) =>
        (b.room.unclaimedBytes ?? 0) - (a.room.unclaimedBytes ?? 0) || (a.room.node < b.room.node ? -1 : 1),
    );
    if (best === undefined) return { why: this.#whyNoStorage(roomy, need) };
    this.#take(best.room, best.storage, need);
    return { node: best.room.node, storage: best.storage.storage };
  }

  #storageOn(node: string, need: Need): StorageRoom | undefined {
    const { storage, defaultStorage } = this.#limits;
    const fits = this.#fitting(node, need.type)
      .filter((row) => storage === undefined || row.storage === storage)
      .map((row) => this.#roomOf(row));
    const roomy = fits.filter(
      ({ freeBytes, type }) =>
        freeBytes === undefined ||
        need.diskBytes === undefined ||
        need.diskBytes <= freeBytes ||
        isThin(type),
    );
    const rank = (room: StorageRoom): number =>
      (isOver(room, need) ? 4 : 0) +
      (room.storage === defaultStorage ? 0 : need.wereOn.includes(room.storage) ? 1 : 2);
    return roomy.sort(
      (a, b) =>
        rank(a) - rank(b) || (b.freeBytes ?? 0) - (a.freeBytes ?? 0) || (a.storage < b.storage ? -1 : 1),
    )[0];
  }

  #fitting(node: string, type: Need['type']): StorageRow[] {
    const content = type === 'qemu' ? 'images' : 'rootdir';
    return this.#storages.filter((row) => row.node === node && row.content.includes(content));
  }

  #whyNoStorage(rooms: readonly NodeRoom[], need: Need): string {
    const content = need.type === 'qemu' ? 'images' : 'rootdir';
    const fits = rooms.flatMap(({ node }) => this.#fitting(node, need.type));
    const named = this.#limits.storage;
    if (!fits.some(({ storage }) => named === undefined || storage === named))
      return `${named === undefined ? 'no storage' : `no storage ${quoted(named)}`} takes ${content} on a node with room for it`;
    return `its disks have ${inWords(need.diskBytes ?? 0)}, and no storage for ${content} has so much left`;
  }

  #roomOf({ storage, node, shared, pluginType, usedBytes, totalBytes }: StorageRow): StorageRoom {
    const key = shared ? storage : `${node}/${storage}`;
    const known = this.#rooms.get(key);
    if (known !== undefined) return known;
    const free =
      totalBytes === undefined || usedBytes === undefined ? undefined : Math.max(0, totalBytes - usedBytes);
    const room = {
      storage,
      ...(shared ? {} : { node }),
      type: pluginType,
      freeBytes: free,
      freeBytesBefore: free,
    };
    this.#rooms.set(key, room);
    return room;
  }

  #take(room: NodeRoom, storage: StorageRoom, need: Need): void {
    if (need.memBytes > 0) room.vcpus += need.cores;
    if (room.freeBytes !== undefined) room.freeBytes -= need.memBytes;
    if (room.unclaimedBytes !== undefined) room.unclaimedBytes -= need.memBytes;
    if (storage.freeBytes !== undefined) storage.freeBytes -= need.diskBytes ?? 0;
  }
}

/** Whether what comes to a storage is more than it has: on a thin one that may go well for a while. */
export function isOverfull({ freeBytes }: StorageRoom): boolean {
  return freeBytes !== undefined && freeBytes < 0;
}

function isOver({ freeBytes }: StorageRoom, { diskBytes }: Need): boolean {
  return freeBytes !== undefined && diskBytes !== undefined && diskBytes > freeBytes;
}

function isThin(type: string | undefined): boolean {
  return THIN.includes(type ?? '');
}

function least(one: number | undefined, other: number | undefined): number | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return Math.min(one, other);
}
