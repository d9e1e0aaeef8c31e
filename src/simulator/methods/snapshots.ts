import { failure } from '../errors.ts';
import { canSnapshot } from '../state/disks.ts';
import { type Guest, type GuestType, isTemplate, startGuest } from '../state/guest.ts';
import { saveMemory } from '../state/memory.ts';
import { removeSnapshot, requireSnapshot, rollBack, takeSnapshot } from '../state/snapshots.ts';
import { drives, findVolume, removeVolume, requireStorage } from '../state/volumes.ts';
import { lockedWorker, startGuestTask } from './guest-work.ts';
import {
  boolean,
  type Call,
  flag,
  guestOf,
  index,
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

function list(call: Call, type: GuestType): unknown {
  const guest = guestOf(call, type);
  const rows = [...guest.snapshots.values()].map(({ name, description, snaptime, parent, vmstate }) => ({
    name,
    description,
    snaptime,
    ...(parent === undefined ? {} : { parent }),
    ...(type === 'qemu' ? { vmstate: vmstate ? 1 : 0 } : {}),
  }));
  return [...rows, presentState(guest)];
}

/** The last row is no snapshot: it says which one the guest now descends from. */
function presentState(guest: Guest): unknown {
  return {
    name: 'current',
    description: 'You are here!',
    running: guest.status === 'running' ? 1 : 0,
    ...(guest.parent === undefined ? {} : { parent: guest.parent }),
  };
}

function create(call: Call, type: GuestType): string {
  const guest = guestOf(call, type);
  const name = text(call, 'snapname');
  if (name === 'current' || name === 'pending') {
    throw failure(`unable to use snapshot name '${name}' (reserved name)`);
  }
  const description = optionalText(call, 'description') ?? '';
  const vmstate = flag(call, 'vmstate') && guest.status === 'running';
  return startGuestTask(
    call,
    guest,
    'snapshot',
    lockedWorker(guest, 'snapshot', {
      check: () => {
        if (isTemplate(guest) || !disksCanSnapshot(call, guest)) {
          throw failure('snapshot feature is not available');
        }
        if (guest.snapshots.has(name)) throw failure(`snapshot name '${name}' already used`);
      },
      end: () => {
        const at = Math.floor(call.state.clock() / 1000);
        const memory = vmstate ? { memory: saveMemory(call.state, guest, name) } : {};
        takeSnapshot(guest, { name, description, vmstate, at, ...memory });
      },
      log: [`taking snapshot '${name}' of guest ${guest.vmid}`],
    }),
  );
}

function disksCanSnapshot({ state }: Call, guest: Guest): boolean {
  return drives(guest).every(([key, volid]) => {
    const volume = key.startsWith('unused') ? undefined : findVolume(state, guest.node, volid);
    return !volume || canSnapshot(requireStorage(state, volume.storage), volume);
  });
}

function roll(call: Call, type: GuestType): string {
  const guest = guestOf(call, type);
  const name = text(call, 'snapname');
  return startGuestTask(
    call,
    guest,
    'rollback',
    lockedWorker(guest, 'rollback', {
      check: () => void requireSnapshot(guest, name),
      end: () => {
        const now = call.state.clock();
        rollBack(guest, name, now);
        if (flag(call, 'start')) startGuest(guest, now);
      },
      log: [`returning guest ${guest.vmid} to snapshot '${name}'`],
    }),
  );
}

function remove(call: Call, type: GuestType): string {
  const guest = guestOf(call, type);
  const name = text(call, 'snapname');
  return startGuestTask(
    call,
    guest,
    'delsnapshot',
    lockedWorker(guest, 'snapshot-delete', {
      check: () => void requireSnapshot(guest, name),
      end: () => {
        const memory = requireSnapshot(guest, name).config.vmstate;
        removeSnapshot(guest, name);
        const volume = memory === undefined ? undefined : findVolume(call.state, guest.node, String(memory));
        if (volume) removeVolume(call.state, volume);
      },
      log: [`deleting snapshot '${name}' of guest ${guest.vmid}`],
    }),
  );
}

function showConfig(call: Call, type: GuestType): unknown {
  const { config, snaptime, description, parent } = requireSnapshot(
    guestOf(call, type),
    text(call, 'snapname'),
  );
  return { ...config, snaptime, description, ...(parent === undefined ? {} : { parent }) };
}

function describe(call: Call, type: GuestType): null {
  const snapshot = requireSnapshot(guestOf(call, type), text(call, 'snapname'));
  snapshot.description = optionalText(call, 'description') ?? '';
  return null;
}

/** The snapshots of one kind of guest. */
export function snapshotMethods(type: GuestType): Method[] {
  const all = `/nodes/{node}/${type}/{vmid}/snapshot`;
  const one = `${all}/{snapname}`;
  const properties = { node, vmid, snapname };
  const change = onGuest('VM.Snapshot');
  const description = optional(string);
  return [
    {
      method: 'GET',
      path: all,
      properties: { node, vmid },
      permissions: onGuest('VM.Audit'),
      handler: (call) => list(call, type),
    },
    {
      method: 'POST',
      path: all,
      properties: { ...properties, description, ...(type === 'qemu' ? { vmstate: boolean } : {}) },
      permissions: change,
      handler: (call) => create(call, type),
    },
    {
      method: 'GET',
      path: one,
      properties,
      permissions: { user: 'all' },
      handler: () => index('cmd', ['rollback', 'config']),
    },
    {
      method: 'DELETE',
      path: one,
      properties: { ...properties, force: boolean },
      permissions: change,
      handler: (call) => remove(call, type),
    },
    {
      method: 'POST',
      path: `${one}/rollback`,
      properties: { ...properties, start: boolean },
      permissions: onGuest('VM.Snapshot', 'VM.Snapshot.Rollback'),
      handler: (call) => roll(call, type),
    },
    {
      method: 'GET',
      path: `${one}/config`,
      properties,
      permissions: onGuest('VM.Snapshot', 'VM.Snapshot.Rollback', 'VM.Audit'),
      handler: (call) => showConfig(call, type),
    },
    {
      method: 'PUT',
      path: `${one}/config`,
      properties: { ...properties, description },
      permissions: change,
      handler: (call) => describe(call, type),
    },
  ];
}
