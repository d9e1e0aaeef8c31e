import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { ClusterManager } from '../../src/clusters/manager.ts';
import { createCluster } from '../../src/clusters/single-cluster.ts';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { callOf, configFor, failureOf, SILENT } from '../support/engine-fixtures.ts';

let simulator: Simulator;

beforeAll(async () => {
  simulator = await startSimulator({ authDelaySeconds: 0, taskSeconds: 0 });
});
afterAll(() => simulator.close());
beforeEach(() => {
  for (const cluster of simulator.clusters) {
    cluster.faults.clear();
    cluster.requests.length = 0;
  }
});

function open(name: string, clock = { now: Date.now }) {
  const simulated = simulator.cluster(name);
  const cluster = createCluster(configFor(simulated), { logger: SILENT, clock, random: () => 0 });
  onTestFinished(() => cluster.close());
  return { simulated, cluster };
}

describe('health', () => {
  test('says version and release, one probe for all who ask within ten seconds', async () => {
    let now = Date.now();
    const { simulated, cluster } = open('production', { now: () => now });
    const answers = await Promise.all([cluster.health(), cluster.health(), cluster.health()]);
    for (const health of answers) {
      expect(health).toMatchObject({
        reachable: true,
        version: expect.any(String),
        release: expect.any(String),
      });
    }
    now += 9_999;
    await cluster.health();
    expect(simulated.requests).toHaveLength(1);
    now += 1;
    await cluster.health();
    expect(simulated.requests).toHaveLength(2);
  });

  test('never throws: what is wrong is in the answer', async () => {
    const { simulated, cluster } = open('staging');
    simulated.faults.add({ kind: 'html' });
    expect(await cluster.health()).toMatchObject({ reachable: false, code: 'UPSTREAM_ERROR' });
  });

  test('a caller that goes away ends its own waiting, not the probe', async () => {
    const { simulated, cluster } = open('staging');
    simulated.faults.add({ kind: 'slow', ms: 100 });
    const caller = new AbortController();
    const [gone, stays] = [cluster.health(caller.signal), cluster.health()];
    caller.abort();
    expect(await gone).toMatchObject({ reachable: false, code: 'TIMEOUT' });
    expect(await stays).toMatchObject({ reachable: true });
    expect(simulated.requests).toHaveLength(1);
  });

  test('a cluster that hangs is given five seconds', { timeout: 10_000 }, async () => {
    const { simulated, cluster } = open('disaster-recovery');
    simulated.faults.add({ kind: 'hang' });
    const startedAt = Date.now();
    expect(await cluster.health()).toMatchObject({ reachable: false, code: 'TIMEOUT' });
    expect(Date.now() - startedAt).toBeLessThan(6_000);
  });
});

test('one of three clusters is down: the others answer as before, and the dead one is named', async () => {
  const clusters = simulator.clusters.map((cluster) => configFor(cluster));
  const manager = new ClusterManager({ clusters }, { logger: SILENT });
  onTestFinished(() => manager.close());
  await simulator.cluster('staging').stop();
  onTestFinished(() => simulator.cluster('staging').start());
  for (const name of ['production', 'disaster-recovery']) {
    await expect(
      manager.select({ cluster: name }).cluster.send(callOf('GET', '/nodes')),
    ).resolves.toBeDefined();
  }
  const error = await failureOf(manager.select({ cluster: 'staging' }).cluster.send(callOf('GET', '/nodes')));
  expect(error).toMatchObject({ code: 'CLUSTER_UNREACHABLE', cluster: 'staging' });
  expect(simulator.cluster('production').requests).toHaveLength(1);
});
