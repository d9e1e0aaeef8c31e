import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ClusterManager } from '../../src/clusters/manager.ts';
import type { ClusterConfig } from '../../src/config/config.ts';
import { Secret } from '../../src/config/secret.ts';
import { type SimulatedCluster, type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { callOf, configFor, failureOf } from '../support/engine-fixtures.ts';
import { buildService, tokenFor } from '../support/service.ts';

interface Row {
  cluster: string;
  status: string;
  findings: { severity: string; message: string; fix: string }[];
  [key: string]: unknown;
}
interface Answer {
  structured: { clusters: Row[]; total: number; [key: string]: unknown };
  summary: string;
  isError: boolean;
  rows: Record<string, Row>;
}

let simulator: Simulator;
let production: SimulatedCluster;
let staging: SimulatedCluster;
let closing: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  simulator = await startSimulator({
    taskSeconds: 0,
    authDelaySeconds: 0,
    resourcesLagSeconds: 0,
    certificateDays: { staging: 20.5 },
  });
  production = simulator.cluster('production');
  staging = simulator.cluster('staging');
});
afterEach(async () => {
  for (const close of closing.reverse()) await close();
  closing = [];
  await Promise.all(simulator.clusters.map(({ faults }) => faults.clear()));
  for (const { state } of simulator.clusters)
    for (const storage of state.storages) delete storage.foreignBytes;
});
afterAll(() => simulator.close());

/** A service over some of the clusters, and a client. Calls fail soon rather than late. */
async function start(
  changes: Record<string, Partial<ClusterConfig>> = { production: {} },
  { scope, readOnly = false }: { scope?: string; readOnly?: boolean } = {},
) {
  const clusters = Object.entries(changes).map(([name, change]) =>
    configFor(simulator.cluster(name), change),
  );
  const estate = new ClusterManager(
    { clusters },
    { logger: pino({ level: 'silent' }), random: () => 0, limits: { connectMs: 500 } },
  );
  closing.push(() => estate.close());
  const service = await buildService({ estate, readOnly });
  closing.push(() => service.close());
  const url = new URL('/mcp', await service.listen());
  const headers = { authorization: `Bearer ${await tokenFor('alice', scope)}` };
  const client = new Client({ name: 'test', version: '1' });
  closing.push(() => client.close());
  const transport = new StreamableHTTPClientTransport(url, { requestInit: { headers } });
  await client.connect(transport as Parameters<Client['connect']>[0]);
  await client.listTools();
  const health = async (args: Record<string, unknown> = {}): Promise<Answer> => {
    const { structuredContent, content, isError } = await client.callTool({
      name: 'cluster_health',
      arguments: args,
    });
    const structured = structuredContent as Answer['structured'];
    const [first] = content as { text: string }[];
    const rows = Object.fromEntries((structured.clusters ?? []).map((row) => [row.cluster, row]));
    return { structured, summary: first?.text ?? '', isError: isError === true, rows };
  };
  return { estate, client, health };
}

const messages = (row: Row | undefined) => row?.findings.map(({ message }) => message);
const ALL = { production: {}, staging: {}, 'disaster-recovery': {} };

describe('cluster_health of healthy clusters', () => {
  it('one named cluster: everything, and nothing to do', async () => {
    const { health } = await start(ALL);
    const { structured, summary, isError, rows } = await health({ cluster: 'production' });
    expect(isError).toBe(false);
    expect(structured).toMatchObject({ cluster: 'production', selected_by: 'explicit', total: 1 });
    expect(rows.production).toEqual({
      cluster: 'production',
      status: 'ok',
      reachable: true,
      version: expect.stringMatching(/^9\./),
      release: expect.any(String),
      latency_ms: expect.any(Number),
      quorum: 'ok',
      nodes_online: 3,
      nodes_total: 3,
      endpoints: [
        {
          endpoint: production.endpoints[0],
          answers: true,
          breaker_open: false,
          certificate_days_left: expect.any(Number),
          checked_at: expect.stringMatching(/^20/),
        },
        { endpoint: production.endpoints[1], breaker_open: false },
        { endpoint: production.endpoints[2], breaker_open: false },
      ],
      certificate_days_left: expect.any(Number),
      clock_skew_seconds: expect.any(Number),
      rights: { held: expect.arrayContaining(['Sys.Audit', 'VM.PowerMgmt']), partial: [], missing: [] },
      findings: [],
      findings_total: 0,
    });
    expect(Math.abs(Number(rows.production?.clock_skew_seconds))).toBeLessThanOrEqual(1);
    expect(Number(rows.production?.certificate_days_left)).toBeGreaterThan(300);
    expect(summary).toBe('1 cluster: 1 ok.');
  });

  it('all of them, in the order of the configuration; a host of its own has lost no quorum', async () => {
    const { health } = await start(ALL);
    const { structured, rows, summary } = await health();
    expect(structured).toMatchObject({ selected_by: 'all', total: 3 });
    expect(structured.clusters.map(({ cluster }) => cluster)).toEqual(Object.keys(ALL));
    expect(rows['disaster-recovery']).toMatchObject({
      status: 'ok',
      quorum: 'standalone',
      nodes_online: 1,
      nodes_total: 1,
      findings: [],
    });
    expect(summary).toMatch(/^3 clusters: 2 ok; staging warning: The certificate of .* ends in 20 days\.$/);
  });

  it('asks nothing but GET, and every call is one of the tool’s own', async () => {
    const { health } = await start({ production: { defaultBridge: 'vmbr0' } });
    const before = production.requests.length;
    await health();
    const asked = production.requests.slice(before).map(({ method, path }) => `${method} ${path}`);
    expect(new Set(asked)).toEqual(
      new Set([
        'GET /api2/json/version',
        'GET /pve-docs/api-viewer/apidoc.js',
        'GET /api2/json/cluster/status',
        'GET /api2/json/cluster/resources',
        'GET /api2/json/access/permissions',
        ...['pve1', 'pve2', 'pve3'].map((node) => `GET /api2/json/nodes/${node}/time`),
        'GET /api2/json/nodes/pve1/network',
      ]),
    );
  });
});

describe('cluster_health of clusters in trouble', () => {
  it('a node that is off', async () => {
    const { health } = await start();
    await production.faults.add({ kind: 'node-down', node: 'pve3' }).ready;
    const { rows, summary } = await health();
    expect(rows.production).toMatchObject({
      status: 'warning',
      quorum: 'ok',
      nodes_online: 2,
      nodes_total: 3,
      nodes_offline: ['pve3'],
    });
    expect(messages(rows.production)).toEqual(['A node is offline: pve3.']);
    // Its clock is not asked for: nobody answers for it.
    expect(rows.production).not.toHaveProperty('unread');
    expect(summary).toBe('1 cluster: 0 ok; production warning: A node is offline: pve3.');
  });

  it('most nodes are off: the quorum is lost', async () => {
    const { health } = await start();
    await production.faults.add({ kind: 'node-down', node: 'pve2' }).ready;
    await production.faults.add({ kind: 'node-down', node: 'pve3' }).ready;
    const { rows } = await health();
    expect(rows.production).toMatchObject({
      status: 'critical',
      reachable: true,
      quorum: 'lost',
      nodes_online: 1,
      nodes_offline: ['pve2', 'pve3'],
      findings: [
        {
          severity: 'critical',
          message: expect.stringMatching(/^The quorum is lost \(pve2, pve3 offline\)/),
        },
      ],
    });
  });

  it('the quorum is lost though every node answers', async () => {
    const { health } = await start();
    production.faults.add({ kind: 'quorum-lost' });
    const { rows } = await health();
    expect(rows.production).toMatchObject({ status: 'critical', quorum: 'lost', nodes_online: 3 });
    expect(rows.production).not.toHaveProperty('nodes_offline');
  });

  it('an endpoint whose breaker is open while another one answers', async () => {
    const { health, estate } = await start();
    const down = production.faults.add({ kind: 'node-down', node: 'pve1' });
    await down.ready;
    const [cluster] = estate.list();
    for (let time = 0; time < 5; time++) await cluster?.send(callOf('GET', '/nodes'));
    const { rows } = await health();
    expect(rows.production).toMatchObject({
      reachable: true,
      status: 'warning',
      endpoints: [
        { answers: false, breaker_open: true, problem: 'refused the connection' },
        { answers: true, breaker_open: false },
        { breaker_open: false },
      ],
    });
    expect(messages(rows.production)).toEqual([
      'A node is offline: pve1.',
      `The endpoint ${production.endpoints[0]} refused the connection. It failed often in a row and is asked last.`,
    ]);
  });

  it('a cluster that is down is a row, and the others are as they are', async () => {
    const { health } = await start(ALL);
    await staging.stop();
    closing.push(() => staging.start());
    const { structured, rows, summary, isError } = await health();
    expect(isError).toBe(false);
    expect(structured).not.toHaveProperty('failed');
    expect(rows.staging).toMatchObject({
      status: 'critical',
      reachable: false,
      problem: expect.stringMatching(/^CLUSTER_UNREACHABLE: .*refused/),
      endpoints: [{ answers: false }, {}],
      findings: [{ severity: 'critical', fix: expect.stringContaining('proxmox-mcp check') }],
    });
    expect(rows.staging).not.toHaveProperty('quorum');
    expect([rows.production?.status, rows['disaster-recovery']?.status]).toEqual(['ok', 'ok']);
    expect(summary).toMatch(/^3 clusters: 2 ok; staging critical: The cluster can't be reached/);
  });

  it('succeeds where all are down, and where the only one asked for is', async () => {
    const { health } = await start({ staging: {} });
    await staging.stop();
    closing.push(() => staging.start());
    for (const args of [{}, { cluster: 'staging' }]) {
      const { isError, structured } = await health(args);
      expect(isError).toBe(false);
      expect(structured).toMatchObject({ total: 1, clusters: [{ status: 'critical', reachable: false }] });
    }
  });

  it('one that went down since the last probe is not half a healthy one', async () => {
    const { health, estate } = await start({ staging: {} });
    expect(await estate.list()[0]?.health()).toMatchObject({ reachable: true });
    await staging.stop();
    closing.push(() => staging.start());
    const { rows } = await health();
    expect(rows.staging).toMatchObject({ status: 'critical', reachable: false });
  });

  it('one that answers probes and nothing else is not healthy', async () => {
    const { health } = await start({ staging: {} });
    staging.faults.add({ kind: 'status', code: 500, message: 'broken', match: /\/(?:cluster|nodes|access)/ });
    const { rows } = await health();
    expect(rows.staging).toMatchObject({
      status: 'critical',
      reachable: false,
      problem: expect.stringMatching(/^UPSTREAM_ERROR: It answers no question: .*broken/),
    });
  });

  it('never shows the health of a fallback', async () => {
    const { health, estate } = await start({ staging: { fallback: 'production' }, production: {} });
    await estate.list()[0]?.health();
    await staging.stop();
    closing.push(() => staging.start());
    const { structured, rows } = await health({ cluster: 'staging' });
    expect(rows.staging).toMatchObject({ status: 'critical', reachable: false });
    expect(structured).not.toHaveProperty('served_by');
  });

  it('a refused token is told as such', async () => {
    const secret = new Secret('00000000-0000-4000-8000-00c4n4ry0000');
    const credentials = { kind: 'token', user: 'mcp@pve', tokenId: 'mcp', secret } as const;
    const { health } = await start({ production: { credentials } });
    const { rows, structured } = await health();
    expect(rows.production).toMatchObject({
      status: 'critical',
      reachable: false,
      problem: expect.stringMatching(/^UPSTREAM_AUTH/),
      findings: [{ fix: expect.stringContaining('token') }],
    });
    expect(JSON.stringify(structured)).not.toContain(secret.reveal());
  });

  it('a hanging part costs itself alone', async () => {
    const { health } = await start();
    production.faults.add({ kind: 'status', code: 500, message: 'broken', match: /\/nodes\/pve2\/time$/ });
    const { rows } = await health();
    expect(rows.production).toMatchObject({
      status: 'warning',
      quorum: 'ok',
      clock_skew_seconds: expect.any(Number),
      unread: [{ part: 'clock of pve2', problem: expect.stringContaining('broken') }],
      findings: [],
    });
  });
});

describe('cluster_health and the token', () => {
  const limited = (): Partial<ClusterConfig> => ({
    credentials: {
      kind: 'token',
      user: production.user,
      tokenId: production.limitedTokenId,
      secret: new Secret(production.limitedTokenSecret),
    },
  });

  it('one without rights: what is missing, the line that grants it, and what could not be read', async () => {
    const { health } = await start({ production: { ...limited(), defaultStorage: 'unseen' } });
    const { rows, isError } = await health();
    expect(isError).toBe(false);
    expect(rows.production).toMatchObject({
      status: 'warning',
      reachable: true,
      version: expect.any(String),
      rights: { held: [], missing: ['Sys.Audit', 'VM.Audit', 'Datastore.Audit', 'VM.PowerMgmt'] },
      findings: [{ severity: 'warning', fix: expect.stringMatching(/pveum acl modify .*PVEAuditor/) }],
    });
    const unread = rows.production?.unread as { part: string; problem: string }[];
    expect(unread).toContainEqual({
      part: 'quorum and nodes',
      problem: expect.stringMatching(/^PERMISSION_DENIED/),
    });
    expect(unread).toContainEqual({
      part: 'clock of pve1, pve2, pve3',
      problem: expect.stringMatching(/^PERMISSION_DENIED.*Sys\.Audit/),
    });
    for (const field of ['quorum', 'nodes_online', 'clock_skew_seconds']) {
      expect(rows.production).not.toHaveProperty(field);
    }
  });

  it('a service that only reads misses no right to change', async () => {
    const { health } = await start({ production: limited() }, { readOnly: true });
    const { rows } = await health();
    expect(rows.production?.rights).toMatchObject({ missing: ['Sys.Audit', 'VM.Audit', 'Datastore.Audit'] });
  });

  it('a caller who may not read learns nothing', async () => {
    const { health } = await start({ production: {} }, { scope: 'proxmox:change' });
    const { isError, structured } = await health();
    expect(isError).toBe(true);
    expect(structured).toMatchObject({ error: { code: 'POLICY_DENIED' } });
    expect(JSON.stringify(structured)).not.toContain('127.0.0.1');
  });
});

describe('cluster_health finds', () => {
  it('storages that are nearly full, the fullest first, a shared one once', async () => {
    const { health } = await start();
    const { storages } = production.state;
    const local = storages.find(({ storage }) => storage === 'local');
    const shared = storages.find((storage) => storage.shared);
    if (!local || !shared) throw new Error('the estate has changed');
    // Beside what guests and backups take already.
    shared.foreignBytes = shared.total * 2;
    local.foreignBytes = local.total * 0.85;
    const { rows } = await health();
    const full = rows.production?.storages_nearly_full as { storage: string; used_percent: number }[];
    expect(full.filter(({ storage }) => storage === shared.storage)).toEqual([
      { storage: shared.storage, used_percent: expect.any(Number) },
    ]);
    expect(full.filter(({ storage }) => storage === 'local')).toHaveLength(3);
    const percents = full.map(({ used_percent }) => used_percent);
    expect(percents).toEqual(percents.toSorted((one, other) => other - one));
    expect(Math.min(...percents)).toBeGreaterThanOrEqual(85);
    expect(rows.production?.status).toBe('critical');
    expect(messages(rows.production)).toContainEqual(
      expect.stringMatching(new RegExp(`^The storage ${shared.storage} is \\d+ % full\\.$`)),
    );
  });

  it.each([
    [90, 'warning', 'ahead of'],
    [-90, 'warning', 'behind'],
    [-900, 'critical', 'behind'],
  ])('a clock that is %d s ahead: %s', async (ahead, severity, way) => {
    const { health } = await start();
    production.faults.add({ kind: 'clock-skew', node: 'pve2', ahead });
    const { rows } = await health();
    expect(rows.production?.status).toBe(severity);
    expect(Math.abs(Number(rows.production?.clock_skew_seconds) - ahead)).toBeLessThanOrEqual(2);
    expect(messages(rows.production)).toEqual([
      expect.stringMatching(new RegExp(`^The clock of pve2 is \\d+ s ${way}`)),
    ]);
  });

  it('a certificate that ends soon', async () => {
    const { health } = await start({ staging: {} });
    const { rows } = await health();
    expect(rows.staging).toMatchObject({ status: 'warning', certificate_days_left: 20 });
    expect(rows.staging?.findings[0]?.fix).toContain('pvenode acme cert renew');
  });

  it('defaults that are not there', async () => {
    const { health } = await start({
      production: { defaultNode: 'pve9', defaultStorage: 'nowhere', defaultBridge: 'vmbr99' },
      staging: { defaultNode: staging.state.nodes[0]?.name ?? '', defaultBridge: 'vmbr0' },
    });
    const { rows } = await health();
    expect(messages(rows.production)).toEqual([
      'default_node is pve9, which is no node that can be seen here.',
      'default_storage is nowhere, which is no storage that can be seen here.',
      'default_bridge is vmbr99, which is no bridge of pve1 that can be seen here.',
    ]);
    expect(rows.production?.findings[0]?.fix).toBe(
      'Set default_node of this cluster to one of: pve1, pve2, pve3.',
    );
    expect(messages(rows.staging)?.filter((message) => message.startsWith('default_'))).toEqual([]);
  });
});

describe('list_clusters', () => {
  it('shows the defaults and the fallback where they are set, and no pattern', async () => {
    const { client } = await start({
      production: {
        defaultNode: 'pve1',
        defaultStorage: 'local',
        defaultBridge: 'vmbr0',
        fallback: 'staging',
        patterns: ['prod-'],
      },
      staging: {},
    });
    const { structuredContent } = await client.callTool({ name: 'list_clusters', arguments: {} });
    const [first, second] = (structuredContent as { clusters: Record<string, unknown>[] }).clusters;
    expect(first).toMatchObject({
      default_node: 'pve1',
      default_storage: 'local',
      default_bridge: 'vmbr0',
      fallback: 'staging',
    });
    expect(first).not.toHaveProperty('patterns');
    expect(Object.keys(second ?? {}).filter((key) => /^(?:default_|fallback)/.test(key))).toEqual([]);
  });
});

it('the tool’s probe and a failing call agree', async () => {
  const { estate } = await start({ staging: {} });
  await staging.stop();
  closing.push(() => staging.start());
  const [cluster] = estate.list();
  if (!cluster) throw new Error('no cluster');
  expect((await failureOf(cluster.send(callOf('GET', '/nodes')))).code).toBe('CLUSTER_UNREACHABLE');
  expect(await cluster.health()).toMatchObject({ reachable: false, code: 'CLUSTER_UNREACHABLE' });
});
