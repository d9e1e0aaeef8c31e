import type { GatedCluster } from '../../../access/gate.ts';
import type { EffectivePermissions } from '../../../catalogue/permissions.ts';
import type { GuestRow, Inventory, StorageRow } from '../../../clusters/inventory.ts';
import { toCallError } from '../../../proxmox/errors.ts';
import type { SavedConfig } from '../../backups/guest-config.ts';
import type { ApiCall } from '../../define.ts';
import { NIC_KEY } from '../../guest-config.ts';
import { bridgeRows } from '../../inventory/default-bridge.ts';
import { readProperties } from '../../property-string.ts';
import { textOf } from '../../results.ts';
import type { RestorePoint } from './restore-points.ts';

export const RESTORE_TARGET_CALLS = [
  ['GET', '/cluster/resources'],
  ['GET', '/access/permissions'],
  ['GET', '/nodes/{node}/network', 'type'],
] as const satisfies readonly ApiCall[];

/** A bridge or a VNet of a node. */
interface Bridge {
  name: string;
  isVnet: boolean;
}

/** What a cluster has for guests that are to be restored there, read once for however many. */
export interface RestoreTarget {
  cluster: GatedCluster;
  inventory: Inventory;
  /** By node; a node that could not be asked is in `unreadBridges`. */
  bridges: ReadonlyMap<string, readonly Bridge[]>;
  unreadBridges: ReadonlyMap<string, string>;
  /** Undefined where they could not be asked. */
  permissions: EffectivePermissions | undefined;
}

/** @param nodes that guests may go to; all that are online where absent. @throws CallError */
export async function readRestoreTarget(
  cluster: GatedCluster,
  signal: AbortSignal,
  nodes?: readonly string[],
): Promise<RestoreTarget> {
  const [inventory, permissions] = await Promise.all([
    cluster.inventory({ fresh: true, signal }),
    cluster.permissions().catch(() => undefined),
  ]);
  const online = inventory.nodes.filter(({ status }) => status === 'online').map(({ node }) => node);
  const bridges = new Map<string, readonly Bridge[]>();
  const unreadBridges = new Map<string, string>();
  const asked = online.filter((node) => nodes === undefined || nodes.includes(node));
  await Promise.all(
    asked.map(async (node) => {
      try {
        const rows = await bridgeRows(cluster, node, signal);
        bridges.set(
          node,
          rows.map((row) => ({ name: String(row.iface), isVnet: textOf(row.type) === 'vnet' })),
        );
      } catch (thrown) {
        signal.throwIfAborted();
        unreadBridges.set(node, toCallError(thrown).message);
      }
    }),
  );
  return { cluster, inventory, bridges, unreadBridges, permissions };
}

/** The storages of a node that take the disks of such a guest now. */
export function fittingStorages(
  { inventory }: RestoreTarget,
  node: string,
  type: GuestRow['type'],
): StorageRow[] {
  const content = type === 'qemu' ? 'images' : 'rootdir';
  return inventory.storages.filter(
    (row) => row.node === node && row.status === 'available' && row.content.includes(content),
  );
}

/** Bytes; undefined where the storage does not tell. */
export function freeBytes({ totalBytes, usedBytes }: StorageRow): number | undefined {
  return totalBytes === undefined || usedBytes === undefined
    ? undefined
    : Math.max(0, totalBytes - usedBytes);
}

/**
 * The storage for all disks of a guest: the cluster's default one, the one that its first disk was on by name, or the
 * largest that has room. It changes with no figure that goes up and down by itself: a plan has to stay the same.
 *
 * @param bytes of the disks
 */
export function proposedStorage(
  target: RestoreTarget,
  node: string,
  {
    type,
    wereOn,
    bytes = 0,
  }: { type: GuestRow['type']; wereOn: readonly string[]; bytes?: number | undefined },
): string | undefined {
  const fits = fittingStorages(target, node, type);
  const names = fits.map(({ storage }) => storage);
  const { defaultStorage } = target.cluster.settings;
  if (defaultStorage !== undefined && names.includes(defaultStorage)) return defaultStorage;
  const same = wereOn.find((storage) => names.includes(storage));
  if (same !== undefined) return same;
  const roomy = fits.filter((row) => (freeBytes(row) ?? 0) >= bytes);
  const [largest] = (roomy.length > 0 ? roomy : fits).sort(
    (a, b) => (b.totalBytes ?? 0) - (a.totalBytes ?? 0) || (a.storage < b.storage ? -1 : 1),
  );
  return largest?.storage;
}

/**
 * The node for a guest: the cluster's default one, or the online one with the most memory that no guest may claim;
 * it reads the backup and has a storage for the disks.
 *
 * @returns undefined where no node does
 */
export function proposedNode(
  target: RestoreTarget,
  { storage, node, shared, type }: Pick<RestorePoint, 'storage' | 'node' | 'shared' | 'type'>,
): string | undefined {
  const { nodes, guests, storages } = target.inventory;
  const claimed = (name: string) =>
    guests.reduce((sum, guest) => sum + (guest.node === name ? (guest.maxMemBytes ?? 0) : 0), 0);
  const able = nodes
    .filter(({ status }) => status === 'online')
    .filter((row) =>
      shared
        ? storages.some(
            (one) => one.storage === storage && one.node === row.node && one.status === 'available',
          )
        : row.node === node,
    )
    .filter((row) => fittingStorages(target, row.node, type).length > 0)
    .map((row) => ({ node: row.node, unclaimed: (row.maxMemBytes ?? 0) - claimed(row.node) }))
    .sort((a, b) => b.unclaimed - a.unclaimed || (a.node < b.node ? -1 : 1));
  const { defaultNode } = target.cluster.settings;
  return able.find((row) => row.node === defaultNode)?.node ?? able[0]?.node;
}

/** The bridges that a saved configuration names, each once. */
export function bridgesOf({ options }: SavedConfig): string[] {
  const named = Object.entries(options)
    .filter(([key]) => NIC_KEY.test(key))
    .flatMap(([, value]) => readProperties(value).options.get('bridge') ?? []);
  return [...new Set(named)].sort();
}

/**
 * Where NICs go: to the bridge of the same name, or else to the cluster's default bridge, or the only one there is.
 *
 * @param given wins, bridge by bridge
 * @returns a bridge that finds no place is not in it; where bridges could not be read, each keeps its name
 */
export function proposedBridges(
  target: RestoreTarget,
  node: string,
  wanted: readonly string[],
  given: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const known = target.bridges.get(node)?.map(({ name }) => name);
  const { defaultBridge } = target.cluster.settings;
  const fallback = [defaultBridge, known?.length === 1 ? known[0] : undefined].find(
    (name) => name !== undefined && known?.includes(name),
  );
  return Object.fromEntries(
    wanted.flatMap((bridge) => {
      const to = given[bridge] ?? (known === undefined || known.includes(bridge) ? bridge : fallback);
      return to === undefined ? [] : [[bridge, to]];
    }),
  );
}
