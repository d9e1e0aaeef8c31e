import type { Json } from '../../../catalogue/json.ts';
import { isCdrom, NIC_KEY, VOLUME_KEY } from '../../guest-config.ts';
import { readProperties } from '../../property-string.ts';
import { sizeOf } from '../../size.ts';

/** A volume that goes along. */
export interface MovedDisk {
  key: string;
  volid: string;
  storage: string;
  /** Undefined where the configuration does not tell. */
  bytes: number | undefined;
}

/** The drives and NICs of a configuration, by what becomes of them when the guest leaves its cluster. */
export interface Parts {
  disks: readonly MovedDisk[];
  /** Storage of the cloud-init drive, which is made anew where the guest arrives. */
  seeds: readonly string[];
  /** Discs in drives: Proxmox takes no guest with one. */
  discs: readonly { key: string; volid: string }[];
  /** Keys of what is a path or a device of the node, and no volume. */
  ofNode: readonly string[];
  unused: readonly string[];
  nics: readonly Nic[];
}

export interface Nic {
  key: string;
  /** Undefined: QEMU's own NAT. */
  bridge: string | undefined;
  mac: string | undefined;
  tag: number | undefined;
  trunks: string | undefined;
}

const VOLID = /^([A-Za-z][\w.-]*):(.+)$/;

export function partsOf(values: Json): Parts {
  const disks: MovedDisk[] = [];
  const seeds: string[] = [];
  const discs: { key: string; volid: string }[] = [];
  const ofNode: string[] = [];
  const unused: string[] = [];
  const nics: Nic[] = [];
  for (const [key, value] of Object.entries(values).sort(byKey)) {
    if (typeof value !== 'string') continue;
    if (NIC_KEY.test(key)) nics.push(nicOf(key, value));
    if (!VOLUME_KEY.test(key)) continue;
    const { lead, options } = readProperties(value);
    const volid = lead ?? options.get('file') ?? options.get('volume') ?? '';
    const [, storage] = VOLID.exec(volid) ?? [];
    if (/cloudinit/.test(volid) && storage !== undefined) seeds.push(storage);
    else if (isCdrom(value)) {
      if (volid !== 'none' && volid !== 'cdrom') discs.push({ key, volid });
      else if (volid === 'cdrom') ofNode.push(key);
    } else if (key.startsWith('unused')) unused.push(key);
    else if (storage === undefined) {
      // A mount point that every node has is the administrator's word for it.
      if (options.get('shared') !== '1') ofNode.push(key);
    } else disks.push({ key, volid, storage, bytes: sizeOf(options.get('size') ?? '') });
  }
  return { disks, seeds, discs, ofNode, unused, nics };
}

/** All that has to have room somewhere. */
export function storagesOf({ disks, seeds }: Pick<Parts, 'disks' | 'seeds'>): string[] {
  return [...new Set([...disks.map(({ storage }) => storage), ...seeds])];
}

export function bridgesOf({ nics }: Pick<Parts, 'nics'>): string[] {
  return [...new Set(nics.flatMap(({ bridge }) => bridge ?? []))];
}

function nicOf(key: string, value: string): Nic {
  const { options } = readProperties(value);
  const tag = Number(options.get('tag') ?? Number.NaN);
  const mac = [...options.values()].find((text) => /^(?:[0-9A-F]{2}:){5}[0-9A-F]{2}$/i.test(text));
  return {
    key,
    bridge: options.get('bridge'),
    mac: mac?.toUpperCase(),
    tag: Number.isInteger(tag) ? tag : undefined,
    trunks: options.get('trunks'),
  };
}

function byKey([one]: [string, unknown], [other]: [string, unknown]): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
