import { z } from 'zod';
import { isTrue, type Json } from '../../catalogue/json.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { quoted } from '../../proxmox/text.ts';
import { nodeFor, nodeParam } from '../defaults.ts';
import { defineTool } from '../define.ts';
import { requireNode } from '../firewall/scope.ts';
import { clusterParam, selectedFields, selectionOf, textParam } from '../params.ts';
import { compact, noted } from '../results.ts';
import { requireVersion } from '../versions.ts';
import { INTERFACE_CALLS, ifaceParam, readNetwork, refused } from './interfaces.ts';
import { interfaceProblem, type Wanted } from './save-checks.ts';

const BOND_MODES = [
  'active-backup',
  '802.3ad',
  'balance-xor',
  'balance-rr',
  'balance-tlb',
  'balance-alb',
  'broadcast',
] as const;
const HASH_POLICIES = ['layer2', 'layer2+3', 'layer3+4'] as const;
/** What a change keeps of the interface as it is; the address stands in `cidr`. */
const PARAMETERS = [
  ...['autostart', 'bond-primary', 'bond_mode', 'bond_xmit_hash_policy', 'bridge_ports', 'bridge_vids'],
  ...[
    'bridge_vlan_aware',
    'cidr',
    'cidr6',
    'comments',
    'comments6',
    'gateway',
    'gateway6',
    'mtu',
    'ovs_bonds',
  ],
  ...['ovs_bridge', 'ovs_options', 'ovs_ports', 'ovs_tag', 'slaves', 'type', 'vlan-id', 'vlan-raw-device'],
];
const REMOVABLE = [
  'cidr',
  'gateway',
  'cidr6',
  'gateway6',
  'mtu',
  'comment',
  'ports',
  'vids',
  'bond_primary',
] as const;

const input = z.strictObject({
  cluster: clusterParam,
  node: nodeParam,
  iface: ifaceParam,
  type: z.enum(['bridge', 'bond', 'vlan', 'OVSBridge']).optional().describe('Of a new one.'),
  ports: z.array(ifaceParam).max(32).optional().describe('Of a bridge or bond.'),
  vlan_aware: z.boolean().optional(),
  vids: textParam(200).optional().describe('Such as "2-4094".'),
  cidr: textParam(64).optional(),
  gateway: textParam(64).optional(),
  cidr6: textParam(64).optional(),
  gateway6: textParam(64).optional(),
  mtu: z.int().min(1280).max(65_520).optional(),
  autostart: z.boolean().optional(),
  bond_mode: z.enum(BOND_MODES).optional(),
  bond_xmit_hash_policy: z.enum(HASH_POLICIES).optional(),
  bond_primary: ifaceParam.optional(),
  vlan_device: ifaceParam.optional(),
  vlan_id: z.int().min(1).max(4094).optional(),
  comment: z.string().max(500).optional(),
  remove: z.array(z.enum(REMOVABLE)).default([]),
});
type Args = z.output<typeof input>;

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
  input,
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
    const cluster = context.cluster(args.cluster);
    const node = await nodeFor(cluster, args.node);
    await requireNode(cluster, node);
    const { raw } = await readNetwork(cluster, node);
    const present = raw.find((row) => row.iface === iface);
    const { wanted, removed } = wantedInterface(args, present, cluster.name);
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

/** @throws CallError INVALID_ARGUMENTS */
function wantedInterface(args: Args, present: Json | undefined, cluster: string) {
  const { iface } = args;
  const known = present === undefined ? undefined : String(present.type);
  const type = args.type ?? known ?? (/\.\d+$/.test(iface) ? 'vlan' : undefined);
  const refuse = (message: string, hint: string) => refused(cluster, 'INVALID_ARGUMENTS', message, hint);
  if (type === undefined) throw refuse(`${iface} is new: say which type it is.`, 'Pass `type`.');
  if (known !== undefined && type !== known) {
    throw refuse(
      `${iface} is of type ${known}, which can't be changed.`,
      'Leave `type` out, or choose another name.',
    );
  }
  const words = wordsFor(type, args, present === undefined);
  const unfit = Object.entries(args).find(
    ([name, value]) => value !== undefined && name in FITS && !FITS[name]?.includes(type),
  );
  if (unfit !== undefined) throw refuse(`An interface of type ${type} has no ${unfit[0]}.`, 'Leave it out.');
  const keys = args.remove
    .filter((name) => args[name] === undefined)
    .map((name) => KEYS[name]?.(type) ?? name);
  const kept = Object.entries(present ?? {}).filter(
    ([name, value]) => PARAMETERS.includes(name) && !keys.includes(name) && value !== '' && value !== null,
  );
  // A gateway goes with its address.
  const gone = [
    ...keys,
    ...(keys.includes('cidr') ? ['gateway'] : []),
    ...(keys.includes('cidr6') ? ['gateway6'] : []),
  ];
  const wanted: Wanted = {
    ...Object.fromEntries(kept.filter(([name]) => !gone.includes(name))),
    ...words,
    iface,
    type,
  };
  const removed = [...new Set(gone)].filter(
    (name) => present?.[name] !== undefined && wanted[name] === undefined,
  );
  return { wanted, removed };
}

/** Words that some types alone have. */
const FITS: Readonly<Record<string, readonly string[]>> = {
  ports: ['bridge', 'bond', 'OVSBridge', 'OVSBond'],
  vlan_aware: ['bridge'],
  vids: ['bridge'],
  bond_mode: ['bond', 'OVSBond'],
  bond_xmit_hash_policy: ['bond'],
  bond_primary: ['bond'],
  vlan_device: ['vlan'],
  vlan_id: ['vlan'],
};

const KEYS: Readonly<Record<string, (type: string) => string>> = {
  ports: (type) => PORTS[type] ?? 'bridge_ports',
  vids: () => 'bridge_vids',
  comment: () => 'comments',
  bond_primary: () => 'bond-primary',
};

const PORTS: Readonly<Record<string, string>> = {
  bond: 'slaves',
  OVSBridge: 'ovs_ports',
  OVSBond: 'ovs_bonds',
};

function wordsFor(type: string, args: Args, isNew: boolean): Record<string, unknown> {
  const { ports, vlan_aware, vids, autostart = isNew ? true : undefined, comment } = args;
  const bond_mode = args.bond_mode ?? (isNew && type === 'bond' ? 'active-backup' : undefined);
  const flag = (value: boolean | undefined) => (value === undefined ? undefined : Number(value));
  const given: Record<string, unknown> = {
    [PORTS[type] ?? 'bridge_ports']: ports?.join(' '),
    bridge_vlan_aware: flag(vlan_aware ?? (vids === undefined ? undefined : true)),
    bridge_vids: vids?.replaceAll(/[,;\s]+/g, ' ').trim(),
    cidr: args.cidr,
    gateway: args.gateway,
    cidr6: args.cidr6,
    gateway6: args.gateway6,
    mtu: args.mtu,
    autostart: flag(autostart),
    bond_mode,
    bond_xmit_hash_policy: args.bond_xmit_hash_policy,
    'bond-primary': args.bond_primary,
    'vlan-raw-device': args.vlan_device,
    'vlan-id': args.vlan_id,
    comments: comment,
  };
  return compact(given);
}

/** What a mistake costs, where it would cost the node. */
function riskNote(present: Json | undefined): string | undefined {
  if (present === undefined || !isTrue(present.active)) return undefined;
  if (present.gateway === undefined && present.gateway6 === undefined) return undefined;
  return "It carries the node's default route: a mistake cuts the node off once it is applied.";
}
