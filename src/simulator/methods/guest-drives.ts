import { failure } from '../errors.ts';
import type { ClusterState } from '../state/cluster-state.ts';
import type { Guest } from '../state/guest.ts';
import { drives, findVolume, isDrive, removeVolume } from '../state/volumes.ts';

/** The snapshots of a guest that hold a volume. */
export function snapshotsWith(guest: Guest, volid: string): string[] {
  return [...guest.snapshots.values()]
    .filter(({ config }) => drives({ type: guest.type, config }).some(([, held]) => held === volid))
    .map(({ name }) => name);
}

function volidAt(guest: Guest, key: string): string | undefined {
  return drives(guest).find(([name]) => name === key)?.[1];
}

/** @returns the key under which the volume is kept */
export function keepUnused(guest: Guest, volid: string): string {
  let free = 0;
  while (guest.config[`unused${free}`] !== undefined) free += 1;
  guest.config[`unused${free}`] = volid;
  return `unused${free}`;
}

/** The drive that another value takes the place of stays as `unused0`. */
export function detachDrive(guest: Guest, key: string, next = ''): void {
  const volid = volidAt(guest, key);
  if (volid !== undefined && !key.startsWith('unused') && next.split(',')[0] !== volid)
    keepUnused(guest, volid);
}

/** A volume that is put to use again is no longer unused. */
export function attachDrive(guest: Guest, key: string, value: string): void {
  if (!isDrive(guest.type, key) || key.startsWith('unused')) return;
  for (const [name, volid] of drives(guest)) {
    if (name.startsWith('unused') && volid === value.split(',')[0]) delete guest.config[name];
  }
}

/** Takes an option off. A drive stays as `unused0`; taking that off too, or with `force`, destroys the volume. */
export function removeDrive(state: ClusterState, guest: Guest, key: string, force = false): void {
  const volid = volidAt(guest, key) ?? cloudinitDrive(guest, key);
  const volume = volid === undefined ? undefined : findVolume(state, guest.node, volid);
  if (volume && (force || key.startsWith('unused') || isCloudinit(volume.volid))) {
    const [holder] = snapshotsWith(guest, volume.volid);
    if (holder !== undefined) {
      throw failure(`unable to remove '${volume.volid}' - it is part of snapshot '${holder}'`);
    }
    removeVolume(state, volume);
  } else detachDrive(guest, key);
  delete guest.config[key];
}

const isCloudinit = (volid: string): boolean => /-cloudinit(\.\w+)?$/.test(volid);

/** The generated drive is made anew at any time, so nothing keeps it. */
function cloudinitDrive(guest: Guest, key: string): string | undefined {
  const volid = String(guest.config[key] ?? '').split(',')[0] ?? '';
  return isCloudinit(volid) ? volid : undefined;
}
