import { failure, invalidParameters } from '../errors.ts';
import { configDigest, type Guest, type GuestConfig, type GuestType, withPending } from '../state/guest.ts';
import { requireSnapshot } from '../state/snapshots.ts';
import { storedValue } from '../state/stored-values.ts';
import { type Properties, schemaOf } from '../verify.ts';
import { attachDrive, detachDrive, removeDrive } from './guest-drives.ts';
import { GUEST_OPTIONS, isCold } from './guest-options.ts';
import { requireOptionPrivileges } from './guest-privileges.ts';
import { refuseLocked, refuseSkiplock, startGuestTask } from './guest-work.ts';
import {
  boolean,
  type Call,
  flag,
  guestOf,
  integer,
  type Method,
  node,
  onGuest,
  optional,
  optionalText,
  snapname,
  string,
  text,
  vmid,
} from './method.ts';

const CONTROL: Properties = {
  delete: optional(string),
  digest: { type: 'string', maxLength: 64, optional: 1 },
  revert: optional(string),
};

function show(call: Call, type: GuestType): unknown {
  const guest = guestOf(call, type);
  const snapshot = optionalText(call, 'snapshot');
  const digest = configDigest(guest);
  if (snapshot !== undefined) return { ...requireSnapshot(guest, snapshot).config, digest };
  const config = flag(call, 'current') ? guest.config : withPending(guest);
  return {
    ...config,
    // The one option that PVE never shows.
    ...(config.cipassword === undefined ? {} : { cipassword: '**********' }),
    ...(guest.parent === undefined ? {} : { parent: guest.parent }),
    ...(guest.lock === undefined ? {} : { lock: guest.lock }),
    digest,
  };
}

function pending(call: Call, type: GuestType): unknown {
  const { config, pending: waiting } = guestOf(call, type);
  const keys = [...new Set([...Object.keys(config), ...Object.keys(waiting)])].sort();
  return keys.map((key) => ({
    key,
    ...(config[key] === undefined ? {} : { value: config[key] }),
    ...(waiting[key] === undefined ? {} : waiting[key] === null ? { delete: 1 } : { pending: waiting[key] }),
  }));
}

interface Change {
  set: GuestConfig;
  remove: string[];
  revert: string[];
}

const listOf = (value: string | undefined): string[] => value?.split(/[,; \0]+/).filter(Boolean) ?? [];

/** Reads a change out of the call and refuses what PVE refuses before it touches the configuration. */
function readChange(call: Call, type: GuestType, guest: Guest): Change {
  refuseSkiplock(call);
  const { node: _node, vmid: _vmid, delete: _delete, digest, revert: _revert, ...rest } = call.parameters;
  const { skiplock: _skiplock, force: _force, background_delay: _delay, ...options } = rest;
  const remove = listOf(optionalText(call, 'delete'));
  for (const key of remove) {
    if (options[key] !== undefined) {
      throw invalidParameters({ delete: `you can't use '-${key}' and -delete ${key}' at the same time` });
    }
    if (!schemaOf(GUEST_OPTIONS[type], key)) throw invalidParameters({ delete: `unknown option '${key}'` });
  }
  if (digest !== undefined && digest !== configDigest(guest)) {
    // Each kind has its own words for it (PVE::API2::Qemu, PVE::API2::LXC::Config).
    throw failure(
      type === 'qemu'
        ? 'checksum missmatch (file change by other user?)'
        : 'detected modified configuration - file changed by other user? Try again.',
    );
  }
  const removed = Object.fromEntries(remove.map((key) => [key, guest.config[key] ?? '']));
  requireOptionPrivileges(call, type, { ...removed, ...options });
  refuseLocked(guest, call);
  const set = Object.fromEntries(
    Object.entries(options).map(([key, value]) => [key, typeof value === 'number' ? value : String(value)]),
  );
  return { set, remove, revert: listOf(optionalText(call, 'revert')) };
}

function applyChange({ state }: Call, guest: Guest, { set, remove, revert }: Change): void {
  const waits = (key: string): boolean => guest.status === 'running' && isCold(guest, key);
  for (const key of revert) delete guest.pending[key];
  for (const key of remove) {
    if (waits(key) && guest.config[key] !== undefined) guest.pending[key] = null;
    else {
      removeDrive(state, guest, key);
      delete guest.pending[key];
    }
  }
  for (const [key, value] of Object.entries(set)) {
    const stored = typeof value === 'string' ? storedValue(state, guest, key, value) : value;
    if (waits(key)) guest.pending[key] = stored;
    else {
      detachDrive(guest, key, String(stored));
      guest.config[key] = stored;
      delete guest.pending[key];
    }
    attachDrive(guest, key, String(stored));
  }
}

function update(call: Call, type: GuestType): null {
  const guest = guestOf(call, type);
  applyChange(call, guest, readChange(call, type, guest));
  return null;
}

function updateInTask(call: Call, type: GuestType): string {
  const guest = guestOf(call, type);
  const change = readChange(call, type, guest);
  return startGuestTask(call, guest, 'config', {
    end: () => {
      refuseLocked(guest, call);
      applyChange(call, guest, change);
    },
    log: [
      `update ${text(call, 'node')}/${guest.vmid}: ${[...Object.keys(change.set), ...change.remove].join(', ')}`,
    ],
  });
}

const COMMON_AREAS = ['Disk', 'CPU', 'Memory', 'Network', 'Options'];
const AREAS: Record<GuestType, string[]> = {
  qemu: [...COMMON_AREAS, 'CDROM', 'HWType', 'Cloudinit'],
  lxc: COMMON_AREAS,
};

/** Reading and changing the configuration of one kind of guest. */
export function configMethods(type: GuestType): Method[] {
  const path = `/nodes/{node}/${type}/{vmid}`;
  const overriding = type === 'qemu' ? { skiplock: boolean, force: boolean } : {};
  const properties = { node, vmid, ...CONTROL, ...overriding, ...GUEST_OPTIONS[type] };
  const permissions = onGuest(...AREAS[type].map((area) => `VM.Config.${area}`));
  const inTask: Method = {
    method: 'POST',
    path: `${path}/config`,
    properties: { ...properties, background_delay: integer(1, 30) },
    permissions,
    handler: (call) => updateInTask(call, type),
  };
  return [
    {
      method: 'GET',
      path: `${path}/config`,
      properties: { node, vmid, current: boolean, snapshot: optional(snapname) },
      permissions: onGuest('VM.Audit'),
      handler: (call) => show(call, type),
    },
    {
      method: 'GET',
      path: `${path}/pending`,
      properties: { node, vmid },
      permissions: onGuest('VM.Audit'),
      handler: (call) => pending(call, type),
    },
    { method: 'PUT', path: `${path}/config`, properties, permissions, handler: (call) => update(call, type) },
    ...(type === 'qemu' ? [inTask] : []),
  ];
}
