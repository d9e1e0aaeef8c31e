import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import { mayAllocate } from '../../access/storage-sight.ts';
import { isTrue, type Json, number } from '../../catalogue/json.ts';
import type { Inventory, StorageRow } from '../../clusters/inventory.ts';
import { ApiPath, apiPath } from '../../proxmox/api-path.ts';
import { toCallError } from '../../proxmox/errors.ts';
import { inQuotes } from '../../proxmox/text.ts';
import { someOf } from '../fleet.ts';
import { refuser } from '../refusals.ts';
import { rowsOf, textOf } from '../results.ts';

/** One slow storage must not cost the answer. */
const DEADLINE_MS = 20_000;

export const CONTENT_CALLS = [
  ['GET', '/cluster/resources'],
  ['GET', '/access/permissions'],
  ['GET', '/nodes/{node}/storage/{storage}/content', 'content', 'vmid'],
] as const;

/** A volume, and where it was seen. */
export interface Volume {
  volid: string;
  storage: string;
  /** The node that was asked; another would do where the storage is shared. */
  node: string;
  shared: boolean;
  content: string | undefined;
  format: string | undefined;
  vmid: number | undefined;
  bytes: number | undefined;
  usedBytes: number | undefined;
  /** Epoch milliseconds. */
  madeAt: number | undefined;
  notes: string | undefined;
  protected: boolean;
  /** The base volume that it stands on. */
  parent: string | undefined;
}

export const unreadParts = z
  .array(z.object({ storage: z.string(), node: z.string(), problem: z.string() }))
  .optional();

interface ContentWanted {
  storage?: string | undefined;
  node?: string | undefined;
  content?: string | undefined;
  vmid?: number | undefined;
}

export interface Contents {
  volumes: Volume[];
  unread: { storage: string; node: string; problem: string }[];
  /** Storages on which the token sees the disks of some guests alone. */
  partial: string[];
  inventory: Inventory;
}

/**
 * Lists volumes: a shared storage is read once, a local one on each node that has it. What can't be read is named.
 *
 * @throws CallError INVALID_ARGUMENTS where no storage fits
 */
export async function readContents(cluster: GatedCluster, wanted: ContentWanted): Promise<Contents> {
  const [inventory, effective] = await Promise.all([
    cluster.inventory(),
    // What the token may do is asked only to tell a short list from a whole one.
    cluster.permissions().catch(() => undefined),
  ]);
  const places = placesOf(cluster, inventory, wanted);
  const unread: Contents['unread'] = [];
  const lists = await Promise.all(
    places.map(async (place) => {
      const { storage, node, status } = place;
      try {
        if (status !== 'available') throw refuser(cluster.name)('CONFLICT', `The storage is ${status}.`, '');
        return await listOf(cluster, place, wanted);
      } catch (thrown) {
        // Where only one is asked for, its error is the answer.
        if (places.length === 1) throw thrown;
        unread.push({ storage, node, problem: toCallError(thrown).message });
        return [];
      }
    }),
  );
  const names = [...new Set(places.map(({ storage }) => storage))];
  const partial = effective === undefined ? [] : names.filter((storage) => !mayAllocate(storage, effective));
  return { volumes: lists.flat(), unread, partial: partial.sort(), inventory };
}

function placesOf(cluster: GatedCluster, { storages }: Inventory, wanted: ContentWanted): StorageRow[] {
  const { storage, node, content } = wanted;
  const fit = storages.filter(
    (row) =>
      (storage === undefined || row.storage === storage) &&
      (node === undefined || row.node === node) &&
      (storage !== undefined || content === undefined || row.content.includes(content)),
  );
  if (fit.length === 0 && (storage !== undefined || node !== undefined)) {
    const names = [...new Set(storages.map((row) => row.storage))].sort();
    const what = storage === undefined ? 'fitting storage' : `storage ${inQuotes(storage)}`;
    throw refuser(cluster.name)(
      'NOT_FOUND',
      `${cluster.name} has no ${what}${node === undefined ? '' : ` on ${inQuotes(node)}`}.`,
      `It has ${someOf(names, 30) || 'none that the token sees'}.`,
    );
  }
  const chosen = new Map<string, StorageRow>();
  for (const row of fit) {
    const key = row.shared ? row.storage : `${row.node}/${row.storage}`;
    if (chosen.get(key)?.status !== 'available') chosen.set(key, row);
  }
  return [...chosen.values()];
}

async function listOf(
  cluster: GatedCluster,
  place: StorageRow,
  { content, vmid }: ContentWanted,
): Promise<Volume[]> {
  const { node, storage } = place;
  const { data } = await cluster.request({
    method: 'GET',
    path: apiPath`/nodes/${node}/storage/${storage}/content`,
    data: { content, vmid },
    deadlineMs: DEADLINE_MS,
  });
  return rowsOf(data)
    .map((row) => volumeOf(row, place))
    .filter((volume) => vmid === undefined || volume.vmid === vmid);
}

function volumeOf(row: Json, { node, storage, shared }: StorageRow): Volume {
  const seconds = number(row.ctime);
  return {
    volid: String(row.volid),
    storage,
    node,
    shared,
    content: textOf(row.content),
    format: textOf(row.format),
    vmid: number(row.vmid),
    // Some storages of 9.2 know the size roughly alone.
    bytes: number(row.size) ?? number(row['approximate-size']),
    usedBytes: number(row.used),
    madeAt: seconds === undefined || seconds <= 0 ? undefined : seconds * 1000,
    notes: textOf(row.notes),
    protected: isTrue(row.protected),
    parent: textOf(row.parent),
  };
}

/** The storage that a volume ID names. @throws CallError INVALID_ARGUMENTS for what is none */
function storageOf(cluster: GatedCluster, volid: string): string {
  const [, storage] = /^([A-Za-z][\w.-]*):[^\s]/.exec(volid) ?? [];
  if (storage !== undefined) return storage;
  throw refuser(cluster.name)(
    'INVALID_ARGUMENTS',
    `${inQuotes(volid)} is no volume.`,
    'Pass the `volid` of list_storage_content, such as local:iso/debian.iso.',
  );
}

/** A volume that was found, and its whole storage there. */
export interface FoundVolume {
  volume: Volume;
  /** Everything on its storage, as its node sees it. */
  beside: Volume[];
  inventory: Inventory;
}

/**
 * @param node where the storage is not shared and several nodes have such a volume
 * @throws CallError NOT_FOUND; INVALID_ARGUMENTS where several nodes have one
 */
export async function findVolume(
  cluster: GatedCluster,
  volid: string,
  node?: string | undefined,
): Promise<FoundVolume> {
  const storage = storageOf(cluster, volid);
  const { volumes, unread, inventory } = await readContents(cluster, { storage, node });
  const found = volumes.filter((one) => one.volid === volid);
  const [volume] = found;
  const refuse = refuser(cluster.name);
  if (volume === undefined) {
    const missing = unread.map(
      (part) => ` ${part.storage} on ${part.node} could not be read: ${part.problem}`,
    );
    throw refuse(
      'NOT_FOUND',
      `${cluster.name} has no volume ${inQuotes(volid, 200)}.${missing.join('')}`,
      'list_storage_content shows what there is.',
    );
  }
  if (found.length > 1) {
    const nodes = found.map((one) => one.node).sort();
    throw refuse(
      'INVALID_ARGUMENTS',
      `Several nodes have ${inQuotes(volid, 200)}.`,
      `Pass \`node\`: ${someOf(nodes, 30)}.`,
    );
  }
  return { volume, beside: volumes.filter((one) => one.node === volume.node), inventory };
}

/** The path of a volume: PVE takes all that follows `content` for its name, slashes included. */
export function pathOf({ node, storage, volid }: Pick<Volume, 'node' | 'storage' | 'volid'>): ApiPath {
  return ApiPath.ofSegments(['nodes', node, 'storage', storage, 'content', ...volid.split('/')]);
}
