import { isObject } from '../catalogue/json.ts';
import { CallError } from '../proxmox/errors.ts';
import { someOf } from './fleet.ts';
import type { GuestTarget } from './guest-target.ts';
import { textOf } from './results.ts';

/** The keys of a configuration that hold a volume. */
export const VOLUME_KEY = /^(?:(?:scsi|virtio|ide|sata|mp|unused)\d+|efidisk0|tpmstate0|rootfs|vmstate)$/;
export const NIC_KEY = /^net\d+$/;

/** What Proxmox keeps of a guest, by its own keys; with it the digest that a change has to fit. */
export interface GuestConfig {
  values: Readonly<Record<string, unknown>>;
  digest: string | undefined;
}

export const CONFIG_CALLS = [
  ['GET', '/nodes/{node}/qemu/{vmid}/config'],
  ['GET', '/nodes/{node}/lxc/{vmid}/config'],
] as const;

/** Reads the configuration with what is pending, as the next start will have it. @throws CallError */
export async function readConfig({ cluster, at }: Pick<GuestTarget, 'cluster' | 'at'>): Promise<GuestConfig> {
  const { data } = await cluster.request({ method: 'GET', path: at('config') });
  const { digest, ...values } = isObject(data) ? data : {};
  return { values, digest: textOf(digest) };
}

/** `scsi1` where `scsi0` is taken, lowest first. @param taken keys that are */
export function freeKey(stem: string, taken: Iterable<string>): string {
  const held = new Set(taken);
  for (let index = 0; ; index += 1) if (!held.has(`${stem}${index}`)) return `${stem}${index}`;
}

/** A disk of the guest, as its configuration has it. @throws CallError NOT_FOUND with those that it has */
export function diskOf({ values }: GuestConfig, disk: string, cluster: string): string {
  const value = VOLUME_KEY.test(disk) ? values[disk] : undefined;
  if (typeof value === 'string') return value;
  const disks = Object.keys(values).filter((key) => VOLUME_KEY.test(key));
  throw new CallError('NOT_FOUND', `The guest has no disk ${JSON.stringify(disk)}.`, {
    cluster,
    hint: `Its disks are: ${someOf(disks, 40) || 'none'}. Nothing was sent.`,
  });
}

export function isCdrom(value: unknown): boolean {
  return typeof value === 'string' && /(?:^|,)media=cdrom(?:,|$)/.test(value);
}
