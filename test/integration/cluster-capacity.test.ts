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
import { type Row, SimulatedApi } from '../support/simulated-api.ts';

type Figures = Record<string, number> & { cluster: string; node: string; storage: string; status: string };

interface Place {
  cluster: string;
  node: string;
  storage?: string;
  score?: number;
  for?: string[];
  against?: string[];
  lacks?: string[];
}

interface Answer {
  cluster?: string;
  selected_by: string;
  served_by?: string;
  totals: Record<string, number>;
  clusters: Figures[];
  nodes: Figures[];
  nodes_total: number;
  storages: Figures[];
  storages_total: number;
  top: Record<'cpu' | 'memory' | 'disk', Record<string, string | number>[]>;
  fits?: Place[];
  fits_total?: number;
  nearest?: Place[];
  note?: string;
  failed?: { cluster: string; code: string }[];
  error?: { code: string; message: string };
}

let api: SimulatedApi;
let clusters: ClusterManager;
let service: TestService;
let client: Client;

/** The clock stands still, and with it the guests' figures. */
const NOW = Date.parse('2026-11-21T12:00:00Z');
const GIB = 1024 ** 3;

beforeEach(async () => {
  api = await SimulatedApi.start({ resourcesLagSeconds: 0, clock: () => NOW });
});

afterEach(async () => {
  await client.close();
  await service.close();
  await clusters.close();
  await api.close();
});

async function start(
  change: (cluster: SimulatedCluster) => Partial<ClusterConfig> = () => ({}),
  { path = '/mcp' } = {},
) {
  const configs = api.simulator.clusters.map((cluster) => configFor(cluster, change(cluster)));
  clusters = new ClusterManager({ clusters: configs }, { logger: pino({ level: 'silent' }) });
  service = await buildService({ estate: clusters });
  const url = await service.listen();
  client = new Client({ name: 'test', version: '1' });
  const headers = { authorization: `Bearer ${await tokenFor('alice', 'proxmox:read')}` };
  const transport = new StreamableHTTPClientTransport(new URL(path, url), { requestInit: { headers } });
  await client.connect(transport as Parameters<Client['connect']>[0]);
  await client.listTools();
}

async function textOf(args: Record<string, unknown>): Promise<string> {
  const { content } = await client.callTool({ name: 'cluster_capacity', arguments: args });
  return (content as { text: string }[])[0]?.text ?? '';
}

async function capacity(args: Record<string, unknown> = {}): Promise<Answer> {
  const result = await client.callTool({ name: 'cluster_capacity', arguments: args });
  return result.structuredContent as unknown as Answer;
}

const sum = (rows: Row[], field: string): number =>
  rows.reduce((total, row) => total + Number(row[field] ?? 0), 0);

/** What a cluster says itself, added up here by other means than the tool's. */
async function expected(name: string) {
  const rows = await api.on(name).rows('/cluster/resources');
  const nodes = rows.filter(({ type }) => type === 'node');
  const all = rows.filter(({ type }) => type === 'qemu' || type === 'lxc');
  const guests = all.filter(({ template }) => template !== 1);
  const running = guests.filter(({ status }) => status === 'running');
  const storages = rows.filter(({ type }) => type === 'storage');
  const once = storages.filter(
    (row, at) => !row.shared || storages.findIndex(({ storage }) => storage === row.storage) === at,
  );
  return {
    nodes: nodes.length,
    nodes_offline: 0,
    guests: guests.length,
    guests_running: running.length,
    cpus: sum(nodes, 'maxcpu'),
    vcpus: sum(guests, 'maxcpu'),
    vcpus_running: sum(running, 'maxcpu'),
    mem_bytes: sum(nodes, 'mem'),
    max_mem_bytes: sum(nodes, 'maxmem'),
    free_mem_bytes: sum(nodes, 'maxmem') - sum(nodes, 'mem'),
    mem_allocated_bytes: sum(guests, 'maxmem'),
    mem_allocated_running_bytes: sum(running, 'maxmem'),
    boot_disk_bytes: sum(all, 'maxdisk'),
    storage_total_bytes: sum(once, 'maxdisk'),
    storage_used_bytes: sum(once, 'disk'),
    storage_free_bytes: sum(once, 'maxdisk') - sum(once, 'disk'),
  };
}

const NAMES = ['production', 'staging', 'disaster-recovery'];

describe('the figures of cluster_capacity', () => {
  it('are those of the clusters, and their totals', async () => {
    await start();
    const answer = await capacity();
    expect(answer).toMatchObject({ selected_by: 'all', nodes_total: 6 });
    const own = await Promise.all(NAMES.map(expected));
    expect(answer.clusters.map(({ cluster }) => cluster)).toEqual(NAMES);
    answer.clusters.forEach((row, at) => {
      expect(row).toMatchObject(own[at] ?? {});
    });
    for (const field of Object.keys(own[0] ?? {}) as (keyof Awaited<ReturnType<typeof expected>>)[]) {
      expect(answer.totals[field], field).toBe(own.reduce((total, cluster) => total + cluster[field], 0));
    }
    const production = answer.clusters[0];
    // 4 + 4 + 8 of VMs and 1 + 2 of containers run on 96 CPUs.
    expect(production?.vcpus_running).toBe(19);
    expect(production?.cpu_overcommit).toBe(0.2);
  });

  it('count a shared storage once, and a local one per node', async () => {
    await start();
    const { storages, nodes } = await capacity({ cluster: 'production' });
    expect(storages.filter(({ storage }) => storage === 'nas')).toHaveLength(1);
    expect(
      storages
        .filter(({ storage }) => storage === 'local')
        .map(({ node }) => node)
        .sort(),
    ).toEqual(['pve1', 'pve2', 'pve3']);
    expect(nodes.reduce((total, { vcpus = 0 }) => total + vcpus, 0)).toBe(
      (await expected('production')).vcpus,
    );
  });

  it('name the top consumers of the estate, five of each, and no template', async () => {
    await start();
    const { top } = await capacity();
    const rows = (await Promise.all(NAMES.map((name) => api.on(name).rows('/cluster/resources')))).flat();
    const guests = rows.filter(({ type }) => type === 'qemu' || type === 'lxc');
    const most = (of: (row: Row) => number) =>
      guests
        .map(of)
        .sort((a, b) => b - a)
        .slice(0, 5);
    expect(top.memory.map(({ mem_bytes }) => mem_bytes)).toEqual(most(({ mem }) => Number(mem)));
    expect(top.disk.map(({ boot_disk_bytes }) => boot_disk_bytes)).toEqual(
      most(({ maxdisk }) => Number(maxdisk)),
    );
    expect(top.cpu).toHaveLength(5);
    expect(top.memory[0]).toMatchObject({ cluster: 'production', guest: 'qemu/102', name: 'db-01' });
  });

  it('speak of one cluster where one is named, or the URL is bound to it', async () => {
    await start(undefined, { path: '/mcp/staging' });
    const answer = await capacity();
    expect(answer).toMatchObject({ cluster: 'staging', selected_by: 'single', nodes_total: 2 });
    expect(
      api.simulator.cluster('production').requests.filter(({ path }) => path.includes('resources')),
    ).toEqual([]);
  });

  it('are those of the others where a cluster is down, which is named', async () => {
    await start();
    await api.simulator.cluster('production').stop();
    const answer = await capacity();
    expect(answer.failed).toMatchObject([{ cluster: 'production', code: 'CLUSTER_UNREACHABLE' }]);
    expect(answer.totals.nodes).toBe(3);
  });

  it('of a token without rights are not taken for an empty cluster', async () => {
    await start((cluster) => {
      if (cluster.name !== 'staging') return {};
      const secret = new Secret(cluster.limitedTokenSecret);
      return { credentials: { kind: 'token', user: cluster.user, tokenId: cluster.limitedTokenId, secret } };
    });
    const answer = await capacity({ memory: '1G' });
    expect(answer.note).toContain('staging');
    expect(answer.note).toContain('Sys.Audit');
    expect(await textOf({})).toContain('Sums are without');
    const staging = answer.nodes.filter(({ cluster }) => cluster === 'staging');
    expect(staging).toHaveLength(2);
    for (const node of staging) expect(node).not.toHaveProperty('free_mem_bytes');
    expect(answer.fits?.every(({ cluster }) => cluster !== 'staging')).toBe(true);
  });
});

describe('where a guest fits', () => {
  it('is ranked over the estate, with reasons; where it fits nothing is lacking', async () => {
    await start();
    const answer = await capacity({ cpus: 4, memory: '8G', disk: '100G' });
    expect(answer.fits).toHaveLength(5);
    const scores = answer.fits?.map(({ score = 0 }) => score) ?? [];
    expect(scores).toEqual([...scores].sort((a, b) => b - a));
    for (const place of answer.fits ?? []) {
      const rows = await api.on(place.cluster).rows('/cluster/resources');
      const node = rows.find((row) => row.type === 'node' && row.node === place.node);
      const storage = rows.find(
        (row) => row.type === 'storage' && row.node === place.node && row.storage === place.storage,
      );
      expect(Number(node?.maxmem) - Number(node?.mem)).toBeGreaterThanOrEqual(8 * GIB);
      expect(Number(storage?.maxdisk) - Number(storage?.disk)).toBeGreaterThanOrEqual(100 * GIB);
      expect(String(storage?.content).split(',')).toContain('images');
      expect(place.for?.join()).toMatch(/memory stay free.*CPU load.*stay free on/);
    }
    expect(answer).not.toHaveProperty('nearest');
    expect(await capacity({ cpus: 4, memory: '8G', disk: '100G' })).toEqual(answer);
  });

  it('prefers the defaults of a cluster, and says so', async () => {
    await start(({ name }) =>
      name === 'production' ? { defaultNode: 'pve3', defaultStorage: 'nas', defaultBridge: 'vmbr0' } : {},
    );
    const { fits } = await capacity({ cluster: 'production', cpus: 2, memory: '4G', disk: '20G' });
    expect(fits?.[0]).toMatchObject({ node: 'pve3', storage: 'nas' });
    const reasons = fits?.[0]?.for?.join('; ');
    expect(reasons).toContain('it is the default node');
    expect(reasons).toContain('nas is the default storage');
    expect(reasons).toContain('it has the default bridge vmbr0');
  });

  it('puts a node without the default bridge behind the others, and asks only the best nodes for theirs', async () => {
    await start(({ name }) => (name === 'production' ? { defaultBridge: 'vmbr5', defaultNode: 'pve1' } : {}));
    const production = api.on('production');
    for (const node of ['pve2', 'pve3']) {
      await production.ok('POST', `/nodes/${node}/network`, { iface: 'vmbr5', type: 'bridge', autostart: 1 });
      await production.work('PUT', `/nodes/${node}/network`);
    }
    production.cluster.requests.length = 0;
    const { fits } = await capacity({ cluster: 'production', memory: '4G' });
    expect(fits?.map(({ node }) => node).at(-1)).toBe('pve1');
    expect(fits?.at(-1)?.against?.join()).toContain('vmbr5');
    const asked = production.cluster.requests.filter(({ path }) => path.includes('/network'));
    expect(asked).toHaveLength(3);
    expect(asked.every(({ method }) => method === 'GET')).toBe(true);
  });

  it('keeps to storages for its kind, and to the one that is named', async () => {
    await start();
    const containers = await capacity({ cluster: 'production', type: 'lxc', disk: '10G' });
    expect([...new Set(containers.fits?.map(({ storage }) => storage))]).toEqual(['local-lvm']);
    const vms = await capacity({ cluster: 'production', disk: '10G', storage: 'nas' });
    expect([...new Set(vms.fits?.map(({ storage }) => storage))]).toEqual(['nas']);
    const none = await capacity({ cluster: 'production', type: 'lxc', disk: '10G', storage: 'nas' });
    expect(none.fits).toEqual([]);
    expect(none.nearest?.[0]?.lacks).toEqual(['nas does not take rootdir']);
  });

  it('is nowhere for what is too large: the nearest are named with what they lack', async () => {
    await start();
    const answer = await capacity({ memory: '1T', disk: '10G' });
    expect(answer).toMatchObject({ fits: [], fits_total: 0 });
    expect(answer.nearest).toHaveLength(5);
    expect(answer.nearest?.[0]?.cluster).toBe('production');
    expect(answer.nearest?.[0]?.lacks?.join()).toMatch(/GiB of memory: .* free, 1 TiB wanted/);
  });

  it('is neither on a node that is offline nor in a cluster that is read-only', async () => {
    await start(({ name }) => (name === 'staging' ? { readOnly: true } : {}));
    const node = api.simulator.cluster('production').state.nodes.find(({ name }) => name === 'pve3');
    if (node) node.online = false;
    const answer = await capacity({ memory: '1G' });
    expect(answer.totals.nodes_offline).toBe(1);
    expect(answer.nodes.find((row) => row.node === 'pve3')).not.toHaveProperty('mem_bytes');
    const found = answer.fits?.map(({ cluster, node: on }) => `${cluster}/${on}`).sort();
    expect(found).toEqual(['disaster-recovery/dr1', 'production/pve1', 'production/pve2']);
  });

  it('is not proposed from the figures of a fallback', async () => {
    await start(({ name }) => (name === 'staging' ? { fallback: 'disaster-recovery' } : {}));
    await api.simulator.cluster('staging').stop();
    const answer = await capacity({ cluster: 'staging', memory: '1G' });
    expect(answer).toMatchObject({ cluster: 'staging', served_by: 'disaster-recovery' });
    expect(answer.clusters[0]?.cluster).toBe('disaster-recovery');
    expect(answer.fits).toBeUndefined();
    expect(answer.note).toContain('no place is proposed');
  });

  it('refuses what is no size, no guest or no number before anything is asked', async () => {
    await start();
    const wrong = [{ memory: '8' }, { memory: '8 apples' }, { disk: '0G' }, { cpus: 0 }, { storage: 'nas' }];
    for (const args of wrong) {
      expect((await capacity(args)).error?.code, JSON.stringify(args)).toBe('INVALID_ARGUMENTS');
    }
    for (const { requests } of api.simulator.clusters) {
      expect(requests.filter(({ path }) => path.includes('resources'))).toEqual([]);
    }
  });
});
