import { sectionOf } from '../../state/sdn.ts';
import { type Entry, requireEntry } from '../../state/section.ts';
import { declare, on, served } from '../declare.ts';
import { type Call, type Method, node, string, text } from '../method.ts';
import { sdnOf } from './applied.ts';

/** A zone is there once it was applied; before that it is pending. `localnetwork` is every host's own. */
function zoneStatus(call: Call): { zone: string; status: string }[] {
  const { config, running } = sdnOf(call);
  const here = ({ nodes }: Entry): boolean => {
    return nodes === undefined || String(nodes).split(',').includes(text(call, 'node'));
  };
  const known = { ...sectionOf(running, 'zones'), ...sectionOf(config, 'zones') };
  const zones = Object.entries(known).filter(([, entry]) => here(entry));
  return [
    ...zones.map(([zone]) => ({ zone, status: sectionOf(running, 'zones')[zone] ? 'available' : 'pending' })),
    { zone: 'localnetwork', status: 'available' },
  ];
}

function zones(call: Call): unknown {
  const { state, identity } = call;
  return zoneStatus(call).filter(({ zone }) => {
    return state.access.has(identity, `/sdn/zones/${zone}`, 'SDN.Audit', 'SDN.Allocate');
  });
}

function content(call: Call): unknown {
  const { config, running } = sdnOf(call);
  const zone = text(call, 'zone');
  if (zone === 'localnetwork') return [{ vnet: 'vmbr0', status: 'available', statusmsg: '' }];
  requireEntry(
    { ...sectionOf(running, 'zones'), ...sectionOf(config, 'zones') },
    zone,
    `zone '${zone}' does not exist`,
  );
  const known = { ...sectionOf(running, 'vnets'), ...sectionOf(config, 'vnets') };
  return Object.entries(known)
    .filter(([, entry]) => entry.zone === zone)
    .map(([vnet]) => {
      const up = sectionOf(running, 'vnets')[vnet] !== undefined;
      return { vnet, status: up ? 'available' : 'pending', statusmsg: up ? '' : 'not yet applied' };
    });
}

function fabricPeers(call: Call): Entry[] {
  const { running } = sdnOf(call);
  const fabric = text(call, 'fabric');
  requireEntry(sectionOf(running, 'fabrics'), fabric, `fabric '${fabric}' does not exist`);
  const members = Object.values(sectionOf(running, 'fabricNodes')).filter(
    (entry) => entry.fabric_id === fabric,
  );
  return members.filter((entry) => entry.node_id !== text(call, 'node'));
}

const fabric = '/nodes/{node}/sdn/fabrics/{fabric}';
const audit = on('/sdn/fabrics/{fabric}', 'SDN.Audit');
const properties = { node, fabric: string };

export const nodeSdnMethods: Method[] = [
  served('GET', '/nodes/{node}/sdn/zones', zones),
  served('GET', '/nodes/{node}/sdn/zones/{zone}/content', content),
  declare('GET', `${fabric}/neighbors`, audit, properties, (call) => {
    return fabricPeers(call).map(({ node_id }) => ({ neighbor: node_id, status: 'Up', uptime: '1d02h' }));
  }),
  declare('GET', `${fabric}/routes`, audit, properties, (call) => {
    return fabricPeers(call).map(({ ip = '', node_id }) => ({ route: `${ip}/32`, via: [node_id] }));
  }),
  declare('GET', `${fabric}/interfaces`, audit, properties, (call) => {
    return fabricPeers(call).length > 0 ? [{ name: 'eno2', type: 'Point-To-Point', state: 'up' }] : [];
  }),
];
