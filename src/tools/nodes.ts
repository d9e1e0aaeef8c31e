import type { GatedCluster } from '../access/gate.ts';
import { CallError } from '../proxmox/errors.ts';
import { quoted } from '../proxmox/text.ts';
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
