import { z } from 'zod';
import { matchesWildcard } from '../../config/wildcard.ts';
import { defineTool, READS } from '../define.ts';
import { fleetFields, remarks, whose } from '../fleet.ts';
import { INVENTORY_CALLS, inventoryFields, inventoryPage, inventoryParams, tell } from '../inventories.ts';
import { showing } from '../paging.ts';
import { clusterParam, textParam, wildcardParam } from '../params.ts';
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
  type: z.enum(TYPES).optional(),
  node: textParam().optional(),
  status: textParam().optional(),
  name: wildcardParam,
  vmid: z.int().min(1).optional(),
  pool: textParam().optional(),
  tag: textParam().optional(),
  template: z.boolean().optional(),
  sort: z.enum(SORTS).default('id'),
  ...inventoryParams(100, 1000),
});

type Filters = z.output<typeof input>;
type Row = Readonly<Record<string, unknown>>;

export const getClusterResources = defineTool({
  name: 'get_cluster_resources',
  title: 'Get cluster resources',
  description:
    'Lists guests (qemu: VMs, lxc: containers), nodes, storages and pools of all clusters or of one. get_guest has the live state.',
  toolset: 'inventory',
  isAlwaysOn: true,
  annotations: READS,
  calls: INVENTORY_CALLS,
  withoutCluster: 'all',
  input,
  output: z.object({
    ...fleetFields,
    resources: z.array(z.looseObject({})),
    total: z.int().describe('Rows that match, of which `resources` may be a part.'),
    ...inventoryFields({ matching: z.int() }),
  }),
  async run(args, context) {
    const { rows: resources, ...rest } = await inventoryPage(args, context, tell, {
      rowsOf: ({ inventory }) => inventory.rows.filter((row) => matches(row, args)),
      totalsOf: (rows) => ({ matching: rows.length }),
      order: { value: (row) => sortValue(row, args.sort), id: ({ id }) => String(id) },
      shown: readable,
    });
    return { resources, ...rest };
  },
  summary(answer) {
    const { resources, total } = answer;
    return `${whose(answer)}: ${count(total, 'resource')} found${showing(resources, answer)}.${remarks(answer)}`;
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
