import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ClusterManager } from '../../src/clusters/manager.ts';
import type { ClusterConfig } from '../../src/config/config.ts';
import { Secret } from '../../src/config/secret.ts';
import type { SimulatedCluster } from '../../src/simulator/simulator.ts';
import { configFor } from '../support/engine-fixtures.ts';
import { buildService, type TestService, tokenFor } from '../support/service.ts';
import { SimulatedApi } from '../support/simulated-api.ts';

interface Row {
  aspect: string;
  item: string;
  status: string;
  values: Record<string, string>;
  missing?: string[];
}

interface Answer {
  clusters: string[];
  aspects: { aspect: string; clusters: number; alike: number; differ: number; only_some: number }[];
  rows: Row[];
  total: number;
  next_offset?: number;
  same_storages?: { backing: string; storages: Record<string, string>; meaning?: string }[];
  findings?: string[];
  unread?: { cluster: string; aspect: string; problem: string }[];
  failed?: { cluster: string; code: string }[];
  error?: { code: string; message: string; hint: string };
}

let api: SimulatedApi;
let clusters: ClusterManager;
let service: TestService;
let client: Client;

beforeEach(async () => {
  api = await SimulatedApi.start({ resourcesLagSeconds: 0 });
});

afterEach(async () => {
  await client.close();
  await service.close();
  await clusters.close();
  await api.close();
});

async function start(
  change: (cluster: SimulatedCluster) => Partial<ClusterConfig> = () => ({}),
  { path = '/mcp', scope = 'proxmox:read', only = [] as string[] } = {},
) {
  const configs = api.simulator.clusters
    .filter(({ name }) => only.length === 0 || only.includes(name))
    .map((cluster) => configFor(cluster, change(cluster)));
  clusters = new ClusterManager({ clusters: configs }, { logger: pino({ level: 'silent' }) });
  service = await buildService({ estate: clusters });
  const url = await service.listen();
  client = new Client({ name: 'test', version: '1' });
  const headers = { authorization: `Bearer ${await tokenFor('alice', scope)}` };
  const transport = new StreamableHTTPClientTransport(new URL(path, url), { requestInit: { headers } });
  await client.connect(transport as Parameters<Client['connect']>[0]);
  await client.listTools();
}

async function compare(args: Record<string, unknown> = {}): Promise<Answer> {
  const result = await client.callTool({ name: 'compare_clusters', arguments: args });
  return result.structuredContent as unknown as Answer;
}

async function textOf(args: Record<string, unknown>): Promise<string> {
  const { content } = await client.callTool({ name: 'compare_clusters', arguments: args });
  return (content as { text: string }[])[0]?.text ?? '';
}

const rowOf = ({ rows }: Answer, aspect: string, item: string) =>
  rows.find((row) => row.aspect === aspect && row.item === item);

/** The token without any right, for one cluster. */
function limited(name: string) {
  return (cluster: SimulatedCluster): Partial<ClusterConfig> => {
    if (cluster.name !== name) return {};
    const secret = new Secret(cluster.limitedTokenSecret);
    return { credentials: { kind: 'token', user: cluster.user, tokenId: cluster.limitedTokenId, secret } };
  };
}

describe('compare_clusters over the estate', () => {
  it('compares all, tells what differs and what only some have, and changes nothing', async () => {
    await start();
    const answer = await compare();
    expect(answer.clusters).toEqual(['production', 'staging', 'disaster-recovery']);
    expect(answer.failed).toBeUndefined();
    expect(answer.unread).toBeUndefined();
    expect(rowOf(answer, 'nodes', 'nodes')?.values).toEqual({
      production: '3, all online',
      staging: '2, all online',
      'disaster-recovery': '1, all online',
    });
    expect(rowOf(answer, 'nodes', 'CPUs per node')?.values).toMatchObject({
      production: '32',
      staging: '16',
    });
    expect(rowOf(answer, 'storages', 'nas')).toEqual({
      aspect: 'storages',
      item: 'nas',
      status: 'only_some',
      values: { production: 'nfs, shared, backup+images, 192.0.2.40:/export/proxmox' },
      missing: ['staging', 'disaster-recovery'],
    });
    expect(rowOf(answer, 'templates', 'debian-13-base')?.values.production).toBe(
      'VM 9000 on pve1: 2 CPUs, 2 GiB memory, 10 GiB disk',
    );
    expect(rowOf(answer, 'backup_jobs', 'nightly')?.values.production).toContain('guests 100,101,102,110');
    expect(answer.findings).toContain('staging has no backup job that is enabled.');
    expect(answer.rows.every(({ status }) => status !== 'alike')).toBe(true);
    for (const { requests } of api.simulator.clusters) {
      expect(requests.filter(({ method }) => method !== 'GET')).toEqual([]);
    }
  });

  it('counts what is alike and shows it with `details` alone; every count is that of the rows', async () => {
    await start();
    const [brief, whole] = [await compare(), await compare({ details: true })];
    expect(rowOf(brief, 'storages', 'local')).toBeUndefined();
    expect(rowOf(whole, 'storages', 'local')?.status).toBe('alike');
    expect(rowOf(whole, 'versions', 'Proxmox VE')?.status).toBe('alike');
    for (const { aspect, clusters: compared, alike, differ, only_some } of whole.aspects) {
      const rows = whole.rows.filter((row) => row.aspect === aspect);
      expect(compared).toBe(3);
      expect(rows.filter(({ status }) => status === 'alike')).toHaveLength(alike);
      expect(rows.filter(({ status }) => status === 'differs')).toHaveLength(differ);
      expect(rows.filter(({ status }) => status === 'only_some')).toHaveLength(only_some);
    }
    expect(brief.aspects).toEqual(whole.aspects);
  });

  it('says what a list of aspects looks like', async () => {
    await start();
    expect(await textOf({ aspects: 'storages' })).toContain(
      'aspects: must be a list, such as ["storages"], of: versions, ',
    );
  });

  it('recognises one export under two names, from what the clusters themselves say', async () => {
    await start();
    const [ours] = (await api.on('production').rows('/storage')).filter(
      ({ storage }) => storage === 'backup-nfs',
    );
    const [theirs] = (await api.on('disaster-recovery').rows('/storage')).filter(
      ({ storage }) => storage === 'dr-nfs',
    );
    expect([ours?.server, ours?.export]).toEqual([theirs?.server, theirs?.export]);
    const answer = await compare();
    expect(answer.same_storages).toEqual([
      {
        backing: `nfs ${ours?.server}:${ours?.export}`,
        storages: { production: 'backup-nfs', 'disaster-recovery': 'dr-nfs' },
        meaning: expect.stringContaining('can be restored by the others'),
      },
    ]);
  });

  it('compares the named clusters in the named aspects, and asks for nothing else', async () => {
    await start();
    await api
      .on('staging')
      .ok('POST', '/access/roles', { roleid: 'Operators', privs: 'VM.Audit,VM.PowerMgmt' });
    await api.on('production').ok('POST', '/access/roles', { roleid: 'Operators', privs: 'VM.Audit' });
    for (const { requests } of api.simulator.clusters) requests.length = 0;
    const answer = await compare({ clusters: ['staging', 'production'], aspects: ['roles'] });
    expect(answer.rows).toEqual([
      {
        aspect: 'roles',
        item: 'Operators',
        status: 'differs',
        values: { production: '1 of 2, without VM.PowerMgmt', staging: 'all 2' },
      },
    ]);
    expect(api.simulator.cluster('disaster-recovery').requests).toEqual([]);
    const asked = api.simulator.cluster('staging').requests.map(({ path }) => path);
    expect(asked.some((path) => path.endsWith('/access/roles'))).toBe(true);
    expect(asked.filter((path) => /\/(?:storage|network|backup|vnets)$/.test(path))).toEqual([]);
  });

  it('sees networks: a bridge on some nodes only, VLAN-awareness, a missing default bridge, VNets', async () => {
    await start(({ name }) => (name === 'production' ? { defaultBridge: 'vmbr7' } : {}));
    const production = api.on('production');
    const bridge = { iface: 'vmbr7', type: 'bridge', bridge_vlan_aware: 1, autostart: 1 };
    await production.ok('POST', '/nodes/pve2/network', bridge);
    await production.work('PUT', '/nodes/pve2/network');
    await production.ok('POST', '/cluster/sdn/zones', { zone: 'office', type: 'simple' });
    await production.ok('POST', '/cluster/sdn/vnets', { vnet: 'desks', zone: 'office' });
    const answer = await compare({ aspects: ['networks'], details: true });
    expect(rowOf(answer, 'networks', 'vmbr7')?.values).toEqual({
      production: 'bridge, VLAN-aware, on pve2 only',
    });
    expect(rowOf(answer, 'networks', 'vmbr0')?.status).toBe('alike');
    expect(rowOf(answer, 'networks', 'VNet desks')?.values).toEqual({ production: 'zone office' });
    expect(answer.findings).toEqual(['production: the default bridge vmbr7 is not on pve1, pve3.']);
  });

  it('goes on where a list is longer than its limit, each row once', async () => {
    await start();
    const all = await compare({ details: true });
    const rows: Row[] = [];
    let offset: number | undefined = 0;
    while (offset !== undefined) {
      const page: Answer = await compare({ details: true, limit: 7, offset });
      expect(page.total).toBe(all.total);
      rows.push(...page.rows);
      offset = page.next_offset;
    }
    expect(rows).toEqual(all.rows);
  });
});

describe('compare_clusters with less than all', () => {
  it('names a cluster that is down, and compares the others', async () => {
    await start();
    await api.simulator.cluster('staging').stop();
    const answer = await compare();
    expect(answer.clusters).toEqual(['production', 'disaster-recovery']);
    expect(answer.failed).toMatchObject([{ cluster: 'staging', code: 'CLUSTER_UNREACHABLE' }]);
    expect(
      answer.rows.every(({ values, missing = [] }) => !('staging' in values) && !missing.includes('staging')),
    ).toBe(true);
    expect(answer.same_storages).toHaveLength(1);
  });

  it('never compares a fallback in the place of its cluster', async () => {
    await start(({ name }) => (name === 'staging' ? { fallback: 'production' } : {}));
    await api.simulator.cluster('staging').stop();
    const answer = await compare({ clusters: ['staging', 'production'] });
    expect(answer.error?.code).toBe('CLUSTER_UNREACHABLE');
    expect(answer.error?.message).toContain('Only production answered');
  });

  it('says what a token without rights may not read, and does not take it for nothing', async () => {
    await start(limited('staging'));
    const answer = await compare();
    expect(answer.clusters).toContain('staging');
    const unread = answer.unread?.filter(({ cluster }) => cluster === 'staging') ?? [];
    expect(unread.map(({ aspect }) => aspect)).toEqual([
      'nodes',
      'storages',
      'networks',
      'templates',
      'backup_jobs',
    ]);
    expect(unread.find(({ aspect }) => aspect === 'storages')?.problem).toContain('Datastore.Audit');
    const storages = answer.rows.filter(({ aspect }) => aspect === 'storages');
    expect(storages.length).toBeGreaterThan(0);
    expect(storages.every(({ missing = [] }) => !missing.includes('staging'))).toBe(true);
    expect(answer.findings?.join()).not.toContain('staging has no backup job');
    expect(await textOf({ aspects: ['storages'], clusters: ['staging', 'disaster-recovery'] })).toContain(
      'Not read, or not whole: storages of staging.',
    );
  });

  it('loses one node alone where the node does not answer for itself', async () => {
    await start();
    api.simulator
      .cluster('production')
      .faults.add({ kind: 'proxy-error', match: /GET \/nodes\/pve3\/(?:network|version)/ });
    const answer = await compare({ aspects: ['versions', 'networks'], details: true });
    expect(answer.unread).toMatchObject([
      { cluster: 'production', aspect: 'versions', problem: expect.stringContaining('pve3') },
      { cluster: 'production', aspect: 'networks', problem: expect.stringContaining('pve3') },
    ]);
    expect(rowOf(answer, 'networks', 'vmbr0')?.status).toBe('alike');
  });

  it('does not ask a node that is offline, and says that it is', async () => {
    await start();
    const production = api.simulator.cluster('production');
    await production.faults.add({ kind: 'node-down', node: 'pve3' }).ready;
    const answer = await compare({ aspects: ['nodes', 'versions'] });
    expect(rowOf(answer, 'nodes', 'nodes')?.values.production).toBe('3, pve3 offline');
    expect(answer.findings).toEqual(['pve3 of production is offline.']);
    expect(production.requests.filter(({ path }) => path.includes('/nodes/pve3/'))).toEqual([]);
  });
});

describe('compare_clusters where there is nothing to compare', () => {
  it.each([
    ['a URL that is bound to one', { path: '/mcp/staging' }],
    ['a server with one', { only: ['production'] }],
  ])('refuses on %s', async (_what, options) => {
    await start(undefined, options);
    for (const args of [{}, { clusters: ['production', 'staging'] }]) {
      const { error } = await compare(args);
      expect(error?.code).toBe('INVALID_ARGUMENTS');
      expect(error?.message).toContain('There is only');
    }
  });

  it('refuses an unknown name, one name twice, and too few', async () => {
    await start();
    expect((await compare({ clusters: ['production', 'stagin'] })).error).toMatchObject({
      code: 'CLUSTER_NOT_FOUND',
      message: expect.stringContaining('staging'),
    });
    expect((await compare({ clusters: ['staging', 'staging'] })).error?.code).toBe('INVALID_ARGUMENTS');
    expect((await compare({ clusters: ['staging'] })).error?.code).toBe('INVALID_ARGUMENTS');
    for (const { requests } of api.simulator.clusters) {
      expect(requests.filter(({ path }) => /access|resources|storage/.test(path))).toEqual([]);
    }
  });

  it('refuses a token that may not read', async () => {
    await start(undefined, { scope: 'proxmox:change' });
    expect((await compare()).error?.code).toBe('POLICY_DENIED');
  });
});
