import { createHash } from 'node:crypto';
import type { Inside } from './inside.ts';

export type GuestType = 'qemu' | 'lxc';
export type GuestConfig = Record<string, string | number>;

export interface Snapshot {
  name: string;
  description: string;
  /** epoch seconds */
  snaptime: number;
  parent?: string;
  /** The memory was saved too, so a rollback brings the guest back running. */
  vmstate: boolean;
  config: GuestConfig;
}

export interface Guest {
  vmid: number;
  type: GuestType;
  node: string;
  status: 'running' | 'stopped';
  paused: boolean;
  /** epoch ms of the last start */
  startedAt: number;
  /** epoch ms; absent where it was there before anybody looked. */
  createdAt?: number;
  config: GuestConfig;
  /** Changes that wait for the next start; null deletes the option. */
  pending: Record<string, string | number | null>;
  snapshots: Map<string, Snapshot>;
  /** The snapshot the present state descends from. */
  parent?: string;
  lock?: string;
  /** What the cloud-init drive was last generated from. */
  cloudinit?: GuestConfig;
  /** What runs inside the guest, made when it is first asked for. */
  inside?: Inside;
}

export const label = (guest: Pick<Guest, 'type'>): string => (guest.type === 'qemu' ? 'VM' : 'CT');
export const nameKey = (type: GuestType): string => (type === 'qemu' ? 'name' : 'hostname');

export function guestName(guest: Guest): string {
  return String(guest.config[nameKey(guest.type)] ?? `${label(guest)}${guest.vmid}`);
}

export function isTemplate(guest: Guest): boolean {
  return guest.config.template === 1;
}

export function configFile(guest: Pick<Guest, 'type' | 'node' | 'vmid'>): string {
  const folder = guest.type === 'qemu' ? 'qemu-server' : 'lxc';
  return `nodes/${guest.node}/${folder}/${guest.vmid}.conf`;
}

/** SHA-1 over everything the guest's configuration file would hold, so that any change to it changes the digest. */
export function configDigest(guest: Guest): string {
  const sections = [guest.config, guest.pending, guest.parent ?? '', guest.lock ?? ''];
  const snapshots = [...guest.snapshots.values()].map((snapshot) => ({ ...snapshot }));
  return createHash('sha1')
    .update(JSON.stringify([...sections, ...snapshots], sortKeys))
    .digest('hex');
}

function sortKeys(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The configuration with what is pending, which is what PVE shows unless `current` is asked for. */
export function withPending(guest: Guest): GuestConfig {
  const config = { ...guest.config };
  for (const [key, value] of Object.entries(guest.pending)) {
    if (value === null) delete config[key];
    else config[key] = value;
  }
  return config;
}

export function applyPending(guest: Guest): void {
  const released = Object.keys(guest.pending)
    .filter((key) => guest.pending[key] === null && /^mp\d+$/.test(key))
    .map((key) => String(guest.config[key]).split(',')[0] ?? '');
  guest.config = withPending(guest);
  // A mount point that is taken off a container keeps its volume.
  for (const volid of released) {
    let free = 0;
    while (guest.config[`unused${free}`] !== undefined) free += 1;
    guest.config[`unused${free}`] = volid;
  }
  guest.pending = {};
}

const CLOUD_INIT =
  /^(name|nameserver|searchdomain|cicustom|cipassword|citype|ciupgrade|ciuser|sshkeys|ipconfig\d+)$/;

/** The options a cloud-init drive is generated from. */
export function cloudinitOptions({ config }: Pick<Guest, 'config'>): GuestConfig {
  return Object.fromEntries(Object.entries(config).filter(([key]) => CLOUD_INIT.test(key)));
}

export function startGuest(guest: Guest, now: number): void {
  applyPending(guest);
  guest.cloudinit = cloudinitOptions(guest);
  delete guest.inside;
  guest.status = 'running';
  guest.paused = false;
  guest.startedAt = now;
}

export function stopGuest(guest: Guest): void {
  delete guest.inside;
  guest.status = 'stopped';
  guest.paused = false;
  guest.startedAt = 0;
  applyPending(guest);
}
