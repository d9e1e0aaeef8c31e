import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import { toCallError } from '../../proxmox/errors.ts';
import { defineTool, READS } from '../define.ts';
import { remarks } from '../fleet.ts';
import { scopeOf } from '../guest-scope.ts';
import { guestNames } from '../inventories.ts';
import { selectedFields, selectionOf } from '../params.ts';
import { compact, count, noted } from '../results.ts';
import { archiveRow, missingNotes, shownArchive, unreadRows } from './archive-row.ts';
import { ARCHIVE_CALLS, type Archive, readArchives } from './archives.ts';
import { CONFIG_CALLS, savedConfig, savedDisks } from './guest-config.ts';
import { scopeParams } from './scope.ts';

const checkedRow = archiveRow.extend({
  verdict: z.enum(['verified', 'readable', 'failed', 'unknown']),
  problems: z.array(z.string()).optional(),
  disks: z.int().optional(),
  key_fingerprint: z.string().optional(),
});

/** What no answer of Proxmox can tell. */
const NOT_KNOWN =
  'readable: the archive is there, not empty, and its configuration could be read. Whether its data restores is known only of `verified` ones, which a Proxmox Backup Server has checked; of others by restoring them.';

export const verifyBackups = defineTool({
  name: 'verify_backups',
  title: 'Verify backups',
  description:
    'Checks the newest backups of each guest as far as Proxmox can tell: there, not empty, configuration readable, disks in it, PBS verification, encryption.',
  toolset: 'backups',
  annotations: READS,
  calls: [...ARCHIVE_CALLS, ...CONFIG_CALLS],
  withoutCluster: 'lookup',
  input: z.strictObject({
    ...scopeParams,
    newest: z.int().min(1).max(20).default(1).describe('So many of each guest.'),
    limit: z.int().min(1).max(100).default(30),
  }),
  output: z.object({
    ...selectedFields,
    backups: z.array(checkedRow),
    checked: z.int(),
    total: z.int().describe('That were to be checked.'),
    failed: z.int(),
    unknown: z.int(),
    unread: unreadRows,
    note: z.string().optional(),
  }),
  // Each archive is opened, on a storage that may be slow.
  deadlineSeconds: () => 120,
  async run(args, context) {
    const { cluster, vmid } = await scopeOf(context, args);
    const found = await readArchives(cluster, { storage: args.storage, vmid });
    const names = guestNames(found.inventory);
    const wanted = newestOf(found.archives, args.newest);
    const denied = new Set<string>();
    const backups = await Promise.all(
      wanted.slice(0, args.limit).map(async (archive) => ({
        ...shownArchive(archive, names, context.now()),
        ...(await check(cluster, archive, denied)),
      })),
    );
    context.signal.throwIfAborted();
    const of = (verdict: string): number => backups.filter((row) => row.verdict === verdict).length;
    return {
      ...selectionOf(cluster),
      backups,
      checked: backups.length,
      total: wanted.length,
      failed: of('failed'),
      unknown: of('unknown'),
      ...(found.unread.length === 0 ? {} : { unread: found.unread }),
      ...noted(
        ...missingNotes(found),
        ...[...denied].map((why) => `Configurations in backups were not read: ${why}`),
        NOT_KNOWN,
      ),
    };
  },
  summary(answer) {
    const { cluster, checked, total, failed, unknown } = answer;
    const part = checked < total ? ` of ${total}` : '';
    return `${cluster}: ${count(checked, 'backup')}${part} checked, ${failed} failed, ${unknown} not known.${remarks({ note: answer.note })}`;
  },
});

/** The newest ones of each guest, newest first. */
function newestOf(archives: readonly Archive[], most: number): Archive[] {
  const newestFirst = archives.toSorted((a, b) => (b.madeAt ?? 0) - (a.madeAt ?? 0));
  const groups = Map.groupBy(newestFirst, ({ vmid, type, volid }) => (vmid ? `${type}/${vmid}` : volid));
  const kept = new Set([...groups.values()].flatMap((group) => group.slice(0, most)));
  return newestFirst.filter((archive) => kept.has(archive));
}

/** @param denied takes why this caller may not read what is in the archive: the same for each is said once */
async function check(cluster: GatedCluster, archive: Archive, denied: Set<string>) {
  const { bytes, verification, encrypted, type } = archive;
  const problems: string[] = [];
  if (bytes !== undefined && bytes <= 0) problems.push('It is empty.');
  if (verification === 'failed') problems.push('The backup server found it damaged.');
  const told = problems.length > 0;
  let disks: number | undefined;
  let isUnread = false;
  try {
    disks = savedDisks(await savedConfig(cluster, archive), type ?? 'qemu').length;
    if (disks === 0) problems.push('It holds no disk, the configuration alone.');
  } catch (thrown) {
    const { code, message } = toCallError(thrown);
    // An answer of Proxmox says that the archive can't be read; all else says nothing about it.
    isUnread = code !== 'UPSTREAM_ERROR' && code !== 'NOT_FOUND';
    if (code === 'POLICY_DENIED') denied.add(message);
    else problems.push(`Its configuration ${isUnread ? 'was not read' : "can't be read"}: ${message}`);
  }
  const isBad = told || (disks === undefined && !isUnread);
  const verdict = isBad ? 'failed' : verification === 'ok' ? 'verified' : isUnread ? 'unknown' : 'readable';
  return {
    verdict: verdict as 'verified' | 'readable' | 'failed' | 'unknown',
    ...compact({
      disks,
      problems: problems.length === 0 ? undefined : problems,
      key_fingerprint: encrypted === '1' ? undefined : encrypted,
    }),
  };
}
