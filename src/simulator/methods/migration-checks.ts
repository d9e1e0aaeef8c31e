import { failure } from '../errors.ts';
import type { ClusterState, Volume } from '../state/cluster-state.ts';
import { canSnapshot } from '../state/disks.ts';
import { type Guest, type GuestConfig, label } from '../state/guest.ts';
import { clonesOf, drives, findVolume, requireStorage } from '../state/volumes.ts';
import { snapshotsWith } from './guest-drives.ts';

export interface LocalDisk {
  key: string;
  volid: string;
  size: number;
  cdrom: boolean;
  unused: boolean;
  volume?: Volume;
}

/** What a guest holds on storages that only its own node has. */
export function localDisks(state: ClusterState, guest: Guest): LocalDisk[] {
  const isLocal = (volid: string): boolean => {
    const storage = state.storages.find((candidate) => candidate.storage === volid.split(':')[0]);
    return storage !== undefined && !storage.shared;
  };
  const disks = drives(guest).map(([key, volid, size]): LocalDisk => {
    const volume = findVolume(state, guest.node, volid);
    const unused = key.startsWith('unused');
    return { key, volid, size: volume?.size ?? size, cdrom: false, unused, ...(volume ? { volume } : {}) };
  });
  const discs = Object.entries(guest.config).flatMap(([key, value]): LocalDisk[] => {
    const [volid = ''] = String(value).split(',');
    const isDisc = String(value).includes('media=cdrom') && volid.includes(':') && !isSeed(volid);
    return isDisc ? [{ key, volid, size: 0, cdrom: true, unused: false }] : [];
  });
  return [...disks, ...discs].filter((disk) => isLocal(disk.volid));
}

const isSeed = (volid: string): boolean => volid.includes('-cloudinit');

/** Devices of the host that a guest uses directly, which no other host has. */
export function localResources({ config }: { config: GuestConfig }): string[] {
  return Object.keys(config).filter((key) => {
    const value = String(config[key]);
    if (/^hostpci\d+$/.test(key)) return !value.includes('mapping=');
    return /^usb\d+$/.test(key) && value.includes('host=');
  });
}

/** @param storages by source storage, or the one for all; without an entry a storage keeps its name */
export function mappedStorage(storages: Map<string, string> | string | undefined, source: string): string {
  if (typeof storages === 'string') return storages;
  return storages?.get(source) ?? storages?.get('') ?? source;
}

/** @param text `dst`, or `src:dst` pairs, one of which may be a lone default */
export function parsePairs(text: string): Map<string, string> {
  const pairs = text.split(/[,; ]+/).filter(Boolean);
  return new Map(
    pairs.map((pair) => {
      const [source = '', target] = pair.split(':');
      return target === undefined ? ['', source] : [source, target];
    }),
  );
}

/** Throws what keeps a local disk from being copied to another host. */
export function refuseUncopyable(state: ClusterState, guest: Guest, disk: LocalDisk): void {
  const { volume, volid } = disk;
  if (disk.cdrom) throw failure(`can't migrate '${volid}' - local cdrom image`);
  if (!volume) throw failure(`volume '${volid}' does not exist`);
  if (volume.parent !== undefined) {
    throw failure(`can't migrate '${volid}' as it's a clone of '${volume.parent}'`);
  }
  if (clonesOf(state, volume).length > 0) throw failure(`can't migrate '${volid}' - it is a base of clones`);
  const storage = requireStorage(state, volume.storage);
  const copyable = storage.type === 'zfspool' || volume.format === 'qcow2';
  if (snapshotsWith(guest, volid).length > 0 && !(copyable && canSnapshot(storage, volume))) {
    throw failure(`can't migrate '${volid}' - non-migratable snapshot exists`);
  }
}

export function refuseLocalResources(guest: Guest): void {
  const found = localResources(guest);
  if (found.length === 0) return;
  throw failure(`can't migrate ${label(guest)} which uses local devices: ${found.join(', ')}`);
}
