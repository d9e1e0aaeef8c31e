import type { Ending } from '../proxmox/ending.ts';

export interface InventoryOptions {
  /** Ask the cluster now, whatever is kept. */
  fresh?: boolean | undefined;
  signal?: Ending | undefined;
}

/**
 * What a cluster holds, from `GET /cluster/resources`. Rows that did not change since the question before are the same
 * objects. Members that Proxmox does not tell are undefined; every row has
 * all of them, as one shape is what makes searching many of them fast.
 */
export interface Inventory {
  guests: readonly GuestRow[];
  nodes: readonly NodeRow[];
  storages: readonly StorageRow[];
  /** PVE's rows of every type, unchanged. */
  rows: readonly Record<string, unknown>[];
  /** When the cluster was asked, in epoch milliseconds. */
  asOf: number;
}

export interface GuestRow {
  /** `qemu/100`. */
  id: string;
  type: 'qemu' | 'lxc';
  vmid: number;
  node: string;
  /** A guest without statistics yet has none. */
  name?: string | undefined;
  /** The name in lower case: a search looks at every guest there is, and must not make it anew for each. */
  nameLower?: string | undefined;
  status: string;
  template: boolean;
  /** Load, 0 to 1 of its own CPUs. */
  cpuFraction?: number | undefined;
  cpus?: number | undefined;
  memBytes?: number | undefined;
  maxMemBytes?: number | undefined;
  diskBytes?: number | undefined;
  maxDiskBytes?: number | undefined;
  uptimeSeconds?: number | undefined;
  pool?: string | undefined;
  /** In lower case. */
  tags: readonly string[];
  lock?: string | undefined;
  haState?: string | undefined;
}

export interface NodeRow {
  node: string;
  status: string;
  cpuFraction?: number | undefined;
  cpus?: number | undefined;
  memBytes?: number | undefined;
  maxMemBytes?: number | undefined;
  diskBytes?: number | undefined;
  maxDiskBytes?: number | undefined;
  uptimeSeconds?: number | undefined;
}

/** A storage as one node sees it; a shared one has a row per node. */
export interface StorageRow {
  /** `storage/pve1/local`. */
  id: string;
  storage: string;
  node: string;
  status: string;
  pluginType?: string | undefined;
  shared: boolean;
  content: readonly string[];
  usedBytes?: number | undefined;
  totalBytes?: number | undefined;
}

/** The newest backup of each guest that has one. */
export interface Backups {
  /** By VMID: when the newest one was made, in epoch milliseconds. */
  newest: ReadonlyMap<number, number>;
  /** Storages that could not be read, and why: a guest without a backup may have one there. */
  unread: readonly { storage: string; node: string; problem: string }[];
  /** VMIDs whose backups Proxmox shows to nobody without VM.Backup on them: nothing is known about these. */
  hidden?: ReadonlySet<number>;
  asOf: number;
}
