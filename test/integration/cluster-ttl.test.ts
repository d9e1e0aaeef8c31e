import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Cluster } from '../../src/clusters/cluster.ts';
import { ClusterManager } from '../../src/clusters/manager.ts';
import type { ClusterConfig } from '../../src/config/config.ts';
import { Secret } from '../../src/config/secret.ts';
import { type SimulatedCluster, type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { folderWith } from '../support/config-folder.ts';
import { callOf, configFor, failureOf } from '../support/engine-fixtures.ts';
import { Leftovers } from '../support/leftovers.ts';
import { Relay } from '../support/relay.ts';

const TTL_SECONDS = 3600;
const APIDOC = '/pve-docs/api-viewer/apidoc.js';
let simulator: Simulator;
let staging: SimulatedCluster;
let relay: Relay;

beforeAll(async () => {
  simulator = await startSimulator({ taskSeconds: 0, authDelaySeconds: 0 });
  staging = simulator.cluster('staging');
  relay = await Relay.start(staging.url);
});
afterEach(() => staging.faults.clear());
afterAll(async () => {
  await relay.close();
  await simulator.close();
});

/** A manager over one cluster behind the relay, with a clock that the test moves. */
function managed({ cacheDir, ...changes }: Partial<ClusterConfig> & { cacheDir?: string } = {}) {
  const { fingerprint } = staging;
  const endpoints = [{ host: '127.0.0.1', port: relay.port, fingerprint }];
  const time = { skew: 0 };
  const manager = new ClusterManager(
    {
      clusters: [configFor(staging, { endpoints, ...changes })],
      ...(cacheDir === undefined ? {} : { cacheDir }),
      clusterTtlSeconds: TTL_SECONDS,
    },
    { logger: pino({ level: 'silent' }), clock: { now: () => Date.now() + time.skew }, random: () => 0 },
  );
  return {
    manager,
    pass: (seconds: number) => {
      time.skew += seconds * 1000;
    },
    current: (): Cluster => manager.select({ cluster: 'staging' }).cluster,
  };
}

const since = (before: number, path: string) =>
  staging.requests.slice(before).filter((request) => request.path.endsWith(path));

test('a client is used for its time, then a new one logs in and connects; nothing of the old one is left', async () => {
  const leftovers = new Leftovers();
  const password = new Secret(staging.password);
  const { manager, pass, current } = managed({
    credentials: { kind: 'password', user: staging.user, password },
  });
  const before = staging.requests.length;
  const first = current();
  await first.send(callOf('GET', '/nodes'));
  // Within its tickets' time, so that only the client's own end can make it log in again.
  pass(TTL_SECONDS - 10);
  expect(current()).toBe(first);
  await current().send(callOf('GET', '/nodes'));
  expect(since(before, '/access/ticket')).toHaveLength(1);
  const { connections } = relay;

  pass(20);
  const second = current();
  expect(second).not.toBe(first);
  expect(current()).toBe(second);
  expect(manager.list()).toEqual([second]);
  await second.send(callOf('GET', '/nodes'));
  expect(since(before, '/access/ticket')).toHaveLength(2);
  expect(relay.connections).toBeGreaterThan(connections);
  expect((await failureOf(first.send(callOf('GET', '/nodes')))).code).toBe('CLUSTER_UNREACHABLE');
  await manager.close();
  expect(await leftovers.settled()).toEqual([]);
});

test('a call in flight ends on the client it began with, which closes after its lease', async () => {
  const leftovers = new Leftovers();
  const { manager, pass, current } = managed();
  const first = current();
  const lease = first.lease();
  staging.faults.add({ kind: 'slow', ms: 300, match: /\/nodes$/, times: 1 });
  const before = staging.requests.length;
  const slow = first.send(callOf('GET', '/nodes'));
  while (since(before, '/nodes').length === 0) await sleep(5);
  pass(TTL_SECONDS + 1);
  const second = current();
  expect(second).not.toBe(first);
  expect((await second.send(callOf('GET', '/version'))).data).toBeDefined();
  expect((await slow).data).toHaveLength(2);
  // The tool call that holds the lease may go on asking.
  expect((await first.send(callOf('GET', '/version'))).data).toBeDefined();
  lease[Symbol.dispose]();
  await expect
    .poll(async () => (await failureOf(first.send(callOf('GET', '/version')))).code)
    .toBe('CLUSTER_UNREACHABLE');
  expect((await second.send(callOf('GET', '/version'))).data).toBeDefined();
  await manager.close();
  await expect.poll(() => relay.sockets).toBe(0);
  expect(await leftovers.settled()).toEqual([]);
});

test('closing ends a client that a lease keeps open, too', async () => {
  const leftovers = new Leftovers();
  const { manager, pass, current } = managed();
  const first = current();
  first.lease();
  await first.send(callOf('GET', '/nodes'));
  pass(TTL_SECONDS + 1);
  await current().send(callOf('GET', '/nodes'));
  await manager.close();
  expect((await failureOf(first.send(callOf('GET', '/nodes')))).code).toBe('CLUSTER_UNREACHABLE');
  await expect.poll(() => relay.sockets).toBe(0);
  expect(await leftovers.settled()).toEqual([]);
});

test('the schema is not fetched in full again', async () => {
  const { manager, pass, current } = managed({ cacheDir: folderWith() });
  const before = staging.requests.length;
  expect((await current().catalogue()).source).toBe('cluster');
  expect(since(before, APIDOC)).toHaveLength(1);
  for (let time = 0; time < 3; time++) {
    pass(TTL_SECONDS + 1);
    expect((await current().catalogue()).source).toBe('cluster');
  }
  // A day later it is asked whether the schema is still the same.
  pass(2 * 86_400);
  expect((await current().catalogue()).source).toBe('cluster');
  const later = since(before, APIDOC).slice(1);
  expect(later.map(({ status }) => status).filter((status) => status !== 304)).toEqual([]);
  await manager.close();
});

test('probes go over to the new client, and stop for the old one at once', async () => {
  const leftovers = new Leftovers();
  const { manager, pass, current } = managed();
  manager.startProbes();
  const first = current();
  first.lease();
  pass(TTL_SECONDS + 1);
  const second = current();
  expect(second).not.toBe(first);
  // The old one keeps health for ten seconds now, the new one, with probes, for a minute.
  expect(await first.health()).toMatchObject({ reachable: true });
  expect(await second.health()).toMatchObject({ reachable: true });
  const before = staging.requests.length;
  pass(30);
  await second.health();
  expect(since(before, '/version')).toHaveLength(0);
  await first.health();
  expect(since(before, '/version')).toHaveLength(1);
  pass(31);
  await second.health();
  expect(since(before, '/version')).toHaveLength(2);
  await manager.close();
  expect(await leftovers.settled()).toEqual([]);
});

test('a cluster that a reload brings is probed, one that it takes away is not', async () => {
  const leftovers = new Leftovers();
  const { manager } = managed();
  manager.startProbes();
  const [first] = manager.list();
  const production = simulator.cluster('production');
  manager.apply({ clusters: [configFor(production)] });
  const [added] = manager.list();
  await expect.poll(() => added?.endpoints().every(({ answers }) => answers), { timeout: 12_000 }).toBe(true);
  expect(added?.endpoints().every(({ latencyMs }) => latencyMs !== undefined)).toBe(true);
  expect(first?.endpoints().map(({ answers }) => answers)).toEqual([undefined]);
  await manager.close();
  const before = production.requests.length;
  expect(await leftovers.settled()).toEqual([]);
  expect(production.requests).toHaveLength(before);
}, 15_000);
