import { z } from 'zod';
import { quoted } from '../../proxmox/text.ts';
import { defineTool, READS } from '../define.ts';
import { remarks } from '../fleet.ts';
import { scopeOf } from '../guest-scope.ts';
import { guestNames } from '../inventories.ts';
import { checkCursor, listParams, type Order, pageOf, pagingFields, showing } from '../paging.ts';
import { selectedFields, selectionOf } from '../params.ts';
import { count, noted } from '../results.ts';
import { inWords } from '../size.ts';
import { archiveRow, missingNotes, shownArchive, unreadRows } from './archive-row.ts';
import { ARCHIVE_CALLS, type Archive, readArchives } from './archives.ts';
import { scopeParams } from './scope.ts';

const COLUMNS = Object.keys(archiveRow.shape);

const NEWEST_FIRST: Order<Archive> = {
  value: ({ madeAt }) => madeAt ?? null,
  id: ({ volid, node }) => `${volid} ${node}`,
  descending: true,
};

export const listBackups = defineTool({
  name: 'list_backups',
  title: 'List backups',
  description:
    'Lists backups of a guest, a storage or the whole cluster, newest first, with age, size, notes, protection and PBS verification.',
  toolset: 'backups',
  annotations: READS,
  calls: ARCHIVE_CALLS,
  withoutCluster: 'lookup',
  input: z.strictObject({ ...scopeParams, ...listParams(50, 500) }),
  output: z.object({
    ...selectedFields,
    backups: z.array(archiveRow),
    total: z.int(),
    total_bytes: z.number(),
    unread: unreadRows,
    ...pagingFields,
  }),
  async run(args, context) {
    checkCursor(args);
    const { cluster, vmid } = await scopeOf(context, args);
    const found = await readArchives(cluster, { storage: args.storage, vmid });
    const { archives, unread, inventory } = found;
    const names = guestNames(inventory);
    const { rows, next_cursor, note } = pageOf(
      [{ cluster: cluster.name, rows: archives }],
      NEWEST_FIRST,
      { args, isAll: false, columns: COLUMNS, beside: { totals: unread } },
      (archive) => shownArchive(archive, names, context.now()),
    );
    return {
      ...selectionOf(cluster),
      backups: rows,
      total: archives.length,
      total_bytes: archives.reduce((sum, { bytes = 0 }) => sum + bytes, 0),
      ...(unread.length === 0 ? {} : { unread }),
      ...(next_cursor === undefined ? {} : { next_cursor }),
      ...noted(...missingNotes(found), note),
    };
  },
  summary(answer) {
    const { cluster, backups, total, total_bytes } = answer;
    const [newest] = backups;
    if (total === 0) return `${cluster}: no backup found.${remarks(answer)}`;
    const last =
      newest?.made_at === undefined
        ? ''
        : ` The newest here is of ${newest.made_at} on ${quoted(newest.storage ?? '')}.`;
    return `${cluster}: ${count(total, 'backup')} of ${inWords(total_bytes)}${showing(backups, answer)}.${last}${remarks(answer)}`;
  },
});
