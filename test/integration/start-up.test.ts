import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { issueToken } from '../../src/access/tokens.ts';
import { type Service, startService } from '../../src/cli/service.ts';
import { loadConfig } from '../../src/config/load.ts';
import { Secret } from '../../src/config/secret.ts';
import { ServiceClient } from '../../src/mcp/client.ts';
import { type SimulatedCluster, type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { folderWith } from '../support/config-folder.ts';
import { Leftovers } from '../support/leftovers.ts';

const SECRET = 'start-up-test-secret-of-more-than-32-bytes';
const ALL = ['production', 'staging', 'disaster-recovery'];
let simulator: Simulator;
let running: Service | undefined;
let lines: Record<string, unknown>[] = [];

beforeAll(async () => {
  simulator = await startSimulator({ taskSeconds: 0, authDelaySeconds: 0 });
});
afterEach(async () => {
  await running?.stop();
  running = undefined;
  for (const cluster of simulator.clusters) {
    await cluster.faults.clear();
    if (!cluster.isUp()) await cluster.start();
  }
});
afterAll(() => simulator.close());

function entryOf({ url, endpoints, user, tokenId, tokenSecret, fingerprint }: SimulatedCluster): object {
  const [, ...others] = endpoints;
  const more = others.length === 0 ? {} : { endpoints: others };
  return { url, user, token_id: tokenId, token_secret: tokenSecret, fingerprint, ...more };
}

/** The real service over the simulated clusters, from a folder as an operator has it. */
async function start(names = ALL, env: Record<string, string> = {}): Promise<Service> {
  const clusters = Object.fromEntries(names.map((name) => [name, entryOf(simulator.cluster(name))]));
  const cwd = folderWith({
    'clusters.json': { clusters },
    '.env': `MCP_JWT_SECRET=${SECRET}\nMCP_PORT=0\nCACHE_DIR=cache\n`,
  });
  lines = [];
  const write = (line: string) => void lines.push(JSON.parse(line));
  running = await startService(loadConfig({ env, cwd }), pino({ level: 'info' }, { write }));
  return running;
}

async function connect({ url }: Service): Promise<ServiceClient> {
  const options = { subject: 'test', scope: 'proxmox:admin', lifetimeSeconds: 60, audience: 'proxmox-mcp' };
  const token = await issueToken(new Secret(SECRET), options);
  const { signal } = new AbortController();
  return ServiceClient.connect({ url: new URL('/mcp', url), token, timeoutMs: 30_000, signal });
}

async function ready({ url }: Service): Promise<{ status: number; clusters: unknown[] }> {
  const response = await fetch(new URL('/readyz', url));
  const { clusters } = (await response.json()) as { clusters: unknown[] };
  return { status: response.status, clusters };
}

const messages = () => lines.map(({ msg }) => msg);
const versions = () =>
  simulator.clusters.flatMap(({ requests }) => requests.filter(({ path }) => path.endsWith('/version')));

describe('the start', () => {
  test('asks all clusters and sums up', async () => {
    const service = await start();
    await service.validated;
    expect(messages().filter((message) => message === 'cluster answers')).toHaveLength(3);
    expect(messages()).toContain('3 of 3 clusters answer');
    expect(await ready(service)).toEqual({
      status: 200,
      clusters: ALL.map((name) => ({ name, reachable: true })),
    });
  });

  test('asks nothing with CLUSTER_VALIDATION=false', async () => {
    const before = versions().length;
    const service = await start(ALL, { CLUSTER_VALIDATION: 'false' });
    await service.validated;
    expect(versions()).toHaveLength(before);
    expect(messages().filter((message) => String(message).includes('answer'))).toEqual([]);
  });

  test('a cluster that hangs holds up neither the start nor the others, and is asked in parallel', async () => {
    // More than three of them one after the other would take.
    const hanging = ['staging', 'disaster-recovery'].map((name) => simulator.cluster(name));
    for (const { faults } of hanging) faults.add({ kind: 'blackhole' });
    const startedAt = performance.now();
    const service = await start();
    const client = await connect(service);
    const { structured } = await client.callTool({ tool: 'list_nodes', args: { cluster: 'production' } });
    expect(structured).toMatchObject({ total: 3 });
    expect(performance.now() - startedAt).toBeLessThan(4_500);
    await service.validated;
    expect(performance.now() - startedAt).toBeLessThan(9_000);
    expect(messages()).toContainEqual(expect.stringMatching(/^1 of 3 clusters answer; staging does not: /));
    // Known by now, and not asked again for a minute.
    const askedAt = performance.now();
    expect((await ready(service)).status).toBe(200);
    expect(performance.now() - askedAt).toBeLessThan(2_000);
    await client.close();
  }, 20_000);
});

test('unreachable at the start: the others work, and its return is noticed without a restart', async () => {
  const leftovers = new Leftovers();
  const staging = simulator.cluster('staging');
  await staging.stop();
  const service = await start();
  await service.validated;
  const summary = lines.find(({ msg }) => String(msg).startsWith('2 of 3'));
  expect(summary).toMatchObject({
    level: 40,
    msg: expect.stringMatching(
      /^2 of 3 clusters answer; staging does not: CLUSTER_UNREACHABLE: .*refused the connection/,
    ),
  });
  expect(await ready(service)).toEqual({
    status: 200,
    clusters: [
      { name: 'production', reachable: true },
      { name: 'staging', reachable: false, problem: 'CLUSTER_UNREACHABLE' },
      { name: 'disaster-recovery', reachable: true },
    ],
  });
  const client = await connect(service);
  const nodes = async (cluster: string) =>
    (await client.callTool({ tool: 'list_nodes', args: { cluster } })).structured;
  expect(await nodes('production')).toMatchObject({ cluster: 'production', total: 3 });
  expect(await nodes('staging')).toMatchObject({ error: { code: 'CLUSTER_UNREACHABLE' } });
  expect(await nodes('disaster-recovery')).toMatchObject({ total: 1 });

  // The failed call had the kept state forgotten; from here on it is kept again, for a minute.
  expect((await ready(service)).clusters[1]).toMatchObject({ reachable: false });
  await staging.start();
  // No call of a client, and no question of /readyz itself: the probes alone see it come back.
  await expect
    .poll(async () => (await ready(service)).clusters[1], { timeout: 30_000, interval: 200 })
    .toEqual({ name: 'staging', reachable: true });
  expect(await nodes('staging')).toMatchObject({ cluster: 'staging', total: 2 });
  await client.close();
  await service.stop();
  running = undefined;
  expect(messages()).toContain('cluster answers again');
  expect(await leftovers.settled()).toEqual([]);
}, 45_000);

test('no cluster answers: the service runs, is not ready, and says so', async () => {
  const [only] = ['disaster-recovery'].map((name) => simulator.cluster(name));
  await only?.stop();
  const service = await start(['disaster-recovery']);
  await service.validated;
  expect(await ready(service)).toEqual({
    status: 503,
    clusters: [{ name: 'disaster-recovery', reachable: false, problem: 'CLUSTER_UNREACHABLE' }],
  });
  expect(messages()).toContainEqual(expect.stringMatching(/^0 of 1 clusters answer; /));
  expect((await fetch(new URL('/healthz', service.url))).status).toBe(200);
});
