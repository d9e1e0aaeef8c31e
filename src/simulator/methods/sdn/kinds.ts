import { failure, invalidParameters } from '../../errors.ts';
import { sectionOf } from '../../state/sdn.ts';
import { requireEntry } from '../../state/section.ts';
import { type Call, optionalText, text } from '../method.ts';
import { type Kind, missing, sdnOf } from './applied.ts';

export const ZONES: Kind = {
  kind: 'zones',
  key: 'zone',
  label: 'zone',
  aclPath: (_entry, id) => `/sdn/zones/${id}`,
  check: (_call, entry) => {
    if (['vlan', 'qinq'].includes(String(entry.type)) && entry.bridge === undefined) throw missing('bridge');
    if (entry.type === 'vxlan' && entry.peers === undefined && entry.fabric === undefined)
      throw missing('peers');
    if (entry.type === 'evpn' && entry.controller === undefined) throw missing('controller');
  },
  used: (sdn, id) => {
    const vnet = Object.entries(sectionOf(sdn.config, 'vnets')).find(([, { zone }]) => zone === id)?.[0];
    return vnet === undefined ? undefined : `zone ${id} is used by vnet ${vnet}`;
  },
};

/** Kinds of zones that tell their vnets apart by a tag. */
const TAGGED = ['vlan', 'qinq', 'vxlan', 'evpn'];

export const VNETS: Kind = {
  kind: 'vnets',
  key: 'vnet',
  label: 'vnet',
  aclPath: (entry, id) => `/sdn/zones/${entry.zone}/${id}`,
  check: (call, entry) => {
    const zone = sectionOf(sdnOf(call).config, 'zones')[String(entry.zone)];
    if (!zone) throw failure(`zone '${entry.zone}' does not exist`);
    const tagged = TAGGED.includes(String(zone.type));
    if (tagged && entry.tag === undefined) throw invalidParameters({ tag: 'missing vlan tag' });
    if (!tagged && entry.tag !== undefined) {
      throw invalidParameters({ tag: `vlan tag is not allowed on ${zone.type} zone` });
    }
  },
  used: (sdn, id) => {
    const subnet = Object.entries(sectionOf(sdn.config, 'subnets')).find(([, { vnet }]) => vnet === id)?.[0];
    return subnet === undefined ? undefined : `cannot delete vnet ${id}, subnet ${subnet} exists`;
  },
};

/** A subnet is created by its network and then named `zone-network-bits`. */
function subnetId(call: Call): string {
  const given = text(call, 'subnet');
  const zone = sectionOf(sdnOf(call).config, 'vnets')[text(call, 'vnet')]?.zone;
  return given.includes('/') ? `${zone}-${given.replace('/', '-')}` : given;
}

export const SUBNETS: Kind = {
  kind: 'subnets',
  key: 'subnet',
  label: 'subnet',
  idOf: subnetId,
  requireParent: (call) => {
    const vnet = text(call, 'vnet');
    requireEntry(sectionOf(sdnOf(call).config, 'vnets'), vnet, `vnet '${vnet}' does not exist`);
  },
  belongs: (call, entry) => entry.vnet === text(call, 'vnet'),
  aclPath: (entry, id) => `/sdn/zones/${id.split('-')[0]}/${entry.vnet}`,
  check: (call, entry) => {
    const vnet = sectionOf(sdnOf(call).config, 'vnets')[text(call, 'vnet')];
    if (!vnet) throw failure(`vnet '${text(call, 'vnet')}' does not exist`);
    const id = subnetId(call);
    const [zone = '', network = '', mask = ''] = id.split('-');
    Object.assign(entry, { subnet: id, zone, network, mask, cidr: `${network}/${mask}`, type: 'subnet' });
  },
};

export const CONTROLLERS: Kind = {
  kind: 'controllers',
  key: 'controller',
  label: 'controller',
  aclPath: (_entry, id) => `/sdn/controllers/${id}`,
  check: (_call, entry) => {
    if (entry.type === 'evpn' && entry.asn === undefined) throw missing('asn');
  },
  used: (sdn, id) => {
    const zones = Object.entries(sectionOf(sdn.config, 'zones'));
    const zone = zones.find(([, { controller }]) => controller === id)?.[0];
    return zone === undefined ? undefined : `controller ${id} is used by zone ${zone}`;
  },
};

export const FABRICS: Kind = {
  kind: 'fabrics',
  key: 'id',
  label: 'fabric',
  aclPath: (_entry, id) => `/sdn/fabrics/${id}`,
  check: (_call, entry) => {
    if (entry.protocol === 'ospf' && entry.area === undefined) throw missing('area');
  },
  used: (sdn, id) => {
    const member = Object.values(sectionOf(sdn.config, 'fabricNodes')).find(
      (entry) => entry.fabric_id === id,
    );
    return member ? `fabric '${id}' still has nodes` : undefined;
  },
};

export const FABRIC_NODES: Kind = {
  kind: 'fabricNodes',
  key: 'node_id',
  label: 'fabric node',
  idOf: (call) => `${text(call, 'fabric_id')}_${text(call, 'node_id')}`,
  requireParent: (call) => {
    const fabric = optionalText(call, 'fabric_id');
    if (fabric === undefined) return;
    requireEntry(sectionOf(sdnOf(call).config, 'fabrics'), fabric, `fabric '${fabric}' does not exist`);
  },
  belongs: (call, entry) => {
    return call.parameters.fabric_id === undefined || entry.fabric_id === text(call, 'fabric_id');
  },
  aclPath: (entry) => `/sdn/fabrics/${entry.fabric_id}`,
  check: (call, entry) => {
    const fabric = sectionOf(sdnOf(call).config, 'fabrics')[String(entry.fabric_id)];
    if (!fabric) throw failure(`fabric '${entry.fabric_id}' does not exist`);
    if (!call.state.nodes.some(({ name }) => name === entry.node_id)) {
      throw failure(`no such cluster node '${entry.node_id}'`);
    }
  },
};
