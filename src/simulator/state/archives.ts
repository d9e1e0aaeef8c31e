import { failure } from '../errors.ts';
import type { ArchivedGuest, ClusterState, Storage, Volume } from './cluster-state.ts';
import { requireSpace } from './disks.ts';
import type { Guest } from './guest.ts';
import { drives, findVolume } from './volumes.ts';

/** What of a disk's size is left after compression. */
const SHARE: Record<string, number> = { '0': 0.6, '1': 0.4, gzip: 0.33, lzo: 0.4, zstd: 0.31 };
const SUFFIX: Record<string, string> = { '0': '', '1': '.lzo', gzip: '.gz', lzo: '.lzo', zstd: '.zst' };

export interface ArchiveOptions {
  /** As vzdump's `compress`; default none. */
  compress?: string;
  notes?: string;
  protected?: boolean;
}

/** Writes a backup of a guest as it is now. */
export function writeArchive(
  state: ClusterState,
  guest: Guest,
  storage: Storage,
  options: ArchiveOptions,
): Volume {
  const { compress = '0', notes } = options;
  const saved = drives(guest).filter(([key]) => !key.startsWith('unused') && !isExcluded(guest, key));
  const data = saved.reduce((sum, [, , bytes]) => sum + bytes, 0);
  const size = Math.round(data * (SHARE[storage.type === 'pbs' ? 'zstd' : compress] ?? 1));
  requireSpace(state, guest.node, storage, size);
  let ctime = Math.floor(state.clock() / 1000);
  while (findVolume(state, guest.node, archiveName(guest, storage, ctime, compress).volid)) ctime += 1;
  const volume: Volume = {
    ...archiveName(guest, storage, ctime, compress),
    storage: storage.storage,
    ...(storage.shared ? {} : { node: guest.node }),
    content: 'backup',
    size,
    vmid: guest.vmid,
    ctime,
    ...(notes === undefined ? {} : { notes }),
    ...(options.protected ? { protected: true } : {}),
    archive: { type: guest.type, config: { ...guest.config } },
  };
  state.volumes.push(volume);
  return volume;
}

/** A drive says itself whether it is left out: `backup=0`, and a mount point is in only with `backup=1`. */
export function isExcluded({ type, config }: Pick<Guest, 'type' | 'config'>, key: string): boolean {
  const value = String(config[key]);
  return type === 'lxc' && key.startsWith('mp') ? !value.includes('backup=1') : value.includes('backup=0');
}

/** @param ctime epoch seconds */
function archiveName(
  guest: Guest,
  storage: Storage,
  ctime: number,
  compress: string,
): { volid: string; format: string } {
  const at = new Date(ctime * 1000).toISOString().slice(0, 19);
  if (storage.type === 'pbs') {
    const kind = guest.type === 'qemu' ? 'vm' : 'ct';
    return { volid: `${storage.storage}:backup/${kind}/${guest.vmid}/${at}Z`, format: `pbs-${kind}` };
  }
  const stamp = at.replaceAll('-', '_').replaceAll(':', '_').replace('T', '-');
  const format = `${guest.type === 'qemu' ? 'vma' : 'tar'}${SUFFIX[compress] ?? ''}`;
  return {
    volid: `${storage.storage}:backup/vzdump-${guest.type}-${guest.vmid}-${stamp}.${format}`,
    format,
  };
}

export function requireArchive(
  state: ClusterState,
  node: string,
  volid: string,
): Volume & { archive: ArchivedGuest } {
  const volume = findVolume(state, node, volid);
  if (volume?.content !== 'backup') throw failure(`volume '${volid}' does not exist`);
  const { archive } = volume;
  if (!archive) throw failure(`unable to extract configuration from archive '${volid}'`);
  return { ...volume, archive };
}
