import { failure, invalidParameters } from '../errors.ts';
import { type ClusterState, findNode } from '../state/cluster-state.ts';
import { allocateBytes } from '../state/disks.ts';
import { type Guest, type GuestType, startGuest } from '../state/guest.ts';
import { disksOf, drives, removeVolume, requireStorageOn } from '../state/volumes.ts';
import { booleans, choice, declare, texts } from './declare.ts';
import { lockedWorker, startGuestTask } from './guest-work.ts';
import { haMigrate } from './ha/power.ts';
import {
  type Call,
  flag,
  guestOf,
  type Method,
  node,
  onGuest,
  optional,
  optionalText,
  text,
  vmid,
} from './method.ts';
import {
  localDisks,
  localResources,
  mappedStorage,
  parsePairs,
  refuseLocalResources,
  refuseUncopyable,
} from './migration-checks.ts';
import { isOn } from './resources.ts';

/** The storages that a node would have to have and hasn't. */
function missingStorages(state: ClusterState, guest: Guest, host: string): string[] {
  const used = new Set(drives(guest).map(([, volid]) => volid.split(':')[0] ?? ''));
  return state.storages
    .filter((storage) => used.has(storage.storage) && !isOn(storage, host))
    .map(({ storage }) => storage);
}

function preconditions(call: Call, type: GuestType): unknown {
  const { state } = call;
  const guest = guestOf(call, type);
  const others = state.nodes.filter(({ name, online }) => name !== guest.node && online);
  const allowed = others.filter(({ name }) => missingStorages(state, guest, name).length === 0);
  const refused = others.filter((other) => !allowed.includes(other));
  const running = guest.status === 'running' ? 1 : 0;
  const reasons = Object.fromEntries(
    refused.map(({ name }) => [name, { unavailable_storages: missingStorages(state, guest, name) }]),
  );
  const names = allowed.map(({ name }) => name);
  if (type === 'lxc') return { running, 'allowed-nodes': names, 'not-allowed-nodes': reasons };
  return {
    running,
    allowed_nodes: names,
    not_allowed_nodes: reasons,
    local_disks: localDisks(state, guest).map(({ volid, size, cdrom, unused }) => ({
      volid,
      size,
      cdrom: cdrom ? 1 : 0,
      is_unused: unused ? 1 : 0,
    })),
    local_resources: localResources(guest),
    'mapped-resources': [],
    'mapped-resource-info': {},
    'has-dbus-vmstate': 1,
  };
}

function migrate(call: Call, type: GuestType): string {
  const { state } = call;
  const guest = guestOf(call, type);
  const target = text(call, 'target');
  if (target === text(call, 'node')) throw invalidParameters({ target: 'target is local node.' });
  if (!findNode(state, target)) throw failure(`no such cluster node '${target}'`);
  const managed = haMigrate(call, guest, target);
  if (managed !== undefined) return managed;
  const online = guest.status === 'running';
  if (online && type === 'qemu' && !flag(call, 'online')) {
    throw failure(`can't migrate running VM without --online`);
  }
  if (online && type === 'lxc' && !flag(call, 'restart')) {
    throw failure('lxc live migration is currently not implemented');
  }
  const run = (say: (line: string) => void): void => {
    try {
      refuseMove(call, guest, target);
      moveGuest(call, guest, target, say);
    } catch (error) {
      say(`ERROR: ${error instanceof Error ? error.message : String(error)}`);
      throw failure('migration aborted');
    }
  };
  return startGuestTask(
    call,
    guest,
    'migrate',
    lockedWorker(guest, 'migrate', {
      check: () => {
        if (!findNode(state, target)?.online) {
          throw failure(`Can't connect to destination address using public key`);
        }
      },
      end: run,
      log: [`starting migration of guest ${guest.vmid} to node '${target}'`],
    }),
  );
}

/** Everything that may keep a guest where it is. */
export function refuseMove(call: Call, guest: Guest, target: string): void {
  const { state } = call;
  if (!findNode(state, target)?.online) throw failure(`node '${target}' is offline`);
  refuseLocalResources(guest);
  const storages = targetStorages(call);
  const local = localDisks(state, guest);
  for (const disk of local) {
    refuseUncopyable(state, guest, disk);
    const live = guest.type === 'qemu' && guest.status === 'running' && !disk.unused;
    if (live && !flag(call, 'with-local-disks')) {
      const hint = `can't live migrate attached local disks without with-local-disks option`;
      throw failure(`can't migrate local disk '${disk.volid}': ${hint}`);
    }
  }
  for (const [, volid] of drives(guest)) {
    const source = volid.split(':')[0] ?? '';
    const isLocal = local.some((disk) => disk.volid === volid);
    requireStorageOn(state, isLocal ? mappedStorage(storages, source) : source, target);
  }
}

function targetStorages(call: Call): Map<string, string> | undefined {
  const given = optionalText(call, 'targetstorage') ?? optionalText(call, 'target-storage');
  // `1` keeps every storage's name.
  return given === undefined || given === '1' ? undefined : parsePairs(given);
}

/** Moves the configuration, and copies what only the old node has. */
export function moveGuest(call: Call, guest: Guest, target: string, say: (line: string) => void): void {
  const { state } = call;
  const storages = targetStorages(call);
  for (const { key, volid, size, volume } of localDisks(state, guest)) {
    const storage = mappedStorage(storages, volid.split(':')[0] ?? '');
    const next = allocateBytes(state, { ...guest, node: target }, storage, size);
    guest.config[key] = String(guest.config[key]).replace(volid, next);
    for (const snapshot of guest.snapshots.values()) {
      const held = snapshot.config[key];
      if (held !== undefined) snapshot.config[key] = String(held).replace(volid, next);
    }
    if (volume) removeVolume(state, volume);
    say(`local disk ${key} copied to ${next} on '${target}'`);
  }
  // What no drive names, such as a cloud-init drive, goes along.
  for (const volume of disksOf(state, guest)) if (volume.node === guest.node) volume.node = target;
  guest.node = target;
  if (guest.type === 'lxc' && guest.status === 'running') startGuest(guest, state.clock());
  say('migration finished successfully');
}

/** Moving one kind of guest to another node of its cluster. */
export function migrateMethods(type: GuestType): Method[] {
  const path = `/nodes/{node}/${type}/{vmid}/migrate`;
  const permissions = onGuest('VM.Migrate');
  const properties: Method['properties'] =
    type === 'qemu'
      ? {
          bwlimit: { type: 'integer', optional: 1, minimum: 0 },
          ...booleans('force', 'online', 'with-conntrack-state', 'with-local-disks'),
          ...texts('migration_network', 'targetstorage'),
          migration_type: choice('secure', 'insecure'),
        }
      : {
          bwlimit: { type: 'number', optional: 1, minimum: 0 },
          ...booleans('online', 'restart'),
          ...texts('target-storage'),
          timeout: { type: 'integer', optional: 1 },
        };
  return [
    declare('GET', path, permissions, { node, vmid, target: optional(node) }, (call) =>
      preconditions(call, type),
    ),
    declare('POST', path, permissions, { node, vmid, target: node, ...properties }, (call) =>
      migrate(call, type),
    ),
  ];
}
