import { z } from 'zod';
import type { GuestRow } from '../../clusters/inventory.ts';
import { CallError } from '../../proxmox/errors.ts';
import { freeKey, isCdrom } from '../guest-config.ts';
import { textParam, wordsParam } from '../params.ts';
import { propertyString, readProperties } from '../property-string.ts';
import { unfitting } from '../refusals.ts';
import { sizeOf } from '../size.ts';
import { refuseWords } from './words.ts';

const GIB = 1024 ** 3;
/** `storage:volume`, never a path of the node. */
const VOLUME = /^[A-Za-z][\w.-]*:[^\s,=]+$/;

export const volumeParam = textParam(255).refine(
  (text) => VOLUME.test(text),
  'is no volume such as local:iso/debian.iso',
);

const shape = {
  id: z
    .string()
    .regex(/^(?:(?:scsi|virtio|sata|ide|mp)\d{1,3}|rootfs)$/, 'is no disk such as scsi1 or mp0')
    .optional(),
  bus: z.enum(['scsi', 'virtio', 'sata', 'ide']).optional(),
  size: textParam(20)
    .refine((text) => sizeOf(text) !== undefined, 'is no size such as 32G')
    .optional(),
  storage: textParam(100).optional(),
  format: z.enum(['raw', 'qcow2', 'vmdk']).optional(),
  import_from: volumeParam.optional(),
  volume: volumeParam.optional(),
  iso: z.union([z.literal('none'), volumeParam]).optional(),
  path: z
    .string()
    .regex(/^\/[^\s,=]*$/, 'is no path in the container such as /srv')
    .optional(),
  ssd: z.boolean().optional(),
  discard: z.boolean().optional(),
  iothread: z.boolean().optional(),
  backup: z.boolean().optional(),
  replicate: z.boolean().optional(),
  read_only: z.boolean().optional(),
  cache: z.enum(['none', 'writethrough', 'writeback', 'unsafe', 'directsync']).optional(),
};

const VM_WORDS = ['bus', 'format', 'import_from', 'iso', 'ssd', 'discard', 'iothread', 'cache'];

/** Disks in words; an `id` that the guest has changes the settings of that one. */
export function disksParam(description: string) {
  return wordsParam(shape, description);
}

export type DiskWords = z.output<z.ZodObject<typeof shape>>;

interface DiskContext {
  type: GuestRow['type'];
  present: Readonly<Record<string, unknown>>;
  /** The storage of new disks that name none. */
  storage: () => Promise<string>;
  /** Of a new disk without a size; refused where absent. */
  fallbackSize?: string;
}

/** Turns disks in words into the keys of a configuration: `{scsi1: 'local-lvm:32,ssd=1'}`. */
export async function diskOptions(
  disks: readonly DiskWords[],
  context: DiskContext,
): Promise<Record<string, string>> {
  const made: Record<string, string> = {};
  for (const disk of disks) {
    const id =
      disk.id ?? freeKey(stemOf(disk, context.type), [...Object.keys(context.present), ...Object.keys(made)]);
    if (made[id] !== undefined) throw unfitting(`disks names ${id} twice`);
    checkKind(disk, id, context.type);
    const now = context.present[id];
    const isThere = typeof now === 'string';
    if (isThere && disk.iso !== undefined && !isCdrom(now)) throw unfitting(`${id} is a disk, no CD drive`);
    made[id] =
      isThere && disk.iso === undefined
        ? changed(disk, id, now, context.type)
        : await fresh(disk, id, context);
  }
  return made;
}

function stemOf({ bus, iso }: DiskWords, type: GuestRow['type']): string {
  if (type === 'lxc') return 'mp';
  return bus ?? (iso === undefined ? 'scsi' : 'ide');
}

function checkKind(disk: DiskWords, id: string, type: GuestRow['type']): void {
  const isContainers = /^(?:mp\d+|rootfs)$/.test(id);
  if (isContainers !== (type === 'lxc')) {
    throw unfitting(`${id} is no disk of a ${type === 'lxc' ? 'container: those are mp0, mp1 …' : 'VM'}`);
  }
  if (type === 'lxc') refuseWords(disk, VM_WORDS, 'a container has no such setting');
  else refuseWords(disk, ['path', 'read_only'], 'a VM has no such setting');
}

/** Settings of a disk that is there; its size and place are matters of their own. */
function changed(disk: DiskWords, id: string, now: string, type: GuestRow['type']): string {
  const { lead, options } = readProperties(now);
  refuseWords(disk, ['size'], `${id} exists; resize_disk grows it`);
  refuseWords(disk, ['storage', 'format'], `${id} exists; move_disk moves it`);
  refuseWords(disk, ['import_from', 'volume', 'bus'], `${id} exists; leave out id for a further one`);
  if (lead === undefined) return propertyString(undefined, settings(disk, type, options.get('discard')), now);
  const rest = now
    .split(',')
    .filter((part) => part !== lead)
    .join(',');
  return [lead, propertyString(undefined, settings(disk, type, options.get('discard')), rest)]
    .filter(Boolean)
    .join(',');
}

async function fresh(disk: DiskWords, id: string, context: DiskContext): Promise<string> {
  const { iso, volume, import_from, size = context.fallbackSize } = disk;
  const words = settings(disk, context.type, undefined);
  if (iso !== undefined) return propertyString(iso, { media: 'cdrom' });
  if (context.type === 'lxc' && disk.path === undefined && id !== 'rootfs') {
    throw unfitting(`${id} needs a path in the container`);
  }
  if (volume !== undefined) return propertyString(volume, words);
  const storage = disk.storage ?? (await context.storage());
  const format = disk.format;
  if (import_from !== undefined)
    return propertyString(`${storage}:0`, { 'import-from': import_from, format, ...words });
  if (size === undefined) throw unfitting(`a new disk needs a size (or volume, import_from, iso)`);
  return propertyString(`${storage}:${gibibytes(size)}`, { format, ...words });
}

function settings(disk: DiskWords, type: GuestRow['type'], present: string | undefined) {
  const { backup, replicate, cache, ssd, iothread, path, read_only, discard } = disk;
  if (type === 'lxc') return { mp: path, backup, replicate, ro: read_only };
  const discarding = discard === undefined ? present : discard ? 'on' : 'ignore';
  return { backup, replicate, cache, ssd, iothread, discard: discarding };
}

/** Proxmox reads a bare number as GiB, with decimals. */
export function gibibytes(size: string): number {
  const bytes = sizeOf(size);
  if (bytes === undefined) throw unfitting(`${JSON.stringify(size)} is no size such as 32G`);
  return Math.round((bytes / GIB) * 1e6) / 1e6;
}

/** For memory, in whole MiB. @throws CallError INVALID_ARGUMENTS for less than 16 MiB */
export function mebibytes(size: string): number {
  const mib = Math.round((sizeOf(size) ?? 0) / 1024 ** 2);
  if (mib >= 16) return mib;
  throw new CallError('INVALID_ARGUMENTS', `${JSON.stringify(size)} is too little memory.`, {
    hint: 'Give a size such as 512M or 8G. Nothing was sent.',
  });
}
