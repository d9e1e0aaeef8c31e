import { failure } from '../errors.ts';
import { makeBase } from '../state/disks.ts';
import { forgetGuest, refuseCountedOn } from '../state/forget.ts';
import {
  type Guest,
  type GuestConfig,
  type GuestType,
  isTemplate,
  label,
  startGuest,
  stopGuest,
} from '../state/guest.ts';
import { requestedStorages, storedValue } from '../state/stored-values.ts';
import { disksOf, drives, findVolume, refuseUsedBase, requireStorageOn } from '../state/volumes.ts';
import { items } from './declare.ts';
import { CREATION, discard, emptyGuest, requireAllocate, requirePool, reserve } from './guest-making.ts';
import { GUEST_OPTIONS } from './guest-options.ts';
import { refusePaths } from './guest-privileges.ts';
import { refuseLocked, refuseSkiplock, startGuestTask } from './guest-work.ts';
import {
  boolean,
  type Call,
  flag,
  guestOf,
  type Method,
  node,
  number,
  onGuest,
  optionalText,
  text,
  vmid,
} from './method.ts';
import { isRestore, restore } from './restore.ts';

function create(call: Call, type: GuestType): string {
  const { state } = call;
  const id = number(call, 'vmid');
  if (isRestore(call, type)) return restore(call, type);
  requireAllocate(call, id);
  refusePaths(call, call.parameters);
  const pool = requirePool(call);
  const guest = emptyGuest(type, text(call, 'node'), id, 'create');
  const existing = state.guests.get(id);
  if (existing) {
    const exists = `${label(existing)} ${id} already exists on node '${existing.node}'`;
    throw failure(`unable to create ${label(guest)} ${id} - ${exists}`);
  }
  for (const storageId of requestedStorages(type, call.parameters))
    requireStorageOn(state, storageId, guest.node);
  return startGuestTask(call, guest, 'create', {
    check: () => checkTemplate(call, guest),
    begin: () => reserve(call, guest, pool),
    end: () => {
      fill(call, guest);
      delete guest.lock;
      if (flag(call, 'start')) startGuest(guest, state.clock());
    },
    abort: () => discard(call, guest),
    log: [`creating ${label(guest)} ${id} on ${guest.node}`],
  });
}

function checkTemplate(call: Call, guest: Guest): void {
  const template = optionalText(call, 'ostemplate');
  if (template === undefined || findVolume(call.state, guest.node, template)) return;
  throw failure(`volume '${template}' does not exist`);
}

function fill(call: Call, guest: Guest): void {
  const { node: _node, vmid: _vmid, ...options } = call.parameters;
  const config: GuestConfig = {};
  for (const [key, value] of Object.entries(options)) {
    if (Object.hasOwn(CREATION[guest.type], key)) continue;
    config[key] = typeof value === 'number' ? value : storedValue(call.state, guest, key, String(value));
  }
  if (guest.type === 'lxc') {
    config.rootfs ??= storedValue(
      call.state,
      guest,
      'rootfs',
      `${optionalText(call, 'storage') ?? 'local'}:4`,
    );
    config.hostname ??= `CT${guest.vmid}`;
    guest.config = { arch: 'amd64', ostype: 'debian', memory: 512, swap: 512, ...config };
  } else {
    guest.config = config;
  }
}

function destroy(call: Call, type: GuestType): string {
  refuseSkiplock(call);
  const guest = guestOf(call, type);
  const name = `${label(guest)} ${guest.vmid}`;
  const check = (): void => {
    refuseCountedOn(call.state, guest, flag(call, 'purge'));
    if (guest.config.protection === 1) throw failure(`can't remove ${name} - protection mode enabled`);
    if (guest.status === 'running' && !(type === 'lxc' && flag(call, 'force'))) {
      throw failure(
        type === 'qemu'
          ? `${name} is running - destroy failed`
          : `unable to destroy ${name} - container is running`,
      );
    }
  };
  check();
  return startGuestTask(call, guest, 'destroy', {
    check: () => {
      refuseLocked(guest, call);
      for (const volume of disksOf(call.state, guest)) refuseUsedBase(call.state, volume);
    },
    end: () => {
      check();
      for (const volume of disksOf(call.state, guest)) refuseUsedBase(call.state, volume);
      discard(call, guest);
      forgetGuest(call.state, guest);
      if (flag(call, 'purge')) purge(call, guest);
    },
    log: [`destroying ${name}`],
  });
}

/** A purged guest is forgotten by the backup jobs too. */
function purge({ state }: Call, { vmid: gone }: Guest): void {
  for (const { options } of state.backupJobs ?? []) {
    if (options.vmid === undefined) continue;
    const left = items(String(options.vmid)).filter((listed) => listed !== String(gone));
    options.vmid = left.join(',');
  }
}

function toTemplate(call: Call, type: GuestType): string | null {
  const guest = guestOf(call, type);
  refuseLocked(guest);
  if (isTemplate(guest)) throw failure("you can't convert a template to a template");
  if (guest.status === 'running') {
    throw failure(`you can't convert a ${label(guest)} to template if ${label(guest)} is running`);
  }
  if (guest.snapshots.size > 0) {
    throw failure(`unable to create template, because ${label(guest)} contains snapshots`);
  }
  const convert = (): void => {
    stopGuest(guest);
    for (const [key, volid] of drives(guest)) {
      const volume = findVolume(call.state, guest.node, volid);
      if (volume && !key.startsWith('unused')) {
        guest.config[key] = String(guest.config[key]).replace(volid, makeBase(volume));
      }
    }
    guest.config.template = 1;
  };
  // A container is converted while the caller waits, a VM in a task.
  if (type === 'qemu')
    return startGuestTask(call, guest, 'template', { end: convert, log: ['converting to template'] });
  convert();
  return null;
}

/** How guests of one kind come to be and cease. */
export function lifecycleMethods(type: GuestType): Method[] {
  const path = `/nodes/{node}/${type}`;
  const lxcOnly = type === 'lxc' ? { force: boolean } : { skiplock: boolean };
  return [
    {
      method: 'POST',
      path,
      properties: { node, vmid, ...GUEST_OPTIONS[type], ...CREATION[type] },
      permissions: { user: 'all' },
      handler: (call) => create(call, type),
    },
    {
      method: 'DELETE',
      path: `${path}/{vmid}`,
      properties: { node, vmid, purge: boolean, 'destroy-unreferenced-disks': boolean, ...lxcOnly },
      permissions: onGuest('VM.Allocate'),
      handler: (call) => destroy(call, type),
    },
    {
      method: 'POST',
      path: `${path}/{vmid}/template`,
      // Which disks a VM may have, the schema says.
      properties: { node, vmid },
      permissions: onGuest('VM.Allocate'),
      handler: (call) => toTemplate(call, type),
    },
  ];
}
