import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import {
  type Asked,
  bounded,
  expectEnding,
  faultTest,
  READ,
  useSimulator,
  WRITE,
  warm,
} from '../../support/fault-cases.ts';
import type { FaultEstate, ToolAnswer } from '../../support/fault-estate.ts';

const simulated = useSimulator();

/** Times of a call that has given up, after which another attempt would have come. */
const AFTERWARDS_MS = 350;

faultTest(
  simulated,
  'a queue that is full: what finds no place is told at once and was not sent',
  async (estate) => {
    await warm(estate);
    estate.target.faults.add({ kind: 'slow', ms: 100 });
    const asked: Asked[] = [...Array(4).fill(WRITE), ...Array(4).fill(READ)];
    const answers = await Promise.all(asked.map((one) => estate.ask(...one)));
    const refused = answers.filter(({ error }) => error !== undefined);
    for (const answer of refused) {
      expectEnding(answer, { code: 'RATE_LIMITED', retryable: true, says: ['Wait for'] }, estate);
    }
    expect(refused).toHaveLength(5);
    const done = answers.slice(0, 4).filter(({ error }) => error === undefined);
    expect(estate.writes).toHaveLength(done.length);
    await estate.target.faults.clear();
    expectEnding(await estate.ask(...WRITE), {}, estate);
  },
  { limits: { callsPerNode: 1, queuedPerNode: 2, deadlineMs: 3_000 } },
);

for (const [what, asked] of [
  ['a read', READ],
  ['a write', WRITE],
] as const) {
  faultTest(
    simulated,
    `a client that cancels ${what}: its connection is closed, and nothing follows`,
    async (estate) => {
      await warm(estate);
      await estate.cut();
      estate.target.faults.add({ kind: 'hang' });
      const from = estate.requests.length;
      const caller = new AbortController();
      const call = estate.ask(asked[0], asked[1], asked[2], caller.signal).catch((reason: unknown) => reason);
      await expect.poll(() => estate.requests.length - from).toBe(1);
      expect(estate.relay.sockets).toBe(2);
      caller.abort();
      expect(await call).toBeInstanceOf(Error);
      await expect.poll(() => estate.relay.sockets, { timeout: 400 }).toBe(0);
      await sleep(AFTERWARDS_MS);
      expect(estate.requests.length - from).toBe(1);
      await estate.target.faults.clear();
      expectEnding(await bounded(estate, () => estate.ask(...asked)), {}, estate);
    },
    { by: 'relay', limits: { deadlineMs: 5_000 } },
  );
}

/** A proxy that says 503 to everything, and takes its time. */
async function refuseSlowly(estate: FaultEstate): Promise<void> {
  await warm(estate);
  estate.front.answer = (_request, response) => {
    setTimeout(() => void response.writeHead(503).end(), 300);
  };
}

async function nothingFollows(estate: FaultEstate, answer: ToolAnswer): Promise<void> {
  expectEnding(answer, { code: 'TIMEOUT' }, estate);
  const { requests } = estate.front.server;
  const arrived = requests.length;
  await sleep(AFTERWARDS_MS);
  expect(requests.length, 'requests after the end').toBe(arrived);
  estate.front.answer = undefined;
  expectEnding(await bounded(estate, () => estate.ask(...READ)), {}, estate);
}

faultTest(
  simulated,
  'the deadline of a tool call in the middle of its retries',
  async (estate) => {
    await refuseSlowly(estate);
    await nothingFollows(estate, await bounded(estate, () => estate.ask(...READ)));
  },
  { by: 'front', callDeadlineSeconds: 0.8, limits: { deadlineMs: 5_000 } },
);

faultTest(
  simulated,
  'the deadline of a request in the middle of its retries',
  async (estate) => {
    await refuseSlowly(estate);
    await nothingFollows(estate, await bounded(estate, () => estate.ask(...READ)));
  },
  { by: 'front', limits: { deadlineMs: 500 } },
);

faultTest(simulated, 'one cluster that hangs while all are listed', async (estate) => {
  await warm(estate);
  estate.pass(11);
  estate.target.faults.add({ kind: 'hang' });
  const reachable = async (): Promise<Record<string, unknown>> => {
    const { clusters } = (await estate.call('list_clusters', {})) as unknown as {
      clusters: { name: string; reachable: boolean; problem?: string }[];
    };
    expect(clusters.find(({ reachable: answers }) => !answers)?.problem ?? 'TIMEOUT').toContain('TIMEOUT');
    return Object.fromEntries(clusters.map(({ name, reachable: answers }) => [name, answers]));
  };
  const startedAt = performance.now();
  expect(await reachable()).toEqual({ production: false, staging: true, 'disaster-recovery': true });
  expect(performance.now() - startedAt).toBeLessThan(8_000);
  await estate.target.faults.clear();
  estate.pass(11);
  expect(await reachable()).toEqual({ production: true, staging: true, 'disaster-recovery': true });
  expect(estate.writes).toEqual([]);
});

faultTest(simulated, 'a service that starts while a cluster is down', async (estate) => {
  await estate.target.stop();
  const ending = { code: 'CLUSTER_UNREACHABLE', retryable: true, names: [0, 1, 2] } as const;
  for (const asked of [WRITE, READ]) {
    expectEnding(await bounded(estate, () => estate.ask(...asked)), ending, estate);
  }
  await estate.target.start();
  expectEnding(await bounded(estate, () => estate.ask(...WRITE)), {}, estate);
  expect(estate.writes).toHaveLength(1);
});

faultTest(simulated, 'a service that is stopped while a cluster hangs', async (estate) => {
  await warm(estate);
  estate.target.faults.add({ kind: 'hang' });
  const calls = [READ, WRITE].map((asked) => estate.ask(...asked).catch((reason: unknown) => reason));
  await expect.poll(() => estate.writes.length).toBe(1);
  const startedAt = performance.now();
  await estate.closeService();
  await Promise.all(calls);
  expect(performance.now() - startedAt).toBeLessThan(5_000);
  expect(estate.writes).toHaveLength(1);
});
