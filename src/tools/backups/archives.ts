import type { GatedCluster } from '../../access/gate.ts';
import { mayAllocate, storagesToRead, whyNot } from '../../access/storage-sight.ts';
import { isObject, isTrue, type Json, number } from '../../catalogue/json.ts';
import type { Inventory, StorageRow } from '../../clusters/inventory.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { CallError, toCallError } from '../../proxmox/errors.ts';
import { inQuotes, quoted } from '../../proxmox/text.ts';
import type { ApiCall } from '../define.ts';
import { someOf } from '../fleet.ts';
import { rowsOf, textOf } from '../results.ts';
import { parseVolid } from './volid.ts';

/** One slow storage must not cost the answer. */
const DEADLINE_MS = 20_000;

/** What finding backups may call. */
export const ARCHIVE_CALLS = [
  ['GET', '/cluster/resources'],
  ['GET', '/access/permissions'],
  ['GET', '/nodes/{node}/storage/{storage}/content', 'content', 'vmid'],
] as const satisfies readonly ApiCall[];

/** A backup, and where it was seen. */
export interface Archive {
  volid: string;
  storage: string;
  /** The node that was asked; another would do where the storage is shared. */
  node: string;
  shared: boolean;
  vmid: number | undefined;
  type: 'qemu' | 'lxc' | undefined;
  /** Epoch milliseconds. */
  madeAt: number | undefined;
  bytes: number | undefined;
  format: string | undefined;
  notes: string | undefined;
  protected: boolean;
  /** `ok` or `failed`, from a Proxmox Backup Server that verified it. */
  verification: string | undefined;
  /** The key's fingerprint, or `1` where it is encrypted with one that is not told. */
  encrypted: string | undefined;
}

/** A storage whose backups could not be told. */
export interface Unread {
  storage: string;
  node: string;
  problem: string;
}

export interface Archives {
  archives: Archive[];
  unread: Unread[];
  inventory: Inventory;
  /** Storages on which the token sees the backups of some guests alone. */
  partial: string[];
  /** The cluster whose storages this caller sees none of, so that nothing is known of its backups. */
  blind?: string;
}

interface Wanted {
  storage?: string | undefined;
  node?: string | undefined;
  vmid?: number | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * Lists the backups of a cluster: a shared storage is read once, a local one on each node that has it. What can't be
 * read is named.
 *
 * @throws CallError INVALID_ARGUMENTS where the storage that is wanted holds no backups
 */
export async function readArchives(cluster: GatedCluster, wanted: Wanted): Promise<Archives> {
  const { signal } = wanted;
  const options = signal === undefined ? {} : { signal };
  const [inventory, effective] = await Promise.all([
    cluster.inventory(options),
    // What the token may do is asked only to tell an empty list from a hidden one.
    cluster.permissions().catch(() => undefined),
  ]);
  const places = placesOf(cluster, inventory, wanted);
  const unread: Unread[] = [];
  const read = async (place: StorageRow): Promise<Archive[]> => {
    const { storage, node } = place;
    const problem = effective === undefined ? undefined : whyNot(place, effective);
    if (problem === undefined) {
      try {
        return await listOf(cluster, place, wanted);
      } catch (thrown) {
        signal?.throwIfAborted();
        const { code, message } = toCallError(thrown);
        unread.push({ storage, node, problem: `${code}: ${message}` });
        return [];
      }
    }
    unread.push({ storage, node, problem });
    return [];
  };
  const archives = (await Promise.all(places.map(read))).flat();
  const names = [...new Set(places.map(({ storage }) => storage))];
  const partial =
    effective === undefined ? [] : names.filter((storage) => !mayAllocate(storage, effective)).sort();
  const blind = inventory.storages.length === 0 ? { blind: cluster.name } : {};
  return { archives, unread, inventory, partial, ...blind };
}

/** The storages that are to be read, each from one node where it is available. */
function placesOf(
  cluster: GatedCluster,
  { storages }: Inventory,
  { storage, node }: Wanted,
): readonly StorageRow[] {
  const holding = storages.filter(({ content }) => content.includes('backup'));
  if (storage !== undefined && storages.length === 0) throw blindTo(cluster.name);
  if (storage !== undefined && !holding.some((row) => row.storage === storage)) {
    throw noBackupStorage(cluster.name, storage, holding);
  }
  const here = holding.filter(
    (row) => (storage === undefined || row.storage === storage) && (node === undefined || row.node === node),
  );
  return storagesToRead(here);
}

/** As a tenant is without `infrastructure`, or a token without rights on any. */
export function noStorageSeen(cluster: string): string {
  return `No storage of ${cluster} is visible to this caller`;
}

function blindTo(cluster: string): CallError {
  return new CallError('PERMISSION_DENIED', `${noStorageSeen(cluster)}: its backups can't be found.`, {
    cluster,
    hint: 'The operator can open storages: to the token (Datastore.Audit), to a tenant by `infrastructure`. Nothing was sent.',
  });
}

function noBackupStorage(cluster: string, storage: string, holding: readonly StorageRow[]): CallError {
  const names = [...new Set(holding.map((row) => row.storage))].sort();
  return new CallError(
    'INVALID_ARGUMENTS',
    `${cluster} has no storage ${inQuotes(storage)} that holds backups; these do: ${someOf(names, 30) || 'none'}.`,
    { cluster, hint: 'list_storage with content=backup shows them. Nothing was sent.' },
  );
}

async function listOf(
  cluster: GatedCluster,
  place: StorageRow,
  { vmid, signal }: Wanted,
): Promise<Archive[]> {
  const { node, storage } = place;
  const { data } = await cluster.request({
    method: 'GET',
    path: apiPath`/nodes/${node}/storage/${storage}/content`,
    data: { content: 'backup', vmid },
    deadlineMs: DEADLINE_MS,
    signal,
  });
  return rowsOf(data)
    .map((row) => archiveOf(row, place))
    .filter((archive) => vmid === undefined || archive.vmid === vmid);
}

function archiveOf(row: Json, { node, storage, shared }: StorageRow): Archive {
  const volid = String(row.volid);
  const { vmid, type } = /^[A-Za-z][\w.-]*:./.test(volid) ? parseVolid(volid) : {};
  const subtype = row.subtype === 'qemu' || row.subtype === 'lxc' ? row.subtype : type;
  const seconds = number(row.ctime);
  return {
    volid,
    storage,
    node,
    shared,
    vmid: number(row.vmid) ?? vmid,
    type: subtype,
    madeAt: seconds === undefined || seconds <= 0 ? undefined : seconds * 1000,
    bytes: number(row.size),
    format: textOf(row.format),
    notes: textOf(row.notes),
    protected: isTrue(row.protected),
    verification: isObject(row.verification) ? textOf(row.verification.state) : undefined,
    encrypted: textOf(row.encrypted) ?? (row.encrypted === 1 ? '1' : undefined),
  };
}

/** A backup that was found, what else its guest has, and what the cluster holds. */
export interface FoundArchive {
  archive: Archive;
  /** The other backups of its guest on all storages that could be read. */
  others: Archive[];
  inventory: Inventory;
  /** Storages that may hold more of them. */
  unread: Unread[];
}

/**
 * Finds a backup by its name, wherever it is.
 *
 * @throws CallError NOT_FOUND that says what could not be read; INVALID_ARGUMENTS for what is no backup's name
 */
export async function findArchive(
  cluster: GatedCluster,
  volid: string,
  { everywhere = false }: { everywhere?: boolean } = {},
): Promise<FoundArchive> {
  const { storage, vmid } = parseVolid(volid);
  // Without this a misspelt storage would read as a backup that is gone.
  placesOf(cluster, await cluster.inventory(), { storage });
  const { archives, unread, inventory } = await readArchives(
    cluster,
    everywhere && vmid !== undefined ? { vmid } : { storage, vmid },
  );
  const archive = archives.find((row) => row.volid === volid);
  if (archive !== undefined) {
    return { archive, others: archives.filter((row) => row !== archive), inventory, unread };
  }
  const missing = unread.filter((row) => row.storage === storage);
  const why =
    missing.length === 0
      ? ''
      : ` ${quoted(storage)} could not be read on ${missing.map((row) => `${quoted(row.node)} (${row.problem})`).join(', ')}.`;
  throw new CallError('NOT_FOUND', `${cluster.name} has no backup ${inQuotes(volid, 200)}.${why}`, {
    cluster: cluster.name,
    hint: 'list_backups shows what there is. Nothing was sent.',
    retryable: missing.length > 0,
  });
}
