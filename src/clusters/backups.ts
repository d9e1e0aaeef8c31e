import { isObject } from '../catalogue/json.ts';
import { type EffectivePermissions, holds } from '../catalogue/permissions.ts';
import { apiPath } from '../proxmox/api-path.ts';
import type { ProxmoxCall, ProxmoxReply } from '../proxmox/call.ts';
import { toCallError } from '../proxmox/errors.ts';
import { Limiter } from '../proxmox/limiter.ts';
import type { Backups, Inventory, StorageRow } from './inventory.ts';

/** Listing a slow storage occupies one of the three workers of its node. */
const AT_ONCE = 4;
const DEADLINE_MS = 20_000;

type Unread = Backups['unread'][number];

/**
 * Finds the newest backup of each guest: shared storages are read once, from a node where they are available, the
 * others on each node that has one.
 */
export async function readBackups(
  { storages, guests }: Inventory,
  effective: EffectivePermissions,
  send: (call: ProxmoxCall) => Promise<ProxmoxReply>,
): Promise<Omit<Backups, 'asOf'>> {
  const newest = new Map<number, number>();
  const unread: Unread[] = [];
  const hidden = new Set<number>();
  const limiter = new Limiter(AT_ONCE, Number.POSITIVE_INFINITY);
  const never = new AbortController().signal;
  const read = async (row: StorageRow): Promise<void> => {
    const { storage, node } = row;
    const problem = whyNot(row, effective);
    if (problem !== undefined) {
      unread.push({ storage, node, problem });
      return;
    }
    const release = await limiter.acquire(never);
    try {
      for (const { vmid, madeAt } of await list(row, send))
        newest.set(vmid, Math.max(madeAt, newest.get(vmid) ?? 0));
    } catch (thrown) {
      const { code, message } = toCallError(thrown);
      unread.push({ storage, node, problem: `${code}: ${message}` });
    } finally {
      release();
    }
  };
  const toRead = storagesToRead(storages);
  await Promise.all(toRead.map(read));
  if (toRead.some(({ storage }) => !mayAllocate(storage, effective))) {
    for (const { vmid } of guests) if (!mayBackUp(vmid, effective)) hidden.add(vmid);
  }
  return { newest, unread, hidden };
}

/** One row for each shared storage, best one where it is available; every row of the others. */
export function storagesToRead(storages: readonly StorageRow[]): StorageRow[] {
  const shared = new Map<string, StorageRow>();
  const local: StorageRow[] = [];
  for (const row of storages) {
    if (!row.content.includes('backup')) continue;
    if (!row.shared) local.push(row);
    else if (shared.get(row.storage)?.status !== 'available') shared.set(row.storage, row);
  }
  return [...shared.values(), ...local];
}

/** Why a storage's backups can't be told, in words; undefined where they can. */
export function whyNot({ storage, status }: StorageRow, effective: EffectivePermissions): string | undefined {
  if (status !== 'available') return `The storage is ${status}.`;
  // Without it PVE answers an empty list, not an error (PVE::Storage, check_volume_access).
  if (mayAllocate(storage, effective) || may('Datastore.AllocateSpace', `/storage/${storage}`, effective))
    return undefined;
  return `The token lacks Datastore.AllocateSpace on /storage/${storage}, without which Proxmox shows it no backups.`;
}

/** Whether the token sees the backups of all guests on a storage: else of those with VM.Backup alone. */
export function mayAllocate(storage: string, effective: EffectivePermissions): boolean {
  return may('Datastore.Allocate', `/storage/${storage}`, effective);
}

function mayBackUp(vmid: number, effective: EffectivePermissions): boolean {
  return may('VM.Backup', `/vms/${vmid}`, effective);
}

function may(privilege: string, path: string, effective: EffectivePermissions): boolean {
  return holds({ path, privileges: [privilege], any: false }, effective);
}

async function list(
  { node, storage }: StorageRow,
  send: (call: ProxmoxCall) => Promise<ProxmoxReply>,
): Promise<{ vmid: number; madeAt: number }[]> {
  const { data } = await send({
    method: 'GET',
    path: apiPath`/nodes/${node}/storage/${storage}/content`,
    parameters: { content: 'backup' },
    deadlineMs: DEADLINE_MS,
  });
  if (!Array.isArray(data)) throw new Error('the content of a storage is not a list');
  return data.filter(isObject).flatMap(({ vmid, ctime }) => {
    const [guest, seconds] = [Number(vmid), Number(ctime)];
    return Number.isInteger(guest) && guest > 0 && Number.isFinite(seconds) && ctime !== undefined
      ? [{ vmid: guest, madeAt: seconds * 1000 }]
      : [];
  });
}
