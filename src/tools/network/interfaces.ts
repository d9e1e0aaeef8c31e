import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import { isTrue, type Json, number } from '../../catalogue/json.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { CallError, type ErrorCode } from '../../proxmox/errors.ts';
import { inQuotes, quoted } from '../../proxmox/text.ts';
import { someOf } from '../fleet.ts';
import { textParam } from '../params.ts';
import { compact, rowsOf, textOf } from '../results.ts';

export const INTERFACE_CALLS = [['GET', '/nodes/{node}/network']] as const;

/** As PVE reads names of interfaces; the kernel has room for 15 characters. */
export const ifaceParam = textParam(15).refine(
  (text) => /^[a-zA-Z][\w-]*(?:[:.]\d{1,4})?$/.test(text),
  'is no interface such as vmbr1, bond0 or eno1.20',
);

export const interfaceRow = z.object({
  iface: z.string(),
  type: z.string(),
  active: z.boolean(),
  autostart: z.boolean().optional(),
  ports: z.array(z.string()).optional(),
  vlan_aware: z.boolean().optional(),
  vids: z.string().optional(),
  cidr: z.string().optional(),
  gateway: z.string().optional(),
  cidr6: z.string().optional(),
  gateway6: z.string().optional(),
  method: z.string().optional(),
  mtu: z.int().optional(),
  bond_mode: z.string().optional(),
  bond_xmit_hash_policy: z.string().optional(),
  bond_primary: z.string().optional(),
  vlan_device: z.string().optional(),
  vlan_id: z.int().optional(),
  comment: z.string().optional(),
});

/** The network of a node as it is configured, what waits to be applied included. */
export interface NodeNetwork {
  node: string;
  /** As PVE gives them. */
  raw: Json[];
  /** The diff of what waits; undefined where nothing does. */
  pending: string | undefined;
}

/** @throws CallError */
export async function readNetwork(cluster: GatedCluster, node: string): Promise<NodeNetwork> {
  const { data, changes } = await cluster.request({ method: 'GET', path: apiPath`/nodes/${node}/network` });
  return { node, raw: rowsOf(data), pending: changes };
}

/** What it carries: the ports of a bridge, the slaves of a bond. */
export function portsOf({ bridge_ports, slaves, ovs_ports, ovs_bonds }: Json): string[] {
  const text = textOf(bridge_ports) ?? textOf(slaves) ?? textOf(ovs_ports) ?? textOf(ovs_bonds) ?? '';
  return text.split(/[\s,;]+/).filter((port) => port !== '' && port !== 'none');
}

/** Where a VLAN interface lies: `eno1.20` says it by its name. */
export function vlanOf(row: Json): { device: string; id: number } | undefined {
  if (row.type !== 'vlan') return undefined;
  const [, device, tag] = /^(.+)\.(\d+)$/.exec(String(row.iface)) ?? [];
  const raw = textOf(row['vlan-raw-device']) ?? device;
  const id = number(row['vlan-id']) ?? number(tag) ?? number(/(\d+)$/.exec(String(row.iface))?.[1]);
  return raw === undefined || id === undefined ? undefined : { device: raw, id };
}

export function shownInterface(row: Json): z.output<typeof interfaceRow> {
  const ports = portsOf(row);
  const vlan = vlanOf(row);
  const isBridge = row.type === 'bridge';
  return {
    iface: String(row.iface),
    type: String(row.type),
    active: isTrue(row.active),
    ...compact({
      autostart: isTrue(row.autostart) || undefined,
      ports: ports.length === 0 ? undefined : ports,
      vlan_aware: isBridge ? isTrue(row.bridge_vlan_aware) : undefined,
      vids: isBridge && isTrue(row.bridge_vlan_aware) ? textOf(row.bridge_vids) : undefined,
      cidr: textOf(row.cidr),
      gateway: textOf(row.gateway),
      cidr6: textOf(row.cidr6),
      gateway6: textOf(row.gateway6),
      method: row.method === 'dhcp' ? 'dhcp' : undefined,
      mtu: number(row.mtu),
      bond_mode: textOf(row.bond_mode),
      bond_xmit_hash_policy: textOf(row.bond_xmit_hash_policy),
      bond_primary: textOf(row['bond-primary']),
      vlan_device: vlan?.device,
      vlan_id: vlan?.id,
      comment: textOf(row.comments)?.trimEnd(),
    }),
  };
}

/** What is built on an interface: bridges, bonds and VLANs. */
export function usersOf(raw: readonly Json[], iface: string): string[] {
  return raw
    .filter((row) => portsOf(row).includes(iface) || vlanOf(row)?.device === iface)
    .map((row) => String(row.iface));
}

/** @throws CallError NOT_FOUND with the interfaces there are */
export function requireInterface({ node, raw }: NodeNetwork, iface: string, cluster: string): Json {
  const found = raw.find((row) => row.iface === iface);
  if (found !== undefined) return found;
  const names = raw.map((row) => String(row.iface));
  const message = `Node ${quoted(node)} has no interface ${inQuotes(iface)}.`;
  throw refused(cluster, 'NOT_FOUND', message, `It has: ${someOf(names, 30) || 'none'}.`);
}

export function refused(cluster: string, code: ErrorCode, message: string, hint: string): CallError {
  return new CallError(code, message, { cluster, hint: `${hint} Nothing was sent.`, retryable: false });
}
