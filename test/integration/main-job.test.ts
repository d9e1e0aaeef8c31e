import {
  Client as ModernClient,
  StreamableHTTPClientTransport as ModernTransport,
} from '@modelcontextprotocol/client';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ClusterManager } from '../../src/clusters/manager.ts';
import { type SimulatedCluster, type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { configFor } from '../support/engine-fixtures.ts';
import { buildService, type ServiceOptions, type TestService, tokenFor } from '../support/service.ts';

let simulator: Simulator;
let clusters: ClusterManager;
let service: TestService;
let url: string;
let client: Pick<Client, 'close'>;

beforeEach(async () => {
  simulator = await startSimulator({ taskSeconds: 0.1, authDelaySeconds: 0 });
  clusters = new ClusterManager(
    { clusters: simulator.clusters.map((cluster) => configFor(cluster)) },
    { logger: pino({ level: 'silent' }) },
  );
});

afterEach(async () => {
  await client.close();
  await service.close();
  await clusters.close();
  await simulator.close();
});

async function start(options: Partial<ServiceOptions> = {}) {
  service = await buildService({ estate: clusters, ...options });
  url = await service.listen();
}

type Structured = Record<string, unknown>;
type CallTool = (name: string, args?: Structured) => Promise<Structured>;

const DOORS = {
  'Streamable HTTP': (init: object) => legacy(new StreamableHTTPClientTransport(new URL('/mcp', url), init)),
  SSE: (init: object) => legacy(new SSEClientTransport(new URL('/sse', url), init)),
  'revision 2026-07-28': (init: object) => modern(new ModernTransport(new URL('/mcp', url), init)),
};

async function legacy(transport: unknown): Promise<CallTool> {
  const made = new Client({ name: 'v1', version: '1' });
  client = made;
  await made.connect(transport as Parameters<Client['connect']>[0]);
  await made.listTools();
  return async (name, args = {}) =>
    (await made.callTool({ name, arguments: args })).structuredContent as Structured;
}

async function modern(transport: ModernTransport): Promise<CallTool> {
  const made = new ModernClient(
    { name: 'v2', version: '1' },
    { versionNegotiation: { mode: { pin: '2026-07-28' } } },
  );
  client = made;
  await made.connect(transport);
  await made.listTools();
  return async (name, args = {}) =>
    (await made.callTool({ name, arguments: args })).structuredContent as Structured;
}

async function connect(door: keyof typeof DOORS = 'Streamable HTTP', scope?: string): Promise<CallTool> {
  return DOORS[door]({
    requestInit: { headers: { authorization: `Bearer ${await tokenFor('alice', scope)}` } },
  });
}

/** What arrived for a caller; the version and the schema are asked for by the service itself. */
function asked({ requests }: SimulatedCluster) {
  return requests.filter(({ path }) => !/\/(?:version|apidoc\.js)$/.test(path));
}

describe.each(Object.keys(DOORS) as (keyof typeof DOORS)[])('the main job over %s', (door) => {
  it('lists clusters and nodes, reads resources, starts a guest and sees it running', async () => {
    await start();
    const call = await connect(door);

    expect(await call('list_clusters')).toMatchObject({
      total: 3,
      clusters: [
        { name: 'production', reachable: true, release: expect.any(String) },
        { name: 'staging', reachable: true },
        { name: 'disaster-recovery', reachable: true },
      ],
    });
    expect(await call('list_nodes', { cluster: 'production' })).toMatchObject({
      nodes: [{ node: 'pve1', status: 'online' }, { node: 'pve2' }, { node: 'pve3' }],
    });
    const stopped = { cluster: 'production', type: 'qemu', status: 'stopped', template: false };
    const found = (await call('get_cluster_resources', stopped)) as {
      resources: { node: string; vmid: number }[];
    };
    const guest = found.resources[0];
    const path = `/nodes/${guest?.node}/qemu/${guest?.vmid}/status`;

    const started = await call('proxmox_api_call', {
      cluster: 'production',
      path: `${path}/start`,
      method: 'POST',
    });
    expect(started).toMatchObject({ data: expect.stringMatching(/^UPID:/), task: { status: 'running' } });
    const waited = await call('wait_task', { cluster: 'production', upid: started.data, wait_seconds: 10 });
    expect(waited).toMatchObject({ task: { status: 'ok', type: 'qmstart', id: String(guest?.vmid) } });
    const current = { cluster: 'production', path: `/api2/json${path}/current` };
    expect(await call('proxmox_api_call', current)).toMatchObject({ data: { status: 'running' } });
    expect(
      await call('list_tasks', { cluster: 'production', vmid: guest?.vmid, type: 'qmstart' }),
    ).toMatchObject({
      tasks: [{ upid: started.data, status: 'ok' }],
    });
    const posts = simulator.cluster('production').requests.filter((request) => request.method === 'POST');
    expect(posts).toHaveLength(1);
  });
});

describe('with one of three clusters in trouble', () => {
  it('that is down the other two answer as before, and the dead one is named', async () => {
    await start();
    await simulator.cluster('staging').stop();
    const call = await connect();
    expect(await call('list_nodes', { cluster: 'production' })).toMatchObject({ total: 3 });
    expect(await call('list_nodes', { cluster: 'disaster-recovery' })).toMatchObject({ total: 1 });
    expect(await call('list_nodes', { cluster: 'staging' })).toMatchObject({
      error: { code: 'CLUSTER_UNREACHABLE', cluster: 'staging', retryable: true },
    });
    const { clusters: listed } = (await call('list_clusters')) as {
      clusters: { name: string; reachable: boolean; problem?: string }[];
    };
    expect(listed.map(({ name, reachable }) => [name, reachable])).toEqual([
      ['production', true],
      ['staging', false],
      ['disaster-recovery', true],
    ]);
    expect(listed[1]?.problem).toContain('CLUSTER_UNREACHABLE');
    await simulator.cluster('staging').start();
    expect(await call('list_nodes', { cluster: 'staging' })).toMatchObject({ total: 2 });
  });

  it.each([
    ['hangs', { kind: 'hang' }, 'TIMEOUT'],
    ['answers HTML', { kind: 'html' }, 'UPSTREAM_ERROR'],
    ['answers half a JSON', { kind: 'truncated-json', end: true }, 'UPSTREAM_ERROR'],
    ['breaks off in its answer', { kind: 'truncated-json' }, 'CLUSTER_UNREACHABLE'],
  ] as const)('that %s the others go on', async (_name, fault, code) => {
    await start({ callDeadlineSeconds: 2 });
    simulator.cluster('production').faults.add(fault);
    const call = await connect();
    const result = await call('list_nodes', { cluster: 'production' });
    expect(result).toMatchObject({ error: { code, cluster: 'production' } });
    expect(await call('list_nodes', { cluster: 'staging' })).toMatchObject({ total: 2 });
  });
});

describe('what must not happen', () => {
  it.each([
    '/nodes/../access/users',
    '/nodes/./pve1',
    '/nodes/%2e%2e/access',
    '/nodes/..%2faccess',
    '/nodes/pve1?x=1',
    '/nodes/pve1#x',
    '/nodes//pve1',
    '//evil.example/nodes',
    'https://evil.example/nodes',
    '/nodes/pve1\u0000',
    '/nodes/pve1\n',
    '/nodes/pve1\\..',
    '/nodes/%252e%252e/access',
    '/nodes/%zz',
    `/${'a'.repeat(3000)}`,
  ])('a path like %j reaches a cluster', async (path) => {
    await start();
    const call = await connect();
    for (const method of ['GET', 'POST', 'PUT', 'DELETE']) {
      const result = await call('proxmox_api_call', { cluster: 'production', path, method });
      expect(result).toMatchObject({ error: { code: 'INVALID_PATH' } });
    }
    expect(simulator.clusters.flatMap((cluster) => cluster.requests)).toEqual([]);
  });

  it('a read-only server sends anything but GET', async () => {
    await start({ readOnly: true });
    const call = await connect();
    for (const method of ['POST', 'PUT', 'DELETE']) {
      const args = { cluster: 'production', path: '/nodes/pve1/qemu/100/status/stop', method };
      expect(await call('proxmox_api_call', args)).toMatchObject({ error: { code: 'POLICY_DENIED' } });
    }
    expect(await call('list_nodes', { cluster: 'production' })).toMatchObject({ total: 3 });
    expect(simulator.cluster('production').requests.every((request) => request.method === 'GET')).toBe(true);
  });

  it('a read-only token changes anything, and the answer names the scope', async () => {
    await start();
    const call = await connect('SSE', 'proxmox:read');
    const args = { cluster: 'production', path: '/nodes/pve1/qemu/100/status/stop', method: 'POST' };
    const result = await call('proxmox_api_call', args);
    expect(result).toMatchObject({
      error: { code: 'POLICY_DENIED', message: expect.stringContaining('proxmox:change') },
    });
    expect(asked(simulator.cluster('production'))).toEqual([]);
  });

  it('a secret stands in the log or in an answer', async () => {
    await start();
    const call = await connect();
    const answers = [
      await call('list_clusters'),
      await call('list_nodes', { cluster: 'production' }),
      await call('proxmox_api_call', { cluster: 'production', path: '/nope' }),
      await call('proxmox_api_call', { cluster: 'nope', path: '/version' }),
    ];
    const seen = `${service.lines.join('')}${JSON.stringify(answers)}`;
    for (const { tokenSecret } of simulator.clusters) expect(seen).not.toContain(tokenSecret);
  });

  it('an unknown cluster is guessed; the error lists the known ones', async () => {
    await start();
    const call = await connect();
    const result = await call('list_nodes', { cluster: 'prod' });
    expect(result).toMatchObject({ error: { code: 'CLUSTER_NOT_FOUND' } });
    expect(JSON.stringify(result)).toMatch(/production.*staging.*disaster-recovery/);
    expect(await call('proxmox_api_call', { path: '/nodes' })).toMatchObject({
      error: { code: 'CLUSTER_AMBIGUOUS' },
    });
    expect(simulator.clusters.flatMap((cluster) => cluster.requests)).toEqual([]);
  });
});

describe('a large answer', () => {
  it('is bounded, marked, and can be read to its end', async () => {
    await start();
    const call = await connect();
    const whole = (await call('proxmox_api_call', { cluster: 'production', path: '/cluster/resources' })) as {
      data: unknown[];
    };
    const rows: unknown[] = [];
    let offset: number | undefined = 0;
    while (offset !== undefined) {
      const part = await call('proxmox_api_call', {
        cluster: 'production',
        path: '/cluster/resources',
        fields: ['id'],
        limit: 3,
        offset,
      });
      rows.push(...(part.data as unknown[]));
      offset = (part.truncated as { next_offset?: number } | undefined)?.next_offset;
    }
    expect(rows).toEqual(whole.data.map((row) => ({ id: (row as { id: string }).id })));
  });

  it('asked for with a write is refused before anything is sent', async () => {
    await start();
    const call = await connect();
    const args = {
      cluster: 'production',
      path: '/nodes/pve1/qemu/103/status/start',
      method: 'POST',
      limit: 5,
    };
    expect(await call('proxmox_api_call', args)).toMatchObject({ error: { code: 'INVALID_ARGUMENTS' } });
    expect(simulator.cluster('production').requests).toEqual([]);
  });
});

describe('get_cluster_resources', () => {
  it.each([
    [{ type: 'node' }, (row: Structured) => row.type === 'node'],
    [{ name: 'WEB-*' }, (row: Structured) => String(row.name).startsWith('web-')],
    [{ tag: 'web' }, (row: Structured) => String(row.tags).includes('web')],
    [{ pool: 'web', type: 'qemu' }, (row: Structured) => row.pool === 'web'],
    [{ vmid: 100 }, (row: Structured) => row.vmid === 100],
    [{ node: 'pve2', type: 'qemu' }, (row: Structured) => row.node === 'pve2'],
    [{ template: true }, (row: Structured) => row.template === true],
  ])('filters by %j', async (filter, holds) => {
    await start();
    const call = await connect();
    const { resources, total } = (await call('get_cluster_resources', {
      cluster: 'production',
      ...filter,
    })) as {
      resources: Structured[];
      total: number;
    };
    expect(resources.length).toBeGreaterThan(0);
    expect(resources.every(holds)).toBe(true);
    expect(total).toBe(resources.length);
  });

  it('pages, and keeps the fields asked for', async () => {
    await start();
    const call = await connect();
    const first = await call('get_cluster_resources', {
      cluster: 'production',
      limit: 2,
      fields: ['id', 'mem_bytes'],
    });
    expect(first).toMatchObject({ next_cursor: expect.any(String) });
    expect(Object.keys((first.resources as object[])[0] ?? {})).toEqual(expect.arrayContaining(['id']));
    const second = await call('get_cluster_resources', {
      cluster: 'production',
      limit: 2,
      cursor: first.next_cursor,
      fields: ['id'],
    });
    expect(second.resources).not.toEqual(first.resources);
  });
});

describe('a task that fails', () => {
  it('is an error with what Proxmox says and the end of its log', async () => {
    await start();
    const call = await connect();
    const path = '/nodes/pve1/qemu/100/status/start';
    const started = await call('proxmox_api_call', { cluster: 'production', path, method: 'POST' });
    if (typeof started.data !== 'string') {
      expect(started).toMatchObject({ error: { code: 'CONFLICT' } });
      return;
    }
    const waited = await call('wait_task', { cluster: 'production', upid: started.data, wait_seconds: 10 });
    expect(waited).toMatchObject({
      error: { code: 'TASK_FAILED', message: expect.stringContaining('already running') },
    });
  });
});
