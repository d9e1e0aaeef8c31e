import { createHash } from 'node:crypto';
import { failure } from '../errors.ts';
import type { ClusterState, Storage, Volume } from './cluster-state.ts';
import type { Guest, GuestConfig, GuestType } from './guest.ts';

export const GIB = 1024 ** 3;

const DRIVE: Record<GuestType, RegExp> = {
  qemu: /^(scsi|virtio|sata|ide|efidisk|tpmstate|unused)\d+$/,
  lxc: /^(rootfs|mp\d+|unused\d+)$/,
};

/** The options of a guest that hold a volume, CD and cloud-init drives left out: `[key, volid, size in bytes]`. */
export function drives(guest: { type: GuestType; config: GuestConfig }): [string, string, number][] {
  return Object.entries(guest.config).flatMap(([key, value]): [string, string, number][] => {
    const text = String(value);
    const volid = text.split(',')[0] ?? '';
    const holdsNoDisk = text.includes('media=cdrom') || volid.endsWith(':cloudinit');
    if (!DRIVE[guest.type].test(key) || !volid.includes(':') || holdsNoDisk) return [];
    return [[key, volid, Number(/size=(\d+)G/.exec(text)?.[1] ?? 0) * GIB]];
  });
}

export function requireStorage(state: ClusterState, name: string): Storage {
  const storage = state.storages.find((candidate) => candidate.storage === name);
  if (!storage) throw failure(`storage '${name}' does not exist`);
  return storage;
}

export function findVolume(state: ClusterState, node: string, volid: string): Volume | undefined {
  return state.volumes.find((volume) => volume.volid === volid && (volume.node ?? node) === node);
}

export function volumesOn(state: ClusterState, node: string, storage: string): Volume[] {
  return state.volumes.filter((volume) => volume.storage === storage && (volume.node ?? node) === node);
}

/** Makes a disk for a guest. @returns its volume id */
export function allocateDisk(state: ClusterState, guest: Guest, storageName: string, gib: number): string {
  const storage = requireStorage(state, storageName);
  const content = guest.type === 'qemu' ? 'images' : 'rootdir';
  if (!storage.content.includes(content) && !storage.content.includes('images')) {
    throw failure(`storage '${storageName}' does not support content-type '${content}'`);
  }
  const format = storage.type === 'lvmthin' || guest.type === 'lxc' ? 'raw' : 'qcow2';
  const name = (index: number): string => {
    const disk = `vm-${guest.vmid}-disk-${index}`;
    return storage.type === 'lvmthin'
      ? `${storageName}:${disk}`
      : `${storageName}:${guest.vmid}/${disk}.${format}`;
  };
  let index = 0;
  while (findVolume(state, guest.node, name(index))) index += 1;
  state.volumes.push({
    volid: name(index),
    storage: storageName,
    ...(storage.shared ? {} : { node: guest.node }),
    content,
    format,
    size: gib * GIB,
    vmid: guest.vmid,
    ctime: Math.floor(state.clock() / 1000),
  });
  return name(index);
}

/** `local-lvm:32,ssd=1`: the storage, the size in GiB, the rest. */
const DISK_REQUEST = /^([^:,]+):(\d+(?:\.\d+)?)((?:,.*)?)$/;

/** The storages on which the options of a new guest ask for disks. */
export function requestedStorages(type: GuestType, options: Record<string, unknown>): string[] {
  return Object.entries(options).flatMap(([key, value]) => {
    const storage = DRIVE[type].test(key) ? DISK_REQUEST.exec(String(value))?.[1] : undefined;
    return storage === undefined ? [] : [storage];
  });
}

/**
 * Turns what a caller writes into what PVE stores: `local-lvm:32` allocates a disk of 32 GiB, a network
 * card without an address gets one.
 */
export function storedValue(state: ClusterState, guest: Guest, key: string, value: string): string {
  const request = DISK_REQUEST.exec(value);
  if (DRIVE[guest.type].test(key) && request) {
    const [, storage = '', size = '0', options = ''] = request;
    const gib = Math.max(1, Math.ceil(Number(size)));
    return `${allocateDisk(state, guest, storage, gib)}${options},size=${gib}G`;
  }
  return /^net\d+$/.test(key) ? withHardwareAddress(guest, key, value) : value;
}

function withHardwareAddress(guest: Guest, key: string, value: string): string {
  const address = hardwareAddress(guest, key);
  if (guest.type === 'lxc') return value.includes('hwaddr=') ? value : `${value},hwaddr=${address}`;
  const [card = 'virtio', ...options] = value.split(',');
  const model = card.startsWith('model=') ? card.slice('model='.length) : card;
  if (model.includes('=') || value.includes('macaddr=')) return value;
  return [`${model}=${address}`, ...options].join(',');
}

/** Made from the guest, not at random, so that two runs show the same estate. */
export function hardwareAddress(guest: Guest, key: string): string {
  const hash = createHash('sha1').update(`${guest.node}/${guest.vmid}/${key}`).digest('hex').toUpperCase();
  return `BC:24:11:${hash.slice(0, 2)}:${hash.slice(2, 4)}:${hash.slice(4, 6)}`;
}

export function removeVolume(state: ClusterState, volume: Volume): void {
  state.volumes.splice(state.volumes.indexOf(volume), 1);
}

/** Removes the disks of a guest; its backups stay. */
export function removeDisks(state: ClusterState, guest: Guest): void {
  const owned = state.volumes.filter((volume) => volume.vmid === guest.vmid && volume.content !== 'backup');
  for (const volume of owned) removeVolume(state, volume);
}
