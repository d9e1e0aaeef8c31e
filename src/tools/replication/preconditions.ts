import { isObject } from '../../catalogue/json.ts';
import type { Inventory } from '../../clusters/inventory.ts';
import { CallError } from '../../proxmox/errors.ts';
import { quoted } from '../../proxmox/text.ts';
import { someOf } from '../fleet.ts';
import type { GuestTarget } from '../guest-target.ts';

const DISK = {
  qemu: /^(?:scsi|virtio|sata|ide|efidisk|tpmstate)\d+$/,
  lxc: /^(?:rootfs|mp\d+)$/,
} as const;

/**
 * Refuses a replication that Proxmox would take and then fail at on every run: it copies local ZFS volumes alone, to a
 * storage of the same name on the target.
 *
 * @throws CallError INVALID_ARGUMENTS or CONFLICT
 */
export async function requireReplicable(
  { cluster, guest, at }: GuestTarget,
  inventory: Inventory,
  target: string,
): Promise<void> {
  const { name: clusterName } = cluster;
  const refuse = (message: string, hint: string): CallError =>
    new CallError('INVALID_ARGUMENTS', message, { cluster: clusterName, hint: `${hint} Nothing was sent.` });
  const { nodes, storages } = inventory;
  const others = nodes.map(({ node }) => node).filter((node) => node !== guest.node);
  if (!others.includes(target)) {
    throw refuse(
      `${quoted(target)} is no other node of ${clusterName}; the guest is on ${quoted(guest.node)}.`,
      `Pass as \`target\` one of: ${someOf(others.sort(), 30) || 'none, the cluster has one node'}.`,
    );
  }
  const { data } = await cluster.request({ method: 'GET', path: at('config') });
  const used = [...new Set(disksOf(guest.type, isObject(data) ? data : {}))];
  const rowOn = (node: string, storage: string) =>
    storages.find((row) => row.node === node && row.storage === storage);
  // Shared ones are there already, and Proxmox passes over them.
  const local = used.filter((storage) => rowOn(guest.node, storage)?.shared !== true);
  const unfit = local.filter((storage) => {
    const type = rowOn(guest.node, storage)?.pluginType;
    return type !== undefined && type !== 'zfspool';
  });
  if (unfit.length > 0) {
    throw refuse(
      `Disks of ${guest.vmid} are on ${someOf(unfit.map(quoted))}, which is no ZFS storage; only ZFS volumes are replicated.`,
      'Move them to a storage of type zfspool, or exclude them with replicate=0 on the disk.',
    );
  }
  if (local.length === 0) {
    throw refuse(
      `${guest.vmid} has no disk on a local ZFS storage: there is nothing to replicate.`,
      'Disks on shared storages are on every node already.',
    );
  }
  const missing = local.filter((storage) => rowOn(target, storage)?.status !== 'available');
  if (missing.length === 0) return;
  throw refuse(
    `${quoted(target)} has no ${someOf(missing.map(quoted))} that is available, where the copies would go.`,
    'A ZFS pool of the same storage name has to be on both nodes.',
  );
}

/** The storages of the disks that would be replicated. */
function disksOf(type: 'qemu' | 'lxc', config: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(config).flatMap(([key, value]) => {
    const text = String(value);
    if (!DISK[type].test(key) || /(?:^|,)(?:media=cdrom|replicate=(?:0|no|off|false))/i.test(text)) return [];
    return /^(?:volume=|file=)?([A-Za-z][\w.-]*):/.exec(text)?.[1] ?? [];
  });
}
