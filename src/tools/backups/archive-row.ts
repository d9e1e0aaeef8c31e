import { z } from 'zod';
import { ageDays, compact, isoTime } from '../results.ts';
import { type Archive, type Archives, noStorageSeen } from './archives.ts';

export const archiveRow = z
  .object({
    volid: z.string(),
    vmid: z.int(),
    guest: z.string().describe('Name of the guest that has the VMID now.'),
    guest_exists: z.literal(false).describe('No guest has the VMID any more.'),
    type: z.enum(['qemu', 'lxc']),
    storage: z.string(),
    node: z.string().describe('Of a storage that is not shared.'),
    made_at: z.string(),
    age_days: z.number(),
    size_bytes: z.number(),
    format: z.string(),
    notes: z.string(),
    protected: z.literal(true),
    verification: z.string().describe('Of a Proxmox Backup Server: ok or failed.'),
    encrypted: z.literal(true),
  })
  .partial();

export type ArchiveRow = z.output<typeof archiveRow>;

export const unreadRows = z
  .array(z.object({ storage: z.string(), node: z.string(), problem: z.string() }))
  .optional();

/** @param now epoch milliseconds */
export function shownArchive(
  archive: Archive,
  names: ReadonlyMap<number, string | undefined>,
  now: number,
): ArchiveRow {
  const { vmid, madeAt, shared, encrypted, verification } = archive;
  const isGone = vmid !== undefined && !names.has(vmid);
  return compact({
    volid: archive.volid,
    vmid,
    guest: vmid === undefined ? undefined : names.get(vmid),
    guest_exists: isGone ? (false as const) : undefined,
    type: archive.type,
    storage: archive.storage,
    node: shared ? undefined : archive.node,
    made_at: madeAt === undefined ? undefined : isoTime(madeAt),
    age_days: ageDays(madeAt, now),
    size_bytes: archive.bytes,
    format: archive.format,
    notes: archive.notes,
    protected: archive.protected ? (true as const) : undefined,
    verification,
    encrypted: encrypted === undefined ? undefined : (true as const),
  });
}

/** What an answer made of lists of backups lacks, as sentences. */
export function missingNotes({ unread, partial, blind }: Omit<Archives, 'archives' | 'inventory'>): string[] {
  return [
    ...(blind === undefined
      ? []
      : [`${noStorageSeen(blind)}: backups may be there. backup_coverage tells the newest of each guest.`]),
    ...(unread.length === 0
      ? []
      : ['Some storages could not be read (`unread`): there may be more backups.']),
    ...(partial.length === 0
      ? []
      : [
          `On ${partial.join(', ')} the token sees the backups of guests it has VM.Backup on, and no others.`,
        ]),
  ];
}
