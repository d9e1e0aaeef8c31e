import type { GatedCluster } from '../../access/gate.ts';
import { isObject, isTrue } from '../../catalogue/json.ts';
import type { GuestRow, Inventory } from '../../clusters/inventory.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { quoted } from '../../proxmox/text.ts';
import { someOf } from '../fleet.ts';
import { refuser } from '../refusals.ts';
import { textOf } from '../results.ts';
import type { Archive } from './archives.ts';
import { type SavedConfig, savedDisks } from './guest-config.ts';

/**
 * Refuses to restore over a guest that Proxmox would not replace, or that is not meant: one that runs, is locked,
 * protected, or of the other kind.
 *
 * @throws CallError CONFLICT or INVALID_ARGUMENTS
 */
export async function requireReplaceable(
  cluster: GatedCluster,
  { vmid, node, type }: GuestRow,
  archived: 'qemu' | 'lxc',
): Promise<void> {
  const refuse = refuser(cluster.name);
  if (type !== archived) {
    const [is, holds] = type === 'qemu' ? ['VM', 'container'] : ['container', 'VM'];
    throw refuse(
      'INVALID_ARGUMENTS',
      `${vmid} is a ${is}, and the backup holds a ${holds}.`,
      'Restore it under a free VMID.',
    );
  }
  const [status, config] = await Promise.all([
    cluster.request({ method: 'GET', path: apiPath`/nodes/${node}/${type}/${vmid}/status/current` }),
    cluster.request({ method: 'GET', path: apiPath`/nodes/${node}/${type}/${vmid}/config` }),
  ]);
  const live = isObject(status.data) ? status.data : {};
  const lock = textOf(live.lock);
  if (live.status !== 'stopped') {
    throw refuse(
      'CONFLICT',
      `${vmid} is ${quoted(textOf(live.status) ?? 'in an unknown state')}; only a stopped guest can be overwritten.`,
      'Shut it down first, or restore under a free VMID.',
    );
  }
  if (lock !== undefined)
    throw refuse('CONFLICT', `${vmid} is locked (${quoted(lock)}).`, 'Wait for what holds the lock.');
  if (isObject(config.data) && isTrue(config.data.protection)) {
    throw refuse(
      'CONFLICT',
      `${vmid} is protected in its configuration.`,
      'Take its protection away first, or restore under a free VMID.',
    );
  }
}

/**
 * Refuses where the disks have no place on the node, which Proxmox would say only in the log of the task.
 *
 * @param target the storage for all disks; without it each goes where it was
 * @throws CallError INVALID_ARGUMENTS
 */
export function requireRoom(
  cluster: string,
  { storages }: Inventory,
  { node, type, target, saved }: RestorePlace,
): void {
  const content = type === 'qemu' ? 'images' : 'rootdir';
  const here = storages.filter((row) => row.node === node && row.content.includes(content));
  const wanted = target === undefined ? wereOn(type, saved) : [target];
  const missing = wanted.filter(
    (name) => !here.some(({ storage, status }) => storage === name && status === 'available'),
  );
  if (missing.length === 0) return;
  const fit = here.map(({ storage }) => storage).sort();
  const what = target === undefined ? 'The disks in the backup were on' : 'The target is';
  throw refuser(cluster)(
    'INVALID_ARGUMENTS',
    `${what} ${someOf(missing.map(quoted))}, which holds no ${content} on ${quoted(node)} now.`,
    `Pass \`storage\`: ${someOf(fit, 30) || 'no storage there fits, pass another node'}.`,
  );
}

/** Where the disks go if nothing is said: where they were, those of a container where its root was. */
function wereOn(type: 'qemu' | 'lxc', saved: SavedConfig | undefined): string[] {
  const disks = saved === undefined ? [] : savedDisks(saved, type);
  const taken = type === 'qemu' ? disks : disks.filter(({ key }) => key === 'rootfs');
  return [...new Set(taken.map(({ storage }) => storage))];
}

interface RestorePlace {
  node: string;
  type: 'qemu' | 'lxc';
  target: string | undefined;
  /** Undefined where it could not be read. */
  saved: SavedConfig | undefined;
}

/**
 * The node to restore on: the one that is named, that of the guest which is overwritten, that of the backup, or that
 * of the guest which was backed up.
 *
 * @throws CallError INVALID_ARGUMENTS where the named one is offline, unknown, or can't be it
 * @returns undefined where nothing says it
 */
export function restoreNode(
  cluster: string,
  { nodes, guests }: Inventory,
  archive: Archive,
  { named, over }: { named: string | undefined; over: GuestRow | undefined },
): string | undefined {
  const refuse = refuser(cluster);
  if (over !== undefined && named !== undefined && named !== over.node) {
    throw refuse(
      'INVALID_ARGUMENTS',
      `${over.vmid} is on ${quoted(over.node)}, where it has to be overwritten.`,
      'Leave `node` out.',
    );
  }
  const wanted = named ?? over?.node;
  if (!archive.shared && wanted !== undefined && wanted !== archive.node) {
    throw refuse(
      'INVALID_ARGUMENTS',
      `The backup is on ${quoted(archive.storage)} of ${quoted(archive.node)}, which ${quoted(wanted)} can't read.`,
      `Restore on ${quoted(archive.node)} and migrate, or take a backup on a shared storage.`,
    );
  }
  const original = guests.find(({ vmid }) => vmid === archive.vmid)?.node;
  const node = wanted ?? (archive.shared ? original : archive.node);
  const row = nodes.find((candidate) => candidate.node === node);
  if (node !== undefined && row?.status !== 'online') {
    const names = nodes.filter(({ status }) => status === 'online').map((other) => other.node);
    throw refuse(
      'INVALID_ARGUMENTS',
      `The node ${quoted(node)} of ${cluster} is ${row === undefined ? 'unknown' : quoted(row.status)}.`,
      `These are online: ${someOf(names.sort(), 30)}.`,
    );
  }
  return node;
}
