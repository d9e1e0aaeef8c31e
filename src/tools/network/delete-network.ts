import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import { isTrue } from '../../catalogue/json.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { quoted } from '../../proxmox/text.ts';
import { nodeFor, nodeParam } from '../defaults.ts';
import { defineTool } from '../define.ts';
import { someOf } from '../fleet.ts';
import { requireNode } from '../nodes.ts';
import { clusterParam, selectedFields, selectionOf } from '../params.ts';
import { compact, noted, textOf } from '../results.ts';
import { BRIDGE_USER_CALLS, bridgeUsers } from './bridge-users.ts';
import {
  INTERFACE_CALLS,
  ifaceParam,
  readNetwork,
  refused,
  requireInterface,
  usersOf,
} from './interfaces.ts';
import { configured, readKind } from './sdn-kinds.ts';

export const deleteNetwork = defineTool({
  name: 'delete_network',
  title: 'Prepare removing an interface',
  description:
    'Prepares the removal of an interface of a node that nothing is built on and no guest uses. It stays until apply_network.',
  toolset: 'network',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
  calls: [
    ['DELETE', '/nodes/{node}/network/{iface}'],
    ['GET', '/cluster/sdn/zones', 'pending'],
    ...INTERFACE_CALLS,
    ...BRIDGE_USER_CALLS,
  ],
  input: z.strictObject({ cluster: clusterParam, node: nodeParam, iface: ifaceParam }),
  output: z.object({
    ...selectedFields,
    node: z.string(),
    iface: z.string(),
    pending: z.string().optional(),
    note: z.string().optional(),
  }),
  async run({ cluster: named, node: wanted, iface }, context) {
    const cluster = context.cluster(named).alone();
    const node = await nodeFor(cluster, wanted);
    await requireNode(cluster, node);
    const network = await readNetwork(cluster, node);
    const row = requireInterface(network, iface, cluster.name);
    const above = usersOf(network.raw, iface);
    const refuse = (message: string, hint: string) => refused(cluster.name, 'CONFLICT', message, hint);
    if (above.length > 0) {
      throw refuse(
        `${iface} of ${quoted(node)} carries ${someOf(above)}.`,
        'Change or remove what is built on it first.',
      );
    }
    const isBridge = String(row.type).toLowerCase().includes('bridge');
    const { users, unasked } = isBridge ? await bridgeUsers(cluster, iface, node) : { users: [], unasked: 0 };
    if (users.length > 0) {
      throw refuse(
        `Guests on ${quoted(node)} use ${iface}: ${someOf(users)}.`,
        'Give their NICs another bridge first (update_guest), or migrate them.',
      );
    }
    const zones = isBridge ? await zonesOn(cluster, iface, node) : [];
    if (zones.length > 0) {
      const what = `SDN zones use ${iface} on ${quoted(node)}: ${someOf(zones.map(quoted))}.`;
      throw refuse(what, 'Give them another bridge first (save_sdn, apply_sdn).');
    }
    await cluster.request({ method: 'DELETE', path: apiPath`/nodes/${node}/network/${iface}` });
    const { pending } = await readNetwork(cluster, node);
    const address = row.cidr ?? row.cidr6;
    return {
      ...selectionOf(cluster),
      node,
      iface,
      ...compact({ pending }),
      ...noted(
        isTrue(row.active) && address !== undefined
          ? `It has the address ${String(address)}: once applied, the node is not reached by it any more.`
          : undefined,
        unasked > 0 ? `Whether ${unasked} guests there use it could not be asked.` : undefined,
      ),
    };
  },
  summary({ cluster, node, iface, note }) {
    return `${iface} of ${quoted(node)} (${cluster}): its removal is prepared; apply_network applies it, revert_network drops it.${note ? ` ${note}` : ''}`;
  },
});

/** Guests of their VNets have no NIC on the bridge itself. What can't be read is not held against the call. */
async function zonesOn(cluster: GatedCluster, bridge: string, node: string): Promise<string[]> {
  const rows = await readKind(cluster, 'zone').catch(() => []);
  return rows
    .map(configured)
    .filter((zone) => {
      const nodes = textOf(zone.nodes)?.split(/[\s,;]+/);
      return zone.bridge === bridge && zone.state !== 'deleted' && (nodes?.includes(node) ?? true);
    })
    .map(({ zone }) => String(zone));
}
