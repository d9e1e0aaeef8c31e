import type { Bench } from './bench.ts';
import { figure, times } from './figures.ts';
import { callTool, clustersFile, Service } from './service.ts';

const GOAL_MB = 400;

/** What the service takes while it works all clusters; each round is a new process. */
export const memory: Bench = {
  name: 'memory',
  about: "the service's resident memory under load, and with every cluster's API schema in use",
  async run(context) {
    const estate = await context.estate();
    const rounds = await times(Math.min(context.scale.rounds, 3), async () => {
      await using service = await Service.start(clustersFile(estate), context);
      const client = await service.connect();
      const atRest = (await service.child.memory()).now;
      for (const fresh of [true, false]) {
        const filter = { name: 'web-*', status: 'running', limit: 20, fresh };
        await times(fresh ? 10 : 3 * context.scale.calls, () => callTool(client, 'find_guests', filter));
      }
      const searched = (await service.child.memory()).now;
      await times(estate.clusters.length, async (index) => {
        await callTool(client, 'list_nodes', { cluster: estate.clusters[index]?.name });
      });
      const { now, peak } = await service.child.memory();
      return { atRest, searched, used: now, peak };
    });
    return [
      figure(
        'memory at rest',
        'MB',
        rounds.map(({ atRest }) => atRest),
      ),
      figure(
        'memory after searches',
        'MB',
        rounds.map(({ searched }) => searched),
        { goal: GOAL_MB },
      ),
      figure(
        'memory, all schemas in use',
        'MB',
        rounds.map(({ used }) => used),
        { goal: GOAL_MB },
      ),
      figure(
        'memory at its peak',
        'MB',
        rounds.map(({ peak }) => peak),
        { goal: GOAL_MB },
      ),
    ];
  },
};
