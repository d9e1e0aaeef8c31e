import type { Catalogue } from '../catalogue/catalogue.ts';
import type { EffectivePermissions } from '../catalogue/permissions.ts';
import type { ClusterConfig } from '../config/config.ts';
import type { ProxmoxCall, ProxmoxReply } from '../proxmox/call.ts';
import type { Upload } from '../proxmox/upload.ts';

/** Why a cluster was picked for a call; every answer carries it. */
export type SelectedBy = 'explicit' | 'single' | 'default' | 'any';

export interface Selection {
  cluster: Cluster;
  selectedBy: SelectedBy;
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
  health(signal?: AbortSignal): Promise<ClusterHealth>;
  /**
   * The API of this cluster: its own schema, or the built-in one where that can't be had (`source` says which). The
   * first callers wait for the cluster's schema, five seconds at most; later ones never wait.
   * @throws the signal's reason, and nothing else.
   */
  catalogue(signal?: AbortSignal): Promise<Catalogue>;
  /**
   * What the service's own credentials may do here, from `GET /access/permissions`; at most a minute old. Without a
   * single path in it, lists are empty because nothing may be seen, not because nothing is there.
   * @throws CallError with this cluster's name in it.
   */
  permissions(signal?: AbortSignal): Promise<EffectivePermissions>;
  /**
   * Streams a file into a storage, straight to the node that it is for. A write: it leaves once, and only the gate
   * calls it.
   * @returns the UPID of the task that puts the file in its place.
   * @throws CallError with this cluster's name in it.
   */
  upload(upload: Upload): Promise<ProxmoxReply>;
  close(): Promise<void>;
}

/** The clusters that a caller may speak of: all, or the one its URL is bound to. */
export interface ClusterDirectory {
  readonly defaultCluster: string | undefined;
  list(): readonly Cluster[];
  /** @throws CallError CLUSTER_NOT_FOUND or CLUSTER_AMBIGUOUS, naming the known clusters. */
  select(name: string | undefined): Selection;
}

/** All clusters of the process, as the doors hold them. */
export interface Estate extends ClusterDirectory {
  /** The same single-cluster directory for the same name each time; undefined where there is no such cluster. */
  scopedTo(name: string): ClusterDirectory | undefined;
}
