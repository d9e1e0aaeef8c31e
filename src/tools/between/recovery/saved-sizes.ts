import type { SavedConfig, SavedDisk } from '../../backups/guest-config.ts';
import { sizeOf } from '../../size.ts';

const MIB = 1024 ** 2;
/** What Proxmox gives where a configuration does not say it. */
const DEFAULT_MIB = 512;

/** Undefined where a disk does not tell its size. */
export function bytesOf(disks: readonly SavedDisk[]): number | undefined {
  const sizes = disks.map(({ size }) => (size === undefined ? undefined : sizeOf(size)));
  return sizes.reduce(
    (sum, size) => (sum === undefined || size === undefined ? undefined : sum + size),
    0 as number | undefined,
  );
}

export function coresOf({ options }: SavedConfig, type: 'qemu' | 'lxc'): number {
  return Number(options.cores ?? 1) * (type === 'qemu' ? Number(options.sockets ?? 1) : 1);
}

/** Bytes that it may take while it runs. */
export function memoryOf({ options }: SavedConfig): number {
  const [, mebibytes = DEFAULT_MIB] = /^(?:current=)?(\d+)/.exec(options.memory ?? '') ?? [];
  return Number(mebibytes) * MIB;
}
