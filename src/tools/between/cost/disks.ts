import { isCdrom, VOLUME_KEY } from '../../guest-config.ts';
import { readProperties } from '../../property-string.ts';
import { sizeOf } from '../../size.ts';

/** What a guest's volumes take as its configuration has them. */
export interface Disks {
  bytes: number;
  /** Of it the root file system of a container. */
  rootBytes: number;
  /** Volumes whose size is told nowhere in it: disks that are not in use, saved memory. */
  unsized: number;
}

/** @param values Proxmox' configuration of the guest */
export function disksOf(values: Readonly<Record<string, unknown>>): Disks {
  const disks = { bytes: 0, rootBytes: 0, unsized: 0 };
  for (const [key, value] of Object.entries(values)) {
    if (!VOLUME_KEY.test(key) || typeof value !== 'string' || isCdrom(value)) continue;
    const { lead = '', options } = readProperties(value);
    const volume = options.get('file') ?? options.get('volume') ?? lead;
    // A path of the node is no volume of a storage.
    if (!volume.includes(':') || volume.startsWith('/')) continue;
    const bytes = bytesOf(options.get('size'));
    if (bytes === undefined) disks.unsized++;
    else disks.bytes += bytes;
    if (key === 'rootfs') disks.rootBytes = bytes ?? 0;
  }
  return disks;
}

/** `32G`, `528K`, or bytes (PVE::JSONSchema, disk-size). */
function bytesOf(size: string | undefined): number | undefined {
  if (size === undefined) return undefined;
  return /^\d+$/.test(size) ? Number(size) : sizeOf(size);
}
