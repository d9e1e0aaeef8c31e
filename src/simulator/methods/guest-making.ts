import { failure, forbidden } from '../errors.ts';
import type { Guest, GuestType } from '../state/guest.ts';
import { removeDisks } from '../state/volumes.ts';
import type { Properties } from '../verify.ts';
import { booleans, texts } from './declare.ts';
import { boolean, type Call, integer, optional, optionalText, storage, string } from './method.ts';

/** What PVE adds to the options of a guest when it makes one. */
export const CREATION: Record<GuestType, Properties> = {
  qemu: {
    ...texts('archive', 'pool'),
    ...booleans('force', 'ha-managed', 'live-restore', 'start', 'unique'),
    bwlimit: integer(0),
    'import-working-storage': optional(storage),
    storage: optional(storage),
  },
  lxc: {
    ...booleans('force', 'ha-managed', 'ignore-unpack-errors', 'restore', 'unique'),
    bwlimit: { type: 'number', optional: 1, minimum: 0 },
    ostemplate: { type: 'string', maxLength: 255 },
    password: optional({ type: 'string', minLength: 5 }),
    pool: optional(string),
    start: boolean,
    storage: optional(storage),
    'ssh-public-keys': optional(string),
  },
};

/** PVE checks this in code, since the guest may be allowed through its pool instead. */
export function requireAllocate(call: Call, id: number): void {
  const { access } = call.state;
  const pool = optionalText(call, 'pool');
  const throughPool = pool !== undefined && access.has(call.identity, `/pool/${pool}`, 'VM.Allocate');
  if (!throughPool && !access.has(call.identity, `/vms/${id}`, 'VM.Allocate')) {
    throw forbidden(`/vms/${id}, VM.Allocate`);
  }
}

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
  guest.createdAt ??= state.clock();
  state.guests.set(guest.vmid, guest);
  state.pools.find((candidate) => candidate.poolid === pool)?.vmids.add(guest.vmid);
}

export function discard({ state }: Pick<Call, 'state'>, guest: Guest): void {
  removeDisks(state, guest);
  state.guests.delete(guest.vmid);
  for (const pool of state.pools) pool.vmids.delete(guest.vmid);
}
