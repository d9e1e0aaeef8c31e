import { failure, forbidden } from '../errors.ts';
import type { ClusterState, Storage, Volume } from '../state/cluster-state.ts';
import { allocateBytes } from '../state/disks.ts';
import { storageFigures } from '../state/figures.ts';
import { parseSize } from '../state/sizes.ts';
import {
  drives,
  findVolume,
  refuseUsedBase,
  removeVolume,
  requireStorage,
  requireStorageOn,
  volumesOn,
} from '../state/volumes.ts';
import { choice, require } from './declare.ts';
import {
  boolean,
  type Call,
  integer,
  type Method,
  node,
  number,
  optional,
  optionalText,
  storage,
  string,
  text,
  vmid,
} from './method.ts';
import { isOn, visibleStorages } from './resources.ts';

function statusRow(state: ClusterState, host: string, definition: Storage): Record<string, unknown> {
  const { used, total } = storageFigures(state, host, definition);
  return {
    type: definition.type,
    content: definition.content.join(','),
    shared: definition.shared ? 1 : 0,
    active: definition.disabled ? 0 : 1,
    enabled: definition.disabled ? 0 : 1,
    total,
    used,
    avail: total - used,
  };
}

function nodeStorages(call: Call): unknown {
  const host = text(call, 'node');
  const content = optionalText(call, 'content')?.split(',');
  const name = optionalText(call, 'storage');
  return visibleStorages(call)
    .filter((candidate) => isOn(candidate, host) && (name === undefined || candidate.storage === name))
    .filter((candidate) => !content || content.some((type) => candidate.content.includes(type)))
    .map((definition) => {
      const row = statusRow(call.state, host, definition);
      return { storage: definition.storage, ...row, used_fraction: Number(row.used) / Number(row.total) };
    });
}

function storageOnNode(call: Call): Storage {
  return requireStorageOn(call.state, text(call, 'storage'), text(call, 'node'));
}

function status(call: Call): unknown {
  return statusRow(call.state, text(call, 'node'), storageOnNode(call));
}

function contentRow(volume: Volume): Record<string, unknown> {
  const { volid, content, format, size, ctime, vmid: guest, notes } = volume;
  return {
    volid,
    content,
    format,
    size,
    ctime,
    ...(guest === undefined ? {} : { vmid: guest }),
    ...(notes === undefined ? {} : { notes }),
    ...(volume.protected ? { protected: 1 } : {}),
    ...(volume.parent === undefined ? {} : { parent: volume.parent }),
    ...(volume.archive === undefined ? {} : { subtype: volume.archive.type }),
    ...(volume.verification === undefined ? {} : { verification: volume.verification }),
    ...(volume.encrypted === undefined ? {} : { encrypted: volume.encrypted }),
  };
}

function content(call: Call): unknown {
  const { storage: name } = storageOnNode(call);
  const type = optionalText(call, 'content');
  const guest = call.parameters.vmid;
  return volumesOn(call.state, text(call, 'node'), name)
    .filter((volume) => type === undefined || volume.content === type)
    .filter((volume) => guest === undefined || volume.vmid === guest)
    .filter((volume) => mayRead(call, volume))
    .map(contentRow);
}

/** Guests' volumes need more than the right to see the storage: an image of a disk holds its data. */
function mayRead({ state, identity }: Call, volume: Volume): boolean {
  if (state.access.has(identity, `/storage/${volume.storage}`, 'Datastore.Allocate')) return true;
  if (volume.vmid === undefined) return true;
  const privilege = volume.content === 'backup' ? 'VM.Backup' : 'VM.Config.Disk';
  return state.access.has(identity, `/vms/${volume.vmid}`, privilege);
}

function requireVolume(call: Call): Volume {
  const definition = storageOnNode(call);
  const given = text(call, 'volume');
  const volid = given.includes(':') ? given : `${definition.storage}:${given}`;
  const volume = findVolume(call.state, text(call, 'node'), volid);
  if (!volume) throw failure(`volume '${volid}' does not exist`);
  return volume;
}

function volumeDetails(call: Call): unknown {
  const volume = requireVolume(call);
  if (!mayRead(call, volume)) throw forbidden(`/storage/${volume.storage}, Datastore.Allocate`);
  const { options } = requireStorage(call.state, volume.storage);
  const file = volume.volid.slice(volume.storage.length + 1);
  const { volid: _volid, content: _content, ctime: _ctime, ...row } = contentRow(volume);
  return { ...row, used: Math.round(volume.size * 0.6), path: `${options.path ?? '/dev/pve'}/${file}` };
}

/** A backup may also be removed by whoever may back its guest up. */
function requireRemoval(call: Call, { content: kind, storage: name, vmid: guest }: Volume): void {
  const { access } = call.state;
  if (access.has(call.identity, `/storage/${name}`, 'Datastore.Allocate')) return;
  if (kind !== 'backup' || guest === undefined) throw forbidden(`/storage/${name}, Datastore.Allocate`);
  require(call, `/storage/${name}`, 'Datastore.AllocateSpace');
  require(call, `/vms/${guest}`, 'VM.Backup');
}

/** Only backups have notes and can be protected. */
function updateVolume(call: Call): null {
  const volume = requireVolume(call);
  requireRemoval(call, volume);
  if (volume.content !== 'backup') throw failure(`volume '${volume.volid}' does not support this`);
  const kept = volume.original ?? volume;
  const notes = optionalText(call, 'notes');
  if (notes === '') delete kept.notes;
  else if (notes !== undefined) kept.notes = notes;
  if (call.parameters.protected === 1) kept.protected = true;
  if (call.parameters.protected === 0) delete kept.protected;
  return null;
}

/** Makes an empty disk for a guest, which need not exist. */
function allocate(call: Call): string {
  const { state } = call;
  const { storage: name } = storageOnNode(call);
  const owner = number(call, 'vmid');
  const filename = text(call, 'filename');
  const [, of, suffix] = /^(?:vm|subvol)-(\d+)-([\w-]+?)(?:\.\w+)?$/.exec(filename) ?? [];
  if (Number(of) !== owner || suffix === undefined) {
    throw failure(`illegal name '${filename}' - should be 'vm-${owner}-*'`);
  }
  // Without a unit the size is in KiB.
  const size = text(call, 'size');
  const bytes = parseSize(/^\d+$/.test(size) ? `${size}K` : size);
  const place = {
    vmid: owner,
    node: text(call, 'node'),
    type: filename.startsWith('subvol') ? 'lxc' : 'qemu',
  } as const;
  const format = optionalText(call, 'format') ?? /\.(raw|qcow2|vmdk)$/.exec(filename)?.[1];
  const taken = volumesOn(state, place.node, name).find(
    ({ volid }) => /[^:/]*$/.exec(volid)?.[0] === filename,
  );
  if (taken) throw failure(`disk image '${taken.volid}' already exists`);
  return allocateBytes(state, place, name, bytes, { suffix, ...(format === undefined ? {} : { format }) });
}

/** PVE waits up to `delay` seconds for the task's end; here the UPID always comes back at once. */
function removeContent(call: Call): string {
  const volume = requireVolume(call);
  const { state, identity } = call;
  requireRemoval(call, volume);
  if (volume.protected) throw failure(`can't remove volume '${volume.volid}' - it is protected`);
  refuseUsedBase(state, volume);
  const user = [...state.guests.values()].find((guest) =>
    drives(guest).some(([, volid]) => volid === volume.volid),
  );
  if (user) throw failure(`can't remove volume '${volume.volid}' - guest ${user.vmid} still uses it`);
  const id = `${volume.vmid ?? ''}@${volume.storage}`;
  const origin = { node: text(call, 'node'), type: 'imgdel', id, owner: identity.id };
  return state.tasks.start(origin, {
    end: () => removeVolume(state, volume),
    log: [`removing ${volume.volid}`],
  });
}

const onStorage = {
  check: ['perm', '/storage/{storage}', ['Datastore.Audit', 'Datastore.AllocateSpace'], 'any', 1],
} as const;
const path = '/nodes/{node}/storage/{storage}';
const volumeProperties = { node, storage: optional(storage), volume: string };

export const storageMethods: Method[] = [
  {
    method: 'GET',
    path: '/nodes/{node}/storage',
    properties: {
      node,
      content: optional(string),
      enabled: boolean,
      format: boolean,
      storage: optional(storage),
      target: optional(node),
    },
    permissions: { user: 'all' },
    handler: nodeStorages,
  },
  {
    method: 'GET',
    path: `${path}/status`,
    properties: { node, storage },
    permissions: onStorage,
    handler: status,
  },
  {
    method: 'GET',
    path: `${path}/content`,
    properties: { node, storage, content: optional(string), vmid: optional(vmid) },
    permissions: onStorage,
    handler: content,
  },
  {
    method: 'GET',
    path: `${path}/content/{volume}`,
    properties: volumeProperties,
    permissions: { user: 'all' },
    openEnded: true,
    handler: volumeDetails,
  },
  {
    method: 'POST',
    path: `${path}/content`,
    properties: {
      node,
      storage,
      vmid,
      filename: string,
      size: { type: 'string', pattern: '\\d+[MG]?' },
      format: choice('raw', 'qcow2', 'subvol', 'vmdk'),
    },
    permissions: { check: ['perm', '/storage/{storage}', ['Datastore.AllocateSpace']] },
    handler: allocate,
  },
  {
    method: 'PUT',
    path: `${path}/content/{volume}`,
    properties: { ...volumeProperties, notes: optional(string), protected: boolean },
    permissions: { user: 'all' },
    openEnded: true,
    handler: updateVolume,
  },
  {
    method: 'DELETE',
    path: `${path}/content/{volume}`,
    properties: { ...volumeProperties, delay: integer(1, 30) },
    permissions: { user: 'all' },
    openEnded: true,
    handler: removeContent,
  },
];
