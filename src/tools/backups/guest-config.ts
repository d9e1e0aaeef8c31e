import type { GatedCluster } from '../../access/gate.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import type { ApiCall } from '../define.ts';
import type { Archive } from './archives.ts';

/** Of the read alone: an archive on a slow storage is opened for it. */
const DEADLINE_MS = 30_000;

export const CONFIG_CALLS = [
  ['GET', '/nodes/{node}/vzdump/extractconfig', 'volume'],
] as const satisfies readonly ApiCall[];

const SECRET = /^(?:cipassword|password)$/;
const DRIVE = {
  qemu: /^(?:scsi|virtio|sata|ide|efidisk|tpmstate)\d+$/,
  lxc: /^(?:rootfs|mp\d+)$/,
} as const;

/** What a guest was when it was backed up. */
export interface SavedConfig {
  /** Options as Proxmox writes them; what is secret is masked. */
  options: Record<string, string>;
  /** The comment at the head of the file. */
  description: string;
}

/**
 * Reads a configuration file as a backup holds it. Sections (snapshots, pending changes) are no part of what is
 * restored.
 */
export function parseConfig(text: string): SavedConfig {
  const options: Record<string, string> = {};
  const description: string[] = [];
  for (const line of text.split(/\r?\n/)) {
    if (/^\[.*\]\s*$/.test(line)) break;
    if (line.startsWith('#')) {
      // vzdump's own notes on the drives of a VM.
      if (!line.startsWith('#qmdump#')) description.push(decoded(line.slice(1)));
      continue;
    }
    const [, key, value = ''] = /^([\w-]+):\s*(.*?)\s*$/.exec(line) ?? [];
    if (key !== undefined) options[key] = SECRET.test(key) ? '[redacted]' : value;
  }
  return { options, description: description.join('\n') };
}

/** Descriptions are percent-encoded in configuration files. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** @throws CallError where Proxmox can't read the archive, or may not show it */
export async function savedConfig(
  cluster: GatedCluster,
  { node, volid }: Pick<Archive, 'node' | 'volid'>,
): Promise<SavedConfig> {
  const { data } = await cluster.request({
    method: 'GET',
    path: apiPath`/nodes/${node}/vzdump/extractconfig`,
    data: { volume: volid },
    deadlineMs: DEADLINE_MS,
  });
  return parseConfig(typeof data === 'string' ? data : '');
}

export interface SavedDisk {
  key: string;
  storage: string;
  /** As Proxmox writes it: `32G`. */
  size: string | undefined;
}

/** The disks that the archive holds the data of: those that were not left out of the backup. */
export function savedDisks({ options }: SavedConfig, type: 'qemu' | 'lxc'): SavedDisk[] {
  return Object.entries(options).flatMap(([key, value]) => {
    const storage = /^(?:volume=)?([A-Za-z][\w.-]*):/.exec(value)?.[1];
    if (!DRIVE[type].test(key) || storage === undefined || isLeftOut(type, key, value)) return [];
    return [{ key, storage, size: /(?:^|,)size=([^,]+)/.exec(value)?.[1] }];
  });
}

/** A mount point is in only where it says so, a drive of a VM unless it says otherwise. */
function isLeftOut(type: 'qemu' | 'lxc', key: string, value: string): boolean {
  if (/(?:^|,)media=cdrom/.test(value)) return true;
  if (type === 'lxc' && key.startsWith('mp')) return !/(?:^|,)backup=(?:1|yes|on|true)/i.test(value);
  return /(?:^|,)backup=(?:0|no|off|false)/i.test(value);
}

/** Of a VM `name`, of a container `hostname`. */
export function savedName({ options }: SavedConfig): string | undefined {
  return options.name ?? options.hostname;
}
