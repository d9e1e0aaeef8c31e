import { failure, forbidden } from '../errors.ts';
import type { ClusterState, Storage, Volume } from '../state/cluster-state.ts';
import { storageFigures } from '../state/figures.ts';
import { drives, findVolume, removeVolume, requireStorage, volumesOn } from '../state/volumes.ts';
import {
  boolean,
  type Call,
  integer,
  type Method,
  node,
  optional,
  optionalText,
  storage,
  string,
  text,
  vmid,
} from './method.ts';
import { isOn, visibleStorages } from './resources.ts';

const STORAGE_TYPES = [
  'btrfs',
  'cephfs',
  'cifs',
  'dir',
  'esxi',
  'iscsi',
  'lvm',
  'lvmthin',
  'nfs',
  'pbs',
  'rbd',
  'zfspool',
];

function definitions(call: Call): unknown {
  const type = optionalText(call, 'type');
  return visibleStorages(call)
    .filter((candidate) => type === undefined || candidate.type === type)
    .map((definition) => ({
      storage: definition.storage,
      type: definition.type,
      content: definition.content.join(','),
      ...(definition.nodes ? { nodes: definition.nodes.join(',') } : {}),
      ...(definition.shared ? { shared: 1 } : {}),
      ...definition.options,
    }));
}

function statusRow(state: ClusterState, host: string, definition: Storage): Record<string, unknown> {
  const { used, total } = storageFigures(state, host, definition);
  return {
    type: definition.type,
    content: definition.content.join(','),
    shared: definition.shared ? 1 : 0,
    active: 1,
    enabled: 1,
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
  const definition = requireStorage(call.state, text(call, 'storage'));
  if (isOn(definition, text(call, 'node'))) return definition;
  throw failure(`storage '${definition.storage}' is not available on node '${text(call, 'node')}'`);
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

/** PVE waits up to `delay` seconds for the task's end; here the UPID always comes back at once. */
function removeContent(call: Call): string {
  const volume = requireVolume(call);
  const { state, identity } = call;
  if (!state.access.has(identity, `/storage/${volume.storage}`, 'Datastore.Allocate')) {
    throw forbidden(`/storage/${volume.storage}, Datastore.Allocate`);
  }
  if (volume.protected) throw failure(`can't remove volume '${volume.volid}' - it is protected`);
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
    path: '/storage',
    properties: { type: { type: 'string', enum: STORAGE_TYPES, optional: 1 } },
    permissions: { user: 'all' },
    handler: definitions,
  },
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
    method: 'DELETE',
    path: `${path}/content/{volume}`,
    properties: { ...volumeProperties, delay: integer(1, 30) },
    permissions: { user: 'all' },
    openEnded: true,
    handler: removeContent,
  },
];
