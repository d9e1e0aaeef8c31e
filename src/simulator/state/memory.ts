import type { ClusterState } from './cluster-state.ts';
import { allocateBytes } from './disks.ts';
import type { Guest } from './guest.ts';
import { MIB } from './sizes.ts';
import { drives, findVolume, removeVolume } from './volumes.ts';

/** What is saved beside the memory itself. */
const DEVICES_BYTES = 500 * MIB;

/** Writes the memory of a running VM to a volume of its own. @returns the volume's id */
export function saveMemory(state: ClusterState, guest: Guest, name: string, storage?: string): string {
  const memory = Number(String(guest.config.memory ?? 512).replace('current=', '')) * MIB;
  const target = storage ?? guest.config.vmstatestorage ?? drives(guest)[0]?.[1].split(':')[0] ?? 'local';
  const options = { format: 'raw', suffix: `state-${name}` };
  return allocateBytes(state, guest, String(target), memory + DEVICES_BYTES, options);
}

/** A VM that comes back from disk needs its saved memory no longer. */
export function forgetMemory(state: ClusterState, guest: Guest): void {
  const { vmstate } = guest.config;
  if (guest.lock === 'suspended') delete guest.lock;
  if (vmstate === undefined) return;
  delete guest.config.vmstate;
  const volume = findVolume(state, guest.node, String(vmstate));
  if (volume) removeVolume(state, volume);
}
