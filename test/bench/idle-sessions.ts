import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from './bench.ts';
import { figure, times } from './figures.ts';
import { Load } from './load.ts';
import { PROBE_FLAGS, probe } from './probed.ts';
import { productionService } from './production.ts';
import { Upstream } from './upstream.ts';

/** The service lets no principal have more. */
const OF_A_PRINCIPAL = 1_000;
/** Of the last round: past a keep-alive, of which there is one every 15 s. */
const IDLE_MS = 16_000;
const SETTLE_MS = 1_000;
const ROUNDS = 2;
const GOAL_KB = 90;
const GOAL_LEFT_PERCENT = 10;

/**
 * Sessions that are open and say nothing, as those of assistants do most of the time: SSE streams that have said
 * `initialize`. The first round makes the pools and caches that stay; the later ones are what counts.
 */
export const idleSessions: Bench = {
  name: 'idle-sessions',
  about: 'idle SSE sessions: memory of each, drops, and what stays when they have gone',
  async run(context) {
    const { sessions } = context.scale;
    const upstream = context.use(await Upstream.start());
    const service = context.use(await productionService(upstream, context, { preload: PROBE_FLAGS }));
    const load = context.use(new Load());
    const tokens = await Promise.all(
      Array.from({ length: Math.ceil(sessions / OF_A_PRINCIPAL) }, (_none, index) =>
        service.tokenOf(`bench-${index}`),
      ),
    );
    const round = async (idleMs: number) => {
      const before = await probe(service, 'heap');
      let refused = 0;
      for (const [index, token] of tokens.entries()) {
        refused += await load.hold(
          {
            name: `idle ${index}`,
            port: service.port,
            path: '/sse',
            door: 'sse',
            headers: { authorization: `Bearer ${token}` },
          },
          Math.floor(sessions / tokens.length),
        );
      }
      const held = await probe(service, 'heap');
      await sleep(idleMs);
      let dropped = 0;
      for (const index of tokens.keys()) dropped += await load.dropped(`idle ${index}`);
      for (const index of tokens.keys()) await load.close(`idle ${index}`);
      await sleep(SETTLE_MS);
      return { before, held, after: await probe(service, 'heap'), dropped, refused };
    };
    const first = await round(0);
    const rounds = await times(ROUNDS, (index) => round(index === ROUNDS - 1 ? IDLE_MS : 0));
    return [
      figure(
        'memory of an idle SSE session',
        'kB',
        [(first.held.rssBytes - first.before.rssBytes) / sessions / 1e3],
        { goal: GOAL_KB, note: 'resident; of the first, as the process keeps what it took' },
      ),
      figure(
        'heap of an idle SSE session',
        'kB',
        rounds.map(({ before, held }) => (held.heapBytes - before.heapBytes) / sessions / 1e3),
      ),
      figure(
        'sessions dropped',
        'calls',
        rounds.map(({ dropped }) => dropped),
        { goal: 0 },
      ),
      figure(
        'openings put off as too busy',
        'calls',
        [first, ...rounds].map(({ refused }) => refused),
      ),
      figure(
        'heap more than before, all closed',
        '%',
        rounds.map(({ before, after }) => (after.heapBytes / before.heapBytes - 1) * 100),
        { goal: GOAL_LEFT_PERCENT },
      ),
    ];
  },
};
