import { z } from 'zod';
import { quoted } from '../../proxmox/text.ts';
import { nodeFor, nodeParam } from '../defaults.ts';
import { defineTool, READS } from '../define.ts';
import { someOf } from '../fleet.ts';
import { clusterParam, selectedFields, selectionOf } from '../params.ts';
import { count } from '../results.ts';
import { readServices, SERVICE_CALLS, type ServiceRow } from './services.ts';

export const listServices = defineTool({
  name: 'list_services',
  title: 'List services of a node',
  description: "Lists a node's system services, those that do not run first.",
  toolset: 'system',
  annotations: READS,
  calls: [...SERVICE_CALLS, ['GET', '/cluster/resources']],
  input: z.strictObject({ cluster: clusterParam, node: nodeParam }),
  output: z.object({
    ...selectedFields,
    node: z.string(),
    services: z.array(
      z.object({
        service: z.string(),
        state: z.string(),
        enabled: z.string().optional(),
        description: z.string().optional(),
      }),
    ),
    total: z.int(),
  }),
  async run({ cluster: named, node: asked }, context) {
    const cluster = context.cluster(named);
    const node = await nodeFor(cluster, asked);
    const services = await readServices(cluster, node);
    services.sort((a, b) => Number(runs(a)) - Number(runs(b)) || (a.service < b.service ? -1 : 1));
    return { ...selectionOf(cluster), node, services, total: services.length };
  },
  summary({ cluster, node, services, total }) {
    const down = services.filter((row) => row.enabled === 'enabled' && !runs(row));
    const which =
      down.length === 0
        ? 'all that are enabled run'
        : `not running: ${someOf(down.map(({ service }) => quoted(service)))}`;
    return `${quoted(node)} of ${cluster}: ${count(total, 'service')}, ${which}.`;
  },
});

function runs({ state }: Pick<ServiceRow, 'state'>): boolean {
  return state === 'running';
}
