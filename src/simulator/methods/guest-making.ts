import { failure } from '../errors.ts';
import type { Guest, GuestType } from '../state/guest.ts';
import { removeDisks } from '../state/volumes.ts';
import { type Call, optionalText } from './method.ts';

/** A guest that is only a number yet, locked until what makes it has ended. */
export function emptyGuest(type: GuestType, host: string, id: number, lock: string): Guest {
  return {
    vmid: id,
    type,
    node: host,
    status: 'stopped',
    paused: false,
    startedAt: 0,
    config: {},
    pending: {},
    snapshots: new Map(),
    lock,
  };
}

export function requirePool(call: Call): string | undefined {
  const pool = optionalText(call, 'pool');
  const exists = call.state.pools.some((candidate) => candidate.poolid === pool);
  if (pool !== undefined && !exists) throw failure(`pool '${pool}' does not exist`);
  return pool;
}

/** From here on the number is taken, long before the guest is ready. */
export function reserve({ state }: Call, guest: Guest, pool: string | undefined): void {
  state.guests.set(guest.vmid, guest);
  state.pools.find((candidate) => candidate.poolid === pool)?.vmids.add(guest.vmid);
}

export function discard({ state }: Call, guest: Guest): void {
  removeDisks(state, guest);
  state.guests.delete(guest.vmid);
  for (const pool of state.pools) pool.vmids.delete(guest.vmid);
}
