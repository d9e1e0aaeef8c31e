import { failure } from '../errors.ts';
import { type Guest, type Snapshot, startGuest, stopGuest } from './guest.ts';

export function requireSnapshot(guest: Guest, name: string): Snapshot {
  const snapshot = guest.snapshots.get(name);
  if (!snapshot) throw failure(`snapshot '${name}' does not exist`);
  return snapshot;
}

/**
 * @param options.at epoch seconds
 * @param options.memory the volume that holds the saved memory
 */
export function takeSnapshot(
  guest: Guest,
  options: { name: string; description: string; vmstate: boolean; at: number; memory?: string },
): void {
  const { name, description, vmstate, at, memory } = options;
  if (guest.snapshots.has(name)) throw failure(`snapshot name '${name}' already used`);
  guest.snapshots.set(name, {
    name,
    description,
    snaptime: at,
    ...(guest.parent === undefined ? {} : { parent: guest.parent }),
    vmstate,
    config: { ...guest.config, ...(memory === undefined ? {} : { vmstate: memory }) },
  });
  guest.parent = name;
}

/** A snapshot that saved the memory brings the guest back running; any other leaves it stopped. */
export function rollBack(guest: Guest, name: string, now: number): void {
  const snapshot = requireSnapshot(guest, name);
  stopGuest(guest);
  const { vmstate: _memory, ...config } = snapshot.config;
  guest.config = config;
  guest.parent = name;
  if (snapshot.vmstate) startGuest(guest, now);
}

/** Children of the removed snapshot, and the present state, move up to its parent. */
export function removeSnapshot(guest: Guest, name: string): void {
  const { parent } = requireSnapshot(guest, name);
  for (const other of [...guest.snapshots.values(), guest]) {
    if (other.parent !== name) continue;
    if (parent === undefined) delete other.parent;
    else other.parent = parent;
  }
  guest.snapshots.delete(name);
}
