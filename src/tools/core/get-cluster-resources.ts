import { z } from 'zod';
import { matchesWildcard } from '../../config/wildcard.ts';
import { defineTool } from '../define.ts';
import { fleetFields, withoutFailed } from '../fleet.ts';
import { askInventories, asOfField, besideRows, freshParam, isoTime, sourcesOf } from '../inventories.ts';
import { checkCursor, pageOf, pagingFields, pagingParams } from '../paging.ts';
import { clusterParam, fieldsParam, limitParam, textParam } from '../params.ts';
import { count, numberOf, textOf } from '../results.ts';

const TYPES = ['qemu', 'lxc', 'node', 'storage', 'pool', 'sdn', 'network'] as const;
const SORTS = ['id', 'name', 'cpu', 'mem', 'disk', 'uptime'] as const;

/** PVE's names that say nothing of their unit, and ours. */
const RENAMED: Readonly<Record<string, string>> = {
  cpu: 'cpu_fraction',
  maxcpu: 'cpus',
  mem: 'mem_bytes',
  maxmem: 'max_mem_bytes',
  memhost: 'mem_host_bytes',
  disk: 'disk_bytes',
  maxdisk: 'max_disk_bytes',
  diskread: 'disk_read_bytes',
  diskwrite: 'disk_write_bytes',
  netin: 'net_in_bytes',
  netout: 'net_out_bytes',
  uptime: 'uptime_seconds',
};

const input = z.strictObject({
  cluster: clusterParam,
  type: z.enum(TYPES).optional().describe('Only this kind; qemu is a VM, lxc a container.'),
  node: textParam().optional().describe('Only what is on this node.'),
  status: textParam().optional().describe('For example running, stopped, online, available.'),
  name: textParam().optional().describe('Name, with * and ? as wildcards; case does not matter.'),
  vmid: z.int().min(1).optional(),
  pool: textParam().optional(),
  tag: textParam().optional(),
  template: z.boolean().optional(),
  sort: z.enum(SORTS).default('id'),
  ...pagingParams,
  fields: fieldsParam,
  limit: limitParam(100, 1000),
  fresh: freshParam,
});

type Filters = z.output<typeof input>;
type Row = Readonly<Record<string, unknown>>;

export const getClusterResources = defineTool({
  name: 'get_cluster_resources',
  title: 'Get cluster resources',
  description:
    'Lists guests (VMs and containers), nodes, storages and pools, as Proxmox tells them, of all clusters or of one, with filters. For the live state of one guest read /nodes/{node}/qemu/{vmid}/status/current.',
  toolset: 'core',
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  calls: [
    ['GET', '/cluster/resources'],
    ['GET', '/access/permissions'],
  ],
  withoutCluster: 'all',
  input,
  output: z.object({
    ...fleetFields,
    resources: z.array(z.looseObject({})),
    total: z.int().describe('Rows that match, of which `resources` may be a part.'),
    clusters: z.array(z.object({ cluster: z.string(), matching: z.int(), as_of: z.string() })).optional(),
    ...asOfField,
    ...pagingFields,
  }),
  async run(args, context) {
    checkCursor(args);
    const fleet = context.fleet(args.cluster);
    const { answers, failed } = await askInventories(fleet, context, args.fresh);
    const { isAll } = fleet;
    const clusters: { cluster: string; matching: number; as_of: string }[] = [];
    const sources = sourcesOf(answers, ({ rows, asOf: askedAt }, cluster) => {
      const fitting = rows.filter((row) => matches(row, args));
      clusters.push({ cluster, matching: fitting.length, as_of: isoTime(askedAt) });
      return fitting;
    });
    const page = pageOf(
      sources,
      { value: (row) => sortValue(row, args.sort), id: ({ id }) => String(id), descending: args.descending },
      { args, isAll, beside: { failed, totals: clusters } },
      readable,
    );
    return {
      resources: page.rows,
      ...besideRows(fleet, { answers, failed }, { sources, clusters }, page),
    };
  },
  summary({ cluster, resources, total, clusters, failed, next_cursor, note }) {
    const where = cluster ?? count(clusters?.length ?? 0, 'cluster');
    const shown = resources.length < total ? `, showing ${resources.length}` : '';
    const more = next_cursor === undefined ? '' : '; go on with next_cursor';
    return `${where}: ${count(total, 'resource')} found${shown}${more}.${withoutFailed(failed)}${note ? ` ${note}` : ''}`;
  },
});

function matches(row: Row, wanted: Filters): boolean {
  return (
    same(row.type, wanted.type) &&
    same(row.node, wanted.node) &&
    same(row.status, wanted.status) &&
    same(row.pool, wanted.pool) &&
    same(row.vmid, wanted.vmid) &&
    (wanted.template === undefined || Boolean(row.template) === wanted.template) &&
    (wanted.tag === undefined || tagsOf(row).includes(wanted.tag.toLowerCase())) &&
    (wanted.name === undefined || matchesWildcard(wanted.name, nameOf(row)))
  );
}

function same(value: unknown, wanted: string | number | undefined): boolean {
  return wanted === undefined || value === wanted;
}

function tagsOf(row: Row): string[] {
  return (textOf(row.tags) ?? '').toLowerCase().split(/[;, ]+/);
}

function nameOf(row: Row): string {
  return textOf(row.name) ?? textOf(row.storage) ?? textOf(row.pool) ?? textOf(row.node) ?? '';
}

function sortValue(row: Row, sort: (typeof SORTS)[number]): string | number | null {
  if (sort === 'name') return nameOf(row).toLowerCase();
  if (sort !== 'id') return numberOf(row[sort]) ?? null;
  // Numbers in ids sort as numbers: qemu/9000 comes after qemu/100.
  return String(row.id).replace(/\d+/g, (digits) => digits.padStart(9, '0'));
}

function readable(row: Row): Record<string, unknown> {
  const entries = Object.entries(row).filter(([, value]) => value !== null && value !== '');
  return Object.fromEntries(
    entries.map(([name, value]) =>
      name === 'template' ? [name, Boolean(value)] : [RENAMED[name] ?? name, value],
    ),
  );
}
