import type { Bench } from './bench.ts';
import { type Figure, figure, times } from './figures.ts';
import { PROBE_FLAGS, probe } from './probed.ts';
import { productionService } from './production.ts';
import { callTool } from './service.ts';
import { Upstream } from './upstream.ts';

const GUESTS = 10_000;
const CALLS = 5;
const GOAL_MS = 50;
const CALLS_MADE: Record<string, { tool: string; args: Record<string, unknown> }> = {
  'find_guests, fresh': { tool: 'find_guests', args: { name: 'web-*', limit: 100, fresh: true } },
  get_cluster_resources: { tool: 'get_cluster_resources', args: {} },
  'proxmox_api_call /cluster/resources': { tool: 'proxmox_api_call', args: { path: '/cluster/resources' } },
};

/** The longest that the service did nothing else while it answered from a cluster with very many guests. */
export const largeAnswers: Bench = {
  name: 'large-answers',
  about: `the longest block of the event loop while ${GUESTS} guests are read`,
  async run(context) {
    const upstream = context.use(await Upstream.start({ guests: GUESTS }));
    const service = context.use(await productionService(upstream, context, { preload: PROBE_FLAGS }));
    const client = await service.connect();
    const figures: Figure[] = [];
    for (const [name, { tool, args }] of Object.entries(CALLS_MADE)) {
      await times(CALLS, () => callTool(client, tool, args));
      const rounds = await times(context.scale.rounds, async () => {
        await probe(service, 'reset');
        await times(CALLS, () => callTool(client, tool, args));
        return (await probe(service, 'delay')).longestBlockMs;
      });
      figures.push(figure(`longest block, ${name}`, 'ms', rounds, { goal: GOAL_MS }));
    }
    return figures;
  },
};
