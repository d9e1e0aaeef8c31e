import { failure } from '../../errors.ts';
import { guestOfSid, haState } from '../../state/ha.ts';
import { choice, declare, on, required, served } from '../declare.ts';
import { type Call, type Method, text } from '../method.ts';

const INTERVAL = 10;

function master({ state }: Call): string {
  return state.nodes.find(({ online }) => online)?.name ?? '';
}

function isQuorate({ state }: Call): boolean {
  return state.nodes.filter(({ online }) => online).length * 2 > state.nodes.length;
}

/** Managers write their state every ten seconds. */
function timestamp({ state }: Call): number {
  return Math.floor(state.clock() / 1000 / INTERVAL) * INTERVAL;
}

function date(call: Call): string {
  return new Date(timestamp(call) * 1000).toUTCString();
}

function current(call: Call): unknown {
  const { state, localNode } = call;
  const { resources, disarmed } = state.datacenter.ha;
  const quorate = isQuorate(call);
  const idle = Object.keys(resources).length === 0;
  const leader = master(call);
  return [
    {
      id: 'quorum',
      type: 'quorum',
      node: localNode,
      status: quorate ? 'OK' : 'No quorum on node',
      quorate: quorate ? 1 : 0,
    },
    ...(idle
      ? []
      : [
          {
            id: 'master',
            type: 'master',
            node: leader,
            status: `${leader} (${disarmed === undefined ? 'active' : 'disarmed'}, ${date(call)})`,
            timestamp: timestamp(call),
          },
        ]),
    {
      id: 'fencing',
      type: 'fencing',
      node: leader,
      status: disarmed === undefined ? (idle ? 'standby' : 'armed') : 'disarmed',
      'armed-state': disarmed === undefined ? (idle ? 'standby' : 'armed') : 'disarmed',
      ...(disarmed === undefined ? {} : { resource_mode: disarmed }),
    },
    ...state.nodes.map(({ name, online }) => ({
      id: `lrm:${name}`,
      type: 'lrm',
      node: name,
      status: online
        ? `${name} (${idle ? 'idle' : 'active'}, ${date(call)})`
        : `${name} (old timestamp - dead?)`,
      ...(online ? { timestamp: timestamp(call) } : {}),
    })),
    ...Object.values(resources).map((resource) => {
      const found = haState(state, resource);
      const node = guestOfSid(state, resource.sid)?.node ?? '';
      return {
        ...resource,
        id: `service:${resource.sid}`,
        type: 'service',
        node,
        state: found,
        crm_state: found,
        request_state: resource.state,
        status: `${resource.sid} (${node}, ${found})`,
      };
    }),
  ];
}

function managerStatus(call: Call): unknown {
  const { state, localNode } = call;
  const services = Object.values(state.datacenter.ha.resources).map((resource) => {
    const node = guestOfSid(state, resource.sid)?.node ?? '';
    return [resource.sid, { node, state: haState(state, resource), uid: resource.sid }] as const;
  });
  const nodes = state.nodes.map(({ name, online }) => [name, online ? 'online' : 'unknown'] as const);
  const lrm = state.nodes.map(({ name }) => {
    const mode = { mode: 'active', state: services.length === 0 ? 'wait_for_agent_lock' : 'active' };
    return [name, { ...mode, timestamp: timestamp(call), results: {} }] as const;
  });
  return {
    manager_status: {
      master_node: master(call),
      node_status: Object.fromEntries(nodes),
      service_status: Object.fromEntries(services),
      timestamp: timestamp(call),
    },
    lrm_status: Object.fromEntries(lrm),
    quorum: { node: localNode, quorate: isQuorate(call) ? 1 : 0 },
  };
}

function arm(call: Call): null {
  const { ha } = call.state.datacenter;
  if (ha.disarmed === undefined) throw failure('HA is already armed');
  delete ha.disarmed;
  return null;
}

function disarm(call: Call): null {
  call.state.datacenter.ha.disarmed = text(call, 'resource-mode');
  return null;
}

const path = '/cluster/ha/status';

export const haStatusMethods: Method[] = [
  served('GET', `${path}/current`, current),
  served('GET', `${path}/manager_status`, managerStatus),
  declare('POST', `${path}/arm-ha`, on('/', 'Sys.Console'), {}, arm),
  declare(
    'POST',
    `${path}/disarm-ha`,
    on('/', 'Sys.Console'),
    { 'resource-mode': required(choice('freeze', 'ignore')) },
    disarm,
  ),
];
