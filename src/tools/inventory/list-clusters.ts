import { z } from 'zod';
import type { Cluster } from '../../clusters/cluster.ts';
import { defineTool, READS, type ToolContext } from '../define.ts';
import { compact, count, isoTime } from '../results.ts';

const clusterRow = z.object({
  name: z.string(),
  default: z.boolean(),
  reachable: z.boolean(),
  release: z.string().optional(),
  version: z.string().optional(),
  latency_ms: z.number().optional(),
  endpoints: z.array(z.string()),
  region: z.string().optional(),
  tier: z.string().optional(),
  read_only: z.boolean(),
  default_node: z.string().optional(),
  default_storage: z.string().optional(),
  default_bridge: z.string().optional(),
  fallback: z.string().optional().describe('Serves reads while this one is unreachable.'),
  problem: z.string().optional().describe('Why it does not answer.'),
  checked_at: z.string(),
});

export const listClusters = defineTool({
  name: 'list_clusters',
  title: 'List clusters',
  description:
    'Lists the Proxmox VE clusters by the names that other tools take, whether each answers, and its version.',
  toolset: 'inventory',
  isAlwaysOn: true,
  annotations: READS,
  calls: [['GET', '/version']],
  input: z.strictObject({}),
  output: z.object({ clusters: z.array(clusterRow), total: z.int() }),
  async run(_args, context) {
    const clusters = await Promise.all(context.clusters().map((cluster) => describe(cluster, context)));
    return { clusters, total: clusters.length };
  },
  summary({ clusters }) {
    const down = clusters.filter((cluster) => !cluster.reachable);
    const names = clusters.map((cluster) => cluster.name).join(', ');
    const trouble = down.map((cluster) => ` ${cluster.name} does not answer: ${cluster.problem}`).join('');
    return `${count(clusters.length, 'cluster')}: ${names}.${trouble}`;
  },
});

async function describe(cluster: Cluster, context: ToolContext): Promise<z.output<typeof clusterRow>> {
  using _lease = cluster.lease();
  const health = await cluster.health(context.signal);
  const { config } = cluster;
  const found = health.reachable
    ? { release: health.release, version: health.version, latency_ms: health.latencyMs }
    : { problem: `${health.code}: ${health.message}` };
  return {
    name: cluster.name,
    default: cluster.name === context.defaultCluster(),
    reachable: health.reachable,
    endpoints: config.endpoints.map(({ host, port }) => `${host}:${port}`),
    read_only: config.readOnly,
    checked_at: isoTime(health.checkedAt),
    ...compact({
      region: config.region,
      tier: config.tier,
      default_node: config.defaultNode,
      default_storage: config.defaultStorage,
      default_bridge: config.defaultBridge,
      fallback: config.fallback,
      ...found,
    }),
  };
}
