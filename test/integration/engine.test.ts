import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Secret } from '../../src/config/secret.ts';
import { parseUpid } from '../../src/proxmox/upid.ts';
import { type SimulatedCluster, type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { callOf, configFor, engineFor, failureOf } from '../support/engine-fixtures.ts';

let simulator: Simulator;
let production: SimulatedCluster;

beforeAll(async () => {
  simulator = await startSimulator({ authDelaySeconds: 0, taskSeconds: 0 });
  production = simulator.cluster('production');
});
afterAll(() => simulator.close());
beforeEach(() => {
  production.faults.clear();
  production.requests.length = 0;
});

interface Guest {
  vmid: number;
  node: string;
  status: string;
}

describe('a conversation with a cluster', () => {
  test('reads, and starts a guest', async () => {
    const engine = engineFor(configFor(production));
    const { data } = await engine.send(callOf('GET', '/cluster/resources', { parameters: { type: 'vm' } }));
    const stopped = (data as (Guest & { type: string; template?: number })[]).find(
      (guest) => guest.type === 'qemu' && guest.status === 'stopped' && guest.template !== 1,
    );
    if (stopped === undefined) throw new Error('no stopped guest');
    const guest = `/nodes/${stopped.node}/qemu/${stopped.vmid}`;
    const started = await engine.send(callOf('POST', `${guest}/status/start`));
    expect(parseUpid(String(started.data))).toMatchObject({ node: stopped.node, type: 'qmstart' });
    const current = await engine.send(callOf('GET', `${guest}/status/current`));
    expect(current.data).toMatchObject({ status: 'running' });
  });

  test('over a CA file', async () => {
    const tls = { verify: true, ca: production.certificatePem };
    await expect(
      engineFor(configFor(production, { tls })).send(callOf('GET', '/version')),
    ).resolves.toBeDefined();
  });

  test('a token without rights: an error that names privilege and path, or less to see', async () => {
    const credentials = {
      kind: 'token' as const,
      user: production.user,
      tokenId: production.limitedTokenId,
      secret: new Secret(production.limitedTokenSecret),
    };
    const error = await failureOf(
      engineFor(configFor(production, { credentials })).send(callOf('GET', '/nodes/pve1/status')),
    );
    expect(error).toMatchObject({ code: 'PERMISSION_DENIED', status: 403, cluster: 'production' });
    expect(error.hint).toContain(`--tokens '${production.user}!${production.limitedTokenId}'`);
  });

  test('a parameter that does not exist', async () => {
    const call = callOf('GET', '/cluster/resources', { parameters: { type: 'nonsense' } });
    const error = await failureOf(engineFor(configFor(production)).send(call));
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENTS', status: 400 });
    expect(error.message).toContain('type:');
  });

  test('a write that was carried out before its socket died is not sent again', async () => {
    production.faults.add({ kind: 'commit-then-close', match: /^POST/ });
    const error = await failureOf(engineFor(configFor(production)).send(callOf('POST', '/nodes/pve1/qemu')));
    expect(error.message).toContain('may or may not');
    expect(production.requests.filter(({ method }) => method === 'POST')).toHaveLength(1);
  });

  test('a node that is down is passed over', async () => {
    production.faults.add({ kind: 'close', node: 'pve1' });
    const { endpoint } = await engineFor(configFor(production)).send(callOf('GET', '/nodes'));
    expect(endpoint).toBe(production.endpoints[1]);
  });

  test('the cluster goes down and comes back, without a new engine', async () => {
    const engine = engineFor(configFor(production));
    await engine.send(callOf('GET', '/version'));
    await production.stop();
    expect((await failureOf(engine.send(callOf('GET', '/version')))).code).toBe('CLUSTER_UNREACHABLE');
    await production.start();
    await expect(engine.send(callOf('GET', '/version'))).resolves.toBeDefined();
  });
});
