import { failure } from '../errors.ts';
import type { AccessControl } from './access.ts';
import { configFile, type Guest, type GuestType } from './guest.ts';
import type { TaskBoard } from './tasks.ts';
import type { Tickets } from './tickets.ts';

export interface Node {
  name: string;
  nodeid: number;
  ip: string;
  cpus: number;
  /** bytes */
  memory: number;
  /** epoch ms */
  bootedAt: number;
  /** An offline node makes the others answer 595 for it. */
  online: boolean;
}

export interface Storage {
  storage: string;
  type: 'dir' | 'lvmthin' | 'nfs';
  content: string[];
  nodes?: string[];
  shared: boolean;
  /** bytes */
  total: number;
  options: Record<string, string>;
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
}

interface Pool {
  poolid: string;
  comment?: string;
  vmids: Set<number>;
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
