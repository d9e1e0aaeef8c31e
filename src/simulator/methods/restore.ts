import { failure, invalidParameters } from '../errors.ts';
import { requireArchive } from '../state/archives.ts';
import type { ArchivedGuest } from '../state/cluster-state.ts';
import { allocateBytes } from '../state/disks.ts';
import { type Guest, type GuestType, label, startGuest } from '../state/guest.ts';
import { hardwareAddress, storedValue } from '../state/stored-values.ts';
import { drives, removeDisks, requireStorageOn } from '../state/volumes.ts';
import { require } from './declare.ts';
import { CREATION, discard, emptyGuest, requireAllocate, requirePool, reserve } from './guest-making.ts';
import { startGuestTask } from './guest-work.ts';
import { type Call, flag, number, optionalText, text } from './method.ts';

/** A VM is restored where `archive` is given, a container where its template is a backup and `restore` says so. */
export function isRestore(call: Call, type: GuestType): boolean {
  return type === 'qemu' ? optionalText(call, 'archive') !== undefined : flag(call, 'restore');
}

export function restore(call: Call, type: GuestType): string {
  const { state } = call;
  const id = number(call, 'vmid');
  const host = text(call, 'node');
  const existing = state.guests.get(id);
  if (existing && flag(call, 'force')) require(call, `/vms/${id}`, 'VM.Backup');
  else requireAllocate(call, id);
  const volid = text(call, type === 'qemu' ? 'archive' : 'ostemplate');
  require(call, `/storage/${volid.split(':')[0]}`, 'Datastore.AllocateSpace', 'Datastore.Audit');
  const pool = requirePool(call);
  const guest = emptyGuest(type, host, id, 'create');
  if (existing) refuseOverwrite(call, existing, guest);
  const target = storageOf(call, type);
  if (target !== undefined) requireStorageOn(state, target, host);
  let archive: ArchivedGuest | undefined;
  return startGuestTask(call, guest, 'restore', {
    check: () => {
      ({ archive } = requireArchive(state, host, volid));
      if (archive.type !== type) throw failure(`'${volid}' is no backup of a ${label(guest)}`);
      refuseMissingStorage(call, archive, host);
    },
    begin: () => {
      if (existing) guest.config = existing.config;
      reserve(call, guest, pool);
    },
    end: (say) => {
      if (!archive) return;
      if (existing) removeDisks(state, existing);
      fillFrom(call, guest, archive);
      for (const [key, disk] of drives(guest)) say(`restored '${key}' to ${disk}`);
      delete guest.lock;
      if (flag(call, 'start')) startGuest(guest, state.clock());
    },
    abort: () => {
      if (existing) state.guests.set(id, existing);
      else discard(call, guest);
    },
    log: [`restoring ${label(guest)} ${id} from ${volid}`],
  });
}

/** All disks of a container go to one storage, which is `local` unless it is said (PVE::API2::LXC). */
function storageOf(call: Call, type: GuestType): string | undefined {
  return optionalText(call, 'storage') ?? (type === 'lxc' ? 'local' : undefined);
}

/** What is there already is only replaced on demand, and never while it runs. */
function refuseOverwrite(call: Call, existing: Guest, wanted: Guest): void {
  const name = `${label(existing)} ${existing.vmid}`;
  if (!flag(call, 'force')) {
    const exists = `${name} already exists on node '${existing.node}'`;
    throw failure(`unable to restore ${label(wanted)} ${wanted.vmid} - ${exists}`);
  }
  if (existing.type !== wanted.type || existing.node !== wanted.node) {
    throw invalidParameters({ vmid: `${name} is another guest, on node '${existing.node}'` });
  }
  if (existing.config.protection === 1) {
    throw failure(`unable to restore ${name} - protection mode enabled`);
  }
  if (existing.status === 'running')
    throw failure(`unable to restore ${name} - ${label(existing)} is running`);
}

function refuseMissingStorage(call: Call, archive: ArchivedGuest, host: string): void {
  for (const [key, disk] of drives(archive)) {
    if (key.startsWith('unused')) continue;
    const place = requireStorageOn(
      call.state,
      storageOf(call, archive.type) ?? disk.split(':')[0] ?? '',
      host,
    );
    if (archive.type === 'lxc' && !place.content.includes('rootdir'))
      throw failure(`storage '${place.storage}' does not support container directories`);
  }
}

function fillFrom(call: Call, guest: Guest, { config }: ArchivedGuest): void {
  const { state } = call;
  const { template: _template, vmstate: _vmstate, ...kept } = config;
  guest.config = Object.fromEntries(Object.entries(kept).filter(([key]) => !key.startsWith('unused')));
  for (const [key, disk, size] of drives(guest)) {
    const storage = storageOf(call, guest.type) ?? disk.split(':')[0] ?? '';
    guest.config[key] = String(config[key]).replace(disk, allocateBytes(state, guest, storage, size));
  }
  if (flag(call, 'unique')) {
    for (const key of Object.keys(guest.config).filter((option) => /^net\d+$/.test(option))) {
      const address = hardwareAddress(guest, key);
      guest.config[key] = String(guest.config[key]).replace(/([0-9A-F]{2}:){5}[0-9A-F]{2}/i, address);
    }
  }
  // Options given with the call win over those of the archive.
  const { node: _node, vmid: _vmid, ...given } = call.parameters;
  for (const [key, value] of Object.entries(given)) {
    if (Object.hasOwn(CREATION[guest.type], key)) continue;
    guest.config[key] = typeof value === 'number' ? value : storedValue(state, guest, key, String(value));
  }
}
