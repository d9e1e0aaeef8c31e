import { ApiError, failure } from '../errors.ts';
import { type ClusterState, findNode } from './cluster-state.ts';
import { label } from './guest.ts';

/** What is wrong with a cluster on purpose, apart from how it answers. */
export class Hazards {
  /** Guests whose configuration file another process has locked. */
  readonly heldLocks = new Set<number>();
  quorumLost = false;
  /** By how many seconds a node's clock is ahead of the right time; negative where it is behind. */
  readonly clocksAhead = new Map<string, number>();
}

/** The lock was not free within the time PVE waits for it; the answer comes that much later. */
export class LockTimeout extends ApiError {}

/** A standalone host always has a quorum of one. */
export function isQuorate({ nodes, hazards }: Pick<ClusterState, 'nodes' | 'hazards'>): boolean {
  if (hazards.quorumLost) return false;
  return nodes.length === 1 || nodes.filter((node) => node.online).length * 2 > nodes.length;
}

interface Work {
  method: string;
  /** The template. */
  path: string;
  /** Whether it answers with the id of a task. */
  task: boolean;
}

interface Asked {
  owner: string;
  localNode: string;
  parameters: Record<string, unknown>;
}

const NEEDS_NO_QUORUM = /\/(ticket|vncproxy|termproxy|spiceproxy|spiceshell|vncshell|mtunnelwebsocket)$/;
const TAKES_LOCK =
  /^\/nodes\/\{node\}\/(?:qemu|lxc)\/\{vmid\}(?!\/(?:agent|firewall|vncproxy|termproxy|spiceproxy|monitor))/;

/**
 * Refuses what can't be done in the cluster's present state. Where PVE takes the lock in a worker, the task fails.
 *
 * @returns the id of the failed task, or undefined when nothing stands in the way
 */
export function refuseHazard(state: ClusterState, work: Work, asked: Asked): string | undefined {
  if (work.method === 'GET') return undefined;
  if (!NEEDS_NO_QUORUM.test(work.path) && !isQuorate(state)) {
    throw failure('cluster not ready - no quorum?');
  }
  const vmid = Number(asked.parameters.vmid);
  const guest = state.guests.get(vmid);
  if (!guest || !state.hazards.heldLocks.has(vmid) || !TAKES_LOCK.test(work.path)) return undefined;
  const file =
    guest.type === 'qemu'
      ? `/var/lock/qemu-server/lock-${vmid}.conf`
      : `/run/lock/lxc/pve-config-${vmid}.lock`;
  const timeout = new LockTimeout(500, `can't lock file '${file}' - got timeout`);
  if (!work.task) throw timeout;
  const type = `${label(guest) === 'VM' ? 'qm' : 'vz'}${work.path.split('/').at(-1)?.replace(/\W/g, '') ?? ''}`;
  const fail = (): never => {
    throw timeout;
  };
  const origin = { node: guest.node, type, id: String(vmid), owner: asked.owner };
  return state.tasks.start(origin, { end: fail, log: [`trying to acquire lock...`] });
}

/** @returns the node of a name, or PVE's complaint about a name that leads nowhere */
export function reachable(state: ClusterState, name: string): { online: boolean } {
  const node = findNode(state, name);
  if (node) return node;
  throw failure(
    `hostname lookup '${name}' failed - failed to get address info for: ${name}: Name or service not known`,
  );
}
