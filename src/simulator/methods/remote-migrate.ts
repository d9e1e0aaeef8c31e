import { failure, forbidden, invalidParameters } from '../errors.ts';
import { type ClusterState, findNode } from '../state/cluster-state.ts';
import { allocateBytes } from '../state/disks.ts';
import { type Guest, type GuestType, label, startGuest, stopGuest } from '../state/guest.ts';
import { haResource } from '../state/ha.ts';
import { settingsOf } from '../state/node-settings.ts';
import { sectionOf } from '../state/sdn.ts';
import { storedValue } from '../state/stored-values.ts';
import { clonesOf, disksOf, drives, requireStorageOn } from '../state/volumes.ts';
import { booleans, declare } from './declare.ts';
import { discard, emptyGuest } from './guest-making.ts';
import { refuseLocked, startGuestTask } from './guest-work.ts';
import {
  type Call,
  flag,
  guestOf,
  integer,
  type Method,
  node,
  number,
  onGuest,
  optional,
  text,
  vmid,
} from './method.ts';
import { localResources, mappedStorage, parsePairs } from './migration-checks.ts';
import { connectRemote, type Remote, requireOnRemote } from './remote-endpoint.ts';
import { refuseStart } from './virtual-hardware.ts';

interface Journey {
  guest: Guest;
  remote: Remote;
  /** What is made on the other side. */
  copy: Guest;
  storages: Map<string, string>;
  bridges: Map<string, string>;
}

/** What no other cluster could take over. */
function refuseTied(call: Call, guest: Guest): void {
  const { state, identity } = call;
  const name = `${label(guest)} ${guest.vmid}`;
  if (haResource(state, guest)) throw failure(`cannot migrate ${name}: it is managed by HA`);
  const jobs = Object.values(state.datacenter.replication);
  if (jobs.some((job) => job.guest === guest.vmid)) {
    throw failure(`can't migrate ${name} to a remote cluster: it is replicated`);
  }
  if (guest.snapshots.size > 0) throw failure(`can't migrate ${name} with snapshots to a remote cluster`);
  const [clone] = disksOf(state, guest).flatMap((volume) => clonesOf(state, volume));
  if (clone) throw failure(`can't migrate ${name}: linked clone '${clone.volid}' depends on it`);
  const rootOnly = [
    ...(guest.config.args === undefined ? [] : ['args']),
    ...localResources(guest),
    ...(guest.type === 'lxc' && /mount=|fuse=|mknod=|keyctl=/.test(String(guest.config.features ?? ''))
      ? ['features']
      : []),
  ];
  if (rootOnly.length > 0 && identity.id !== 'root@pam') {
    throw forbidden(`${name} has options that only root may set: ${rootOnly.join(', ')}`);
  }
}

function refuseRunning(call: Call, guest: Guest): void {
  if (guest.status !== 'running') return;
  if (guest.type === 'qemu' && !flag(call, 'online')) {
    throw failure(`can't migrate running VM without --online`);
  }
  if (guest.type === 'lxc' && !flag(call, 'restart')) {
    throw failure('lxc live migration is currently not implemented');
  }
}

/** Checked on the other side: the rights of the token, the number, the storages. */
function refuseAtTarget({ guest, remote, copy, storages }: Journey): void {
  requireOnRemote(remote, `/vms/${copy.vmid}`, 'VM.Allocate');
  requireOnRemote(remote, '/', 'Sys.Incoming');
  requireOnRemote(remote, '/', 'Sys.Audit');
  const existing = remote.state.guests.get(copy.vmid);
  if (existing) {
    const exists = `${label(existing)} ${copy.vmid} already exists on node '${existing.node}'`;
    throw failure(`Guest with ID '${copy.vmid}' already exists on remote cluster (${exists})`);
  }
  for (const [, volid] of drives(guest)) {
    const target = mappedStorage(storages, volid.split(':')[0] ?? '');
    requireOnRemote(remote, `/storage/${target}`, 'Datastore.AllocateSpace');
    const found = requireStorageOn(remote.state, target, remote.node);
    const content = guest.type === 'qemu' ? 'images' : 'rootdir';
    if (!found.content.includes(content)) {
      throw failure(`storage '${target}' does not support content-type '${content}'`);
    }
  }
}

function remoteMigrate(call: Call, type: GuestType): string {
  const guest = guestOf(call, type);
  const storageText = text(call, 'target-storage');
  if (storageText === '1') throw invalidParameters({ 'target-storage': 'identity mapping is not supported' });
  refuseLocked(guest);
  refuseTied(call, guest);
  refuseRunning(call, guest);
  const remote = connectRemote(call.state, text(call, 'target-endpoint'));
  const id = number(call, 'target-vmid', guest.vmid);
  const bridgeText = text(call, 'target-bridge');
  const journey: Journey = {
    guest,
    remote,
    copy: emptyGuest(type, remote.node, id, 'create'),
    storages: parsePairs(storageText),
    bridges: bridgeText === '1' ? new Map() : parsePairs(bridgeText),
  };
  refuseAtTarget(journey);
  return startJourney(call, journey);
}

/** Two tasks: the tunnel on the other side lives as long as the migration on this one. */
function startJourney(call: Call, journey: Journey): string {
  const { guest, remote, copy } = journey;
  let tunnel = '';
  const closeTunnel = (): void => {
    const task = remote.state.tasks.find(remote.node, tunnel);
    if (task) remote.state.tasks.stop(task);
  };
  return startGuestTask(call, guest, 'migrate', {
    check: () => {
      refuseLocked(guest);
      refuseInWorker(journey);
    },
    begin: () => {
      guest.lock = 'migrate';
      copy.createdAt = remote.state.clock();
      remote.state.guests.set(copy.vmid, copy);
      const type = guest.type === 'qemu' ? 'qmtunnel' : 'vzmtunnel';
      const origin = { node: remote.node, type, id: String(copy.vmid), owner: remote.identity.id };
      tunnel = remote.state.tasks.start(origin, { end: () => undefined, log: ['mtunnel started'] });
    },
    end: (say) => {
      if (!isReached(remote)) throw failure('error - tunnel command failed - Connection reset by peer');
      arrive(journey, say);
      if (guest.status === 'running') {
        refuseStart(call.state, remote.state, guest);
        startGuest(copy, remote.state.clock());
      }
      leave(call, guest);
      say('migration finished successfully');
    },
    // Each side cleans up behind itself, where it can: the other one is told through the tunnel.
    abort: () => {
      if (findNode(call.state, guest.node)?.online) delete guest.lock;
      if (isReached(remote)) discardAt(remote.state, copy);
      closeTunnel();
    },
    log: [
      `remote: started tunnel worker on node '${remote.node}'`,
      `starting migration of guest ${guest.vmid}`,
    ],
  });
}

function isReached({ state, node, isUp }: Remote): boolean {
  return isUp() && findNode(state, node)?.online === true;
}

/** What comes out only once the worker has opened the tunnel (`scan_local_volumes`, `mtunnel`). */
function refuseInWorker({ guest, remote, bridges }: Journey): void {
  const disc = Object.entries(guest.config).find(([, value]) => {
    return /^[^,]+:(?!.*-cloudinit)[^,]*,.*media=cdrom/.test(String(value));
  });
  if (disc) throw failure(`can't migrate '${String(disc[1]).split(',')[0]}' - local cdrom image`);
  const known = bridgesOn(remote);
  for (const [key, value] of Object.entries(guest.config)) {
    const [, bridge] = /(?:^|,)bridge=([^,]+)/.exec(String(value)) ?? [];
    if (!/^net\d+$/.test(key) || bridge === undefined) continue;
    const mapped = mappedStorage(bridges, bridge);
    if (!known.has(mapped)) throw failure(`remote: bridge '${mapped}' does not exist`);
  }
}

/** Of the target's node: its own, and the VNets that are applied there. */
function bridgesOn({ state, node }: Remote): Set<string> {
  const host = findNode(state, node);
  const own = host === undefined ? [] : Object.keys(settingsOf(state, host).interfaces);
  return new Set([...own, ...Object.keys(sectionOf(state.datacenter.sdn.running, 'vnets'))]);
}

function discardAt(state: ClusterState, copy: Guest): void {
  if (state.guests.get(copy.vmid) === copy) discard({ state }, copy);
}

function arrive({ guest, remote, copy, storages, bridges }: Journey, say: (line: string) => void): void {
  const { vmstate: _vmstate, ...config } = guest.config;
  const mapped = Object.fromEntries(Object.entries(config).filter(([key]) => !key.startsWith('unused')));
  for (const [key, volid, size] of drives(guest)) {
    if (key.startsWith('unused')) continue;
    const storage = mappedStorage(storages, volid.split(':')[0] ?? '');
    const next = allocateBytes(remote.state, copy, storage, size);
    mapped[key] = String(mapped[key]).replace(volid, next);
    say(`volume '${volid}' is '${next}' on the target`);
  }
  for (const [key, value] of Object.entries(mapped)) {
    const [, seed] = /^([^:,]+):.*-cloudinit/.exec(String(value)) ?? [];
    if (seed === undefined) continue;
    mapped[key] = storedValue(remote.state, copy, key, `${mappedStorage(storages, seed)}:cloudinit`);
  }
  for (const key of Object.keys(mapped).filter((option) => /^net\d+$/.test(option))) {
    mapped[key] = String(mapped[key]).replace(/bridge=([^,]+)/, (_all, bridge: string) => {
      return `bridge=${mappedStorage(bridges, bridge)}`;
    });
  }
  copy.config = mapped;
  delete copy.lock;
}

/** The source stays, stopped, unless it is to be deleted. */
function leave(call: Call, guest: Guest): void {
  stopGuest(guest);
  if (flag(call, 'delete')) discard(call, guest);
  else delete guest.lock;
}

/** Moving one kind of guest to another cluster. */
export function remoteMigrateMethods(type: GuestType): Method[] {
  const string = { type: 'string' } as const;
  return [
    declare(
      'POST',
      `/nodes/{node}/${type}/{vmid}/remote_migrate`,
      onGuest('VM.Migrate'),
      {
        node,
        vmid,
        bwlimit: { type: type === 'qemu' ? 'integer' : 'number', optional: 1, minimum: 0 },
        ...booleans('delete', 'online', ...(type === 'lxc' ? ['restart'] : [])),
        ...(type === 'lxc' ? { timeout: integer() } : {}),
        'target-bridge': string,
        'target-endpoint': string,
        'target-storage': string,
        'target-vmid': optional(vmid),
      },
      (call) => remoteMigrate(call, type),
    ),
  ];
}
