import { invalidParameters } from '../errors.ts';
import type { ClusterState } from '../state/cluster-state.ts';
import { label } from '../state/guest.ts';
import { isQuorate } from '../state/hazards.ts';
import { type Call, index, type Method, optional, optionalText, vmid } from './method.ts';
import { networkRows, nodeRows, poolRows, sdnRows, storageRows, vmRows } from './resources.ts';
import { taskRow, visibleTasks } from './tasks.ts';

function status({ state, localNode }: Call): unknown {
  const nodes = state.nodes.map((node) => ({
    type: 'node',
    id: `node/${node.name}`,
    name: node.name,
    ip: node.ip,
    nodeid: isCluster(state) ? node.nodeid : 0,
    level: '',
    local: node.name === localNode ? 1 : 0,
    online: node.online ? 1 : 0,
  }));
  // A standalone host has no cluster entry at all, hence no quorum that could be lost.
  if (!isCluster(state)) return nodes;
  const quorate = isQuorate(state) ? 1 : 0;
  const cluster = { type: 'cluster', id: 'cluster', name: state.name, version: state.nodes.length };
  return [{ ...cluster, nodes: state.nodes.length, quorate }, ...nodes];
}

/** What a host says it runs. */
export function versionOf({ release: { version } }: ClusterState): Record<string, string> {
  return { version, release: version.split('.').slice(0, 2).join('.'), repoid: '3f1c8a52d7e04b96' };
}

function isCluster(state: ClusterState): boolean {
  return state.nodes.length > 1;
}

function resources(call: Call): unknown {
  const type = optionalText(call, 'type');
  return [
    ...(type === undefined || type === 'vm' ? vmRows(call) : []),
    ...(type === undefined ? poolRows(call) : []),
    ...(type === undefined || type === 'node' ? nodeRows(call) : []),
    ...(type === undefined || type === 'storage' ? storageRows(call) : []),
    ...(type === undefined || type === 'sdn' ? [...sdnRows(call), ...networkRows(call)] : []),
  ];
}

function nextId(call: Call): string {
  const { guests } = call.state;
  const wanted = call.parameters.vmid;
  if (wanted !== undefined) {
    const taken = guests.get(Number(wanted));
    if (taken) throw invalidParameters({ vmid: `${label(taken)} ${taken.vmid} already exists` });
    return String(wanted);
  }
  let candidate = 100;
  while (guests.has(candidate)) candidate += 1;
  return String(candidate);
}

export const clusterMethods: Method[] = [
  {
    method: 'GET',
    path: '/',
    permissions: { user: 'all' },
    handler: () => index('subdir', ['version', 'cluster', 'nodes', 'storage', 'access', 'pools']),
  },
  { method: 'GET', path: '/version', permissions: { user: 'all' }, handler: ({ state }) => versionOf(state) },
  {
    method: 'GET',
    path: '/cluster',
    permissions: { user: 'all' },
    handler: () => index('name', ['nextid', 'resources', 'status', 'tasks']),
  },
  {
    method: 'GET',
    path: '/cluster/resources',
    properties: { type: { type: 'string', enum: ['vm', 'storage', 'node', 'sdn'], optional: 1 } },
    permissions: { user: 'all' },
    handler: resources,
  },
  {
    method: 'GET',
    path: '/cluster/status',
    permissions: { check: ['perm', '/', ['Sys.Audit']] },
    handler: status,
  },
  {
    method: 'GET',
    path: '/cluster/tasks',
    permissions: { user: 'all' },
    handler: (call) => visibleTasks(call).map(taskRow),
  },
  {
    method: 'GET',
    path: '/cluster/nextid',
    properties: { vmid: optional(vmid) },
    permissions: { user: 'all' },
    handler: nextId,
  },
];
