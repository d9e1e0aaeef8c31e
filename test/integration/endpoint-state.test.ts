import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createCluster } from '../../src/clusters/single-cluster.ts';
import { Secret } from '../../src/config/secret.ts';
import { type SimulatedCluster, type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import {
  callOf,
  clusterConfig,
  configFor,
  engineFor,
  failureOf,
  SILENT,
} from '../support/engine-fixtures.ts';
import { Leftovers } from '../support/leftovers.ts';

const DAY_MS = 86_400_000;
const PROBE = { signal: new AbortController().signal, deadlineMs: 5_000 };
let simulator: Simulator;
let cluster: SimulatedCluster;

beforeAll(async () => {
  simulator = await startSimulator({
    taskSeconds: 0,
    authDelaySeconds: 0,
    certificateDays: { production: 20 },
  });
  cluster = simulator.cluster('production');
});
afterEach(() => cluster.faults.clear());
afterAll(() => simulator.close());

const versions = () => cluster.requests.filter(({ path }) => path.endsWith('/version'));

describe('the state of an endpoint', () => {
  it('knows nothing before the first conversation', () => {
    const engine = engineFor(configFor(cluster));
    expect(engine.endpoints()).toEqual(
      cluster.endpoints.map((endpoint) => ({ endpoint, answers: undefined, breakerOpen: false })),
    );
  });

  it('is learned from real calls, with the end of the certificate, and no latency', async () => {
    let now = Date.now();
    const engine = engineFor(configFor(cluster), { clock: { now: () => now } });
    await engine.send(callOf('GET', '/nodes'));
    const [first, second] = engine.endpoints();
    expect(first).toEqual({
      endpoint: cluster.endpoints[0],
      answers: true,
      breakerOpen: false,
      checkedAt: now,
      certificateExpiresAt: expect.any(Number),
    });
    expect(Math.round(((first?.certificateExpiresAt ?? 0) - now) / DAY_MS)).toBe(20);
    expect(second?.answers).toBeUndefined();
    now += 1_000;
    // PVE's own refusal is an answer.
    await failureOf(engine.send(callOf('GET', '/nodes/nowhere/status')));
    expect(engine.endpoints()[0]).toMatchObject({ answers: true, checkedAt: now });
  });

  it('a probe asks one endpoint once, and measures', async () => {
    const engine = engineFor(configFor(cluster));
    const before = versions().length;
    const [, endpoint = ''] = cluster.endpoints;
    expect(await engine.probe(endpoint, PROBE)).toMatchObject({ version: expect.any(String) });
    expect(versions().length - before).toBe(1);
    const states = engine.endpoints();
    expect(states.map(({ answers }) => answers)).toEqual([undefined, true, undefined]);
    expect(states[1]?.latencyMs).toBeGreaterThanOrEqual(0);
  });

  it('tells why one does not answer, and forgets it once it does; the others serve', async () => {
    const engine = engineFor(configFor(cluster));
    const [endpoint = ''] = cluster.endpoints;
    const down = cluster.faults.add({ kind: 'node-down', node: 'pve1' });
    await down.ready;
    for (let time = 1; time <= 5; time++) {
      expect(engine.endpoints()[0]?.breakerOpen).toBe(false);
      expect((await failureOf(engine.probe(endpoint, PROBE))).code).toBe('CLUSTER_UNREACHABLE');
    }
    expect(engine.endpoints()[0]).toMatchObject({
      answers: false,
      breakerOpen: true,
      problem: 'refused the connection',
      checkedAt: expect.any(Number),
    });
    expect((await engine.send(callOf('GET', '/nodes'))).endpoint).toBe(cluster.endpoints[1]);
    await down.remove();
    await engine.probe(endpoint, PROBE);
    expect(engine.endpoints()[0]).toMatchObject({ answers: true, breakerOpen: false });
    expect(engine.endpoints()[0]).not.toHaveProperty('problem');
  });

  it('a probe of a node that hangs ends with its bound', async () => {
    const engine = engineFor(configFor(cluster));
    cluster.faults.add({ kind: 'hang', match: /\/version$/ });
    const failure = await failureOf(engine.probe(cluster.endpoints[0] ?? '', { ...PROBE, deadlineMs: 150 }));
    expect(failure.code).toBe('TIMEOUT');
    expect(engine.endpoints()[0]).toMatchObject({ answers: false, problem: 'did not answer in time' });
  });

  it('a probe does not wait behind calls that fill the queue of the node', async () => {
    const engine = engineFor(configFor(cluster), { limits: { callsPerNode: 1, queuedPerNode: 1 } });
    const slow = cluster.faults.add({ kind: 'hang', match: /\/nodes$/ });
    const stop = new AbortController();
    const work = [0, 1].map(() =>
      engine.send(callOf('GET', '/nodes', { signal: stop.signal })).catch(() => 0),
    );
    expect(await engine.probe(cluster.endpoints[0] ?? '', PROBE)).toMatchObject({
      release: expect.any(String),
    });
    stop.abort();
    await Promise.all(work);
    await slow.remove();
  });

  it('shows the end of a certificate that is refused, too', async () => {
    const engine = engineFor(configFor(cluster, { tls: { verify: true, ca: cluster.certificatePem } }));
    const expired = cluster.faults.add({ kind: 'certificate-expired' });
    await expired.ready;
    await failureOf(engine.probe(cluster.endpoints[0] ?? '', PROBE));
    const state = engine.endpoints()[0];
    expect(state).toMatchObject({ answers: false, problem: expect.stringContaining('expired') });
    expect(state?.certificateExpiresAt).toBeLessThan(Date.now());
  });

  it('a probe with a refused token is sent once in its minute, and no secret is in the state', async () => {
    let now = Date.now();
    const secret = 'c4n4ry00-0000-4000-8000-000000000000';
    const credentials = { ...configFor(cluster).credentials, secret: new Secret(secret) } as never;
    const engine = engineFor(configFor(cluster, { credentials }), { clock: { now: () => now } });
    const before = versions().length;
    for (const endpoint of [...cluster.endpoints, ...cluster.endpoints]) {
      expect((await failureOf(engine.probe(endpoint, PROBE))).code).toBe('UPSTREAM_AUTH');
    }
    expect(versions().length - before).toBe(1);
    now += 61_000;
    await failureOf(engine.probe(cluster.endpoints[0] ?? '', PROBE));
    expect(versions().length - before).toBe(2);
    expect(JSON.stringify(engine.endpoints())).not.toContain(secret);
  });

  it('probes of a password cluster share one login', async () => {
    const password = new Secret(cluster.password);
    const credentials = { kind: 'password', user: cluster.user, password } as const;
    const engine = engineFor(configFor(cluster, { credentials }));
    const logins = () => cluster.requests.filter(({ path }) => path.endsWith('/access/ticket')).length;
    const before = logins();
    await Promise.all(cluster.endpoints.map((endpoint) => engine.probe(endpoint, PROBE)));
    expect(logins() - before).toBe(1);
  });

  it('no endpoint of that name', async () => {
    await expect(engineFor(clusterConfig()).probe('other:1', PROBE)).rejects.toThrow('other:1');
  });
});

describe('health and calls', () => {
  it('a call that works ends an old "unreachable", one that cannot reach it an old "reachable"', async () => {
    const leftovers = new Leftovers();
    const sut = createCluster(configFor(cluster), { logger: SILENT, random: () => 0 });
    const down = cluster.faults.add({ kind: 'node-down' });
    await down.ready;
    expect(await sut.health()).toMatchObject({ reachable: false, code: 'CLUSTER_UNREACHABLE' });
    await down.remove();
    expect(await sut.health()).toMatchObject({ reachable: false });
    await sut.send(callOf('GET', '/nodes'));
    expect(await sut.health()).toMatchObject({ reachable: true });
    const again = cluster.faults.add({ kind: 'node-down' });
    await again.ready;
    await failureOf(sut.send(callOf('GET', '/nodes')));
    expect(await sut.health()).toMatchObject({ reachable: false });
    await sut.close();
    await again.remove();
    expect(await leftovers.settled()).toEqual([]);
  });
});
