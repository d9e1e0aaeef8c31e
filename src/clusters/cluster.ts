import type { Catalogue } from '../catalogue/catalogue.ts';
import type { EffectivePermissions } from '../catalogue/permissions.ts';
import type { ClusterConfig } from '../config/config.ts';
import type { ProxmoxCall, ProxmoxReply } from '../proxmox/call.ts';
import type { Ending } from '../proxmox/ending.ts';
import type { EndpointState } from '../proxmox/endpoint-state.ts';
import type { NodeAddress } from '../proxmox/node-link.ts';
import type { Upload } from '../proxmox/upload.ts';
import type { Backups, Inventory, InventoryOptions } from './inventory.ts';

/**
 * Why a cluster was picked for a call; every answer carries it. `lookup`: the guest was looked for in all clusters, and
 * is in this one alone. `any`: the call is not about a cluster, and the first one will do.
 */
export type SelectedBy = 'explicit' | 'single' | 'pattern' | 'vmid' | 'lookup' | 'default' | 'any';

/** What a call says about where it belongs. */
export interface Target {
  cluster?: string | undefined;
  /** The name of a guest. */
  name?: string | undefined;
  vmid?: number | undefined;
}

export interface Selection {
  cluster: Cluster;
  selectedBy: SelectedBy;
  /** The pattern or the VMID range that decided. */
  matched?: string;
  /** The cluster that may serve reads while this one is unreachable. */
  fallback?: Cluster;
}

/** What the last probe of a cluster found. `checkedAt` is in epoch milliseconds. */
export type ClusterHealth =
  | { reachable: true; version: string; release: string; latencyMs: number; checkedAt: number }
  | { reachable: false; code: string; message: string; checkedAt: number };

/** One Proxmox VE cluster as the rest of the service sees it. Only the gate and `clusters/` itself call `send` and `upload`. */
export interface Cluster {
  readonly name: string;
  readonly config: ClusterConfig;
  /**
   * Sends one call. A write leaves at most once; a read may be repeated within its deadline.
   * @throws CallError with this cluster's name in it.
   */
  send(call: ProxmoxCall): Promise<ProxmoxReply>;
  /** Asks `GET /version`; an answer younger than ten seconds is reused, and callers share one probe. Never throws. */
  health(signal?: Ending): Promise<ClusterHealth>;
  /**
   * Where one node itself is reached, with the certificate it has just shown there, which was compared with the pinned
   * one or verified as the configuration says.
   * @throws CallError with this cluster's name in it.
   */
  addressOf(node: string, signal?: Ending): Promise<NodeAddress>;
  /** Every configured endpoint as the last calls and probes found it; asks nothing. */
  endpoints(): readonly EndpointState[];
  /**
   * The API of this cluster: its own schema, or the built-in one where that can't be had (`source` says which). The
   * first callers wait for the cluster's schema, five seconds at most; later ones never wait.
   * @throws the signal's reason, and nothing else.
   */
  catalogue(signal?: Ending): Promise<Catalogue>;
  /**
   * What the service's own credentials may do here, from `GET /access/permissions`; at most a minute old. Without a
   * single path in it, lists are empty because nothing may be seen, not because nothing is there.
   * @throws CallError with this cluster's name in it.
   */
  permissions(signal?: Ending): Promise<EffectivePermissions>;
  /**
   * Guests, nodes and storages from `GET /cluster/resources`; callers share one question, and its answer for ten
   * seconds unless `fresh`.
   * @throws CallError with this cluster's name in it.
   */
  inventory(options?: InventoryOptions): Promise<Inventory>;
  /**
   * The newest backup of each guest over every storage for backups; shared for a minute unless `fresh`.
   * @throws CallError with this cluster's name in it.
   */
  backups(options?: InventoryOptions): Promise<Backups>;
  /**
   * Something here was changed by this service: the inventory that is kept no longer holds, and once this resolves that
   * of other replicas neither. Never rejects.
   */
  changed(): void | Promise<void>;
  /**
   * Streams a file into a storage, straight to the node that it is for. A write: it leaves once, and only the gate
   * calls it.
   * @returns the UPID of the task that puts the file in its place.
   * @throws CallError with this cluster's name in it.
   */
  upload(upload: Upload): Promise<ProxmoxReply>;
  /** Keeps a retired cluster open until the lease is disposed of: a tool call holds one from selection to its end. */
  lease(): Disposable;
  /** Another client has taken its place, or it is gone: closes once nothing holds a lease on it. Never rejects. */
  retire(): Promise<void>;
  /** Closes at once; calls in flight fail. */
  close(): Promise<void>;
}

/** The clusters that a caller may speak of: all, or the one its URL is bound to. */
export interface ClusterDirectory {
  readonly defaultCluster: string | undefined;
  /** Counts the changes of the configuration: what was made from another revision is to be made anew. */
  readonly revision: number;
  list(): readonly Cluster[];
  /**
   * Picks the cluster for a call in the fixed order: explicit, name pattern, VMID map, default.
   * @throws CallError CLUSTER_NOT_FOUND or CLUSTER_AMBIGUOUS, naming the known clusters.
   */
  select(target: Target): Selection;
  /**
   * The same without the default: undefined where no rule claims the target, and it has to be looked for.
   * @throws CallError as `select` does.
   */
  claim(target: Target): Selection | undefined;
}

/** All clusters of the process, as the doors hold them. */
export interface Estate extends ClusterDirectory {
  /** The same single-cluster directory for the same name each time; undefined where there is no such cluster. */
  scopedTo(name: string): ClusterDirectory | undefined;
}
