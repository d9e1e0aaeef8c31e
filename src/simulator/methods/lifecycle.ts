import { failure, forbidden } from '../errors.ts';
import {
  type Guest,
  type GuestConfig,
  type GuestType,
  isTemplate,
  label,
  startGuest,
  stopGuest,
} from '../state/guest.ts';
import { findVolume, requestedStorages, requireStorage, storedValue } from '../state/volumes.ts';
import type { Properties } from '../verify.ts';
import { discard, emptyGuest, requirePool, reserve } from './guest-making.ts';
import { GUEST_OPTIONS } from './guest-options.ts';
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
  optional,
  optionalText,
  storage,
  string,
  text,
  vmid,
} from './method.ts';

/** What PVE adds to the options of a guest when it makes one. */
const CREATION: Record<GuestType, Properties> = {
  qemu: { pool: optional(string), start: boolean, storage: optional(storage), unique: boolean },
  lxc: {
    ostemplate: { type: 'string', maxLength: 255 },
    password: optional({ type: 'string', minLength: 5 }),
    pool: optional(string),
    start: boolean,
    storage: optional(storage),
    'ssh-public-keys': optional(string),
  },
};

/** PVE checks this in code, since the guest may be allowed through its pool instead. */
function requireAllocate(call: Call, id: number): void {
  const { access } = call.state;
  const pool = optionalText(call, 'pool');
  const throughPool = pool !== undefined && access.has(call.identity, `/pool/${pool}`, 'VM.Allocate');
  if (!throughPool && !access.has(call.identity, `/vms/${id}`, 'VM.Allocate')) {
    throw forbidden(`/vms/${id}, VM.Allocate`);
  }
}

function create(call: Call, type: GuestType): string {
  const { state } = call;
  const id = number(call, 'vmid');
  requireAllocate(call, id);
  const pool = requirePool(call);
  const guest = emptyGuest(type, text(call, 'node'), id, 'create');
  const existing = state.guests.get(id);
  if (existing) {
    const exists = `${label(existing)} ${id} already exists on node '${existing.node}'`;
    throw failure(`unable to create ${label(guest)} ${id} - ${exists}`);
  }
  for (const storageId of requestedStorages(type, call.parameters)) requireStorage(state, storageId);
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
    check: () => refuseLocked(guest),
    end: () => {
      check();
      discard(call, guest);
    },
    log: [`destroying ${name}`],
  });
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
      properties: { node, vmid },
      permissions: onGuest('VM.Allocate'),
      handler: (call) => toTemplate(call, type),
    },
  ];
}
