import { z } from 'zod';
import { defineTool } from '../define.ts';
import { clusterParam, selectedFields, selectionOf } from '../params.ts';
import { compact, count, numberOf, rowsOf, textOf } from '../results.ts';

const nodeRow = z.object({
  node: z.string(),
  status: z.string(),
  cpu_fraction: z.number().optional().describe('Load, 0 to 1.'),
  cpus: z.number().optional(),
  mem_bytes: z.number().optional(),
  max_mem_bytes: z.number().optional(),
  disk_bytes: z.number().optional().describe('Used space of the root file system.'),
  max_disk_bytes: z.number().optional(),
  uptime_seconds: z.number().optional(),
});

export const listNodes = defineTool({
  name: 'list_nodes',
  title: 'List nodes',
  description: 'Lists the nodes of a cluster with their state, CPU load, memory, root disk and uptime.',
  toolset: 'core',
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  calls: [['GET', '/nodes']],
  input: z.strictObject({ cluster: clusterParam }),
  output: z.object({ ...selectedFields, nodes: z.array(nodeRow), total: z.int() }),
  async run(args, context) {
    const cluster = context.cluster(args.cluster);
    const nodes = rowsOf(await cluster.api.nodes.$get())
      .map(nodeOf)
      .sort((a, b) => a.node.localeCompare(b.node));
    return { ...selectionOf(cluster), nodes, total: nodes.length };
  },
  summary({ cluster, nodes }) {
    const states = nodes.map(({ node, status }) => `${node} (${status})`).join(', ');
    return `${cluster} has ${count(nodes.length, 'node')}${states ? `: ${states}` : ''}.`;
  },
});

function nodeOf(row: Record<string, unknown>): z.output<typeof nodeRow> {
  return {
    node: textOf(row.node) ?? 'unnamed',
    status: textOf(row.status) ?? 'unknown',
    ...compact({
      cpu_fraction: numberOf(row.cpu),
      cpus: numberOf(row.maxcpu),
      mem_bytes: numberOf(row.mem),
      max_mem_bytes: numberOf(row.maxmem),
      disk_bytes: numberOf(row.disk),
      max_disk_bytes: numberOf(row.maxdisk),
      uptime_seconds: numberOf(row.uptime),
    }),
  };
}
