import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import { isTrue, type Json, number } from '../../catalogue/json.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { toCallError } from '../../proxmox/errors.ts';
import type { GuestTarget } from '../guest-target.ts';
import { readProperties } from '../property-string.ts';
import { compact, rowsOf, textOf } from '../results.ts';
import { portsOf, readNetwork, vlanOf } from './interfaces.ts';
import { configured } from './sdn-kinds.ts';

export const nicRow = z.object({
  nic: z.string(),
  mac: z.string().optional(),
  path: z.string(),
  bridge: z.string().optional(),
  vlan: z.int().optional(),
  firewall: z.boolean(),
  link_down: z.boolean().optional(),
  mtu: z.int().optional(),
  uplinks: z.array(z.string()).optional(),
  bonds: z.array(z.string()).optional(),
  vlan_aware: z.boolean().optional(),
  vnet: z.string().optional(),
  zone: z.string().optional(),
  zone_type: z.string().optional(),
  present_on: z.array(z.string()),
  missing_on: z.array(z.string()).optional(),
  problems: z.array(z.string()).optional(),
});

/** What lies under the NICs of a cluster. */
export interface Paths {
  /** By node; one that could not be asked is not in it. */
  networks: ReadonlyMap<string, readonly Json[]>;
  nodes: readonly string[];
  vnets: readonly Json[];
  zones: readonly Json[];
  problems: string[];
}

/** Asks all at once; a part that fails is named, and the rest is told without it. */
export async function readPaths({ cluster }: Pick<GuestTarget, 'cluster'>): Promise<Paths> {
  const problems: string[] = [];
  const { nodes } = await cluster.inventory();
  const names = nodes.map(({ node }) => node).sort();
  const asked = async <T>(what: string, question: Promise<T>): Promise<T | undefined> => {
    try {
      return await question;
    } catch (error) {
      problems.push(`${what} could not be asked: ${toCallError(error).message}`);
      return undefined;
    }
  };
  const [vnets, zones, ...networks] = await Promise.all([
    asked('The VNets', rowsAt(cluster, 'vnets')),
    asked('The zones', rowsAt(cluster, 'zones')),
    ...names.map((node) => asked(`The network of ${node}`, readNetwork(cluster, node))),
  ]);
  return {
    networks: new Map(networks.flatMap((found) => (found === undefined ? [] : [[found.node, found.raw]]))),
    nodes: names,
    vnets: vnets ?? [],
    zones: zones ?? [],
    problems,
  };
}

async function rowsAt(cluster: GatedCluster, kind: 'vnets' | 'zones'): Promise<Json[]> {
  const request = { method: 'GET', path: apiPath`/cluster/sdn/${kind}`, data: { pending: 1 } } as const;
  // What is changed and not applied yet runs as it was.
  return rowsOf((await cluster.request(request)).data).map((row) =>
    row.state === 'new' ? { ...configured(row), state: 'new' } : row,
  );
}

/** Follows one NIC. @param value as the configuration of the guest has it */
export function tracedNic(nic: string, value: string, node: string, paths: Paths): z.output<typeof nicRow> {
  const { options } = readProperties(value);
  const bridge = options.get('bridge');
  const mac =
    options.get('hwaddr') ?? [...options].find(([, text]) => /^(?:[0-9A-F]{2}:){5}/i.test(text))?.[1];
  const own = {
    nic,
    ...compact({ mac, link_down: options.get('link_down') === '1' || undefined }),
    firewall: options.get('firewall') === '1',
  };
  if (bridge === undefined) {
    return { ...own, path: 'no bridge: NAT of QEMU', present_on: [...paths.nodes] };
  }
  const vnet = paths.vnets.find((row) => row.vnet === bridge);
  const found =
    vnet === undefined ? bridgeTrace(bridge, options, node, paths) : vnetTrace(vnet, options, node, paths);
  const { problems, missing_on, ...rest } = found;
  return {
    ...own,
    ...rest,
    ...(missing_on.length === 0 ? {} : { missing_on }),
    ...(problems.length === 0 ? {} : { problems }),
  };
}

type Options = ReadonlyMap<string, string>;

function bridgeTrace(bridge: string, options: Options, node: string, paths: Paths) {
  const has = (one: string) => paths.networks.get(one)?.some(({ iface }) => iface === bridge);
  const presence = {
    present_on: paths.nodes.filter((one) => has(one) === true),
    missing_on: paths.nodes.filter((one) => has(one) === false),
  };
  const tag = number(options.get('tag'));
  const raw = paths.networks.get(node);
  const row = raw?.find(({ iface }) => iface === bridge);
  const problems: string[] = [];
  const down = raw === undefined || row === undefined ? undefined : descent(row, raw);
  if (raw !== undefined && row === undefined)
    problems.push(`${node} has no ${bridge}: the guest does not start there`);
  if (row !== undefined && !isTrue(row.active)) problems.push(`${bridge} is not active on ${node}`);
  if (row !== undefined && down?.uplinks.length === 0)
    problems.push(`${bridge} has no port: it reaches no other machine`);
  const vids = textOf(row?.bridge_vids);
  if (
    tag !== undefined &&
    row !== undefined &&
    isTrue(row.bridge_vlan_aware) &&
    vids !== undefined &&
    !covers(vids, tag)
  ) {
    problems.push(`VLAN ${tag} is not among the VLANs of ${bridge} (${vids})`);
  }
  const mtu = mtuOf(options, number(row?.mtu) ?? (row === undefined ? undefined : 1500), problems);
  const trail = [bridge, ...(tag === undefined ? [] : [`VLAN ${tag}`]), ...(down?.trail ?? [])];
  return {
    path: trail.join(' → '),
    bridge,
    ...compact({
      vlan: tag,
      mtu,
      vlan_aware: row?.type === 'bridge' ? isTrue(row.bridge_vlan_aware) : undefined,
    }),
    ...(down === undefined ? {} : { uplinks: down.uplinks }),
    ...(down === undefined || down.bonds.length === 0 ? {} : { bonds: down.bonds }),
    ...presence,
    problems,
  };
}

function vnetTrace(vnet: Json, options: Options, node: string, paths: Paths) {
  const zone = paths.zones.find((row) => row.zone === vnet.zone);
  const where = textOf(zone?.nodes)?.split(/[,;\s]+/);
  const present_on = paths.nodes.filter((one) => where === undefined || where.includes(one));
  const missing_on = paths.nodes.filter((one) => !present_on.includes(one));
  const below = textOf(zone?.bridge);
  const raw = paths.networks.get(node);
  const row = raw?.find(({ iface }) => iface === below);
  const down = raw === undefined || row === undefined ? undefined : descent(row, raw);
  const problems: string[] = [];
  if (zone !== undefined && missing_on.includes(node))
    problems.push(`the zone ${String(vnet.zone)} is not on ${node}`);
  if (below !== undefined && raw !== undefined && row === undefined)
    problems.push(`${node} has no ${below}, the bridge of the zone`);
  if (vnet.state === 'new') problems.push(`the VNet ${String(vnet.vnet)} is not applied yet (apply_sdn)`);
  const outer = number(vnet.tag);
  const inner = number(options.get('tag'));
  const mtu = mtuOf(options, number(zone?.mtu), problems);
  const word = zone?.type === 'vxlan' || zone?.type === 'evpn' ? 'VNI' : 'VLAN';
  const trail = [
    ...(inner === undefined ? [] : [`VLAN ${inner} in`]),
    `VNet ${String(vnet.vnet)}`,
    ...(outer === undefined ? [] : [`${word} ${outer}`]),
    `${zone === undefined ? '' : `${String(zone.type)} `}zone ${String(vnet.zone)}`,
    ...(below === undefined ? [] : [below]),
    ...(down?.trail ?? []),
  ];
  return {
    path: trail.join(' → '),
    bridge: below ?? String(vnet.vnet),
    vnet: String(vnet.vnet),
    zone: String(vnet.zone),
    ...compact({ zone_type: textOf(zone?.type), vlan: outer ?? inner, mtu }),
    ...(down === undefined ? {} : { uplinks: down.uplinks }),
    ...(down === undefined || down.bonds.length === 0 ? {} : { bonds: down.bonds }),
    present_on,
    missing_on,
    problems,
  };
}

/** From a bridge down to what has a socket: through bonds and VLAN interfaces. */
function descent(
  row: Json,
  raw: readonly Json[],
  depth = 0,
): { trail: string[]; uplinks: string[]; bonds: string[] } {
  const trail: string[] = [];
  const uplinks: string[] = [];
  const bonds: string[] = [];
  // A loop of ports can't be, and must not hang us.
  for (const port of depth > 5 ? [] : portsOf(row)) {
    const below = raw.find(({ iface }) => iface === port) ?? {
      iface: port,
      type: /\.\d+$/.test(port) ? 'vlan' : 'eth',
    };
    const vlan = vlanOf(below);
    const parent = vlan === undefined ? undefined : { iface: port, slaves: vlan.device };
    const next = below.type === 'bond' || below.type === 'OVSBond' ? below : parent;
    if (next === undefined) {
      uplinks.push(port);
      trail.push(port);
      continue;
    }
    const deeper = descent(next, raw, depth + 1);
    if (next === below) bonds.push(`${port} (${textOf(below.bond_mode) ?? 'balance-rr'})`);
    uplinks.push(...deeper.uplinks);
    bonds.push(...deeper.bonds);
    trail.push(`${next === below ? 'bond ' : ''}${port} → ${deeper.trail.join(' + ')}`);
  }
  return { trail: trail.length > 1 ? [trail.join(' + ')] : trail, uplinks, bonds };
}

/** A NIC's own MTU; 1 stands for that of the bridge. */
function mtuOf(options: Options, below: number | undefined, problems: string[]): number | undefined {
  const own = number(options.get('mtu'));
  if (own === undefined || own === 1) return below;
  if (below !== undefined && own > below)
    problems.push(`its MTU ${own} is larger than ${below} of what carries it`);
  return own;
}

/** Whether `2-100 200` holds a VLAN. */
function covers(vids: string, tag: number): boolean {
  return vids.split(/[\s,;]+/).some((part) => {
    const [from = 0, to = from] = part.split('-').map(Number);
    return from <= tag && tag <= to;
  });
}
