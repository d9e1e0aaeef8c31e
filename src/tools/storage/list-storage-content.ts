import { z } from 'zod';
import { matchesWildcard } from '../../config/wildcard.ts';
import { defineTool, READS } from '../define.ts';
import { remarks } from '../fleet.ts';
import { vmidParam } from '../guest-target.ts';
import { guestNames } from '../inventories.ts';
import { checkCursor, listParams, type Order, pageOf, pagingFields, showing } from '../paging.ts';
import { clusterParam, selectedFields, selectionOf, textParam } from '../params.ts';
import { ageDays, compact, count, isoTime, noted } from '../results.ts';
import { inWords } from '../size.ts';
import { CONTENT_CALLS, readContents, unreadParts, type Volume } from './content.ts';

const SORTS = ['volid', 'size', 'age'] as const;

const volumeRow = z
  .object({
    volid: z.string(),
    content: z.string(),
    storage: z.string(),
    node: z.string().describe('Of a storage that is not shared.'),
    format: z.string(),
    size_bytes: z.number(),
    used_bytes: z.number(),
    vmid: z.int(),
    guest: z.string(),
    guest_exists: z.literal(false).describe('No guest has the VMID.'),
    created_at: z.string(),
    age_days: z.number(),
    notes: z.string(),
    protected: z.literal(true),
    parent: z.string(),
  })
  .partial();

const COLUMNS = Object.keys(volumeRow.shape);

export const listStorageContent = defineTool({
  name: 'list_storage_content',
  title: 'List storage content',
  description:
    'Lists volumes, images, templates and backups of one storage or all, with size, age and owner.',
  toolset: 'storage',
  annotations: READS,
  calls: CONTENT_CALLS,
  input: z.strictObject({
    cluster: clusterParam,
    storage: textParam(100).optional(),
    node: textParam(63).optional(),
    content: z.enum(['images', 'rootdir', 'iso', 'vztmpl', 'backup', 'snippets', 'import']).optional(),
    vmid: vmidParam.optional(),
    name: textParam().optional().describe('Part of the volid, or with * and ?.'),
    orphans: z.boolean().optional().describe('Only of guests that exist no more.'),
    sort: z.enum(SORTS).default('volid'),
    ...listParams(50, 500),
  }),
  output: z.object({
    ...selectedFields,
    volumes: z.array(volumeRow),
    total: z.int(),
    total_bytes: z.number(),
    unread: unreadParts,
    ...pagingFields,
  }),
  async run(args, context) {
    checkCursor(args);
    const { storage, node, content, vmid } = args;
    const cluster = context.cluster(args.cluster);
    const { volumes, unread, partial, inventory } = await readContents(cluster, {
      storage,
      node,
      content,
      vmid,
    });
    context.signal.throwIfAborted();
    const names = guestNames(inventory);
    const fitting = volumes.filter(
      (volume) =>
        isNamed(volume, args.name) &&
        (!args.orphans || (volume.vmid !== undefined && !names.has(volume.vmid))),
    );
    const { rows, next_cursor, note } = pageOf(
      [{ cluster: cluster.name, rows: fitting }],
      orderOf(args.sort),
      { args, isAll: false, columns: COLUMNS, beside: { totals: unread } },
      (volume) => shown(volume, names, context.now()),
    );
    return {
      ...selectionOf(cluster),
      volumes: rows,
      total: fitting.length,
      total_bytes: fitting.reduce((sum, { bytes = 0 }) => sum + bytes, 0),
      ...(unread.length === 0 ? {} : { unread }),
      ...(next_cursor === undefined ? {} : { next_cursor }),
      ...noted(
        note,
        partialNote(partial),
        args.orphans
          ? 'A guest that the token may not see counts as gone; delete_volume makes sure.'
          : undefined,
        unread.length === 0 ? undefined : 'Some storages could not be read (`unread`).',
      ),
    };
  },
  summary(answer) {
    const { cluster, volumes, total, total_bytes } = answer;
    return `${cluster}: ${count(total, 'volume')} of ${inWords(total_bytes)}${showing(volumes, answer)}.${remarks(answer)}`;
  },
});

function isNamed({ volid }: Volume, name: string | undefined): boolean {
  if (name === undefined) return true;
  return matchesWildcard(/[*?]/.test(name) ? name : `*${name}*`, volid);
}

function orderOf(sort: (typeof SORTS)[number]): Order<Volume> {
  const id = ({ volid, node }: Volume) => `${volid} ${node}`;
  switch (sort) {
    case 'size':
      return { id, value: ({ bytes }) => bytes ?? null, descending: true };
    case 'age':
      return { id, value: ({ madeAt }) => madeAt ?? null, descending: false };
    case 'volid':
      return { id, value: ({ volid }) => volid, descending: false };
  }
}

/** Without Datastore.Allocate Proxmox leaves out what the token may not read, and says nothing. */
function partialNote(partial: readonly string[]): string | undefined {
  if (partial.length === 0) return undefined;
  return `On ${partial.join(', ')} the token lacks Datastore.Allocate, and sees the volumes of guests that it may change alone.`;
}

function shown(volume: Volume, names: ReadonlyMap<number, string | undefined>, now: number) {
  const { vmid, madeAt, shared } = volume;
  return compact({
    volid: volume.volid,
    content: volume.content,
    storage: volume.storage,
    node: shared ? undefined : volume.node,
    format: volume.format,
    size_bytes: volume.bytes,
    used_bytes: volume.usedBytes,
    vmid,
    guest: vmid === undefined ? undefined : names.get(vmid),
    guest_exists: vmid !== undefined && !names.has(vmid) ? (false as const) : undefined,
    created_at: madeAt === undefined ? undefined : isoTime(madeAt),
    age_days: ageDays(madeAt, now),
    notes: volume.notes,
    protected: volume.protected ? (true as const) : undefined,
    parent: volume.parent,
  });
}
