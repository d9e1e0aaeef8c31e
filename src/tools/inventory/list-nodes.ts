import { z } from 'zod';
import type { NodeRow } from '../../clusters/inventory.ts';
import { quoted } from '../../proxmox/text.ts';
import { defineTool, READS } from '../define.ts';
import { fleetFields, remarks, someOf, whose } from '../fleet.ts';
import { INVENTORY_CALLS, inventoryFields, inventoryPage, inventoryParams, tell } from '../inventories.ts';
import { clusterParam } from '../params.ts';
import { compact, count, percentOf } from '../results.ts';

const nodeRow = z
  .object({
    cluster: z.string(),
    node: z.string(),
    status: z.string(),
    cpu_fraction: z.number().describe('Load, 0 to 1.'),
    cpus: z.number(),
    mem_bytes: z.number(),
    max_mem_bytes: z.number(),
    disk_bytes: z.number().describe('Used space of the root file system.'),
    max_disk_bytes: z.number(),
    uptime_seconds: z.number(),
  })
  .partial();

const SORTS = ['node', 'cpu', 'mem', 'disk', 'uptime'] as const;

const COLUMNS = Object.keys(nodeRow.shape);

export const listNodes = defineTool({
  name: 'list_nodes',
  title: 'List nodes',
  description: 'Lists nodes of all clusters or of one: state, CPU, memory, root disk, uptime.',
  toolset: 'inventory',
  isAlwaysOn: true,
  annotations: READS,
  calls: INVENTORY_CALLS,
  withoutCluster: 'all',
  input: z.strictObject({
    cluster: clusterParam,
    sort: z.enum(SORTS).default('node'),
    ...inventoryParams(100, 500),
  }),
  output: z.object({
    ...fleetFields,
    nodes: z.array(nodeRow),
    total: z.int(),
    ...inventoryFields({ nodes: z.int(), online: z.int() }),
  }),
  async run(args, context) {
    const { rows: nodes, ...rest } = await inventoryPage(args, context, tell, {
      rowsOf: ({ inventory }) => inventory.nodes,
      totalsOf: (rows) => ({
        nodes: rows.length,
        online: rows.filter(({ status }) => status === 'online').length,
      }),
      order: { value: (row) => sortValue(row, args.sort), id: ({ node }) => node },
      columns: COLUMNS,
      shown,
    });
    return { nodes, ...rest };
  },
  summary(answer) {
    const { cluster, nodes, total, clusters, next_cursor } = answer;
    const known = nodes.filter(({ node }) => node !== undefined);
    const states = someOf(
      known.map((row) => `${quoted(row.node ?? '')} (${quoted(row.status ?? row.cluster ?? '')})`),
    );
    const more = next_cursor === undefined ? '' : ' Go on with next_cursor.';
    const has = cluster === undefined && clusters?.length !== 1 ? 'have' : 'has';
    return `${whose(answer)} ${has} ${count(total, 'node')}${states ? `: ${states}` : ''}.${more}${remarks(answer)}`;
  },
});

function shown(row: NodeRow): z.output<typeof nodeRow> {
  return compact({
    node: row.node,
    status: row.status,
    cpu_fraction: row.cpuFraction,
    cpus: row.cpus,
    mem_bytes: row.memBytes,
    max_mem_bytes: row.maxMemBytes,
    disk_bytes: row.diskBytes,
    max_disk_bytes: row.maxDiskBytes,
    uptime_seconds: row.uptimeSeconds,
  });
}

function sortValue(row: NodeRow, sort: (typeof SORTS)[number]): string | number | null {
  switch (sort) {
    case 'node':
      return row.node;
    case 'cpu':
      return row.cpuFraction ?? null;
    case 'mem':
      return percentOf(row.memBytes, row.maxMemBytes) ?? null;
    case 'disk':
      return percentOf(row.diskBytes, row.maxDiskBytes) ?? null;
    case 'uptime':
      return row.uptimeSeconds ?? null;
  }
}
