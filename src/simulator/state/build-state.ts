import { randomBytes, randomUUID } from 'node:crypto';
import {
  type BackupSpec,
  type ClusterSpec,
  type GuestSpec,
  LOCAL_STORAGES,
  type SnapshotSpec,
  type StorageSpec,
} from '../estate.ts';
import { AccessControl } from './access.ts';
import { Broadcast } from './broadcast.ts';
import { newCeph } from './ceph.ts';
import { type ClusterState, makeNode, poolOf, type Release, type Storage } from './cluster-state.ts';
import { Collections } from './collections.ts';
import { newDatacenter } from './datacenter.ts';
import { allocateDisk, makeBase } from './disks.ts';
import { type Guest, nameKey, startGuest } from './guest.ts';
import { Hazards } from './hazards.ts';
import { addBuiltInNotifications } from './notifications.ts';
import { restoreState } from './saving.ts';
import { GIB } from './sizes.ts';
import { storedValue } from './stored-values.ts';
import { TaskBoard } from './tasks.ts';
import { Tickets } from './tickets.ts';
import { findVolume, requireStorage } from './volumes.ts';

export const SERVICE_USER = 'mcp@pve';
export const FULL_TOKEN = 'mcp';
export const LIMITED_TOKEN = 'limited';

const HOUR = 3600;
const DAY = 24 * HOUR;
const NODE_UPTIME_MS = 40 * DAY * 1000;

const QEMU_BASICS = { ostype: 'l26', scsihw: 'virtio-scsi-single', boot: 'order=scsi0' };
const QEMU_NETWORK = 'virtio,bridge=vmbr0,firewall=1';
const LXC_BASICS = { ostype: 'debian', arch: 'amd64', swap: 512, unprivileged: 1 };
const LXC_NETWORK = 'name=eth0,bridge=vmbr0,ip=dhcp';

export interface BuildOptions {
  /** epoch ms */
  clock: () => number;
  taskSeconds: number;
  /** How long the inventory may lag behind; default 0. */
  resourcesLagSeconds?: number;
  release?: Release;
}

const RELEASE: Release = { version: '9.2.11', networkRows: false };

/** Makes the state a cluster has before the first request. Deterministic for one clock, its secrets apart. */
export function buildState(spec: ClusterSpec, options: BuildOptions): ClusterState {
  const { clock, taskSeconds, resourcesLagSeconds = 0, release = RELEASE } = options;
  const pools = (spec.pools ?? []).map((pool) => ({
    ...pool,
    vmids: new Set<number>(),
    storages: new Set<string>(),
  }));
  const state: ClusterState = {
    name: spec.name,
    clock,
    nodes: spec.nodes.map((node, index) => {
      const details = {
        name: node.name,
        nodeid: index + 1,
        ip: `192.0.2.${index + 11}`,
        cpus: node.cpus ?? 8,
        ...(node.cpuModel === undefined ? {} : { cpuModel: node.cpuModel }),
        ...(node.cpuFlags === undefined ? {} : { cpuFlags: node.cpuFlags }),
        memory: (node.memoryGib ?? 32) * GIB,
        bootedAt: clock() - NODE_UPTIME_MS,
      };
      return makeNode(details, clock);
    }),
    guests: new Map(),
    storages: (spec.storages ?? LOCAL_STORAGES).map(buildStorage),
    volumes: [],
    pools,
    access: new AccessControl((vmid) => poolOf({ pools }, vmid), {
      clock,
      poolOfStorage: (storage) => pools.find(({ storages }) => storages.has(storage))?.poolid,
    }),
    tickets: new Tickets(clock),
    tasks: new TaskBoard(clock, taskSeconds * 1000),
    backupJobs: structuredClone(spec.backupJobs ?? []),
    collections: new Collections(),
    hazards: new Hazards(),
    broadcast: new Broadcast(clock, resourcesLagSeconds * 1000),
    release,
    datacenter: newDatacenter(spec.ceph ? newCeph(spec.nodes.map(({ name }) => name)) : undefined),
  };
  addAccounts(state);
  addBuiltInNotifications(state.collections);
  addInstallationMedia(state);
  for (const guest of spec.guests ?? []) addGuest(state, guest);
  if (spec.state !== undefined) restoreState(state, spec.state);
  state.broadcast.settle(state);
  return state;
}

function buildStorage(spec: StorageSpec): Storage {
  return {
    storage: spec.storage,
    type: spec.type,
    content: [...spec.content],
    ...(spec.nodes ? { nodes: spec.nodes } : {}),
    shared: spec.shared ?? false,
    total: (spec.totalGib ?? 100) * GIB,
    options: { ...spec.options },
  };
}

function addAccounts({ access }: ClusterState): void {
  access.users.set('root@pam', { userid: 'root@pam' });
  const password = randomBytes(12).toString('base64url');
  access.users.set(SERVICE_USER, { userid: SERVICE_USER, password, comment: 'proxmox-mcp' });
  access.acl.push({ path: '/', ugid: SERVICE_USER, role: 'Administrator' });
  access.tokens.push(
    { user: SERVICE_USER, name: FULL_TOKEN, secret: randomUUID(), privsep: false },
    { user: SERVICE_USER, name: LIMITED_TOKEN, secret: randomUUID(), privsep: true },
  );
}

function addInstallationMedia(state: ClusterState): void {
  const ctime = Math.floor(state.clock() / 1000) - 60 * DAY;
  const media = [
    { content: 'iso', file: 'iso/debian-13.1.0-amd64-netinst.iso', size: 783_286_272 },
    { content: 'vztmpl', file: 'vztmpl/debian-13-standard_13.1-2_amd64.tar.zst', size: 129_710_398 },
  ];
  for (const { storage, content: allowed } of state.storages.filter((candidate) => !candidate.shared)) {
    for (const { content, file, size } of media.filter((medium) => allowed.includes(medium.content))) {
      const format = content === 'iso' ? 'iso' : 'tzst';
      for (const { name: node } of state.nodes) {
        state.volumes.push({ volid: `${storage}:${file}`, storage, node, content, format, size, ctime });
      }
    }
  }
}

function addGuest(state: ClusterState, spec: GuestSpec): void {
  const { vmid, type, node } = spec;
  const guest: Guest = {
    vmid,
    type,
    node,
    status: 'stopped',
    paused: false,
    startedAt: 0,
    config: {},
    pending: {},
    snapshots: new Map(),
    ...(spec.lock === undefined ? {} : { lock: spec.lock }),
  };
  const gib = spec.diskGib ?? 8;
  const disk = allocateDisk(state, guest, spec.storage ?? 'local-lvm', gib);
  const volume = spec.template ? findVolume(state, node, disk) : undefined;
  const volid = volume ? makeBase(volume) : disk;
  guest.config = {
    [nameKey(type)]: spec.name,
    cores: spec.cores ?? 1,
    memory: type === 'qemu' ? String(spec.memoryMib ?? 1024) : (spec.memoryMib ?? 512),
    ...(type === 'qemu' ? QEMU_BASICS : LXC_BASICS),
    [type === 'qemu' ? 'scsi0' : 'rootfs']: `${volid},size=${gib}G`,
    net0: storedValue(state, guest, 'net0', type === 'qemu' ? QEMU_NETWORK : LXC_NETWORK),
    ...(spec.tags ? { tags: spec.tags.join(';') } : {}),
    ...(spec.template ? { template: 1 } : {}),
    ...spec.config,
  };
  addSnapshots(guest, spec.snapshots ?? [], Math.floor(state.clock() / 1000));
  if (spec.status === 'running') startGuest(guest, state.clock() - (vmid % 37) * DAY * 500 - HOUR * 1000);
  state.guests.set(vmid, guest);
  state.pools.find((pool) => pool.poolid === spec.pool)?.vmids.add(vmid);
  for (const backup of spec.backups ?? []) addBackup(state, guest, backup, gib);
}

/** The present state descends from the last snapshot of the list. */
function addSnapshots(guest: Guest, specs: SnapshotSpec[], now: number): void {
  for (const { name, description = '', parent, ageHours = 1, vmstate = false } of specs) {
    const snaptime = now - ageHours * HOUR;
    const config = { ...guest.config };
    guest.snapshots.set(name, {
      name,
      description,
      snaptime,
      vmstate,
      config,
      ...(parent ? { parent } : {}),
    });
    guest.parent = name;
  }
}

function addBackup(state: ClusterState, guest: Guest, spec: BackupSpec, diskGib: number): void {
  const storage = spec.storage ?? 'local';
  const { shared } = requireStorage(state, storage);
  const today = Math.floor(state.clock() / 1000 / DAY) * DAY;
  const ctime = today - spec.ageDays * DAY + 2 * HOUR;
  const stamp = new Date(ctime * 1000).toISOString().slice(0, 19).replaceAll('-', '_').replaceAll(':', '_');
  const format = guest.type === 'qemu' ? 'vma.zst' : 'tar.zst';
  const volid = `${storage}:backup/vzdump-${guest.type}-${guest.vmid}-${stamp.replace('T', '-')}.${format}`;
  state.volumes.push({
    volid,
    storage,
    content: 'backup',
    format,
    ctime,
    vmid: guest.vmid,
    ...(shared ? {} : { node: guest.node }),
    size: Math.round(diskGib * GIB * 0.31),
    archive: { type: guest.type, config: { ...guest.config } },
    ...(spec.notes ? { notes: spec.notes } : {}),
    ...(spec.protected ? { protected: true } : {}),
  });
  const origin = { node: guest.node, type: 'vzdump', id: String(guest.vmid), owner: 'root@pam' };
  state.tasks.archive(origin, ctime, 190, [`backup of guest ${guest.vmid} written to ${volid}`]);
}
