import type { GatedCluster } from '../access/gate.ts';
import { CallError } from '../proxmox/errors.ts';
import { quoted } from '../proxmox/text.ts';
import { nodeFor } from './defaults.ts';
import { someOf } from './fleet.ts';

/** @throws CallError INVALID_ARGUMENTS with the nodes there are */
export async function requireNode(cluster: GatedCluster, node: string): Promise<void> {
  const { nodes } = await cluster.inventory();
  const names = nodes.map((row) => row.node).sort();
  if (names.includes(node)) return;
  throw new CallError('INVALID_ARGUMENTS', `${cluster.name} has no node ${quoted(node)}.`, {
    cluster: cluster.name,
    hint: `Its nodes are: ${someOf(names, 30)}. Nothing was sent.`,
  });
}

/**
 * The node to look at, as `nodeFor` finds it.
 *
 * @throws CallError as `nodeFor` does; NOT_FOUND that lists the nodes there are, as PVE would but fail to resolve the
 *   name; CLUSTER_UNREACHABLE where the node is offline
 */
export async function knownNode(cluster: GatedCluster, named: string | undefined): Promise<string> {
  const node = await nodeFor(cluster, named);
  const { nodes } = await cluster.inventory();
  const found = nodes.find((row) => row.node === node);
  // A token with too few rights sees no nodes at all: then Proxmox itself judges.
  if (nodes.length > 0 && found === undefined) {
    throw new CallError('NOT_FOUND', `${cluster.name} has no node ${quoted(node)}.`, {
      cluster: cluster.name,
      hint: `It has ${someOf(nodes.map((row) => quoted(row.node)).sort(), 30)}.`,
    });
  }
  if (found?.status === 'offline') {
    throw new CallError('CLUSTER_UNREACHABLE', `The node ${quoted(node)} of ${cluster.name} is offline.`, {
      cluster: cluster.name,
      hint: 'Look at cluster_health, and ask again once it is up.',
    });
  }
  return node;
}
