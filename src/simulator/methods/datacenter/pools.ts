import { failure, forbidden, invalidParameters } from '../../errors.ts';
import { type ClusterState, type Pool, poolOf } from '../../state/cluster-state.ts';
import { items, served } from '../declare.ts';
import { type Call, flag, type Method, optionalText, text } from '../method.ts';
import { storageRows, vmRows } from '../resources.ts';

function findPool({ pools }: ClusterState, poolid: string): Pool | undefined {
  return pools.find((pool) => pool.poolid === poolid);
}

function requirePool(call: Call): Pool {
  const poolid = text(call, 'poolid');
  const pool = findPool(call.state, poolid);
  if (!pool) throw failure(`pool '${poolid}' does not exist`);
  return pool;
}

const comment = (pool: Pool): { comment?: string } => {
  return pool.comment === undefined ? {} : { comment: pool.comment };
};

function members(call: Call, { poolid, storages }: Pool): unknown[] {
  const type = optionalText(call, 'type');
  const guests = vmRows(call).filter((row) => row.pool === poolid);
  const stores = storageRows(call).filter((row) => storages.has(String(row.storage)));
  return [...guests, ...stores].filter((row) => type === undefined || row.type === type);
}

/** Members only where one pool is asked for. */
function list(call: Call): unknown {
  const { state, identity } = call;
  const wanted = optionalText(call, 'poolid');
  if (wanted !== undefined) requirePool(call);
  const visible = state.pools.filter(({ poolid }) => {
    return state.access.has(identity, `/pool/${poolid}`, 'Pool.Audit');
  });
  return visible
    .filter(({ poolid }) => wanted === undefined || poolid === wanted)
    .sort((a, b) => (a.poolid < b.poolid ? -1 : 1))
    .map((pool) => ({
      poolid: pool.poolid,
      ...comment(pool),
      ...(wanted === undefined ? {} : { members: members(call, pool) }),
    }));
}

function show(call: Call): unknown {
  const pool = requirePool(call);
  return { ...comment(pool), members: members(call, pool) };
}

function create(call: Call): null {
  const poolid = text(call, 'poolid');
  const { pools } = call.state;
  if (findPool(call.state, poolid)) throw failure(`create pool failed: pool '${poolid}' already exists`);
  const parent = poolid.includes('/') ? poolid.slice(0, poolid.lastIndexOf('/')) : undefined;
  if (parent !== undefined && !findPool(call.state, parent)) {
    throw failure(`create pool failed: parent '${parent}' of pool '${poolid}' does not exist`);
  }
  const given = optionalText(call, 'comment');
  pools.push({
    poolid,
    vmids: new Set(),
    storages: new Set(),
    ...(given === undefined ? {} : { comment: given }),
  });
  return null;
}

function update(call: Call): null {
  const pool = requirePool(call);
  const given = optionalText(call, 'comment');
  const vmids = items(optionalText(call, 'vms')).map(Number);
  const storages = items(optionalText(call, 'storage'));
  requireMembers(call, vmids, storages);
  for (const vmid of vmids) changeGuest(call, pool, vmid);
  for (const storage of storages) changeStorage(call, pool, storage);
  if (given !== undefined) pool.comment = given;
  return null;
}

/** Who moves a guest or a storage in or out needs the rights over it too. */
function requireMembers({ state, identity }: Call, vmids: number[], storages: string[]): void {
  for (const vmid of vmids) {
    if (!Number.isInteger(vmid))
      throw invalidParameters({ vms: 'invalid format - value does not look like a valid VM ID\n' });
    const path = `/vms/${vmid}`;
    if (!state.access.has(identity, path, 'VM.Allocate')) throw forbidden(`${path}, VM.Allocate`);
  }
  for (const storage of storages) {
    const path = `/storage/${storage}`;
    if (!state.access.has(identity, path, 'Datastore.Allocate'))
      throw forbidden(`${path}, Datastore.Allocate`);
  }
}

function changeGuest(call: Call, pool: Pool, vmid: number): void {
  const { state } = call;
  if (flag(call, 'delete')) {
    if (!pool.vmids.delete(vmid)) throw failure(`VM ${vmid} is not a pool member`);
    return;
  }
  if (!state.guests.has(vmid)) throw failure(`VM ${vmid} does not exist`);
  const present = poolOf(state, vmid);
  if (present === pool.poolid) throw failure(`VM ${vmid} is already a pool member`);
  if (present !== undefined && !flag(call, 'allow-move')) {
    throw failure(`VM ${vmid} belongs already to pool '${present}' and 'allow-move' is not set`);
  }
  for (const other of state.pools) other.vmids.delete(vmid);
  pool.vmids.add(vmid);
}

function changeStorage(call: Call, pool: Pool, storage: string): void {
  if (flag(call, 'delete')) {
    if (!pool.storages.delete(storage)) throw failure(`Storage '${storage}' is not a pool member`);
    return;
  }
  if (pool.storages.has(storage)) throw failure(`Storage '${storage}' is already a pool member`);
  if (!call.state.storages.some((known) => known.storage === storage)) {
    throw failure(`storage '${storage}' does not exist`);
  }
  pool.storages.add(storage);
}

function remove(call: Call): null {
  const pool = requirePool(call);
  const { pools } = call.state;
  const { poolid } = pool;
  const children = pools.some((other) => other.poolid.startsWith(`${poolid}/`));
  const reason = children
    ? 'has subpools'
    : pool.vmids.size + pool.storages.size > 0
      ? 'is not empty'
      : undefined;
  if (reason !== undefined) throw failure(`pool '${poolid}' ${reason}`);
  pools.splice(pools.indexOf(pool), 1);
  return null;
}

export const poolMethods: Method[] = [
  served('GET', '/pools', list),
  served('POST', '/pools', create),
  served('PUT', '/pools', update),
  served('DELETE', '/pools', remove),
  // Deprecated: a nested name does not fit into one segment.
  served('GET', '/pools/{poolid}', show),
  served('PUT', '/pools/{poolid}', update),
  served('DELETE', '/pools/{poolid}', remove),
];
