import type { GatedCluster } from '../../access/gate.ts';
import { isObject, isTrue } from '../../catalogue/json.ts';
import type { Inventory } from '../../clusters/inventory.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { inQuotes, quoted } from '../../proxmox/text.ts';
import { nodeFor, storageFor } from '../defaults.ts';
import { someOf } from '../fleet.ts';
import { refuser } from '../refusals.ts';
import { numberOf, textOf } from '../results.ts';
import { inWords } from '../size.ts';

export const PLACE_CALLS = [
  ['GET', '/cluster/resources'],
  ['GET', '/nodes/{node}/storage/{storage}/status'],
] as const;

/** A storage as one node sees it now. */
export interface StorageStatus {
  type: string | undefined;
  content: string[];
  enabled: boolean;
  active: boolean;
  totalBytes: number | undefined;
  usedBytes: number | undefined;
  freeBytes: number | undefined;
}

/** Asks the node itself. @throws CallError */
export async function statusOf(cluster: GatedCluster, node: string, storage: string): Promise<StorageStatus> {
  const path = apiPath`/nodes/${node}/storage/${storage}/status`;
  const { data } = await cluster.request({ method: 'GET', path });
  const row = isObject(data) ? data : {};
  return {
    type: textOf(row.type),
    content: (textOf(row.content) ?? '').split(',').filter(Boolean),
    enabled: row.enabled === undefined || isTrue(row.enabled),
    active: isTrue(row.active),
    totalBytes: numberOf(row.total),
    usedBytes: numberOf(row.used),
    freeBytes: numberOf(row.avail),
  };
}

/** Where something new is to go. */
export interface Place {
  node: string;
  storage: string;
  status: StorageStatus;
}

interface PlaceWanted {
  node?: string | undefined;
  storage?: string | undefined;
  /** What it is to hold there. */
  content: string;
}

/**
 * The storage, and the node to reach it through: those that are named, the cluster's defaults, or the only ones that
 * fit. What Proxmox would say in other words, or only in the log of the task, is refused here.
 *
 * @throws CallError INVALID_ARGUMENTS or CONFLICT, with what would fit
 */
export async function placeFor(cluster: GatedCluster, wanted: PlaceWanted): Promise<Place> {
  const { content } = wanted;
  const refuse = refuser(cluster.name);
  const { node, storage } = await whereTo(cluster, wanted);
  const status = await statusOf(cluster, node, storage);
  if (!status.content.includes(content)) {
    const { storages } = await cluster.inventory();
    const fit = storages.filter((row) => row.node === node && row.content.includes(content));
    const names = fit.map((row) => row.storage).sort();
    throw refuse(
      'INVALID_ARGUMENTS',
      `The storage ${quoted(storage)} holds ${status.content.join(', ')}, and no ${content}.`,
      `On ${quoted(node)} these hold ${content}: ${someOf(names, 30) || 'none'}. update_storage can allow it.`,
    );
  }
  if (!status.enabled || !status.active) {
    throw refuse(
      'CONFLICT',
      `The storage ${quoted(storage)} is ${status.enabled ? 'not reached from' : 'disabled on'} ${quoted(node)} now.`,
      'get_storage shows it on every node; update_storage enables it.',
    );
  }
  return { node, storage, status };
}

async function whereTo(cluster: GatedCluster, { node: named, storage, content }: PlaceWanted) {
  if (storage === undefined) {
    const node = await nodeFor(cluster, named);
    return { node, storage: await storageFor(cluster, undefined, { node, content }) };
  }
  const rows = await rowsOfStorage(cluster, storage);
  const nodes = rows.map(({ node }) => node).sort();
  if (named !== undefined) {
    if (nodes.includes(named)) return { node: named, storage };
    throw refuser(cluster.name)(
      'INVALID_ARGUMENTS',
      `The storage ${quoted(storage)} is not there on ${inQuotes(named)}.`,
      `It is on ${someOf(nodes, 30)}.`,
    );
  }
  const available = rows.filter(({ status }) => status === 'available').map(({ node }) => node);
  const preferred = cluster.settings.defaultNode;
  if (preferred !== undefined && available.includes(preferred)) return { node: preferred, storage };
  const [first] = available.length > 0 ? available.sort() : nodes;
  if (first !== undefined && (nodes.length === 1 || rows[0]?.shared)) return { node: first, storage };
  throw refuser(cluster.name)(
    'INVALID_ARGUMENTS',
    `Every node has a storage ${quoted(storage)} of its own.`,
    `Pass \`node\`: ${someOf(nodes, 30)}.`,
  );
}

/** What is known of it on each node; asked anew where it is not known, as it may be new. */
async function rowsOfStorage(cluster: GatedCluster, storage: string) {
  const find = ({ storages }: Inventory) => storages.filter((row) => row.storage === storage);
  const known = find(await cluster.inventory());
  const rows = known.length > 0 ? known : find(await cluster.inventory({ fresh: true }));
  if (rows.length > 0) return rows;
  const { storages } = await cluster.inventory();
  const names = [...new Set(storages.map((row) => row.storage))].sort();
  throw refuser(cluster.name)(
    'NOT_FOUND',
    `${cluster.name} has no storage ${inQuotes(storage)}.`,
    `It has ${someOf(names, 30) || 'none that the token sees'}; a new one is listed after some seconds.`,
  );
}

/** @throws CallError CONFLICT where so many bytes don't fit */
export function requireSpace(
  cluster: string,
  { node, storage, status }: Place,
  bytes: number | undefined,
): void {
  const { freeBytes } = status;
  if (bytes === undefined || freeBytes === undefined || bytes <= freeBytes) return;
  throw refuser(cluster)(
    'CONFLICT',
    `It has ${inWords(bytes)}, and ${quoted(storage)} on ${quoted(node)} has ${inWords(freeBytes)} free.`,
    'list_storage with sort=free_bytes finds room; list_storage_content shows what could go.',
  );
}
