import { failure, invalidParameters } from '../../errors.ts';
import { requireArchive, writeArchive } from '../../state/archives.ts';
import type { Storage, Volume } from '../../state/cluster-state.ts';
import { type Guest, guestName, label } from '../../state/guest.ts';
import { markBackups, parseRetention } from '../../state/prune.ts';
import { removeVolume, requireStorageOn, volumesOn } from '../../state/volumes.ts';
import { booleans, declare, items, require, startNodeTask, texts } from '../declare.ts';
import { requirePool } from '../guest-making.ts';
import {
  type Call,
  flag,
  type Method,
  node,
  optional,
  optionalText,
  storage,
  string,
  text,
} from '../method.ts';
import { BACKUP_OPTIONS, ROOT_OPTIONS } from './options.ts';
import { selectedGuests, selectsGuests } from './selection.ts';

/** PVE checks these in code: they depend on the guests and on what is asked for. */
function refuseUnpermitted(call: Call, guests: Guest[], target: string): void {
  const { parameters, identity } = call;
  const reserved = ROOT_OPTIONS.filter((name) => parameters[name] !== undefined);
  if (reserved.length > 0 && identity.id !== 'root@pam') {
    throw invalidParameters(
      Object.fromEntries(reserved.map((name) => [name, 'Only root may set this option.'])),
    );
  }
  for (const { vmid } of guests) require(call, `/vms/${vmid}`, 'VM.Backup');
  require(call, `/storage/${target}`, 'Datastore.AllocateSpace');
  if (parameters['prune-backups'] !== undefined) require(call, `/storage/${target}`, 'Datastore.Allocate');
  const limits = ['bwlimit', 'performance', 'ionice'].some((name) => parameters[name] !== undefined);
  if (limits) require(call, '/', 'Sys.Modify');
}

function notesFor(call: Call, guest: Guest): string | undefined {
  const template = optionalText(call, 'notes-template');
  const values: Record<string, string> = {
    cluster: call.state.nodes.length > 1 ? call.state.name : 'standalone node',
    guestname: guestName(guest),
    node: guest.node,
    vmid: String(guest.vmid),
  };
  return template
    ?.replaceAll(/\{\{(\w+)\}\}/g, (whole, key: string) => values[key] ?? whole)
    .replaceAll('\\n', '\n')
    .replaceAll('\\\\', '\\');
}

/** After each backup the ones beyond the retention go, unless `remove` is off. */
function prune(call: Call, target: Storage, guest: Guest, say: (line: string) => void): void {
  const given = optionalText(call, 'prune-backups') ?? target.options['prune-backups'];
  if (given === undefined || call.parameters.remove === 0) return;
  const backups = volumesOn(call.state, guest.node, target.storage).filter((volume) => {
    return volume.content === 'backup' && volume.vmid === guest.vmid;
  });
  for (const [volume, mark] of markBackups(backups, parseRetention(given))) {
    if (mark !== 'remove') continue;
    say(`INFO: removing backup '${volume.volid}'`);
    removeVolume(call.state, volume);
  }
}

function backUp(call: Call, target: Storage, guest: Guest, say: (line: string) => void): void {
  const notes = notesFor(call, guest);
  const written: Volume = writeArchive(call.state, guest, target, {
    compress: optionalText(call, 'compress') ?? '0',
    protected: flag(call, 'protected'),
    ...(notes === undefined ? {} : { notes }),
  });
  say(`INFO: creating archive '${written.volid}'`);
  say(`INFO: archive file size: ${(written.size / 1024 ** 3).toFixed(2)}GB`);
  prune(call, target, guest, say);
  say(`INFO: Finished Backup of ${label(guest)} ${guest.vmid}`);
}

function vzdump(call: Call): string {
  const { state, parameters } = call;
  const host = text(call, 'node');
  if (!selectsGuests(parameters))
    throw invalidParameters({ vmid: 'no guests given: name them, a pool, or all' });
  requirePool(call);
  const wanted = selectedGuests(state, parameters);
  const target = optionalText(call, 'storage') ?? 'local';
  refuseUnpermitted(call, wanted, target);
  const place = requireStorageOn(state, target, host);
  if (!place.content.includes('backup')) {
    throw failure(`storage '${target}' does not support backups`);
  }
  // PVE::API2::VZDump: "silent exit if specified VMs run on other nodes".
  const isElsewhere = wanted.length > 0 && wanted.every((guest) => guest.node !== host);
  if (isElsewhere && parameters.all !== 1) return 'OK';
  return startBackup(call, place, wanted);
}

/** Says of one guest that it was not saved; the job goes on with the next. */
const failedLine = (guest: Guest, why: string): string => {
  return `Backup of ${label(guest)} ${guest.vmid} failed - ${why}`;
};

function startBackup(call: Call, place: Storage, wanted: Guest[]): string {
  const host = text(call, 'node');
  const guests = wanted.filter((guest) => guest.node === host);
  const ids = items(optionalText(call, 'vmid'));
  const absent = ids.filter((id) => !wanted.some(({ vmid }) => String(vmid) === id));
  const failed = absent.map((id) => `Backup of VM ${id} failed - unable to find VM '${id}'`);
  const locked: Guest[] = [];
  const unlock = (): void => {
    for (const guest of locked) delete guest.lock;
  };
  return startNodeTask(call, 'vzdump', ids.length === 1 ? (ids[0] ?? '') : '', {
    begin: () => {
      for (const guest of guests) {
        if (guest.lock !== undefined) {
          failed.push(failedLine(guest, `${label(guest)} is locked (${guest.lock})`));
          continue;
        }
        guest.lock = 'backup';
        locked.push(guest);
      }
    },
    end: (say) => {
      unlock();
      for (const guest of locked) {
        say(`INFO: Starting Backup of ${label(guest)} ${guest.vmid} (${guest.type})`);
        try {
          backUp(call, place, guest, say);
        } catch (error) {
          failed.push(failedLine(guest, error instanceof Error ? error.message : String(error)));
        }
      }
      for (const line of failed) say(`ERROR: ${line}`);
      if (failed.length > 0) throw failure('job errors');
      say('INFO: Backup job finished successfully');
    },
    abort: unlock,
    log: [
      `INFO: starting new backup job: vzdump ${ids.join(' ')} --storage ${place.storage} --mode ${optionalText(call, 'mode') ?? 'snapshot'}`,
      ...wanted
        .filter((guest) => !guests.includes(guest))
        .map((guest) => `INFO: skip external ${label(guest)} ${guest.vmid} on node '${guest.node}'`),
    ],
  });
}

function defaults(call: Call): unknown {
  const target = optionalText(call, 'storage') ?? 'local';
  require(call, `/storage/${target}`, 'Datastore.Audit', 'Datastore.AllocateSpace');
  const place = requireStorageOn(call.state, target, text(call, 'node'));
  return {
    compress: '0',
    mode: 'snapshot',
    storage: target,
    remove: 1,
    'prune-backups': place.options['prune-backups'] ?? 'keep-all=1',
    'notification-mode': 'auto',
    stdexcludes: 1,
    lockwait: 180,
    stopwait: 10,
    ionice: 7,
    bwlimit: 0,
  };
}

function extractConfig(call: Call): string {
  const volid = text(call, 'volume');
  const { archive, vmid, storage: place } = requireArchive(call.state, text(call, 'node'), volid);
  require(call, `/storage/${place}`, 'Datastore.AllocateSpace');
  require(call, `/vms/${vmid}`, 'VM.Backup');
  const lines = Object.entries(archive.config).map(([key, value]) => `${key}: ${value}`);
  return `${lines.sort().join('\n')}\n`;
}

const path = '/nodes/{node}/vzdump';

/** Backing guests up at once, and looking into a backup. */
export const vzdumpMethods: Method[] = [
  declare(
    'POST',
    path,
    { user: 'all' },
    { node: optional(node), ...BACKUP_OPTIONS, ...booleans('stdout'), ...texts('job-id') },
    vzdump,
  ),
  declare('GET', `${path}/defaults`, { user: 'all' }, { node, storage: optional(storage) }, defaults),
  declare('GET', `${path}/extractconfig`, { user: 'all' }, { node, volume: string }, extractConfig),
];
