import type { ClusterState } from '../../state/cluster-state.ts';
import type { Guest } from '../../state/guest.ts';
import type { Parameters } from '../../verify.ts';
import { items } from '../declare.ts';

/** Whether the options name guests at all: a list, a pool, or all of them. */
export function selectsGuests({ vmid, all, pool, exclude }: Parameters): boolean {
  return vmid !== undefined || all === 1 || pool !== undefined || exclude !== undefined;
}

/** The guests that the options of a backup mean, of all nodes. */
export function selectedGuests(state: ClusterState, options: Parameters): Guest[] {
  const excluded = new Set(items(String(options.exclude ?? '')).map(Number));
  const all = [...state.guests.values()].sort((a, b) => a.vmid - b.vmid);
  const kept = all.filter((guest) => !excluded.has(guest.vmid));
  if (options.pool !== undefined) {
    const pool = state.pools.find(({ poolid }) => poolid === options.pool);
    return kept.filter((guest) => pool?.vmids.has(guest.vmid));
  }
  if (options.vmid === undefined) return selectsGuests(options) ? kept : [];
  const wanted = new Set(items(String(options.vmid)).map(Number));
  return all.filter((guest) => wanted.has(guest.vmid));
}
