import { failure } from '../errors.ts';
import type { ClusterState, Storage, Volume } from './cluster-state.ts';
import type { Guest } from './guest.ts';
import { formatSize, GIB } from './sizes.ts';
import { findVolume, heldBytes, requireStorageOn, usedBytes } from './volumes.ts';

type Owner = Pick<Guest, 'vmid' | 'type' | 'node'>;

export interface DiskOptions {
  /** `raw`, `qcow2`, `vmdk`; default what the storage prefers */
  format?: string;
  /** The part of the volume's name after `vm-100-`; default the next free `disk-N` */
  suffix?: string;
  /** The volume id of the base that a linked clone stands on. */
  parent?: string;
}

const FILE_TYPES = ['btrfs', 'cephfs', 'cifs', 'dir', 'nfs'];

/** Whether the storage keeps its volumes as files in a directory. */
function keepsFiles({ type }: Pick<Storage, 'type'>): boolean {
  return FILE_TYPES.includes(type);
}

/** Makes a disk for a guest. @returns its volume id */
export function allocateDisk(
  state: ClusterState,
  guest: Owner,
  storageName: string,
  gib: number,
  options: DiskOptions = {},
): string {
  return allocateBytes(state, guest, storageName, gib * GIB, options);
}

/** @param size bytes */
export function allocateBytes(
  state: ClusterState,
  guest: Owner,
  storageName: string,
  size: number,
  options: DiskOptions = {},
): string {
  const storage = requireStorageOn(state, storageName, guest.node);
  const content = guest.type === 'qemu' ? 'images' : 'rootdir';
  if (!storage.content.includes(content) && !storage.content.includes('images')) {
    throw failure(`storage '${storageName}' does not support content-type '${content}'`);
  }
  const volid = volumeId(state, guest, storage, options);
  // A linked clone takes no space until it is written to.
  if (options.parent === undefined) requireSpace(state, guest.node, storage, size);
  state.volumes.push({
    volid,
    storage: storageName,
    ...(storage.shared ? {} : { node: guest.node }),
    content,
    format: formatOf(storage, guest, options),
    size,
    vmid: guest.vmid,
    ctime: Math.floor(state.clock() / 1000),
    ...(options.parent === undefined ? {} : { parent: options.parent }),
  });
  return volid;
}

function formatOf(storage: Storage, { type }: Owner, options: DiskOptions): string {
  if (!keepsFiles(storage)) return storage.type === 'zfspool' && type === 'lxc' ? 'subvol' : 'raw';
  return options.format ?? (type === 'lxc' ? 'raw' : 'qcow2');
}

function volumeId(state: ClusterState, guest: Owner, storage: Storage, options: DiskOptions): string {
  const format = formatOf(storage, guest, options);
  const base = options.parent?.slice(storage.storage.length + 1);
  const name = (suffix: string): string => {
    const file = `${format === 'subvol' ? 'subvol' : 'vm'}-${guest.vmid}-${suffix}`;
    if (keepsFiles(storage)) {
      const folder = base === undefined ? '' : `${base}/`;
      return `${storage.storage}:${folder}${guest.vmid}/${file}.${format}`;
    }
    // A thin pool doesn't show in the name what a clone stands on.
    return `${storage.storage}:${base === undefined || storage.type === 'lvmthin' ? '' : `${base}/`}${file}`;
  };
  if (options.suffix !== undefined) return name(options.suffix);
  for (let index = 0; ; index += 1) {
    const volid = name(`disk-${index}`);
    if (!findVolume(state, guest.node, volid)) return volid;
  }
}

/** Throws what PVE's storage plugins say when something doesn't fit any more. */
export function requireSpace(state: ClusterState, node: string, storage: Storage, size: number): void {
  const free = Math.max(0, storage.total - usedBytes(state, node, storage));
  const wanted = heldBytes(storage, size);
  if (wanted <= free) return;
  const extents = (bytes: number): number => Math.ceil(bytes / (4 * 1024 ** 2));
  if (storage.type === 'lvm') {
    const group = storage.options.vgname ?? storage.storage;
    throw failure(
      `lvcreate error: Volume group "${group}" has insufficient free space (${extents(free)} extents): ${extents(wanted)} required.`,
    );
  }
  if (storage.type === 'zfspool') throw failure(`zfs error: cannot create volume: out of space`);
  throw failure(
    `unable to allocate ${formatSize(size)} on storage '${storage.storage}': No space left on device`,
  );
}

/** Whether a volume can be part of a snapshot. */
export function canSnapshot(storage: Storage, volume: Pick<Volume, 'format'>): boolean {
  if (keepsFiles(storage)) return volume.format === 'qcow2' || ['btrfs', 'cephfs'].includes(storage.type);
  return ['lvmthin', 'rbd', 'zfspool'].includes(storage.type);
}

/** Turns a disk into a base for linked clones. @returns its new volume id */
export function makeBase(volume: Volume): string {
  volume.volid = volume.volid.replace(/(^|[:/])(vm|subvol)-(\d+-)/, (_all, before, kind, rest) => {
    return `${before}${kind === 'subvol' ? 'basevol' : 'base'}-${rest}`;
  });
  delete volume.parent;
  return volume.volid;
}
