import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import { bound } from '../bounded.ts';
import { defineTool } from '../define.ts';
import { clusterParam, fieldsParam, limitParam, selectedFields, selectionOf, textParam } from '../params.ts';
import { count, fieldsNowhere, rowsOf, textOf } from '../results.ts';
import { matchesWildcard } from '../wildcard.ts';

const TYPES = ['qemu', 'lxc', 'node', 'storage', 'pool', 'sdn', 'network'] as const;

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
  fields: fieldsParam,
  limit: limitParam(100, 1000),
  offset: z.int().min(0).default(0).describe('Skip this many rows: `next_offset` of the answer before.'),
});

type Filters = z.output<typeof input>;

export const getClusterResources = defineTool({
  name: 'get_cluster_resources',
  title: 'Get cluster resources',
  description:
    'Lists guests (VMs and containers), nodes, storages and pools of a cluster, with filters. The figures may be 10 seconds old; for the live state of one guest read /nodes/{node}/qemu/{vmid}/status/current.',
  toolset: 'core',
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  calls: [
    ['GET', '/cluster/resources'],
    ['GET', '/access/permissions'],
  ],
  input,
  output: z.object({
    ...selectedFields,
    resources: z.array(z.looseObject({})),
    total: z.int().describe('Rows that match, of which `resources` may be a part.'),
    next_offset: z.int().optional().describe('Pass as `offset` for the rest.'),
    note: z.string().optional(),
  }),
  async run(args, context) {
    const cluster = context.cluster(args.cluster);
    const all = rowsOf(await cluster.api.cluster.resources.$get());
    const matching = all.filter((row) => matches(row, args)).sort(byId);
    const rows = matching.map(readable);
    const { data, truncated } = bound(rows, args);
    const note = (await seesNothing(cluster, all)) ? NOTHING_SEEN : fieldsNowhere(rows, args.fields);
    return {
      ...selectionOf(cluster),
      resources: rowsOf(data),
      total: rows.length,
      ...(truncated?.next_offset === undefined ? {} : { next_offset: truncated.next_offset }),
      ...(note === undefined ? {} : { note }),
    };
  },
  summary({ cluster, resources, total, next_offset, note }) {
    const shown = resources.length < total ? `, showing ${resources.length}` : '';
    const more = next_offset === undefined ? '' : `; go on with offset ${next_offset}`;
    return `${cluster}: ${count(total, 'resource')} found${shown}${more}.${note ? ` ${note}` : ''}`;
  },
});

/**
 * A token with too few rights gets an empty list, not an error (facts: API tokens): nodes by name, and nothing on
 * them. A new cluster looks the same but for the token's rights.
 */
async function seesNothing(cluster: GatedCluster, rows: Record<string, unknown>[]): Promise<boolean> {
  if (rows.some((row) => row.type !== 'node')) return false;
  return Object.keys(await cluster.permissions()).length === 0;
}

const NOTHING_SEEN =
  'The token of this cluster has no privileges at all, so Proxmox shows it nothing. PVEAuditor on / is enough to read: pveum acl modify / --tokens USER@REALM!NAME --roles PVEAuditor.';

function matches(row: Record<string, unknown>, wanted: Filters): boolean {
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

function tagsOf(row: Record<string, unknown>): string[] {
  return (textOf(row.tags) ?? '').toLowerCase().split(/[;, ]+/);
}

function nameOf(row: Record<string, unknown>): string {
  return textOf(row.name) ?? textOf(row.storage) ?? textOf(row.pool) ?? textOf(row.node) ?? '';
}

function byId(a: Record<string, unknown>, b: Record<string, unknown>): number {
  return String(a.id).localeCompare(String(b.id), 'en', { numeric: true });
}

function readable(row: Record<string, unknown>): Record<string, unknown> {
  const entries = Object.entries(row).filter(([, value]) => value !== null && value !== '');
  return Object.fromEntries(
    entries.map(([name, value]) =>
      name === 'template' ? [name, Boolean(value)] : [RENAMED[name] ?? name, value],
    ),
  );
}
