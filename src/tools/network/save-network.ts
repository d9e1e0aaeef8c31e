import { z } from 'zod';
import { isTrue, type Json } from '../../catalogue/json.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { quoted } from '../../proxmox/text.ts';
import { nodeFor } from '../defaults.ts';
import { defineTool } from '../define.ts';
import { requireNode } from '../nodes.ts';
import { selectedFields, selectionOf } from '../params.ts';
import { compact, noted } from '../results.ts';
import { requireVersion } from '../versions.ts';
import { INTERFACE_CALLS, readNetwork, refused } from './interfaces.ts';
import { interfaceProblem, type Wanted } from './save-checks.ts';
import { networkInput, PARAMETERS, wantedInterface } from './wanted-interface.ts';

export const saveNetwork = defineTool({
  name: 'save_network',
  title: 'Prepare a network interface',
  description:
    'Prepares a new bridge, bond or VLAN of a node, or a change of an interface: what is not given stays. Nothing happens until apply_network.',
  toolset: 'network',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  calls: [
    ['POST', '/nodes/{node}/network', 'iface', ...PARAMETERS],
    ['PUT', '/nodes/{node}/network/{iface}', ...PARAMETERS, 'delete'],
    ...INTERFACE_CALLS,
    ['GET', '/cluster/resources'],
  ],
  input: networkInput,
  output: z.object({
    ...selectedFields,
    node: z.string(),
    iface: z.string(),
    created: z.boolean(),
    pending: z.string().optional(),
    note: z.string().optional(),
  }),
  async run(args, context) {
    const { iface } = args;
    const cluster = context.cluster(args.cluster).alone();
    const node = await nodeFor(cluster, args.node);
    await requireNode(cluster, node);
    const { raw } = await readNetwork(cluster, node);
    const present = raw.find((row) => row.iface === iface);
    const { wanted, removed } = wantedInterface(args, present, cluster.name);
    requireAddressKept(cluster.name, wanted, present);
    const problem = interfaceProblem(wanted, raw);
    if (problem !== undefined) {
      throw refused(
        cluster.name,
        'INVALID_ARGUMENTS',
        `${iface} of ${quoted(node)}: ${problem}.`,
        'Correct it; list_networks shows what there is.',
      );
    }
    if (args.vids !== undefined) {
      const newer = { what: '`vids`', since: '8.3', parameter: 'bridge_vids' };
      await requireVersion(cluster, 'POST', '/nodes/{node}/network', newer);
    }
    const { iface: _iface, ...options } = wanted;
    await cluster.request(
      present === undefined
        ? { method: 'POST', path: apiPath`/nodes/${node}/network`, data: wanted }
        : {
            method: 'PUT',
            path: apiPath`/nodes/${node}/network/${iface}`,
            data: { ...options, ...compact({ delete: removed.join(',') }) },
          },
    );
    const { pending } = await readNetwork(cluster, node);
    return {
      ...selectionOf(cluster),
      node,
      iface,
      created: present === undefined,
      ...compact({ pending }),
      ...noted(riskNote(present)),
    };
  },
  summary({ cluster, node, iface, created, pending, note }) {
    const done = created ? 'a new interface is' : 'a change is';
    const next =
      pending === undefined
        ? ' It is as it was before: nothing waits.'
        : ' apply_network applies it, revert_network drops it.';
    return `${iface} of ${quoted(node)} (${cluster}): ${done} prepared.${next}${note ? ` ${note}` : ''}`;
  },
});

/**
 * Proxmox writes an interface that is changed as one with a fixed address or with none, whatever it was before.
 *
 * @throws CallError CONFLICT where it gets its address by itself, and would have none
 */
function requireAddressKept(cluster: string, wanted: Wanted, present: Json | undefined): void {
  const lost = (
    [
      ['method', 'cidr'],
      ['method6', 'cidr6'],
    ] as const
  ).find(([method, cidr]) => isAutomatic(present?.[method]) && wanted[cidr] === undefined);
  if (lost === undefined) return;
  const [method, cidr] = lost;
  const way = present?.[method] === 'dhcp' ? 'DHCP' : 'router advertisements';
  throw refused(
    cluster,
    'CONFLICT',
    `${wanted.iface} gets its address by ${way}, and Proxmox would write the change without any: once applied, it has none.`,
    `Pass \`${cidr}\` for a fixed address; else change it in /etc/network/interfaces on the node.`,
  );
}

function isAutomatic(method: unknown): boolean {
  return method === 'dhcp' || method === 'auto';
}

/** What a mistake costs, where it would cost the node. */
function riskNote(present: Json | undefined): string | undefined {
  if (present === undefined || !isTrue(present.active)) return undefined;
  if (present.gateway === undefined && present.gateway6 === undefined) return undefined;
  return "It carries the node's default route: a mistake cuts the node off once it is applied.";
}
