import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ClusterManager } from '../../src/clusters/manager.ts';
import type { ClusterConfig } from '../../src/config/config.ts';
import { Secret } from '../../src/config/secret.ts';
import { type SimulatedCluster, type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { configFor } from '../support/engine-fixtures.ts';
import { buildService, type TestService, tokenFor } from '../support/service.ts';

type Structured = Record<string, unknown>;

let simulator: Simulator;
let clusters: ClusterManager;
let service: TestService;
let client: Client;

beforeEach(async () => {
  simulator = await startSimulator({ taskSeconds: 0, authDelaySeconds: 0, resourcesLagSeconds: 0 });
});

afterEach(async () => {
  await client.close();
  await service.close();
  await clusters.close();
  await simulator.close();
});

async function start(configs: ClusterConfig[], scope?: string) {
  clusters = new ClusterManager({ clusters: configs }, { logger: pino({ level: 'silent' }) });
  service = await buildService({ estate: clusters });
  const url = await service.listen();
  client = new Client({ name: 'test', version: '1' });
  const headers = { authorization: `Bearer ${await tokenFor('alice', scope)}` };
  const transport = new StreamableHTTPClientTransport(new URL('/mcp', url), { requestInit: { headers } });
  await client.connect(transport as Parameters<Client['connect']>[0]);
  await client.listTools();
}

async function call(name: string, args: Structured = {}): Promise<Structured> {
  return (await client.callTool({ name, arguments: args })).structuredContent as Structured;
}

const production = () => simulator.cluster('production');
const writes = ({ requests }: SimulatedCluster) => requests.filter((request) => request.method !== 'GET');

/** The configuration with the token that has no rights at all. */
function limited(cluster: SimulatedCluster): ClusterConfig {
  const secret = new Secret(cluster.limitedTokenSecret);
  return configFor(cluster, {
    credentials: { kind: 'token', user: cluster.user, tokenId: cluster.limitedTokenId, secret },
  });
}

describe('search_api', () => {
  it('finds methods in the cluster’s own schema, with their risk, also with typos', async () => {
    await start(simulator.clusters.map((cluster) => configFor(cluster)));
    const found = await call('search_api', { query: 'resize disk' });
    expect(found).toMatchObject({ cluster: 'production', selected_by: 'any' });
    expect(found.methods).toContainEqual(
      expect.objectContaining({ method: 'PUT', path: '/nodes/{node}/qemu/{vmid}/resize' }),
    );
    const typo = await call('search_api', { query: 'snapshto rolback', cluster: 'staging' });
    expect(typo).toMatchObject({ cluster: 'staging', selected_by: 'explicit' });
    expect(JSON.stringify(typo.methods)).toContain('/snapshot/{snapname}/rollback');
  });
});

describe('describe_api', () => {
  it('tells parameters, privileges, risk and whether the token has the privileges', async () => {
    await start([configFor(production())]);
    const start100 = await call('describe_api', {
      path: '/nodes/pve1/qemu/100/status/start',
      method: 'POST',
    });
    expect(start100).toMatchObject({
      path: '/nodes/{node}/qemu/{vmid}/status/start',
      risk: 'change',
      token_has_them: 'yes',
      returns_task: true,
    });
    expect(start100.privileges).toContain('VM.PowerMgmt');
    expect(start100.parameters).toContainEqual(expect.objectContaining({ name: 'timeout', required: false }));
  });

  it('names the privileges that the token lacks', async () => {
    await start([limited(production())]);
    const described = await call('describe_api', {
      path: '/nodes/pve1/qemu/100/status/start',
      method: 'POST',
    });
    expect(described).toMatchObject({ token_has_them: 'no' });
    expect(JSON.stringify(described.missing_privileges)).toContain('VM.PowerMgmt on /vms/100');
  });

  it('does not say "yes" where only the description tells what is checked', async () => {
    await start([limited(production())]);
    const described = await call('describe_api', { path: '/nodes/pve1/vzdump', method: 'POST' });
    expect(described).toMatchObject({ token_has_them: 'unknown' });
  });

  it('refuses a misspelt parameter name instead of describing none', async () => {
    await start([configFor(production())]);
    const wrong = { path: '/nodes/{node}/qemu', method: 'POST', parameters: ['memroy'] };
    expect(await call('describe_api', wrong)).toMatchObject({
      error: {
        code: 'INVALID_ARGUMENTS',
        message: expect.stringContaining('memroy'),
        hint: expect.stringContaining('memory'),
      },
    });
  });

  it('names the nearest for what does not exist, and the verbs of a path', async () => {
    await start([configFor(production())]);
    expect(await call('describe_api', { path: '/nodes/{node}/qemuu' })).toMatchObject({
      error: { code: 'NOT_FOUND', hint: expect.stringContaining('/nodes/{node}/qemu') },
    });
    expect(await call('describe_api', { path: '/version', method: 'DELETE' })).toMatchObject({
      error: { code: 'NOT_FOUND', hint: expect.stringContaining('GET') },
    });
  });
});

describe('proxmox_api_call', () => {
  it('says everything that is wrong at once, and sends no write', async () => {
    await start([configFor(production())]);
    const wrong = await call('proxmox_api_call', {
      path: '/nodes/pve1/qemu/100/config',
      method: 'PUT',
      data: { coers: 2, memory: 'much', onboot: 'perhaps' },
    });
    const { error } = wrong as { error: { code: string; message: string } };
    expect(error.code).toBe('INVALID_ARGUMENTS');
    expect(error.message).toMatch(/coers.*cores/);
    expect(error.message).toContain('onboot');
    expect(await call('proxmox_api_call', { path: '/nodes/pve1/qmeu' })).toMatchObject({
      error: { code: 'NOT_FOUND', hint: expect.stringContaining('/nodes/{node}/qemu') },
    });
    expect(writes(production())).toEqual([]);
  });

  it('takes structured property strings, booleans and lists', async () => {
    await start([configFor(production())]);
    const data = {
      net1: { model: 'virtio', bridge: 'vmbr0', firewall: true },
      onboot: true,
      description: null,
    };
    const path = '/nodes/pve1/qemu/100/config';
    expect(await call('proxmox_api_call', { path, method: 'PUT', data })).not.toHaveProperty('error');
    const { data: config } = (await call('proxmox_api_call', { path })) as { data: Structured };
    expect(String(config.net1)).toMatch(/virtio/);
    expect(String(config.net1)).toContain('bridge=vmbr0');
    expect(config.onboot).toBe(1);
    expect(writes(production())).toHaveLength(1);
  });

  it.each([
    ['proxmox:read proxmox:change', 'DELETE', '/nodes/pve2/qemu/103', {}, 'proxmox:destroy'],
    [
      'proxmox:read proxmox:change',
      'PUT',
      '/nodes/pve1/qemu/100/config',
      { delete: 'scsi0', force: true },
      'proxmox:destroy',
    ],
    [
      'proxmox:read proxmox:change',
      'POST',
      '/nodes/pve1/qemu/100/agent/exec',
      { command: ['id'] },
      'proxmox:execute',
    ],
    [
      'proxmox:read',
      'GET',
      '/nodes/pve1/qemu/100/agent/file-read',
      { file: '/etc/shadow' },
      'proxmox:execute',
    ],
    ['proxmox:read proxmox:change', 'POST', '/access/users/mcp@pve/token/new', {}, 'proxmox:secret'],
  ])('with %s refuses %s %s %j for want of a scope', async (scope, method, path, data, missing) => {
    await start([configFor(production())], scope);
    const before = production().requests.length;
    const result = await call('proxmox_api_call', { path, method, data });
    expect(result).toMatchObject({
      error: { code: 'POLICY_DENIED', message: expect.stringContaining(missing) },
    });
    expect(writes(production())).toEqual([]);
    expect(
      production()
        .requests.slice(before)
        .filter((request) => request.path.includes('agent')),
    ).toEqual([]);
  });
});

describe('what must not read as an empty or a whole answer', () => {
  it.each(['proxmox_api_call', 'get_cluster_resources'])('a misspelt field of %s is named', async (name) => {
    await start([configFor(production())]);
    const answer = await call(name, {
      fields: ['nmae'],
      ...(name === 'proxmox_api_call' ? { path: '/nodes' } : {}),
    });
    expect(answer.note).toMatch(/has the field nmae. The fields are: .*node/);
  });

  it('a list that Proxmox itself cut says so', async () => {
    await start([configFor(production())]);
    for (let round = 0; round < 3; round++) {
      await call('proxmox_api_call', {
        path: '/nodes/pve1/qemu/100/snapshot',
        method: 'POST',
        data: { snapname: `s${round}` },
      });
    }
    const answer = await call('proxmox_api_call', { path: '/nodes/pve1/tasks', data: { limit: 2 } });
    expect(answer.note).toMatch(/gave 2 of \d+ rows: pass `start` and `limit`/);
  });

  it('list_tasks counts what failed among all, not among those shown', async () => {
    await start([configFor(production())]);
    for (let round = 0; round < 3; round++) {
      await call('proxmox_api_call', { path: '/nodes/pve1/qemu/100/status/start', method: 'POST' });
      await call('proxmox_api_call', {
        path: '/nodes/pve1/qemu/100/snapshot',
        method: 'POST',
        data: { snapname: `t${round}` },
      });
    }
    const all = await call('list_tasks', { node: 'pve1' });
    const few = await call('list_tasks', { node: 'pve1', limit: 1 });
    expect(few).toMatchObject({ failed_tasks: all.failed_tasks, running: all.running, total: all.total });
    expect(few.tasks).toHaveLength(1);
  });

  it('a denied call says why it needs the scope', async () => {
    await start([configFor(production())], 'proxmox:read proxmox:change');
    const backup = { path: '/nodes/pve2/vzdump', method: 'POST', data: { vmid: '103', storage: 'nas' } };
    const { error } = (await call('proxmox_api_call', backup)) as {
      error: { code: string; message: string };
    };
    expect(error.code).toBe('POLICY_DENIED');
    expect(error.message).toMatch(/because: .*(prune|remove)/i);
    const kept = { ...backup, data: { ...backup.data, remove: 0 } };
    expect(await call('proxmox_api_call', kept)).not.toHaveProperty('error');
  });

  it('a cluster that died since the last probe is not called reachable', async () => {
    await start(simulator.clusters.map((cluster) => configFor(cluster)));
    await call('list_clusters');
    await simulator.cluster('staging').stop();
    await call('list_nodes', { cluster: 'staging' });
    const { clusters: listed } = (await call('list_clusters')) as {
      clusters: { name: string; reachable: boolean }[];
    };
    expect(listed.find(({ name }) => name === 'staging')).toMatchObject({ reachable: false });
  });
});

describe('where the schema can’t be had', () => {
  it('the built-in catalogue serves, says so, and leaves what it does not know to Proxmox', async () => {
    production().faults.add({ kind: 'status', code: 404, reason: 'Not Found', match: /pve-docs/ });
    await start([configFor(production())]);
    const found = await call('search_api', { query: 'resize disk' });
    expect(found.catalogue).toMatch(/built-in/i);
    const rules = await call('proxmox_api_call', { path: '/cluster/ha/rules' });
    expect(rules).not.toMatchObject({
      error: { code: 'NOT_FOUND', message: expect.stringContaining('nothing was sent') },
    });
  });
});

describe('a token that sees nothing', () => {
  it('is told apart from an empty cluster', async () => {
    await start([limited(production())]);
    const seen = await call('get_cluster_resources', { type: 'qemu' });
    expect(seen).toMatchObject({ total: 0, note: expect.stringContaining('no privileges at all') });
  });
});
