import { failure } from '../errors.ts';
import type { AccessControl } from './access.ts';
import type { Broadcast } from './broadcast.ts';
import type { Collections } from './collections.ts';
import type { Datacenter } from './datacenter.ts';
import { configFile, type Guest, type GuestConfig, type GuestType } from './guest.ts';
import type { Hazards } from './hazards.ts';
import type { Peer } from './peers.ts';
import type { TaskBoard } from './tasks.ts';
import type { Tickets } from './tickets.ts';

/** `version` as `9.2.11`. */
export interface Release {
  version: string;
  /** Since 9.1 the inventory has rows of type `network`. */
  networkRows: boolean;
}

export interface Node {
  name: string;
  nodeid: number;
  ip: string;
  cpus: number;
  cpuModel?: string;
  cpuFlags?: string;
  /** bytes */
  memory: number;
  /** epoch ms */
  bootedAt: number;
  /** An offline node makes the others answer 595 for it. */
  online: boolean;
  /** epoch ms; until then it reboots and can't be reached. */
  offlineUntil: number;
}

export const STORAGE_TYPES = [
  ...(['btrfs', 'cephfs', 'cifs', 'dir', 'esxi', 'iscsi', 'iscsidirect', 'lvm', 'lvmthin'] as const),
  ...(['nfs', 'pbs', 'rbd', 'zfs', 'zfspool'] as const),
];
export type StorageType = (typeof STORAGE_TYPES)[number];

export interface Storage {
  storage: string;
  type: StorageType;
  content: string[];
  nodes?: string[];
  shared: boolean;
  disabled?: boolean;
  /** bytes */
  total: number;
  /** Bytes held by what is none of the cluster's volumes; what a test sets to fill a storage. */
  foreignBytes?: number;
  options: Record<string, string>;
}

/** What a backup holds beside the data: enough to make the guest again. */
export interface ArchivedGuest {
  type: GuestType;
  config: GuestConfig;
}

export interface Volume {
  volid: string;
  storage: string;
  /** Only on this node; without it on a shared storage. */
  node?: string;
  content: string;
  format: string;
  /** bytes */
  size: number;
  vmid?: number;
  /** epoch seconds */
  ctime: number;
  notes?: string;
  protected?: boolean;
  /** The base volume that a linked clone stands on. */
  parent?: string;
  archive?: ArchivedGuest;
  /** What a Proxmox Backup Server's verify job found: `ok` or `failed`. */
  verification?: { state: string; upid: string };
  /** The fingerprint of the key it is encrypted with, or `1`. */
  encrypted?: string;
  /** In a view of another cluster's volume, the volume itself. */
  original?: Volume;
}

/** A schedule of backups; the options as the API takes them. */
export interface BackupJob {
  id: string;
  enabled: boolean;
  options: Record<string, string | number>;
}

/** A file that arrived over the wire and waits for the call that stores it. */
interface UploadedFile {
  /** bytes */
  size: number;
  /** hex, by algorithm */
  digests: Record<string, string>;
}

export interface Pool {
  poolid: string;
  comment?: string;
  vmids: Set<number>;
  storages: Set<string>;
}

/** Everything a cluster knows, apart from how it is spoken to. */
export interface ClusterState {
  name: string;
  /** epoch ms */
  clock: () => number;
  nodes: Node[];
  guests: Map<number, Guest>;
  storages: Storage[];
  volumes: Volume[];
  pools: Pool[];
  access: AccessControl;
  tickets: Tickets;
  tasks: TaskBoard;
  /** What the API without handlers of its own keeps. */
  collections: Collections;
  hazards: Hazards;
  broadcast: Broadcast;
  /** What the simulated version can do, and what it calls itself. */
  release: Release;
  datacenter: Datacenter;
  /** The other clusters of the simulator. */
  peers?: Peer[];
  backupJobs?: BackupJob[];
  uploads?: Map<string, UploadedFile>;
}

export function findNode(state: ClusterState, name: string): Node | undefined {
  return state.nodes.find((node) => node.name === name);
}

/** A guest is found on its own node alone; elsewhere its configuration file is missing. */
export function requireGuest(state: ClusterState, node: string, type: GuestType, vmid: number): Guest {
  const guest = state.guests.get(vmid);
  if (guest?.node === node && guest.type === type) return guest;
  throw failure(`Configuration file '${configFile({ node, type, vmid })}' does not exist`);
}

export function poolOf(state: Pick<ClusterState, 'pools'>, vmid: number): string | undefined {
  return state.pools.find((pool) => pool.vmids.has(vmid))?.poolid;
}

/** A node without power is down until someone turns it on; one that reboots comes back by itself. */
export function makeNode(details: Omit<Node, 'online' | 'offlineUntil'>, clock: () => number): Node {
  let powered = true;
  return {
    ...details,
    offlineUntil: 0,
    get online(): boolean {
      return powered && clock() >= this.offlineUntil;
    },
    set online(value: boolean) {
      powered = value;
      this.offlineUntil = 0;
    },
  };
}
