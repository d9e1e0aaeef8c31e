import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { ClusterManager } from '../../src/clusters/manager.ts';
import type { ClusterConfig } from '../../src/config/config.ts';
import type { ClusterSpec, GuestSpec } from '../../src/simulator/estate.ts';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { configFor } from '../support/engine-fixtures.ts';
import { buildService, type TestService, tokenFor } from '../support/service.ts';

type Structured = Record<string, unknown>;

const guest = (vmid: number, node: string, name: string): GuestSpec => ({ vmid, type: 'qemu', node, name });
const site = (name: string, guests: GuestSpec[]): ClusterSpec => ({
  name,
  nodes: [`${name}1`, `${name}2`].map((node) => ({ name: node, cpus: 8, memoryGib: 32 })),
  guests,
});

/** 100 is in east and west; `twin` in west and north; the others are once in the world. */
const ESTATE = [
  site('east', [guest(100, 'east1', 'prod-web'), guest(101, 'east2', 'prod-db')]),
  site('west', [guest(100, 'west1', 'stg-web'), guest(250, 'west2', 'twin')]),
  site('north', [guest(300, 'north1', 'twin'), guest(301, 'north2', 'lonely')]),
];

const RULES: Record<string, Partial<ClusterConfig>> = {
  east: { patterns: ['prod-', '*-live'], vmids: [{ from: 100, to: 199 }], defaultNode: 'east1' },
  west: { patterns: ['stg-', '/-(test|web)$/'], defaultNode: 'west2', defaultStorage: 'local-lvm' },
  north: {},
};

let simulator: Simulator;
let clusters: ClusterManager;
let service: TestService;
let url: string;
const clients: Client[] = [];

beforeAll(async () => {
  simulator = await startSimulator({
    clusters: ESTATE,
    taskSeconds: 0,
    authDelaySeconds: 0,
    resourcesLagSeconds: 0,
  });
});

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  await service.close();
  await clusters.close();
  for (const { requests } of simulator.clusters) requests.length = 0;
});

afterAll(() => simulator.close());

async function connect(path = '/mcp', defaultCluster?: string) {
  clusters = new ClusterManager(
    {
      clusters: simulator.clusters.map((cluster) => configFor(cluster, RULES[cluster.name])),
      ...(defaultCluster === undefined ? {} : { defaultCluster }),
    },
    { logger: pino({ level: 'silent' }) },
  );
  service = await buildService({ estate: clusters });
  url = await service.listen();
  const client = new Client({ name: 'test', version: '1' });
  clients.push(client);
  const transport = new StreamableHTTPClientTransport(new URL(path, url), {
    requestInit: { headers: { authorization: `Bearer ${await tokenFor('alice')}` } },
  });
  await client.connect(transport as Parameters<Client['connect']>[0]);
  const { tools } = await client.listTools();
  const call = async (name: string, args: Structured) => {
    const { structuredContent, content } = await client.callTool({ name, arguments: args });
    const [text] = content as { text: string }[];
    const answer: Structured = { ...(structuredContent as Structured), text: text?.text ?? '' };
    return answer;
  };
  return { call, tools };
}

/** What arrived anywhere for a caller; the version and the schema are asked for by the service itself. */
function asked(): string[] {
  return simulator.clusters.flatMap(({ name, requests }) =>
    requests
      .filter(({ path }) => !/\/(?:version|apidoc\.js)$/.test(path))
      .map(({ method, path }) => `${name} ${method} ${path.replace('/api2/json', '')}`),
  );
}

/** The lines that say how a cluster was chosen: that of the call's end, and one of their own for more. */
const decisions = () =>
  service.lines.map((line) => JSON.parse(line)).filter((line) => line.selected_by !== undefined);

describe('proxmox_api_call without a cluster', () => {
  it('goes where the VMID of the path belongs, and says why', async () => {
    const { call } = await connect();
    const path = '/nodes/east1/qemu/100/config';
    expect(await call('proxmox_api_call', { path })).toMatchObject({
      cluster: 'east',
      selected_by: 'vmid',
      matched: '100-199',
      data: { name: 'prod-web' },
    });
    expect(asked()).toEqual([`east GET ${path}`]);
    expect(decisions()).toEqual([
      expect.objectContaining({
        level: 30,
        tool: 'proxmox_api_call',
        cluster: 'east',
        selected_by: 'vmid',
        matched: '100-199',
        request_id: expect.any(String),
      }),
    ]);
  });

  it('says who was asked and why where the guest is not there', async () => {
    const { call } = await connect('/mcp', 'north');
    const hintOf = async (args: Structured) => {
      const { error } = await call('proxmox_api_call', args);
      expect(error).toMatchObject({ code: 'NOT_FOUND' });
      return (error as { hint: string }).hint;
    };
    expect(await hintOf({ path: '/nodes/east1/qemu/198/config' })).toContain(
      'east was asked. It was selected by the VMID range "100-199". Pass `cluster` if another one is meant.',
    );
    expect(await hintOf({ path: '/nodes/north1/qemu/998/config' })).toContain(
      'north was asked. It was selected as the default cluster.',
    );
    expect(await hintOf({ cluster: 'east', path: '/nodes/east1/qemu/198/config' })).not.toContain('asked');
  });

  it('creates a guest where its name belongs, whatever its VMID says', async () => {
    const { call } = await connect();
    const create = { path: '/nodes/west1/qemu', method: 'POST', data: { vmid: 150, name: 'stg-new' } };
    expect(await call('proxmox_api_call', create)).toMatchObject({
      cluster: 'west',
      selected_by: 'pattern',
      matched: 'stg-',
      task: { cluster: 'west' },
    });
    expect(asked()).toEqual(['west POST /nodes/west1/qemu']);
  });

  it('clones where the guest is that is cloned, whatever the clone is called', async () => {
    const { call } = await connect();
    const clone = {
      path: '/nodes/east1/qemu/100/clone',
      method: 'POST',
      data: { newid: 950, name: 'stg-copy' },
    };
    expect(await call('proxmox_api_call', clone)).toMatchObject({ cluster: 'east', selected_by: 'vmid' });
    expect(asked()).toEqual(['east POST /nodes/east1/qemu/100/clone']);
  });

  it('sends nothing where two clusters claim a name', async () => {
    const { call } = await connect('/mcp', 'north');
    const create = { path: '/nodes/x/qemu', method: 'POST', data: { vmid: 150, name: 'prod-web' } };
    const { error } = await call('proxmox_api_call', create);
    expect(error).toMatchObject({
      code: 'CLUSTER_AMBIGUOUS',
      message: 'The name "prod-web" fits patterns of several clusters: east (prod-), west (/-(test|web)$/).',
    });
    expect(asked()).toEqual([]);
    expect(service.lines.join('')).toContain('no cluster selected');
  });

  it('sends nothing where nothing selects one, and to the default where there is one', async () => {
    const { call } = await connect();
    for (const args of [
      { path: '/cluster/status' },
      { path: '/nodes/x/qemu/999/status/stop', method: 'POST' },
    ]) {
      expect(await call('proxmox_api_call', args)).toMatchObject({ error: { code: 'CLUSTER_AMBIGUOUS' } });
    }
    expect(asked()).toEqual([]);
  });

  it('uses the default for what nothing claims', async () => {
    const { call } = await connect('/mcp', 'north');
    expect(await call('proxmox_api_call', { path: '/cluster/status' })).toMatchObject({
      cluster: 'north',
      selected_by: 'default',
    });
  });

  it('logs nothing of the arguments but the guest, and nothing of a cluster that is not there', async () => {
    const { call } = await connect();
    const data = { vmid: 970, name: 'stg-log', cipassword: 'c4n4ry-password' };
    await call('proxmox_api_call', { path: '/nodes/west1/qemu', method: 'POST', data });
    await call('proxmox_api_call', { cluster: 'c4n4ry-cluster', path: '/version' });
    expect(service.lines.join('')).not.toContain('c4n4ry');
    expect(asked()).toEqual(['west POST /nodes/west1/qemu']);
  });

  it('asks for no cluster in the schema, as the rules may give one', async () => {
    const { tools } = await connect();
    const schema = tools.find(({ name }) => name === 'proxmox_api_call')?.inputSchema;
    expect(schema?.properties).toHaveProperty('cluster');
    expect(schema?.required).toEqual(['path']);
  });
});

describe('{node} and {storage} in the path of proxmox_api_call', () => {
  it('are filled from the defaults of the cluster', async () => {
    const { call } = await connect();
    const path = '/nodes/{node}/storage/{storage}/status';
    expect(await call('proxmox_api_call', { cluster: 'west', path })).toMatchObject({
      path: '/nodes/west2/storage/local-lvm/status',
      note: '{node} is west2, the default_node of west. {storage} is local-lvm, the default_storage of west.',
    });
    expect(asked()).toEqual(['west GET /nodes/west2/storage/local-lvm/status']);
  });

  it('the node of a guest is where it is, whatever the default', async () => {
    const { call } = await connect();
    expect(await call('proxmox_api_call', { path: '/nodes/{node}/qemu/101/config' })).toMatchObject({
      cluster: 'east',
      path: '/nodes/east2/qemu/101/config',
      note: '{node} is east2, where guest 101 is.',
      data: { name: 'prod-db' },
    });
    const gone = await call('proxmox_api_call', {
      path: '/nodes/{node}/qemu/198/status/stop',
      method: 'POST',
    });
    expect(gone.error).toMatchObject({ code: 'NOT_FOUND', cluster: 'east' });
    expect(asked().some((request) => request.includes('POST'))).toBe(false);
  });

  it('a guest that is about to be made goes to the default node, though its VMID is given', async () => {
    const { call } = await connect();
    const made = await call('proxmox_api_call', {
      path: '/nodes/{node}/qemu',
      method: 'POST',
      data: { vmid: 150, name: 'prod-new' },
    });
    expect(made).toMatchObject({ cluster: 'east', path: '/nodes/east1/qemu', task: { cluster: 'east' } });
    expect(asked()).toEqual(['east POST /nodes/east1/qemu']);
  });

  it.each([
    ['north', '/nodes/{node}/status', '{node}', 'no default_node'],
    ['east', '/nodes/{node}/storage/{storage}/status', '{storage}', 'no default_storage'],
    ['east', '/nodes/{node}/qemu/{vmid}/status/stop', '{vmid}', 'no default is for that'],
    ['east', '/access/users/{userid}', '{userid}', 'no default is for that'],
    ['east', '/nodes/{constructor}/status', '{constructor}', 'no default is for that'],
  ])('%s %s: %s is refused, and nothing is sent', async (cluster, path, place, why) => {
    const { call } = await connect();
    const { error } = await call('proxmox_api_call', { cluster, path, method: 'DELETE' });
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENTS', message: expect.stringContaining(why) });
    expect(JSON.stringify(error)).toContain(place);
    expect(asked()).toEqual([]);
  });
});

describe('resolve_guest', () => {
  it('finds the one match of all clusters, though there is a default', async () => {
    const { call, tools } = await connect('/mcp', 'east');
    const found = await call('resolve_guest', { name: 'LONELY' });
    expect(found).toMatchObject({
      cluster: 'north',
      selected_by: 'lookup',
      guest: { vmid: 301, name: 'lonely', node: 'north2', type: 'qemu', status: 'stopped', template: false },
      as_of: expect.stringMatching(/^\d{4}-/),
    });
    expect(found).not.toHaveProperty('failed');
    expect(found.text).toBe(
      'VM 301 (lonely) is stopped on north2 of north, the only cluster found to have it.',
    );
    const schema = tools.find(({ name }) => name === 'resolve_guest')?.inputSchema;
    expect(schema?.required ?? []).toEqual([]);
    expect(
      decisions().map(({ clusters: all, cluster, selected_by }) => [all ?? cluster, selected_by]),
    ).toEqual([
      [3, 'all'],
      ['north', 'lookup'],
    ]);
  });

  it('looks only where a pattern or the VMID map says', async () => {
    const { call } = await connect();
    expect(await call('resolve_guest', { vmid: 100 })).toMatchObject({
      cluster: 'east',
      selected_by: 'vmid',
      guest: { name: 'prod-web' },
      text: 'VM 100 (prod-web) is stopped on east1 of east, selected by the VMID range "100-199".',
    });
    expect(await call('resolve_guest', { name: 'prod-db' })).toMatchObject({
      cluster: 'east',
      selected_by: 'pattern',
      matched: 'prod-',
    });
    expect(await call('resolve_guest', { name: 'stg-db' })).toMatchObject({
      error: { code: 'NOT_FOUND', cluster: 'west', message: expect.stringContaining('the pattern "stg-"') },
    });
    expect(new Set(asked())).toEqual(new Set(['east GET /cluster/resources', 'west GET /cluster/resources']));
  });

  it('lists several matches', async () => {
    const { call } = await connect();
    const { error } = await call('resolve_guest', { name: 'twin' });
    expect(error).toMatchObject({ code: 'CLUSTER_AMBIGUOUS' });
    expect(JSON.stringify(error)).toMatch(/250 .*twin.* on west2 of west, 300 .*twin.* on north1 of north/);
    expect(await call('resolve_guest', { name: 'twin', vmid: 300 })).toMatchObject({ cluster: 'north' });
    expect(await call('resolve_guest', { name: 'twin', cluster: 'west' })).toMatchObject({
      selected_by: 'explicit',
      guest: { vmid: 250 },
    });
  });

  it('refuses a name and a VMID of two guests, a guest that is nowhere, and no guest at all', async () => {
    const { call } = await connect();
    expect(await call('resolve_guest', { name: 'prod-db', vmid: 100 })).toMatchObject({
      error: {
        code: 'INVALID_ARGUMENTS',
        message: expect.stringContaining('101 "prod-db" on east2 of east'),
      },
    });
    expect(await call('resolve_guest', { name: 'nobody' })).toMatchObject({
      error: { code: 'NOT_FOUND', message: 'No guest named "nobody" in 3 clusters.', retryable: false },
    });
    expect(await call('resolve_guest', {})).toMatchObject({ error: { code: 'INVALID_ARGUMENTS' } });
  });

  it('sends nothing where two clusters claim the name', async () => {
    const { call } = await connect();
    expect(await call('resolve_guest', { name: 'prod-web' })).toMatchObject({
      error: { code: 'CLUSTER_AMBIGUOUS' },
    });
    expect(asked()).toEqual([]);
  });

  it('names a cluster that is down, and finds what the others have', async () => {
    await simulator.cluster('west').stop();
    onTestFinished(() => simulator.cluster('west').start());
    const { call } = await connect();
    const found = await call('resolve_guest', { name: 'lonely' });
    expect(found).toMatchObject({
      cluster: 'north',
      failed: [{ cluster: 'west', code: 'CLUSTER_UNREACHABLE' }],
      text: expect.stringContaining('Without west (CLUSTER_UNREACHABLE).'),
    });
    expect(await call('resolve_guest', { name: 'nobody' })).toMatchObject({
      error: { code: 'NOT_FOUND', message: expect.stringContaining('may have it: west'), retryable: true },
    });
  });

  it('stays within its cluster on a scoped URL', async () => {
    const { call } = await connect('/mcp/west');
    expect(await call('resolve_guest', { vmid: 100 })).toMatchObject({
      cluster: 'west',
      selected_by: 'single',
      guest: { name: 'stg-web' },
    });
    expect(await call('resolve_guest', { name: 'lonely' })).toMatchObject({ error: { code: 'NOT_FOUND' } });
    expect(await call('proxmox_api_call', { path: '/nodes/west1/qemu/100/config' })).toMatchObject({
      cluster: 'west',
      selected_by: 'single',
      data: { name: 'stg-web' },
    });
    expect(asked().every((request) => request.startsWith('west '))).toBe(true);
  });
});
