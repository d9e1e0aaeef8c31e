import { failure, invalidParameters } from '../errors.ts';
import { allocateBytes, requireSpace } from '../state/disks.ts';
import { configDigest, type Guest, type GuestType, label } from '../state/guest.ts';
import { formatSize, parseSize } from '../state/sizes.ts';
import {
  drives,
  findVolume,
  isDrive,
  removeVolume,
  requireStorage,
  requireStorageOn,
} from '../state/volumes.ts';
import { choice, declare, items, require } from './declare.ts';
import { attachDrive, keepUnused, removeDrive, snapshotsWith } from './guest-drives.ts';
import { refuseLocked, refuseSkiplock, startGuestTask, startPlainTask } from './guest-work.ts';
import {
  boolean,
  type Call,
  flag,
  guestOf,
  type Method,
  node,
  onGuest,
  optional,
  optionalText,
  storage,
  text,
  vmid,
} from './method.ts';

const SIZE = '\\+?\\d+(\\.\\d+)?[KMGT]?';
const digest = optional({ type: 'string', maxLength: 64 });

interface Disk {
  key: string;
  volid: string;
  /** bytes */
  size: number;
}

function requireDisk(guest: Guest, key: string): Disk {
  const found = drives(guest).find(([name]) => name === key);
  if (found) return { key, volid: found[1], size: found[2] };
  if (guest.config[key] !== undefined) throw failure(`you can't change the size or place of cdrom '${key}'`);
  throw failure(`disk '${key}' does not exist`);
}

function refuseStale(call: Call, guest: Guest, name = 'digest'): void {
  const given = optionalText(call, name);
  if (given === undefined || given === configDigest(guest)) return;
  throw failure('detected modified configuration - file changed by other user? Try again.');
}

function resize(call: Call, type: GuestType): string {
  const { state } = call;
  refuseSkiplock(call);
  const guest = guestOf(call, type);
  refuseStale(call, guest);
  refuseLocked(guest, call);
  const disk = requireDisk(guest, text(call, 'disk'));
  const size = text(call, 'size');
  const grown = (): number => {
    const present = findVolume(state, guest.node, disk.volid)?.size ?? disk.size;
    const wanted = size.startsWith('+') ? present + parseSize(size.slice(1)) : parseSize(size);
    if (wanted < present) throw failure('shrinking disks is not supported');
    return wanted;
  };
  grown();
  return startPlainTask(call, guest, 'resize', {
    end: () => {
      const volume = findVolume(state, guest.node, disk.volid);
      if (!volume) throw failure(`volume '${disk.volid}' does not exist`);
      const wanted = grown();
      requireSpace(state, guest.node, requireStorage(state, volume.storage), wanted - volume.size);
      volume.size = wanted;
      const options = String(guest.config[disk.key]).replace(/,size=[^,]*/, '');
      guest.config[disk.key] = `${options},size=${formatSize(wanted)}`;
    },
    log: [`resizing ${disk.key} of ${label(guest)} ${guest.vmid} to ${size}`],
  });
}

function move(call: Call, type: GuestType): string {
  const guest = guestOf(call, type);
  refuseStale(call, guest);
  refuseLocked(guest);
  const disk = requireDisk(guest, text(call, type === 'qemu' ? 'disk' : 'volume'));
  const target = optionalText(call, 'storage');
  const other = call.parameters['target-vmid'];
  if (target !== undefined && other !== undefined) {
    throw invalidParameters({ 'target-vmid': 'either set storage or target-vmid, but not both' });
  }
  if (other !== undefined) return reassign(call, guest, disk, Number(other));
  if (target === undefined) {
    throw invalidParameters({ storage: "either 'storage' or 'target-vmid' is needed" });
  }
  return moveToStorage(call, guest, disk, target);
}

function moveToStorage(call: Call, guest: Guest, disk: Disk, target: string): string {
  const { state } = call;
  require(call, `/storage/${target}`, 'Datastore.AllocateSpace');
  requireStorageOn(state, target, guest.node);
  const volume = findVolume(state, guest.node, disk.volid);
  const format = optionalText(call, 'format');
  const same = volume?.storage === target && (format === undefined || format === volume.format);
  if (same) throw failure("you can't move to the same storage with same format");
  const remove = flag(call, 'delete');
  if (remove && snapshotsWith(guest, disk.volid).length > 0) {
    throw failure(`you can't move a disk with snapshots and delete the source`);
  }
  if (guest.type === 'lxc' && guest.status === 'running') {
    throw failure(`CT ${guest.vmid} is running - cannot move volume '${disk.key}'`);
  }
  const worker = {
    end: () => {
      const next = allocateBytes(state, guest, target, disk.size, format === undefined ? {} : { format });
      guest.config[disk.key] = String(guest.config[disk.key]).replace(disk.volid, next);
      if (remove && volume) removeVolume(state, volume);
      else keepUnused(guest, disk.volid);
    },
    log: [`moving ${disk.key} of guest ${guest.vmid} to storage '${target}'`],
  };
  return startMove(call, guest, worker);
}

function startMove(call: Call, guest: Guest, worker: { end: () => void; log: string[] }): string {
  if (guest.type === 'qemu') return startGuestTask(call, guest, 'move', worker);
  return startPlainTask(call, guest, 'move_volume', worker);
}

/** Gives a disk to another guest of the same node: the volume stays where it is, under a new name. */
function reassign(call: Call, guest: Guest, disk: Disk, vmidOfOther: number): string {
  const { state } = call;
  require(call, `/vms/${vmidOfOther}`, 'VM.Config.Disk');
  const other = state.guests.get(vmidOfOther);
  if (!other || other.type !== guest.type || other.node !== guest.node) {
    throw failure(`both guests need to be on the same node ('${guest.node}')`);
  }
  if (other === guest) throw failure('must be different than source guest to move disk to another guest');
  refuseLocked(other);
  refuseStale(call, other, 'target-digest');
  const name = guest.type === 'qemu' ? 'target-disk' : 'target-volume';
  const key = optionalText(call, name) ?? disk.key;
  if (!isDrive(other.type, key)) throw invalidParameters({ [name]: `unknown disk '${key}'` });
  if (other.config[key] !== undefined) throw failure(`Target disk key '${key}' is already in use`);
  if (snapshotsWith(guest, disk.volid).length > 0) throw failure(`disk '${disk.key}' is part of a snapshot`);
  if (guest.status === 'running' && guest.type === 'lxc') throw failure(`CT ${guest.vmid} is running`);
  return startMove(call, guest, {
    end: () => {
      const volume = findVolume(state, guest.node, disk.volid);
      if (volume) removeVolume(state, volume);
      const next = allocateBytes(state, other, disk.volid.split(':')[0] ?? '', disk.size);
      other.config[key] = String(guest.config[disk.key]).replace(disk.volid, next);
      if (!String(other.config[key]).includes('size=')) {
        other.config[key] = `${other.config[key]},size=${formatSize(disk.size)}`;
      }
      delete guest.config[disk.key];
    },
    log: [`giving ${disk.key} of guest ${guest.vmid} to guest ${other.vmid} as ${key}`],
  });
}

function unlink(call: Call): null {
  const guest = guestOf(call, 'qemu');
  refuseLocked(guest);
  for (const key of items(text(call, 'idlist'))) {
    if (!isDrive('qemu', key)) throw invalidParameters({ idlist: `unknown option '${key}'` });
    removeDrive(call.state, guest, key, flag(call, 'force'));
    attachDrive(guest, key, '');
  }
  return null;
}

/** Growing, moving and giving away the disks of one kind of guest. */
export function guestDiskMethods(type: GuestType): Method[] {
  const path = `/nodes/{node}/${type}/{vmid}`;
  const limit: Method['properties'] = {
    bwlimit: { type: type === 'qemu' ? 'integer' : 'number', optional: 1, minimum: 0 },
  };
  const target = { 'target-vmid': optional(vmid), 'target-digest': digest, digest, delete: boolean };
  const place = { node, vmid, ...limit, storage: optional(storage), ...target };
  // Which disks a guest may have, the schema says.
  const moveProperties = type === 'qemu' ? { ...place, format: choice('raw', 'qcow2', 'vmdk') } : place;
  const onDisk = onGuest('VM.Config.Disk');
  const verb = type === 'qemu' ? 'move_disk' : 'move_volume';
  const resizing = { node, vmid, digest, size: { type: 'string', pattern: SIZE } as const };
  return [
    declare(
      'PUT',
      `${path}/resize`,
      onDisk,
      type === 'qemu' ? { ...resizing, skiplock: boolean } : resizing,
      (call) => resize(call, type),
    ),
    declare('POST', `${path}/${verb}`, onDisk, moveProperties, (call) => move(call, type)),
    ...(type === 'qemu'
      ? [
          declare(
            'PUT',
            `${path}/unlink`,
            onDisk,
            { node, vmid, idlist: { type: 'string' }, force: boolean },
            unlink,
          ),
        ]
      : []),
  ];
}
