import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ClusterConfig } from '../../src/config/config.ts';
import { Secret } from '../../src/config/secret.ts';
import { type SimulatedCluster, type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { configFor } from '../support/engine-fixtures.ts';
import { type FleetClient, fleetClient } from '../support/fleet-client.ts';

let simulator: Simulator;
let fleet: FleetClient;

beforeAll(async () => {
  simulator = await startSimulator({ taskSeconds: 0, authDelaySeconds: 0, resourcesLagSeconds: 0 });
});
afterAll(() => simulator.close());

beforeEach(async () => {
  // None needs the schema of each cluster, which takes a while to read.
  for (const { faults } of simulator.clusters) faults.add({ kind: 'status', code: 403, match: /apidoc/ });
  fleet = await fleetClient(simulator.clusters.map((cluster) => configFor(cluster)));
});
afterEach(async () => {
  await fleet[Symbol.asyncDispose]();
  for (const { faults } of simulator.clusters) await faults.clear();
});

const resourceReads = ({ requests }: SimulatedCluster) =>
  requests.filter(({ path }) => path.endsWith('/cluster/resources')).length;

function limited(cluster: SimulatedCluster): ClusterConfig {
  const secret = new Secret(cluster.limitedTokenSecret);
  return configFor(cluster, {
    credentials: { kind: 'token', user: cluster.user, tokenId: cluster.limitedTokenId, secret },
  });
}

const FLEET_TOOLS = ['find_guests', 'list_nodes', 'list_storage', 'get_cluster_resources', 'list_tasks'];

describe.each(FLEET_TOOLS)('%s where not all is well', (tool) => {
  it('a cluster that is down and one that refuses the token are named; the others answer', async () => {
    simulator.cluster('staging').faults.add({ kind: 'close' });
    simulator.cluster('disaster-recovery').faults.add({ kind: 'revoked-token' });
    const answer = await fleet.call(tool, { fresh: true, ...(tool === 'list_tasks' ? { fresh: null } : {}) });
    expect(answer.failed).toEqual([
      {
        cluster: 'staging',
        code: 'CLUSTER_UNREACHABLE',
        message: expect.any(String),
        hint: expect.any(String),
      },
      {
        cluster: 'disaster-recovery',
        code: 'UPSTREAM_AUTH',
        message: expect.any(String),
        hint: expect.any(String),
      },
    ]);
    expect(answer.clusters).toMatchObject([{ cluster: 'production' }]);
    expect(await fleet.text(tool)).toContain('Without staging (CLUSTER_UNREACHABLE)');
    const secrets = simulator.clusters.flatMap(({ tokenSecret, password }) => [tokenSecret, password]);
    for (const secret of secrets) expect(JSON.stringify(answer)).not.toContain(secret);
  });

  it('one that answers garbage is named', async () => {
    simulator.cluster('staging').faults.add({ kind: 'html' });
    const answer = await fleet.call(tool);
    expect(answer.failed).toMatchObject([
      { cluster: 'staging', code: expect.stringMatching(/UPSTREAM_ERROR|UNREACHABLE/) },
    ]);
  });

  it('a dead cluster that is named is an error, not an empty answer', async () => {
    simulator.cluster('staging').faults.add({ kind: 'close' });
    expect(await fleet.call(tool, { cluster: 'staging' })).toMatchObject({
      error: { code: 'CLUSTER_UNREACHABLE', cluster: 'staging' },
    });
  });
});

describe('a caller without the scope to read', () => {
  it.each(FLEET_TOOLS)('gets nothing from %s, and nothing is sent', async (tool) => {
    const reads = () =>
      simulator.clusters
        .flatMap(({ requests }) => requests)
        .filter(({ path }) => /resources|tasks/.test(path));
    const before = reads().length;
    expect(await weak.call(tool)).toMatchObject({
      error: { code: 'POLICY_DENIED', message: expect.stringContaining('proxmox:read') },
    });
    expect(reads()).toHaveLength(before);
  });

  let weak: FleetClient;
  beforeAll(async () => {
    weak = await fleetClient(
      simulator.clusters.map((cluster) => configFor(cluster)),
      { scope: 'proxmox:change' },
    );
  });
  afterAll(() => weak[Symbol.asyncDispose]());
});

describe.each(FLEET_TOOLS.filter((tool) => tool !== 'list_tasks'))('%s by a token without rights', (tool) => {
  it('says whose list is empty for that reason', async () => {
    const configs = simulator.clusters.map((cluster) =>
      cluster.name === 'staging' ? limited(cluster) : configFor(cluster),
    );
    await using mixed = await fleetClient(configs);
    const { note } = await mixed.call(tool);
    expect(note).toMatch(/^The token of staging has no privileges at all/);
    expect((await mixed.call(tool, { cluster: 'production' })).note).toBeUndefined();
  });
});

describe('a cluster that hangs', () => {
  it('costs its deadline, ends with the client’s cancellation, and leaves no call behind', async () => {
    simulator.cluster('staging').faults.add({ kind: 'hang', match: /resources|tasks/ });
    const controller = new AbortController();
    const gone = fleet.call('find_guests', {}, controller.signal);
    const outcome = expect(gone).rejects.toThrow();
    await expect.poll(() => resourceReads(simulator.cluster('staging'))).toBeGreaterThan(0);
    controller.abort();
    await outcome;
    expect(await fleet.call('find_guests', { cluster: 'production' })).toMatchObject({ total: 8 });
  });
});

describe('find_guests no_backup_days', () => {
  it('says where a backup might be that could not be read', async () => {
    simulator.cluster('staging').faults.add({ kind: 'status', code: 500, match: /storage\/local\/content/ });
    const { note } = await fleet.call('find_guests', { no_backup_days: 5 });
    expect(note).toMatch(/could not be read: staging local on stg1 \(UPSTREAM_ERROR/);
  });
});
