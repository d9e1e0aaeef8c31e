import { setTimeout as sleep } from 'node:timers/promises';
import type { ServiceClient } from '../../src/mcp/client.ts';
import type { Bench, BenchContext } from './bench.ts';
import { DirectClient } from './direct.ts';
import type { Delays, Estate } from './estate.ts';
import { type Figure, figure, timed, times } from './figures.ts';
import { callTool, clustersFile, Service } from './service.ts';

const SLOWEST_MS = 800;
/**
 * After this the service has let go of its connections (pveproxy drops them after 5 s, so it does after 4). Its probes
 * keep none open either: they come every 20 s, and have connections of their own.
 */
const IDLE_MS = 4_500;

/** What each round took, in milliseconds. */
interface Rounds {
  all: number[];
  /** The longest that one cluster alone took. */
  alone: number[];
  /** The same answers fetched without the service. */
  direct: number[];
}

interface Variant {
  delays: Delays;
  /** Asked alone; the slowest is among them. */
  alone: readonly string[];
  /** Waits before each question, so that connections have to be made anew. */
  idleMs?: number;
}

/**
 * A question to all clusters with nothing in the cache must take no longer than to the slowest of them. Simulator,
 * service and client share this machine's cores; delays as networks have them keep that out of what is compared.
 */
export const fleetQuery: Bench = {
  name: 'fleet-query',
  about: 'a question to all clusters, nothing cached, against the slowest cluster asked alone',
  async run(context) {
    const estate = await context.estate();
    const service = context.use(await Service.start(clustersFile(estate), context));
    const client = await service.connect();
    const direct = context.use(new DirectClient(estate));
    const names = estate.clusters.map(({ name }) => name);
    const measure = (variant: Variant): Promise<Rounds> =>
      rounds(context, { estate, client, direct }, variant);
    await measure({ delays: {}, alone: names });
    const delays = networkDelays(names);
    const slowest = { delays, alone: names.filter((name) => delays[name] === SLOWEST_MS) };
    return [
      ...boundedBySlowest('inventory cold, connections open', await measure(slowest)),
      ...boundedBySlowest('inventory cold, connections new', await measure({ ...slowest, idleMs: IDLE_MS })),
      ...withoutDelay(await measure({ delays: {}, alone: names })),
    ];
  },
};

/** 300 to 500 ms, and one of `SLOWEST_MS` in the middle. */
function networkDelays(names: readonly string[]): Delays {
  const middle = Math.floor(names.length / 2);
  const delays = names.map((name, index) => [
    name,
    index === middle ? SLOWEST_MS : 300 + ((index * 67) % 200),
  ]);
  return Object.fromEntries(delays);
}

async function rounds(
  { scale }: BenchContext,
  { estate, client, direct }: { estate: Estate; client: ServiceClient; direct: DirectClient },
  { delays, alone, idleMs = 0 }: Variant,
): Promise<Rounds> {
  await estate.delay(delays);
  const ask = (cluster: object): Promise<number> =>
    timed(() => callTool(client, 'find_guests', { name: 'web-*', limit: 20, fresh: true, ...cluster }));
  const found: Rounds = { all: [], alone: [], direct: [] };
  await times(scale.rounds, async () => {
    if (idleMs > 0) await sleep(idleMs);
    found.all.push(await ask({}));
    if (idleMs > 0) await sleep(idleMs);
    found.alone.push(Math.max(...(await times(alone.length, (index) => ask({ cluster: alone[index] })))));
    found.direct.push(await timed(() => direct.readAll('/api2/json/cluster/resources')));
  });
  await estate.delay({});
  return found;
}

function boundedBySlowest(title: string, { all, alone, direct }: Rounds): Figure[] {
  return [
    figure(`all clusters, ${title}`, 'ms', all, { baseline: { name: 'slowest alone', rounds: alone } }),
    figure(
      `  beyond the slowest`,
      'ms',
      all.map((ms, round) => ms - (alone[round] ?? 0)),
      { goal: 50 },
    ),
    figure(`  without the service`, 'ms', direct, { baseline: { name: 'slowest alone', rounds: alone } }),
  ];
}

function withoutDelay({ all, alone, direct }: Rounds): Figure[] {
  return [
    figure('all clusters, no delay', 'ms', all, {
      baseline: { name: 'without the service', rounds: direct },
    }),
    figure('  one cluster alone', 'ms', alone, { note: 'the longest of all' }),
  ];
}
