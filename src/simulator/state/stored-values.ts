import { createHash } from 'node:crypto';
import { failure } from '../errors.ts';
import type { ClusterState } from './cluster-state.ts';
import { allocateBytes } from './disks.ts';
import type { Guest, GuestType } from './guest.ts';
import { formatSize, GIB, MIB, parseSize } from './sizes.ts';
import { findVolume, isDrive } from './volumes.ts';

/** `local-lvm:32,ssd=1`: the storage, the size in GiB, the rest. */
const DISK_REQUEST = /^([^:,/]+):(\d+(?:\.\d+)?)((?:,.*)?)$/;
const CLOUD_INIT_REQUEST = /^(?:file=)?([^:,]+):cloudinit((?:,.*)?)$/;

/** The storages on which the options of a new guest ask for disks. */
export function requestedStorages(type: GuestType, options: Record<string, unknown>): string[] {
  return Object.entries(options).flatMap(([key, value]) => {
    const storage = isDrive(type, key) ? DISK_REQUEST.exec(String(value))?.[1] : undefined;
    return storage === undefined ? [] : [storage];
  });
}

/**
 * Turns what a caller writes into what PVE stores: `local-lvm:32` allocates a disk of 32 GiB, a network
 * card without an address gets one.
 */
export function storedValue(state: ClusterState, guest: Guest, key: string, value: string): string {
  if (!isDrive(guest.type, key)) {
    return /^net\d+$/.test(key) ? withHardwareAddress(guest, key, value) : value;
  }
  const [, seedStorage] = CLOUD_INIT_REQUEST.exec(value) ?? [];
  if (seedStorage !== undefined) return cloudinitDrive(state, guest, seedStorage);
  const [, storage, figure = '0', options = ''] = DISK_REQUEST.exec(value) ?? [];
  return storage === undefined
    ? attached(state, guest, value)
    : newDisk(state, guest, { storage, figure, options });
}

function newDisk(
  state: ClusterState,
  guest: Guest,
  request: { storage: string; figure: string; options: string },
): string {
  const pairs = request.options.split(',').filter(Boolean);
  const source = pairs.find((pair) => pair.startsWith('import-from='))?.slice('import-from='.length);
  const format = pairs.find((pair) => pair.startsWith('format='))?.slice('format='.length);
  const size =
    source === undefined
      ? Math.max(1, Math.ceil(Number(request.figure))) * GIB
      : sourceSize(state, guest, source);
  const volid = allocateBytes(state, guest, request.storage, size, format === undefined ? {} : { format });
  const kept = pairs.filter((pair) => !/^(import-from|size|format)=/.test(pair));
  return [volid, ...kept, `size=${formatSize(size)}`].join(',');
}

function sourceSize(state: ClusterState, guest: Guest, source: string): number {
  const volume = findVolume(state, guest.node, source);
  if (!volume) throw failure(`volume '${source}' does not exist`);
  if (volume.content !== 'images' && volume.content !== 'import') {
    throw failure(`${source} has wrong type '${volume.content}' - not an image`);
  }
  return volume.size;
}

function cloudinitDrive(state: ClusterState, guest: Guest, storage: string): string {
  const volid = allocateBytes(state, guest, storage, 4 * MIB, { suffix: 'cloudinit' });
  return `${volid},media=cdrom`;
}

/** A volume that is already there; its size is written beside it. */
function attached(state: ClusterState, guest: Guest, value: string): string {
  const [first = ''] = value.split(',');
  const volid = first.replace(/^(file|volume)=/, '');
  if (!volid.includes(':') || value.includes('media=cdrom')) return value;
  const volume = findVolume(state, guest.node, volid);
  if (!volume) throw failure(`volume '${volid}' does not exist`);
  const known = /size=([\d.]+[KMGT]?)/.exec(value)?.[1];
  if (known !== undefined && parseSize(known) === volume.size) return value;
  return `${value.replace(/,size=[^,]*/, '')},size=${formatSize(volume.size)}`;
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
export function hardwareAddress(guest: Pick<Guest, 'node' | 'vmid'>, key: string): string {
  const hash = createHash('sha1').update(`${guest.node}/${guest.vmid}/${key}`).digest('hex').toUpperCase();
  return `BC:24:11:${hash.slice(0, 2)}:${hash.slice(2, 4)}:${hash.slice(4, 6)}`;
}
