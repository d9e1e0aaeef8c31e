import { z } from 'zod';
import { apiPath } from '../../proxmox/api-path.ts';
import { quoted } from '../../proxmox/text.ts';
import { nodeFor, nodeParam } from '../defaults.ts';
import { defineTool } from '../define.ts';
import { requireNode } from '../nodes.ts';
import { clusterParam, selectedFields, selectionOf } from '../params.ts';
import { requireVersion } from '../versions.ts';
import { INTERFACE_CALLS, readNetwork, refused } from './interfaces.ts';
import { PENDING_CALLS, pendingOf } from './sdn-pending.ts';

export const revertNetwork = defineTool({
  name: 'revert_network',
  title: 'Drop prepared network changes',
  description:
    'Drops the changes of a node that are not applied yet, or with `sdn` those of SDN (Proxmox VE 9).',
  toolset: 'network',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: true },
  calls: [
    ['DELETE', '/nodes/{node}/network'],
    ['POST', '/cluster/sdn/rollback'],
    ...INTERFACE_CALLS,
    ...PENDING_CALLS,
    ['GET', '/cluster/resources'],
  ],
  input: z.strictObject({ cluster: clusterParam, node: nodeParam, sdn: z.boolean().default(false) }),
  output: z.object({ ...selectedFields, node: z.string().optional(), dropped: z.unknown() }),
  async run({ cluster: named, node: wanted, sdn }, context) {
    const cluster = context.cluster(named).alone();
    const nothing = (where: string) =>
      refused(
        cluster.name,
        'CONFLICT',
        `Nothing waits to be applied ${where}.`,
        'There is nothing to be dropped.',
      );
    if (sdn) {
      if (wanted !== undefined) {
        throw refused(
          cluster.name,
          'INVALID_ARGUMENTS',
          'SDN is of all nodes: `sdn` and `node` are given.',
          'Pass one of them.',
        );
      }
      await requireVersion(cluster, 'POST', '/cluster/sdn/rollback', {
        what: 'Rollbacks of SDN',
        since: '9.0',
      });
      const dropped = await pendingOf(cluster);
      if (dropped.length === 0) throw nothing('in SDN');
      await cluster.request({ method: 'POST', path: apiPath`/cluster/sdn/rollback` });
      return { ...selectionOf(cluster), dropped };
    }
    const node = await nodeFor(cluster, wanted);
    await requireNode(cluster, node);
    const { pending } = await readNetwork(cluster, node);
    if (pending === undefined) throw nothing(`on ${quoted(node)}`);
    await cluster.request({ method: 'DELETE', path: apiPath`/nodes/${node}/network` });
    return { ...selectionOf(cluster), node, dropped: pending };
  },
  summary({ cluster, node }) {
    return `The prepared changes of ${node === undefined ? 'SDN' : quoted(node)} (${cluster}) were dropped.`;
  },
});
