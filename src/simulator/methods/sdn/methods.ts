import { failure } from '../../errors.ts';
import { isPending } from '../../state/sdn.ts';
import { requireEntry } from '../../state/section.ts';
import type { Properties } from '../../verify.ts';
import {
  ANYONE,
  allOf,
  arrays,
  booleans,
  choice,
  declare,
  numbers,
  on,
  onAny,
  required,
  served,
  startNodeTask,
  texts,
  UPDATE,
} from '../declare.ts';
import { type Call, flag, type Method, node, string, text } from '../method.ts';
import { create, type Kind, list, refuseLocked, remove, sdnOf, show, update } from './applied.ts';
import { CONTROLLERS, FABRIC_NODES, FABRICS, SUBNETS, VNETS, ZONES } from './kinds.ts';

const TOKEN = texts('lock-token');

function collection(kind: Kind, path: string, newer: Properties = {}): Method[] {
  const one = `${path}/{${kind.key}}`;
  return [
    served('GET', path, list(kind)),
    served('POST', path, create(kind), { ...TOKEN, ...newer }),
    served('GET', one, show(kind)),
    served('PUT', one, update(kind), { ...TOKEN, ...newer }),
    served('DELETE', one, remove(kind), TOKEN),
  ];
}

/** What is configured becomes what runs, on every node. */
function apply(call: Call): string {
  refuseLocked(call);
  const sdn = sdnOf(call);
  return startNodeTask(call, 'reloadnetworkall', '', {
    end: () => {
      sdn.running = structuredClone(sdn.config);
      if (call.parameters['release-lock'] !== 0) delete sdn.lock;
    },
    log: call.state.nodes.map(({ name }) => `${name}: reloading network config`),
  });
}

function lock(call: Call): string {
  const sdn = sdnOf(call);
  if (sdn.lock !== undefined) throw failure('SDN configuration is already locked');
  if (isPending(sdn) && !flag(call, 'allow-pending')) {
    throw failure('configuration has pending changes');
  }
  sdn.lock = `sdn-lock-${call.state.clock().toString(16)}`;
  return sdn.lock;
}

function unlock(call: Call): null {
  if (!flag(call, 'force')) refuseLocked(call);
  delete sdnOf(call).lock;
  return null;
}

function rollback(call: Call): null {
  refuseLocked(call);
  const sdn = sdnOf(call);
  sdn.config = structuredClone(sdn.running);
  if (call.parameters['release-lock'] !== 0) delete sdn.lock;
  return null;
}

const allocate = on('/sdn', 'SDN.Allocate');
const VIEW = booleans('pending', 'running');
const PROTOCOL = required(choice('openfabric', 'ospf', 'wireguard', 'bgp'));
const FABRIC: Properties = {
  ...TOKEN,
  ...texts('area', 'digest', 'ip_prefix', 'ip6_prefix', 'route_filter'),
  ...numbers('csnp_interval', 'hello_interval', 'persistent_keepalive'),
  ...arrays('redistribute'),
};
const MEMBER: Properties = {
  ...TOKEN,
  ...texts('digest', 'ip', 'ip6', 'endpoint', 'public_key'),
  role: choice('internal', 'external'),
  ...arrays('interfaces', 'peers', 'allowed_ips'),
};

/** Newer than the built-in schema, so their parameters are written out. */
function fabricMethods(): Method[] {
  const fabrics = '/cluster/sdn/fabrics/fabric';
  const members = '/cluster/sdn/fabrics/node';
  const id = { id: string };
  const member = { fabric_id: string, node_id: node };
  const inFabric = `${members}/{fabric_id}`;
  const one = `${inFabric}/{node_id}`;
  const removal = { ...UPDATE, ...arrays('delete') };
  const allocateFabric = on('/sdn/fabrics/{id}', 'SDN.Allocate');
  const changeMember = allOf(
    ['/sdn/fabrics/{fabric_id}', 'SDN.Allocate'],
    ['/nodes/{node_id}', 'Sys.Modify'],
  );
  const viewMember = allOf(
    ['/sdn/fabrics/{fabric_id}', 'SDN.Audit', 'SDN.Allocate'],
    ['/nodes/{node_id}', 'Sys.Audit', 'Sys.Modify'],
  );
  const all = (call: Call): unknown => ({ fabrics: list(FABRICS)(call), nodes: list(FABRIC_NODES)(call) });
  return [
    declare('GET', '/cluster/sdn/fabrics/all', ANYONE, VIEW, all),
    declare('GET', fabrics, ANYONE, VIEW, list(FABRICS)),
    declare(
      'POST',
      fabrics,
      on('/sdn/fabrics', 'SDN.Allocate'),
      { ...id, protocol: PROTOCOL, ...FABRIC },
      create(FABRICS),
    ),
    declare(
      'GET',
      `${fabrics}/{id}`,
      onAny('/sdn/fabrics/{id}', 'SDN.Audit', 'SDN.Allocate'),
      id,
      show(FABRICS),
    ),
    declare(
      'PUT',
      `${fabrics}/{id}`,
      allocateFabric,
      { ...id, protocol: PROTOCOL, ...FABRIC, ...removal },
      update(FABRICS),
    ),
    declare('DELETE', `${fabrics}/{id}`, allocateFabric, id, remove(FABRICS)),
    declare('GET', members, ANYONE, VIEW, list(FABRIC_NODES)),
    declare(
      'GET',
      inFabric,
      on('/sdn/fabrics/{fabric_id}', 'SDN.Audit'),
      { fabric_id: string, ...VIEW },
      list(FABRIC_NODES),
    ),
    declare(
      'POST',
      inFabric,
      changeMember,
      { ...member, protocol: PROTOCOL, ...MEMBER },
      create(FABRIC_NODES),
    ),
    declare('GET', one, viewMember, member, show(FABRIC_NODES)),
    declare(
      'PUT',
      one,
      changeMember,
      { ...member, protocol: PROTOCOL, ...MEMBER, ...removal },
      update(FABRIC_NODES),
    ),
    declare('DELETE', one, changeMember, member, remove(FABRIC_NODES)),
  ];
}

export const sdnMethods: Method[] = [
  ...collection(ZONES, '/cluster/sdn/zones', { ...texts('fabric'), ...arrays('secondary-controllers') }),
  ...collection(VNETS, '/cluster/sdn/vnets', booleans('isolate-ports')),
  ...collection(SUBNETS, '/cluster/sdn/vnets/{vnet}/subnets'),
  ...collection(CONTROLLERS, '/cluster/sdn/controllers', {
    ...texts('fabric', 'nodes', 'peer-group-name', 'route-map-in', 'route-map-out'),
    'bgp-mode': choice('auto', 'external', 'internal'),
  }),
  ...fabricMethods(),
  served('GET', '/cluster/sdn/ipams/{ipam}/status', (call) => {
    const sdn = sdnOf(call);
    const ipam = text(call, 'ipam') ?? '';
    requireEntry(sdn.ipams, ipam, `ipam '${ipam}' does not exist`);
    // What netbox and phpIPAM hold, they alone know.
    return ipam === 'pve' ? sdn.addresses : [];
  }),
  served('PUT', '/cluster/sdn', apply, { ...booleans('release-lock'), ...TOKEN }),
  declare('POST', '/cluster/sdn/lock', allocate, booleans('allow-pending'), lock),
  declare('DELETE', '/cluster/sdn/lock', allocate, { ...booleans('force'), ...TOKEN }, unlock),
  declare('POST', '/cluster/sdn/rollback', allocate, { ...booleans('release-lock'), ...TOKEN }, rollback),
];
