import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ClusterManager } from '../../src/clusters/manager.ts';
import { type SimulatedCluster, type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { configFor } from '../support/engine-fixtures.ts';
import { buildService, type TestService, tokenFor } from '../support/service.ts';

let simulator: Simulator;
let clusters: ClusterManager;
let service: TestService;
let url: string;
const clients: Client[] = [];

/** production may be served by staging; staging by nobody. */
beforeEach(async () => {
  simulator = await startSimulator({ taskSeconds: 0, authDelaySeconds: 0 });
  clusters = new ClusterManager(
    {
      clusters: simulator.clusters.map((cluster) =>
        configFor(cluster, cluster.name === 'production' ? { fallback: 'staging' } : {}),
      ),
    },
    { logger: pino({ level: 'silent' }) },
  );
  service = await buildService({ estate: clusters });
  url = await service.listen();
});

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  await service.close();
  await clusters.close();
  await simulator.close();
});

async function connect(path = '/mcp', scope?: string) {
  const client = new Client({ name: 'test', version: '1' });
  clients.push(client);
  const transport = new StreamableHTTPClientTransport(new URL(path, url), {
    requestInit: { headers: { authorization: `Bearer ${await tokenFor('alice', scope)}` } },
  });
  await client.connect(transport as Parameters<Client['connect']>[0]);
  return async (name: string, args: Record<string, unknown>) => {
    const { structuredContent, content } = await client.callTool({ name, arguments: args });
    const [first] = content as { text: string }[];
    return { answer: structuredContent as Record<string, unknown>, text: first?.text ?? '' };
  };
}

/** What arrived for a caller; the version and the schema are asked for by the service itself. */
function asked({ requests }: SimulatedCluster) {
  return requests.filter(({ path }) => !/\/(?:version|apidoc\.js)$/.test(path));
}

const production = () => simulator.cluster('production');
const staging = () => simulator.cluster('staging');

describe('a read of an unreachable cluster', () => {
  it('is served by its fallback, and both the data and the text say so', async () => {
    await production().stop();
    const call = await connect();

    const { answer, text } = await call('list_nodes', { cluster: 'production' });
    expect(answer).toMatchObject({ cluster: 'production', selected_by: 'explicit', served_by: 'staging' });
    expect(JSON.stringify(answer.nodes)).toContain('stg1');
    expect(text).toMatch(/^production is unreachable; its fallback staging answered: /);

    const raw = await call('proxmox_api_call', { cluster: 'production', path: '/cluster/status' });
    expect(raw.answer).toMatchObject({ cluster: 'production', served_by: 'staging' });
    expect(JSON.stringify(raw.answer.data)).toContain('stg1');
    expect(raw.text).toBe(
      'production is unreachable; its fallback staging answered: GET /cluster/status on staging succeeded.',
    );
    expect((await call('resolve_guest', { cluster: 'production', vmid: 200 })).text).toMatch(
      /^production is unreachable; its fallback staging answered: Container 200 .* of staging\.$/,
    );
  });

  it.each([
    ['proxmox_api_call', { path: '/nodes/{node}/qemu/999/config' }, 'a guest 999'],
    ['resolve_guest', { vmid: 999 }, 'a guest with VMID 999'],
    ['resolve_guest', { name: 'web-01' }, 'a guest named "web-01"'],
    ['resolve_guest', { name: 'web-01', vmid: 200 }, 'a guest named "web-01" and with VMID 200'],
  ])('%s %j: that the fallback has none says nothing of the cluster', async (tool, args, what) => {
    await production().stop();
    const call = await connect();
    const { answer } = await call(tool, { cluster: 'production', ...args });
    expect(answer).toMatchObject({
      error: {
        code: 'CLUSTER_UNREACHABLE',
        message: `production can't be reached, so it is not known whether it has ${what}; its fallback staging has none.`,
        cluster: 'production',
        retryable: true,
      },
    });
  });

  it('comes from the cluster itself again once that answers', async () => {
    await production().stop();
    const call = await connect();
    expect((await call('list_nodes', { cluster: 'production' })).answer).toHaveProperty('served_by');
    await production().start();
    const { answer } = await call('list_nodes', { cluster: 'production', fresh: true });
    expect(answer).not.toHaveProperty('served_by');
    expect(JSON.stringify(answer)).not.toContain('stg1');
  });

  it('fails naming both where the fallback does not answer either', async () => {
    await Promise.all([production().stop(), staging().stop()]);
    const call = await connect();
    const { answer } = await call('list_nodes', { cluster: 'production' });
    expect(answer).toMatchObject({
      error: {
        code: 'CLUSTER_UNREACHABLE',
        cluster: 'production',
        message: expect.stringContaining('fallback staging'),
      },
    });
  });

  it('is not served by a cluster that was not named as its fallback', async () => {
    await staging().stop();
    const call = await connect();
    const { answer } = await call('list_nodes', { cluster: 'staging' });
    expect(answer).toMatchObject({ error: { code: 'CLUSTER_UNREACHABLE', cluster: 'staging' } });
    expect(asked(production())).toEqual([]);
  });

  it('stays on its cluster where the URL is bound to that', async () => {
    await production().stop();
    const call = await connect('/mcp/production');
    const { answer } = await call('list_nodes', {});
    expect(answer).toMatchObject({ error: { code: 'CLUSTER_UNREACHABLE' } });
    expect(asked(staging())).toEqual([]);
  });
});

describe('what never goes to the fallback', () => {
  const UPID = 'UPID:pve1:00001000:00002000:65000000:qmstart:100:root@pam:';
  it.each([
    ['a write', { path: '/nodes/stg1/qemu/200/status/start', method: 'POST' }],
    ['where a guest is that a write is for', { path: '/nodes/{node}/qemu/200/status/start', method: 'POST' }],
    ['whether there is one', { path: '/nodes/{node}/qemu/999/status/start', method: 'POST' }],
    ['a change of options', { path: '/cluster/options', method: 'PUT', data: { keyboard: 'de' } }],
    ['a delete', { path: '/pools', method: 'DELETE', data: { poolid: 'x' } }],
    ['the state of a task', { path: `/nodes/pve1/tasks/${UPID}/status` }],
    ['the list of tasks', { path: '/cluster/tasks' }],
    ['a read that executes', { path: '/nodes/stg1/qemu/200/agent/file-read', data: { file: '/etc/shadow' } }],
  ])('%s', async (_what, args) => {
    await production().stop();
    const call = await connect();
    const { answer } = await call('proxmox_api_call', { cluster: 'production', ...args });
    expect(answer).toMatchObject({ error: { code: 'CLUSTER_UNREACHABLE', cluster: 'production' } });
    expect(JSON.stringify(answer)).not.toContain('Its fallback');
    expect(asked(staging())).toEqual([]);
  });

  it('a write, and its error says that nothing was sent', async () => {
    await Promise.all([production().stop(), staging().stop()]);
    const call = await connect();
    const sent = { path: '/nodes/pve1/qemu/100/status/start', method: 'POST' };
    const messageOf = async (args: object) => {
      const { answer } = await call('proxmox_api_call', { ...sent, ...args });
      return (answer.error as { message: string }).message;
    };
    for (let attempt = 0; attempt < 8; attempt++) {
      expect(await messageOf({ cluster: 'production' })).toMatch(
        / Nothing was sent; a fallback never takes writes\.$/,
      );
    }
    expect(await messageOf({ cluster: 'staging' })).toMatch(/\. Nothing was sent\.$/);
    expect(await messageOf({ cluster: 'staging', method: 'GET' })).not.toContain('Nothing was sent');
  });

  it('a call that a cluster answered, whatever it answered', async () => {
    const call = await connect();
    const { answer } = await call('proxmox_api_call', {
      cluster: 'production',
      path: '/nodes/stg1/status',
    });
    expect(answer).toHaveProperty('error');
    expect(asked(staging())).toEqual([]);
  });

  it('a call that the token may not make', async () => {
    await production().stop();
    const call = await connect('/mcp', 'proxmox:change');
    const { answer } = await call('list_nodes', { cluster: 'production' });
    expect(answer).toMatchObject({ error: { code: 'POLICY_DENIED' } });
    expect(asked(staging())).toEqual([]);
  });
});
