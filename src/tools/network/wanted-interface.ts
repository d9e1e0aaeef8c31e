import { z } from 'zod';
import type { Json } from '../../catalogue/json.ts';
import { nodeParam } from '../defaults.ts';
import { clusterParam, textParam } from '../params.ts';
import { compact } from '../results.ts';
import { ifaceParam, refused } from './interfaces.ts';
import type { Wanted } from './save-checks.ts';

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
export const PARAMETERS = [
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

const VIDS = /^\d{1,4}(?:-\d{1,4})?(?:[ ,;]+\d{1,4}(?:-\d{1,4})?)*$/;

/** What `save_network` takes. */
export const networkInput = z.strictObject({
  cluster: clusterParam,
  node: nodeParam,
  iface: ifaceParam,
  type: z.enum(['bridge', 'bond', 'vlan', 'OVSBridge']).optional().describe('Of a new one.'),
  ports: z.array(ifaceParam).max(32).optional().describe('Of a bridge or bond.'),
  vlan_aware: z.boolean().optional(),
  vids: textParam(200)
    .refine((text) => VIDS.test(text), 'is no list of VLANs such as 2-4094 or "10 20 30-40"')
    .optional()
    .describe('Such as "2-4094".'),
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
type Args = z.output<typeof networkInput>;

/**
 * An interface as it will be: what is given, and what it keeps.
 *
 * @param present the interface as it is now; absent for a new one
 * @returns it by the names of Proxmox, and which of its settings go
 * @throws CallError INVALID_ARGUMENTS for what its type does not have
 */
export function wantedInterface(args: Args, present: Json | undefined, cluster: string) {
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
  // None at all are ports that go: an empty value would be dropped on the way.
  const { ports } = args;
  const going = new Set([...args.remove, ...(ports?.length === 0 ? (['ports'] as const) : [])]);
  const keys = [...going]
    .filter((name) => (name === 'ports' ? !ports?.length : args[name] === undefined))
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
    bridge_vids: vids?.replaceAll(/[,; ]+/g, ' '),
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
