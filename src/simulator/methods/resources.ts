import { findNode, type Node, poolOf, type Storage } from '../state/cluster-state.ts';
import { guestFigures, storageFigures } from '../state/figures.ts';
import { type Guest, guestName } from '../state/guest.ts';
import { haResource, haState } from '../state/ha.ts';
import { sectionOf } from '../state/sdn.ts';
import type { Call } from './method.ts';

type Row = Record<string, unknown>;

/** What guest lists and the inventory have in common. */
export function guestRow({ state }: Call, guest: Guest): Row {
  const online = findNode(state, guest.node)?.online ?? false;
  const { tags } = guest.config;
  return {
    vmid: guest.vmid,
    name: guestName(guest),
    status: online ? guest.status : 'unknown',
    ...guestFigures(guest, state.clock()),
    ...(tags === undefined ? {} : { tags }),
    ...(guest.lock === undefined ? {} : { lock: guest.lock }),
  };
}

export function visibleGuests({ state, identity }: Call): Guest[] {
  const guests = [...state.guests.values()].sort((a, b) => a.vmid - b.vmid);
  return guests.filter((guest) => state.access.has(identity, `/vms/${guest.vmid}`, 'VM.Audit'));
}

/** What the inventory knows of a guest: its configuration as it is, the rest as of the last broadcast. */
function broadcastRow({ state }: Call, guest: Guest): Row {
  const { tags } = guest.config;
  const live = {
    vmid: guest.vmid,
    ...(tags === undefined ? {} : { tags }),
    ...(guest.lock === undefined ? {} : { lock: guest.lock }),
  };
  const seen = state.broadcast.guest(guest);
  if (!seen) return { ...live, status: 'unknown' };
  const online = findNode(state, guest.node)?.online ?? false;
  return {
    ...live,
    name: seen.name,
    status: online ? seen.status : 'unknown',
    template: seen.template ? 1 : 0,
    ...seen.figures,
  };
}

export function vmRows(call: Call): Row[] {
  return visibleGuests(call).map((guest) => {
    const pool = poolOf(call.state, guest.vmid);
    const managed = haResource(call.state, guest);
    return {
      ...broadcastRow(call, guest),
      id: `${guest.type}/${guest.vmid}`,
      type: guest.type,
      node: guest.node,
      ...(pool === undefined ? {} : { pool }),
      ...(managed ? { hastate: haState(call.state, managed) } : {}),
    };
  });
}

/** Nodes are always listed; without Sys.Audit on one of them only by name and status. */
function nodeRow({ state, identity }: Call, node: Node): Row {
  const row = {
    id: `node/${node.name}`,
    type: 'node',
    node: node.name,
    status: node.online ? 'online' : 'offline',
  };
  if (!node.online || !state.access.has(identity, `/nodes/${node.name}`, 'Sys.Audit')) return row;
  const { cpu, mem, uptime } = state.broadcast.node(state, node);
  const root = state.storages.find((storage) => storage.storage === 'local');
  const disk = root ? storageFigures(state, node.name, root) : { used: 0, total: 0 };
  return {
    ...row,
    cpu,
    maxcpu: node.cpus,
    mem,
    maxmem: node.memory,
    disk: disk.used,
    maxdisk: disk.total,
    uptime,
    // Of a subscription that is active.
    level: state.datacenter.nodes[node.name]?.subscriptionKey?.[4] ?? '',
  };
}

export function nodeRows(call: Call): Row[] {
  return call.state.nodes.map((node) => nodeRow(call, node));
}

export function poolRows({ state, identity }: Call): Row[] {
  return state.pools
    .filter((pool) => state.access.has(identity, `/pool/${pool.poolid}`, 'Pool.Audit'))
    .map(({ poolid }) => ({ id: `/pool/${poolid}`, type: 'pool', pool: poolid }));
}

export function visibleStorages({ state, identity }: Call): Storage[] {
  return state.storages.filter((storage) => {
    return state.access.has(
      identity,
      `/storage/${storage.storage}`,
      'Datastore.Audit',
      'Datastore.AllocateSpace',
    );
  });
}

export function isOn(storage: Storage, node: string): boolean {
  return storage.nodes?.includes(node) ?? true;
}

export function storageRows(call: Call): Row[] {
  const { state } = call;
  return visibleStorages(call).flatMap((storage) => {
    return state.nodes
      .filter((node) => isOn(storage, node.name))
      .map((node) => {
        const { used, total } = storageFigures(state, node.name, storage);
        return {
          id: `storage/${node.name}/${storage.storage}`,
          type: 'storage',
          node: node.name,
          storage: storage.storage,
          plugintype: storage.type,
          content: storage.content.join(','),
          shared: storage.shared ? 1 : 0,
          status: node.online ? 'available' : 'unknown',
          disk: used,
          maxdisk: total,
        };
      });
  });
}

export function sdnRows({ state, identity }: Call): Row[] {
  const zones = ['localnetwork', ...Object.keys(sectionOf(state.datacenter.sdn.running, 'zones'))];
  const visible = zones.filter((zone) => state.access.has(identity, `/sdn/zones/${zone}`, 'SDN.Audit'));
  return state.nodes.flatMap(({ name, online }) => {
    return visible.map((zone) => ({
      id: `sdn/${name}/${zone}`,
      type: 'sdn',
      node: name,
      sdn: zone,
      status: online ? 'ok' : 'unknown',
    }));
  });
}

/** The zones once more, in the form that since 9.1 fabrics have too. */
export function networkRows(call: Call): Row[] {
  if (!call.state.release.networkRows) return [];
  return sdnRows(call).map(({ node, sdn, status }) => ({
    id: `network/${node}/zone/${sdn}`,
    type: 'network',
    node,
    network: sdn,
    'network-type': 'zone',
    status,
  }));
}
