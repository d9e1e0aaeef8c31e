import type { GatedCluster } from '../../../access/gate.ts';
import { ARCHIVE_CALLS, type Archive, readArchives, type Unread } from '../../backups/archives.ts';
import { CONFIG_CALLS, type SavedConfig, savedConfig } from '../../backups/guest-config.ts';
import type { ApiCall } from '../../define.ts';

export const RESTORE_POINT_CALLS = [...ARCHIVE_CALLS, ...CONFIG_CALLS] as const satisfies readonly ApiCall[];

/** A backup as the cluster that would restore it sees it; `node` reads it, and any other where it is `shared`. */
export interface RestorePoint extends Archive {
  vmid: number;
  type: 'qemu' | 'lxc';
  /** Epoch milliseconds: what the guest wrote since then is not in it. */
  madeAt: number;
}

export interface RestorePoints {
  /** Newest first. */
  points: RestorePoint[];
  /** Storages that could not be read: they may hold more. */
  unread: Unread[];
  /** Storages where the token sees the backups of some guests alone. */
  partial: string[];
  /** The caller sees no storage of this cluster, so that nothing is known. */
  blind?: string;
}

interface Wanted {
  /** Its id on the target; all that hold backups where absent. */
  storage?: string | undefined;
  vmids?: readonly number[] | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * The backups that a cluster can restore, whichever cluster made them: what of them is whose, `name` and notes tell
 * (`savedConfigOf`), as VMIDs of two clusters may be equal.
 *
 * @throws CallError INVALID_ARGUMENTS where the storage that is wanted holds no backups; PERMISSION_DENIED
 */
export async function restorePoints(
  target: GatedCluster,
  { storage, vmids, signal }: Wanted = {},
): Promise<RestorePoints> {
  const [only] = vmids ?? [];
  const { archives, unread, partial, blind } = await readArchives(target, {
    storage,
    signal,
    ...(vmids?.length === 1 ? { vmid: only } : {}),
  });
  const points = archives
    .filter(isRestorable)
    .filter(({ vmid }) => vmids === undefined || vmids.includes(vmid))
    .sort((a, b) => b.madeAt - a.madeAt || (a.volid < b.volid ? -1 : 1));
  return { points, unread, partial, ...(blind === undefined ? {} : { blind }) };
}

/** One whose name does not tell what it holds, or that has no time, is none to go back to blindly. */
function isRestorable(archive: Archive): archive is RestorePoint {
  return archive.vmid !== undefined && archive.type !== undefined && archive.madeAt !== undefined;
}

/** What the guest was when it was backed up, read by the cluster that would restore it. @throws CallError */
export function savedConfigOf(
  target: GatedCluster,
  point: Pick<RestorePoint, 'node' | 'volid'>,
): Promise<SavedConfig> {
  return savedConfig(target, point);
}
