import { BlockList, isIP } from 'node:net';
import { didYouMean } from '../../config/nearest.ts';
import { inQuotes } from '../../proxmox/text.ts';
import { kindOf, type SdnKind } from './sdn-kinds.ts';

interface TypeRule {
  required: readonly string[];
  optional: readonly string[];
}

const ZONE = ['dns', 'dnszone', 'ipam', 'mtu', 'nodes', 'reversedns'];
const BGP = ['bgp-mode', 'bgp-multipath-as-path-relax', 'ebgp', 'ebgp-multihop', 'loopback'];
const MAPS = ['route-map-in', 'route-map-out'];

/** What objects take by their types; those without types have one rule, of the empty name. */
export const TYPES: Readonly<Record<SdnKind, Readonly<Record<string, TypeRule>>>> = {
  zone: {
    simple: { required: [], optional: [...ZONE, 'dhcp'] },
    vlan: { required: ['bridge'], optional: [...ZONE, 'bridge-disable-mac-learning'] },
    qinq: { required: ['bridge', 'tag'], optional: [...ZONE, 'vlan-protocol'] },
    vxlan: { required: [], optional: [...ZONE, 'peers', 'fabric', 'vxlan-port'] },
    evpn: {
      required: ['controller', 'vrf-vxlan'],
      optional: [
        ...[...ZONE, 'advertise-subnets', 'disable-arp-nd-suppression', 'exitnodes', 'mac', 'rt-import'],
        ...['exitnodes-local-routing', 'exitnodes-primary', 'secondary-controllers', 'vxlan-port'],
      ],
    },
  },
  vnet: { '': { required: ['zone'], optional: ['tag', 'alias', 'vlanaware', 'isolate-ports'] } },
  subnet: {
    '': { required: [], optional: ['gateway', 'snat', 'dhcp-range', 'dhcp-dns-server', 'dnszoneprefix'] },
  },
  controller: {
    evpn: {
      required: ['asn'],
      optional: ['peers', 'fabric', 'nodes', 'peer-group-name', 'bgp-mode', ...MAPS],
    },
    bgp: { required: ['asn', 'node', 'peers'], optional: [...BGP, ...MAPS] },
    isis: { required: ['isis-domain', 'isis-ifaces', 'isis-net', 'node'], optional: ['loopback'] },
  },
  ipam: {
    pve: { required: [], optional: [] },
    netbox: { required: ['url', 'token'], optional: ['fingerprint'] },
    phpipam: { required: ['url', 'token', 'section'], optional: ['fingerprint'] },
  },
  dns: { powerdns: { required: ['url', 'key'], optional: ['ttl', 'reversemaskv6', 'fingerprint'] } },
  fabric: {
    openfabric: {
      required: [],
      optional: ['ip_prefix', 'ip6_prefix', 'hello_interval', 'csnp_interval', 'route_filter'],
    },
    ospf: { required: ['area'], optional: ['ip_prefix', 'redistribute', 'route_filter'] },
    wireguard: { required: [], optional: ['persistent_keepalive'] },
    bgp: { required: [], optional: ['ip_prefix', 'ip6_prefix', 'redistribute', 'route_filter'] },
  },
  fabric_node: {
    openfabric: { required: [], optional: ['interfaces', 'ip', 'ip6'] },
    ospf: { required: [], optional: ['interfaces', 'ip'] },
    wireguard: {
      required: [],
      optional: ['interfaces', 'peers', 'role', 'endpoint', 'public_key', 'allowed_ips'],
    },
    bgp: { required: [], optional: ['interfaces', 'ip', 'ip6'] },
  },
};

/** Every setting of a kind, for the calls of the tool. */
export function settingsOf(kind: SdnKind): string[] {
  const rules = Object.values(TYPES[kind]);
  return [...new Set(rules.flatMap(({ required, optional }) => [...required, ...optional]))];
}

/** What Proxmox calls the type of a kind. */
export function typeKey(kind: SdnKind): 'type' | 'protocol' {
  return kind === 'fabric' || kind === 'fabric_node' ? 'protocol' : 'type';
}

export type Settings = Readonly<Record<string, unknown>>;

/**
 * Reads settings by the names of Proxmox; `_` and `-` are the same.
 *
 * @param isNew then what the type needs has to be there
 * @returns the settings, or what is wrong with them and what to do
 */
export function readSettings(
  kind: SdnKind,
  type: string,
  given: Settings,
  { isNew, reset }: { isNew: boolean; reset: readonly string[] },
): { settings: Settings; removed: string[] } | { problem: string; hint: string } {
  const { word } = kindOf(kind);
  // What every object inherits is no type.
  const rule = Object.hasOwn(TYPES[kind], type) ? TYPES[kind][type] : undefined;
  if (rule === undefined) {
    const types = Object.keys(TYPES[kind]);
    return {
      problem: `A ${word} has no type ${inQuotes(type)}.${didYouMean(type, types)}`,
      hint: `Types: ${types.join(', ')}.`,
    };
  }
  const names = [...rule.required, ...rule.optional];
  const nameOf = (name: string) =>
    names.find((one) => one.replaceAll('_', '-') === name.replaceAll('_', '-'));
  const what = type === '' ? word : `${word} of type ${type}`;
  const takes = `A ${what} takes ${names.join(', ') || 'nothing'}.`;
  const unknown = [...Object.keys(given), ...reset].find((name) => nameOf(name) === undefined);
  if (unknown !== undefined) {
    return {
      problem: `A ${what} has no setting ${inQuotes(unknown)}.${didYouMean(unknown, names)}`,
      hint: takes,
    };
  }
  const settings = Object.fromEntries(
    Object.entries(given).flatMap(([name, value]) => (value === null ? [] : [[nameOf(name) ?? name, value]])),
  );
  const removed = reset.map((name) => nameOf(name) ?? name);
  const missing = isNew ? rule.required.filter((name) => settings[name] === undefined) : [];
  if (missing.length > 0) return { problem: `A ${what} needs ${missing.join(', ')}.`, hint: takes };
  const needed = removed.find((name) => rule.required.includes(name));
  if (needed !== undefined) return { problem: `A ${what} needs ${needed}: it can't be reset.`, hint: takes };
  const isVxlan = isNew && kind === 'zone' && type === 'vxlan';
  if (isVxlan && settings.peers === undefined && settings.fabric === undefined) {
    return { problem: 'A zone of type vxlan needs peers or fabric.', hint: takes };
  }
  return { settings, removed };
}

/** @returns what is wrong with the network of a subnet and what is in it; undefined where nothing is */
export function subnetProblem(cidr: string, { gateway, 'dhcp-range': ranges }: Settings): string | undefined {
  const [address = '', bits = ''] = cidr.split('/');
  const family = isIP(address);
  if (family === 0 || !/^\d{1,3}$/.test(bits) || Number(bits) > (family === 4 ? 32 : 128)) {
    return `${inQuotes(cidr)} is no network such as 10.0.0.0/24`;
  }
  const list = new BlockList();
  list.addSubnet(address, Number(bits), family === 4 ? 'ipv4' : 'ipv6');
  const isIn = (one: string) => isIP(one) === family && list.check(one, family === 4 ? 'ipv4' : 'ipv6');
  if (gateway !== undefined && !isIn(String(gateway)))
    return `the gateway ${inQuotes(String(gateway))} is not in ${cidr}`;
  const ends = [ranges ?? []].flat().flatMap((range) => [...String(range).matchAll(/address=([^,]+)/g)]);
  const outside = ends.map((match) => String(match[1])).find((end) => !isIn(end));
  return outside === undefined
    ? undefined
    : `the DHCP range has ${inQuotes(outside)}, which is not in ${cidr}`;
}
