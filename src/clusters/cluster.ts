import type { ClusterConfig } from '../config/config.ts';
import type { ProxmoxCall, ProxmoxReply } from '../proxmox/call.ts';

/** Why a cluster was picked for a call; every answer carries it. */
export type SelectedBy = 'explicit' | 'single' | 'default';

export interface Selection {
  cluster: Cluster;
  selectedBy: SelectedBy;
}

/** What the last probe of a cluster found. `checkedAt` is in epoch milliseconds. */
export type ClusterHealth =
  | { reachable: true; version: string; release: string; latencyMs: number; checkedAt: number }
  | { reachable: false; code: string; message: string; checkedAt: number };

/** One Proxmox VE cluster as the rest of the service sees it. Only the gate and `clusters/` itself call `send`. */
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
