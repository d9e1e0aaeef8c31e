import { z } from 'zod';
import type { Inventory, StorageRow } from '../../clusters/inventory.ts';
import { matchesWildcard } from '../../config/wildcard.ts';
import { defineTool, READS } from '../define.ts';
import { fleetFields, remarks, whose } from '../fleet.ts';
import { INVENTORY_CALLS, inventoryFields, inventoryPage, inventoryParams, tell } from '../inventories.ts';
import { showing } from '../paging.ts';
import { clusterParam, textParam, wildcardParam } from '../params.ts';
import { compact, count, percentOf } from '../results.ts';

const storageRow = z
  .object({
    cluster: z.string(),
    storage: z.string(),
    type: z.string(),
    content: z.array(z.string()),
    shared: z.boolean(),
    nodes: z.array(z.string()).describe('A shared storage is one row, a local one a row per node.'),
    status: z.string(),
    used_bytes: z.number(),
    total_bytes: z.number(),
    used_percent: z.number(),
  })
  .partial();

const SORTS = ['storage', 'used_percent', 'used_bytes', 'free_bytes', 'total_bytes'] as const;

const input = z.strictObject({
  cluster: clusterParam,
  name: wildcardParam,
  node: textParam().optional(),
  content: textParam().optional().describe('images, iso …'),
  type: textParam().optional().describe('dir, nfs …'),
  shared: z.boolean().optional(),
  min_used_percent: z.number().min(0).max(100).optional(),
  sort: z.enum(SORTS).default('storage'),
  ...inventoryParams(100, 500),
});

type Filters = z.output<typeof input>;

/** A storage: a shared one once, with every node that reaches it. */
interface Shown {
  id: string;
  row: StorageRow;
  nodes: readonly string[];
}

const COLUMNS = Object.keys(storageRow.shape);

export const listStorage = defineTool({
  name: 'list_storage',
  title: 'List storage',
  description: 'Lists storages of all clusters or of one: type, content, nodes and how full they are.',
  toolset: 'inventory',
  annotations: READS,
  calls: INVENTORY_CALLS,
  withoutCluster: 'all',
  input,
  output: z.object({
    ...fleetFields,
    storages: z.array(storageRow),
    total: z.int().describe('Storages that match, of which `storages` may be a part.'),
    ...inventoryFields(
      { matching: z.int(), used_bytes: z.number(), total_bytes: z.number() },
      'Totals of what matches in each cluster.',
    ),
  }),
  async run(args, context) {
    const { rows: storages, ...rest } = await inventoryPage(args, context, tell, {
      rowsOf: ({ inventory }) => storagesOf(inventory).filter((storage) => matches(storage, args)),
      totalsOf,
      order: { value: ({ row }) => sortValue(row, args.sort), id: ({ id }) => id },
      columns: COLUMNS,
      shown,
    });
    return { storages, ...rest };
  },
  summary(answer) {
    const { storages, total } = answer;
    return `${whose(answer)}: ${count(total, 'storage')}${showing(storages, answer)}.${remarks(answer)}`;
  },
});

/** The figures of a shared storage are those of a node where it is available. */
function storagesOf({ storages }: Inventory): Shown[] {
  const local: Shown[] = [];
  const shared = new Map<string, { row: StorageRow; nodes: string[] }>();
  for (const row of storages) {
    if (!row.shared) {
      local.push({ id: row.id, row, nodes: [row.node] });
      continue;
    }
    const known = shared.get(row.storage);
    if (known === undefined) shared.set(row.storage, { row, nodes: [row.node] });
    else {
      known.nodes.push(row.node);
      if (known.row.status !== 'available') known.row = row;
    }
  }
  return [...local, ...[...shared].map(([name, { row, nodes }]) => ({ id: `shared/${name}`, row, nodes }))];
}

function matches({ row, nodes }: Shown, wanted: Filters): boolean {
  const { name, node, content, type, shared, min_used_percent: least } = wanted;
  const used = percentOf(row.usedBytes, row.totalBytes);
  return (
    (name === undefined || matchesWildcard(name, row.storage)) &&
    (node === undefined || nodes.includes(node)) &&
    (content === undefined || row.content.includes(content)) &&
    (type === undefined || row.pluginType === type) &&
    (shared === undefined || row.shared === shared) &&
    (least === undefined || (used !== undefined && used >= least))
  );
}

function totalsOf(fitting: readonly Shown[]) {
  const sum = (figure: 'usedBytes' | 'totalBytes') =>
    fitting.reduce((total, { row }) => total + (row[figure] ?? 0), 0);
  return { matching: fitting.length, used_bytes: sum('usedBytes'), total_bytes: sum('totalBytes') };
}

function sortValue(
  { storage, usedBytes, totalBytes }: StorageRow,
  sort: (typeof SORTS)[number],
): string | number | null {
  switch (sort) {
    case 'storage':
      return storage;
    case 'used_percent':
      return percentOf(usedBytes, totalBytes) ?? null;
    case 'used_bytes':
      return usedBytes ?? null;
    case 'free_bytes':
      return usedBytes === undefined || totalBytes === undefined ? null : totalBytes - usedBytes;
    case 'total_bytes':
      return totalBytes ?? null;
  }
}

function shown({ row, nodes }: Shown): z.output<typeof storageRow> {
  return compact({
    storage: row.storage,
    type: row.pluginType,
    content: [...row.content],
    shared: row.shared,
    nodes: [...nodes],
    status: row.status,
    used_bytes: row.usedBytes,
    total_bytes: row.totalBytes,
    used_percent: percentOf(row.usedBytes, row.totalBytes),
  });
}
