import { setTimeout as sleep } from 'node:timers/promises';
import type { ServiceClient } from '../../src/mcp/client.ts';
import type { Bench } from './bench.ts';
import type { Estate } from './estate.ts';
import { figure, quantile, times } from './figures.ts';
import { callTool, clustersFile, Service } from './service.ts';

const IN_FLIGHT = 16;
const RELOADS = 20;
/** Clusters that the calls go to, and whose settings every reload changes. */
const BUSY = 8;
const TAKEN_WITHIN_MS = 15_000;

/** New configurations while calls are in flight on the clusters that they change. */
export const reload: Bench = {
  name: 'reload',
  about: `${RELOADS} new configurations with ${IN_FLIGHT} calls in flight: none of them may fail`,
  async run(context) {
    const estate = await context.estate();
    const service = context.use(await Service.start(clustersFile(estate), context));
    const client = await service.connect();
    const busy = estate.clusters.slice(0, BUSY).map(({ name }) => name);
    await times(busy.length, (index) => callTool(client, 'list_nodes', { cluster: busy[index] }));
    await callTool(client, 'find_guests', { name: 'web-*', limit: 1 });

    const before = load(client, busy);
    await sleep(5_000);
    const quiet = await before.stop();
    const during = load(client, busy);
    const taken = await times(RELOADS, (index) => change(service, client, estate, index)).finally(() =>
      during.stop(),
    );
    const { durations, failures } = await during.stop();
    const failed = [...quiet.failures, ...failures];
    return [
      figure('failed calls', 'calls', [failed.length], {
        goal: 0,
        note: failed[0] ?? `of ${quiet.durations.length + durations.length}`,
      }),
      figure('calls while reloading, p50', 'ms', [quantile(durations, 0.5)], {
        baseline: { name: 'before', rounds: [quantile(quiet.durations, 0.5)] },
      }),
      figure('calls while reloading, p99', 'ms', [quantile(durations, 0.99)], {
        baseline: { name: 'before', rounds: [quantile(quiet.durations, 0.99)] },
      }),
      figure('from the file to its use', 'ms', taken),
    ];
  },
};

/** Keeps calls in flight until it is stopped. */
function load(client: ServiceClient, clusters: readonly string[]) {
  const durations: number[] = [];
  const failures: string[] = [];
  let isOver = false;
  const work = async (worker: number): Promise<void> => {
    for (let turn = worker; !isOver; turn++) {
      const startedAt = performance.now();
      const call =
        turn % 4 === 0
          ? callTool(client, 'find_guests', { name: 'web-*1', limit: 5 })
          : callTool(client, 'list_nodes', { cluster: clusters[turn % clusters.length] });
      await call.catch((error: unknown) => failures.push(String(error)));
      durations.push(performance.now() - startedAt);
    }
  };
  const workers = Promise.all(Array.from({ length: IN_FLIGHT }, (_none, worker) => work(worker)));
  return {
    async stop() {
      isOver = true;
      await workers;
      return { durations, failures };
    },
  };
}

/**
 * Writes a configuration that changes the busy clusters and has another one besides, and waits until that one is there.
 *
 * @returns milliseconds until the service used it
 */
async function change(
  service: Service,
  client: ServiceClient,
  estate: Estate,
  index: number,
): Promise<number> {
  const added = `added-${index}`;
  const [first] = estate.clusters;
  const { clusters } = clustersFile(estate, (_name, position) =>
    position < BUSY ? { default_node: `node0${1 + (index % 2)}` } : {},
  );
  const startedAt = performance.now();
  await service.rewrite({ clusters: { ...clusters, [added]: first?.entry } });
  while (performance.now() - startedAt < TAKEN_WITHIN_MS) {
    const { isError } = await client.callTool({ tool: 'list_nodes', args: { cluster: added } });
    if (!isError) return performance.now() - startedAt;
    await sleep(20);
  }
  throw new Error(`the service did not take the new clusters.json within ${TAKEN_WITHIN_MS / 1000} s`);
}
