import { z } from 'zod';
import type { NodeRow } from '../../clusters/inventory.ts';
import { quoted } from '../../proxmox/text.ts';
import { defineTool } from '../define.ts';
import { fleetFields, someOf, withoutFailed } from '../fleet.ts';
import { askInventories, asOfField, besideRows, freshParam, isoTime, sourcesOf } from '../inventories.ts';
import { checkCursor, pageOf, pagingFields, pagingParams } from '../paging.ts';
import { clusterParam, fieldsParam, limitParam } from '../params.ts';
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
  description:
    'Lists nodes with their state, CPU load, memory, root disk and uptime: of all clusters, or of one.',
  toolset: 'core',
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  calls: [
    ['GET', '/cluster/resources'],
    ['GET', '/access/permissions'],
  ],
  withoutCluster: 'all',
  input: z.strictObject({
    cluster: clusterParam,
    sort: z.enum(SORTS).default('node'),
    ...pagingParams,
    fields: fieldsParam,
    limit: limitParam(100, 500),
    fresh: freshParam,
  }),
  output: z.object({
    ...fleetFields,
    nodes: z.array(nodeRow),
    total: z.int(),
    clusters: z
      .array(z.object({ cluster: z.string(), nodes: z.int(), online: z.int(), as_of: z.string() }))
      .optional(),
    ...asOfField,
    ...pagingFields,
  }),
  async run(args, context) {
    checkCursor(args);
    const fleet = context.fleet(args.cluster);
    const { answers, failed } = await askInventories(fleet, context, args.fresh);
    const sources = sourcesOf(answers, ({ nodes }) => nodes);
    const clusters = answers.map(({ cluster, answer: { inventory } }) => ({
      cluster: cluster.name,
      nodes: inventory.nodes.length,
      online: inventory.nodes.filter(({ status }) => status === 'online').length,
      as_of: isoTime(inventory.asOf),
    }));
    const { isAll } = fleet;
    const page = pageOf(
      sources,
      { value: (row) => sortValue(row, args.sort), id: ({ node }) => node, descending: args.descending },
      { args, isAll, columns: COLUMNS, beside: { failed, totals: clusters } },
      shown,
    );
    return {
      nodes: page.rows,
      ...besideRows(fleet, { answers, failed }, { sources, clusters }, page),
    };
  },
  summary({ cluster, nodes, total, clusters, failed, next_cursor, note }) {
    const where = cluster ?? `${count(clusters?.length ?? 0, 'cluster')}`;
    const known = nodes.filter(({ node }) => node !== undefined);
    const states = someOf(
      known.map((row) => `${quoted(row.node ?? '')} (${quoted(row.status ?? row.cluster ?? '')})`),
    );
    const more = next_cursor === undefined ? '' : ' Go on with next_cursor.';
    const has = cluster === undefined && clusters?.length !== 1 ? 'have' : 'has';
    return `${where} ${has} ${count(total, 'node')}${states ? `: ${states}` : ''}.${more}${withoutFailed(failed)}${note ? ` ${note}` : ''}`;
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
