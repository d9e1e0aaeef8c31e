import { failure } from '../errors.ts';
import { foreignVolumes, keeperOf } from './backends.ts';
import type { ClusterState, Storage, Volume } from './cluster-state.ts';
import type { Guest, GuestConfig, GuestType } from './guest.ts';
import { parseSize } from './sizes.ts';

const DRIVE: Record<GuestType, RegExp> = {
  qemu: /^(scsi|virtio|sata|ide|efidisk|tpmstate|unused)\d+$/,
  lxc: /^(rootfs|mp\d+|unused\d+)$/,
};

export function isDrive(type: GuestType, key: string): boolean {
  return DRIVE[type].test(key);
}

/** The options of a guest that hold a volume, CD and cloud-init drives left out: `[key, volid, size in bytes]`. */
export function drives(guest: { type: GuestType; config: GuestConfig }): [string, string, number][] {
  return Object.entries(guest.config).flatMap(([key, value]): [string, string, number][] => {
    const text = String(value);
    const volid = text.split(',')[0] ?? '';
    const holdsNoDisk = text.includes('media=cdrom') || volid.endsWith(':cloudinit');
    if (!isDrive(guest.type, key) || !volid.includes(':') || holdsNoDisk) return [];
    return [[key, volid, parseSize(/size=([\d.]+[KMGT]?)/.exec(text)?.[1] ?? '')]];
  });
}

export function requireStorage(state: ClusterState, name: string): Storage {
  const storage = state.storages.find((candidate) => candidate.storage === name);
  if (!storage) throw failure(`storage '${name}' does not exist`);
  return storage;
}

/** The storage, which must be enabled and there on the node. */
export function requireStorageOn(state: ClusterState, name: string, node: string): Storage {
  const storage = requireStorage(state, name);
  if (storage.disabled) throw failure(`storage '${name}' is disabled`);
  if (storage.nodes && !storage.nodes.includes(node)) {
    throw failure(`storage '${name}' is not available on node '${node}'`);
  }
  return storage;
}

export function findVolume(state: ClusterState, node: string, volid: string): Volume | undefined {
  const own = state.volumes.find((volume) => volume.volid === volid && (volume.node ?? node) === node);
  if (own) return own;
  const storage = state.storages.find((candidate) => candidate.storage === volid.split(':')[0]);
  return storage && foreignVolumes(state, storage).find((volume) => volume.volid === volid);
}

export function volumesOn(state: ClusterState, node: string, name: string): Volume[] {
  const own = state.volumes.filter((volume) => volume.storage === name && (volume.node ?? node) === node);
  const storage = state.storages.find((candidate) => candidate.storage === name);
  return storage ? [...own, ...foreignVolumes(state, storage)] : own;
}

/** How much of a storage is taken, in bytes. */
export function usedBytes(state: ClusterState, node: string, storage: Storage): number {
  const volumes = volumesOn(state, node, storage.storage);
  const held = volumes.reduce((sum, volume) => sum + heldBytes(storage, volume.size), 0);
  return Math.floor(held) + (storage.foreignBytes ?? 0);
}

/** Thin volumes hold about half of what they promise. */
export function heldBytes({ type }: Storage, size: number): number {
  return type === 'lvmthin' ? size * 0.5 : size;
}

/** Also for a view of another cluster's volume, which is then gone from there. */
export function removeVolume(state: ClusterState, volume: Volume): void {
  const { volumes } = keeperOf(state, volume);
  const at = volumes.indexOf(volume.original ?? volume);
  if (at >= 0) volumes.splice(at, 1);
}

/** The linked clones that stand on a volume. */
export function clonesOf(state: ClusterState, volume: Volume): Volume[] {
  return state.volumes.filter(
    ({ parent, node }) => parent === volume.volid && (node === undefined || node === volume.node),
  );
}

/** A base that clones stand on can't go before them. */
export function refuseUsedBase(state: ClusterState, volume: Volume): void {
  if (clonesOf(state, volume).length === 0) return;
  throw failure(`base volume '${volume.volid}' is still in use by linked cloned`);
}

/** The disks of a guest, saved memory and cloud-init drives included; not its backups. */
export function disksOf(state: ClusterState, { vmid }: Pick<Guest, 'vmid'>): Volume[] {
  return state.volumes.filter((volume) => volume.vmid === vmid && volume.content !== 'backup');
}

/** Removes the disks of a guest; its backups stay. */
export function removeDisks(state: ClusterState, guest: Guest): void {
  for (const volume of disksOf(state, guest)) removeVolume(state, volume);
}
