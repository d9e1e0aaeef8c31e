import { ApiPath } from '../../proxmox/api-path.ts';
import { CallError } from '../../proxmox/errors.ts';
import { inQuotes } from '../../proxmox/text.ts';
import { textParam } from '../params.ts';

/** A backup as Proxmox names it; `list_backups` gives it. */
export const volidParam = textParam(500).describe('As list_backups gives it.');

const FILE = /(?:^|\/)vzdump-(qemu|lxc|openvz)-(\d+)-/;
const PBS = /^backup\/(vm|ct)\/(\d+)\//;

/** What the name of a backup tells. */
export interface Volid {
  storage: string;
  type?: 'qemu' | 'lxc';
  vmid?: number;
}

/** @throws CallError INVALID_ARGUMENTS where it is no volume's name */
export function parseVolid(volid: string): Volid {
  const [, storage, file = ''] = /^([A-Za-z][\w.-]*):(.+)$/.exec(volid) ?? [];
  if (storage === undefined) {
    throw new CallError('INVALID_ARGUMENTS', `${inQuotes(volid)} is no volume ID.`, {
      hint: 'Pass the `volid` of list_backups, such as local:backup/vzdump-qemu-100-….vma.zst. Nothing was sent.',
    });
  }
  const [, kind, id] = FILE.exec(file) ?? PBS.exec(file) ?? [];
  if (id === undefined) return { storage };
  return { storage, type: kind === 'qemu' || kind === 'vm' ? 'qemu' : 'lxc', vmid: Number(id) };
}

/** The path of a volume: PVE takes all that follows `content` for its name, slashes included. */
export function volumePath(node: string, volid: string): ApiPath {
  const { storage } = parseVolid(volid);
  return ApiPath.ofSegments(['nodes', node, 'storage', storage, 'content', ...volid.split('/')]);
}
