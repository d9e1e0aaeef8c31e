import type { Bench } from './bench.ts';
import { figure, quantile, timed, times } from './figures.ts';
import { callTool, clustersFile, Service } from './service.ts';

/** A search over all clusters from what is cached, as a model makes it when it looks for a guest by name. */
export const findGuests: Bench = {
  name: 'find-guests',
  about: 'find_guests with a filter over all clusters, from the cache',
  async run(context) {
    const service = context.use(await Service.start(clustersFile(await context.estate()), context));
    const client = await service.connect();
    const find = () => callTool(client, 'find_guests', { name: 'web-*1', status: 'running', limit: 20 });
    const trivial = () => callTool(client, 'describe_api', { method: 'GET', path: '/version' });
    await times(context.scale.calls, find);
    await times(context.scale.calls, trivial);
    const rounds = await times(context.scale.rounds, async () => {
      // What is cached holds for ten seconds; a round is shorter.
      await callTool(client, 'find_guests', { name: 'web-*', limit: 1, fresh: true });
      const found = await times(context.scale.calls, () => timed(find));
      return { found, trivial: await times(context.scale.calls, () => timed(trivial)) };
    });
    const baseline = {
      name: 'describe_api',
      rounds: rounds.map((round) => quantile(round.trivial, 0.5)),
    };
    const at = (share: number): number[] => rounds.map(({ found }) => quantile(found, share));
    return [
      figure('find_guests, cached, p50', 'ms', at(0.5), { goal: 5, baseline }),
      figure('find_guests, cached, p95', 'ms', at(0.95)),
    ];
  },
};
