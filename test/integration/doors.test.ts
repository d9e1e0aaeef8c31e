import {
  Client as ModernClient,
  StreamableHTTPClientTransport as ModernTransport,
} from '@modelcontextprotocol/client';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { directoryOf, RecordingCluster } from '../support/recording-cluster.ts';
import { buildService, type ServiceOptions, type TestService, tokenFor } from '../support/service.ts';

const UPID = 'UPID:pve1:0000C530:001C9BEC:6571AD2A:qmstart:100:mcp@pve!mcp:';
const INITIALIZE = {
  jsonrpc: '2.0',
  id: 0,
  method: 'initialize',
  params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'test', version: '1' } },
};

let production: RecordingCluster;
let staging: RecordingCluster;
let service: TestService;
let url: string;
const open: { close(): Promise<void> }[] = [];

async function start(options: Partial<ServiceOptions> = {}) {
  service = await buildService({ estate: directoryOf(production, staging), ...options });
  url = await service.listen();
}

beforeEach(() => {
  production = new RecordingCluster('production');
  staging = new RecordingCluster('staging');
  production.reply = () => [{ id: 'node/pve1', type: 'node', node: 'pve1', status: 'online', maxcpu: 8 }];
});

afterEach(async () => {
  await Promise.allSettled(open.splice(0).map((client) => client.close()));
  await service.close();
});

async function headers(subject = 'alice', scope?: string) {
  return { authorization: `Bearer ${await tokenFor(subject, scope)}` };
}

type V1Transport = Parameters<Client['connect']>[0];

async function v1(kind: 'http' | 'sse', path = kind === 'http' ? '/mcp' : '/sse') {
  const client = new Client({ name: 'v1', version: '1' });
  const init = { requestInit: { headers: await headers() } };
  const address = new URL(path, url);
  const transport =
    kind === 'http'
      ? new StreamableHTTPClientTransport(address, init)
      : new SSEClientTransport(address, init);
  await client.connect(transport as V1Transport);
  open.push(client);
  return client;
}

async function modern(path = '/mcp') {
  const client = new ModernClient(
    { name: 'v2', version: '1' },
    { versionNegotiation: { mode: { pin: '2026-07-28' } } },
  );
  await client.connect(
    new ModernTransport(new URL(path, url), { requestInit: { headers: await headers() } }),
  );
  open.push(client);
  return client;
}

async function post(path: string, body: unknown, more: Record<string, string> = {}, subject = 'alice') {
  return fetch(new URL(path, url), {
    method: 'POST',
    headers: {
      ...(await headers(subject)),
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...more,
    },
    body: JSON.stringify(body),
  });
}

async function session(subject = 'alice', path = '/mcp') {
  const response = await post(path, INITIALIZE, {}, subject);
  await response.text();
  const id = response.headers.get('mcp-session-id') ?? '';
  await post(
    path,
    { jsonrpc: '2.0', method: 'notifications/initialized' },
    { 'mcp-session-id': id },
    subject,
  );
  return id;
}

function toolCall(id: number | string, name: string, args: object = {}) {
  return { jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: args } };
}

describe.each([
  ['a v1 client over Streamable HTTP', () => v1('http')],
  ['a v1 client over SSE', () => v1('sse')],
  ['a v2 client on revision 2026-07-28', () => modern()],
] as const)('%s', (_name, connect) => {
  it('lists the tools with schemas and annotations', async () => {
    await start();
    const client = await connect();
    const { tools } = await client.listTools();
    expect(tools.map((tool) => tool.name)).toEqual(
      expect.arrayContaining(['list_clusters', 'proxmox_api_call', 'wait_task']),
    );
    for (const tool of tools) {
      expect(tool.inputSchema.type).toBe('object');
      expect(tool.outputSchema).toBeDefined();
      expect(Object.keys(tool.annotations ?? {}).length).toBeGreaterThanOrEqual(4);
    }
  });

  it('calls a tool and gets structured content that fits the schema', async () => {
    await start();
    const client = await connect();
    await client.listTools();
    const result = await client.callTool({ name: 'list_nodes', arguments: { cluster: 'production' } });
    expect(result.structuredContent).toEqual({
      cluster: 'production',
      selected_by: 'explicit',
      nodes: [{ node: 'pve1', status: 'online', cpus: 8 }],
      total: 1,
      as_of: expect.any(String),
    });
  });

  it('gets a structured error that its own schema check admits', async () => {
    await start();
    const client = await connect();
    await client.listTools();
    const result = await client.callTool({
      name: 'proxmox_api_call',
      arguments: { cluster: 'production', path: '/a/../b' },
    });
    expect(result.isError).toBe(true);
    expect(result.structuredContent).toMatchObject({ error: { code: 'INVALID_PATH', retryable: false } });
    expect(production.calls).toEqual([]);
  });

  it('learns that a tool is unknown, and which there are', async () => {
    await start();
    const client = await connect();
    await expect(client.callTool({ name: 'nope', arguments: {} })).rejects.toThrow(
      /Unknown tool.*list_clusters/,
    );
  });

  it('is told which arguments do not fit, all at once, and nothing is sent', async () => {
    await start();
    const client = await connect();
    const args = { cluster: 5, method: 'PATCH', path: '', surprise: 1 };
    const result = await client.callTool({ name: 'proxmox_api_call', arguments: args });
    const { error } = result.structuredContent as { error: { code: string; message: string } };
    expect(error.code).toBe('INVALID_ARGUMENTS');
    for (const name of ['cluster', 'method', 'path', 'surprise']) expect(error.message).toContain(name);
    expect(error.message).not.toContain('required');
    const missing = await client.callTool({ name: 'proxmox_api_call', arguments: { path: null } });
    const { message } = (missing.structuredContent as { error: { message: string } }).error;
    expect(message).toBe('The arguments do not fit: path is required.');
    expect(production.calls).toEqual([]);
  });

  it('may send null for arguments it leaves out', async () => {
    await start();
    const client = await connect();
    const args = {
      cluster: 'production',
      path: '/version',
      method: null,
      data: null,
      fields: null,
      limit: null,
    };
    const result = await client.callTool({ name: 'proxmox_api_call', arguments: args });
    expect(result.isError).toBeFalsy();
  });

  it('gets progress while it waits, and the end of the task', async () => {
    await start();
    let polls = 0;
    production.reply = ({ path }) => {
      if (path.wire.endsWith('/log')) return [{ n: 1, t: 'TASK OK' }];
      return {
        upid: UPID,
        type: 'qmstart',
        node: 'pve1',
        id: '100',
        status: polls++ < 2 ? 'running' : 'stopped',
        exitstatus: 'OK',
      };
    };
    const client = await connect();
    const seen: number[] = [];
    const params = { name: 'wait_task', arguments: { cluster: 'production', upid: UPID, wait_seconds: 10 } };
    const options = { onprogress: (update: { progress: number }) => seen.push(update.progress) };
    const result = await ('getProtocolEra' in client
      ? client.callTool(params, options)
      : client.callTool(params, undefined, options));
    expect(result.structuredContent).toMatchObject({
      task: { status: 'ok', exit_status: 'OK' },
      log_tail: ['TASK OK'],
    });
    expect(seen.length).toBeGreaterThanOrEqual(1);
  });

  it('stops waiting when it cancels, and cancels nothing else', async () => {
    await start();
    production.reply = () => ({ upid: UPID, type: 'qmstart', node: 'pve1', status: 'running' });
    const client = await connect();
    const abort = new AbortController();
    const params = { name: 'wait_task', arguments: { cluster: 'production', upid: UPID, wait_seconds: 60 } };
    const options = { signal: abort.signal };
    const call =
      'getProtocolEra' in client
        ? client.callTool(params, options)
        : client.callTool(params, undefined, options);
    await expect.poll(() => production.calls.length).toBeGreaterThan(0);
    abort.abort();
    await expect(call).rejects.toThrow();
    await expect.poll(() => service.lines.some((line) => line.includes('"outcome":"TIMEOUT"'))).toBe(true);
    const sent = production.calls.length;
    await new Promise((resolve) => setTimeout(resolve, 1200));
    expect(production.calls).toHaveLength(sent);
    expect(production.calls.every((made) => made.method === 'GET')).toBe(true);
  });
});

describe('/mcp/{cluster}', () => {
  it.each([
    ['with sessions', () => v1('http', '/mcp/staging')],
    ['stateless', () => modern('/mcp/staging')],
  ] as const)('shows one cluster and takes no name, %s', async (_name, connect) => {
    await start();
    staging.reply = () => [];
    const client = await connect();
    const { tools } = await client.listTools();
    for (const tool of tools) expect(tool.inputSchema.properties ?? {}).not.toHaveProperty('cluster');
    const result = await client.callTool({ name: 'list_nodes', arguments: {} });
    expect(result.structuredContent).toMatchObject({ cluster: 'staging', selected_by: 'single' });
    expect(production.calls).toEqual([]);
  });

  it('does not know a session that was opened on /mcp', async () => {
    await start();
    const id = await session();
    expect((await post('/mcp/staging', toolCall(1, 'list_nodes'), { 'mcp-session-id': id })).status).toBe(
      404,
    );
    expect((await post('/mcp', toolCall(1, 'list_clusters'), { 'mcp-session-id': id })).status).toBe(200);
  });
});

describe('a session', () => {
  it('that is unknown answers exactly 404', async () => {
    await start();
    for (const method of ['GET', 'POST', 'DELETE']) {
      const response = await fetch(new URL('/mcp', url), {
        method,
        headers: {
          ...(await headers()),
          'mcp-session-id': 'gone',
          'content-type': 'application/json',
          accept: 'text/event-stream, application/json',
        },
        ...(method === 'POST' ? { body: JSON.stringify(toolCall(1, 'list_clusters')) } : {}),
      });
      expect(response.status, method).toBe(404);
    }
    expect((await post('/messages?sessionId=gone', toolCall(1, 'list_clusters'))).status).toBe(404);
    expect((await post('/messages', toolCall(1, 'list_clusters'))).status).toBe(404);
  });

  it('opens on initialize even where the client sends the id of one that is gone', async () => {
    await start();
    const response = await post('/mcp', INITIALIZE, { 'mcp-session-id': 'gone' });
    expect(response.status).toBe(200);
    expect(response.headers.get('mcp-session-id')).toBeTruthy();
  });

  it('does not exist for another principal, on any verb', async () => {
    await start();
    const id = await session('alice');
    const mallory = {
      ...(await headers('mallory')),
      'mcp-session-id': id,
      accept: 'text/event-stream, application/json',
    };
    expect(
      (await post('/mcp', toolCall(1, 'list_clusters'), { 'mcp-session-id': id }, 'mallory')).status,
    ).toBe(404);
    expect((await fetch(new URL('/mcp', url), { headers: mallory })).status).toBe(404);
    expect((await fetch(new URL('/mcp', url), { method: 'DELETE', headers: mallory })).status).toBe(404);
    expect((await post('/mcp', toolCall(1, 'list_clusters'), { 'mcp-session-id': id })).status).toBe(200);
  });

  it('of SSE takes messages of its owner alone, and asks for the token on each', async () => {
    await start();
    const stream = await fetch(new URL('/sse', url), {
      headers: { ...(await headers('alice')), accept: 'text/event-stream' },
    });
    expect(stream.headers.get('x-accel-buffering')).toBe('no');
    const reader = stream.body?.getReader();
    const first = new TextDecoder().decode((await reader?.read())?.value);
    const path = /data: (\S+)/.exec(first)?.[1] ?? '';
    expect((await post(path, INITIALIZE, {}, 'mallory')).status).toBe(404);
    const naked = await fetch(new URL(path, url), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{}',
    });
    expect(naked.status).toBe(401);
    expect((await post(path, INITIALIZE)).status).toBe(202);
    await reader?.cancel();
  });

  it('is gone after DELETE', async () => {
    await start();
    const id = await session();
    const response = await fetch(new URL('/mcp', url), {
      method: 'DELETE',
      headers: { ...(await headers()), 'mcp-session-id': id },
    });
    expect(response.status).toBe(200);
    expect(service.streamable.sessionCount).toBe(0);
    expect((await post('/mcp', toolCall(1, 'list_clusters'), { 'mcp-session-id': id })).status).toBe(404);
  });

  it('beyond the bound is refused with Retry-After, and the others go on', async () => {
    await start({ limits: { most: 1, perPrincipal: 10, idleMs: 60_000 } });
    const id = await session();
    const refused = await post('/mcp', INITIALIZE);
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).toBe('60');
    expect((await post('/mcp', toolCall(1, 'list_clusters'), { 'mcp-session-id': id })).status).toBe(200);
  });

  it('ends when it has been idle', async () => {
    await start({ limits: { most: 10, perPrincipal: 10, idleMs: 50 } });
    await session();
    await expect.poll(() => service.streamable.sessionCount).toBe(0);
  });

  it('of SSE ends with its stream', async () => {
    await start();
    const client = await v1('sse');
    expect(service.sse.sessionCount).toBe(1);
    await client.close();
    await expect.poll(() => service.sse.sessionCount).toBe(0);
  });
});

describe('a request', () => {
  it('whose id is still under way is refused, and the first is answered', async () => {
    await start();
    let release = () => {};
    production.reply = () =>
      new Promise((resolve) => {
        release = () => resolve([]);
      });
    const id = await session();
    const first = post('/mcp', toolCall(7, 'list_nodes', { cluster: 'production' }), {
      'mcp-session-id': id,
    });
    await expect.poll(() => production.calls.length).toBe(1);
    const second = await post('/mcp', toolCall(7, 'list_nodes', { cluster: 'production' }), {
      'mcp-session-id': id,
    });
    expect(second.status).toBe(400);
    expect(await second.json()).toMatchObject({ error: { code: -32600 } });
    release();
    expect(await (await first).text()).toContain('"id":7');
    expect(production.calls).toHaveLength(1);
    const again = await post('/mcp', toolCall(7, 'list_clusters'), { 'mcp-session-id': id });
    expect(await again.text()).toContain('"id":7');
  });

  it('that is cancelled has its POST ended', async () => {
    await start();
    production.reply = () => new Promise(() => undefined);
    const id = await session();
    const first = await post('/mcp', toolCall(8, 'list_nodes', { cluster: 'production' }), {
      'mcp-session-id': id,
    });
    const cancel = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 8 } };
    expect((await post('/mcp', cancel, { 'mcp-session-id': id })).status).toBe(202);
    expect(await first.text()).not.toContain('"result"');
  });

  it('without a session that is not initialize answers 400', async () => {
    await start();
    expect((await post('/mcp', toolCall(1, 'list_clusters'))).status).toBe(400);
  });

  it('that a cluster never answers ends with TIMEOUT at the call’s deadline', async () => {
    await start({ callDeadlineSeconds: 0.2 });
    production.reply = () => new Promise(() => undefined);
    const client = await v1('http');
    const result = await client.callTool({ name: 'list_nodes', arguments: { cluster: 'production' } });
    expect(result.structuredContent).toMatchObject({ error: { code: 'TIMEOUT' } });
  });

  it('that nothing answers has its POST ended at the deadline of the door', async () => {
    await start({ postDeadlineMs: 200, callDeadlineSeconds: 0.5 });
    production.reply = () => new Promise(() => undefined);
    const id = await session();
    const response = await post('/mcp', toolCall(1, 'list_nodes', { cluster: 'production' }), {
      'mcp-session-id': id,
    });
    expect(await response.text()).not.toContain('"result"');
  });
});

describe('the drain', () => {
  it.each([
    ['Streamable HTTP', () => v1('http')],
    ['SSE', () => v1('sse')],
    ['stateless', () => modern()],
  ] as const)('lets a call in flight end, over %s', async (_name, connect) => {
    await start();
    production.reply = () => new Promise((resolve) => setTimeout(() => resolve([]), 300));
    const client = await connect();
    const call = client.callTool({ name: 'list_nodes', arguments: { cluster: 'production' } });
    await expect.poll(() => production.calls.length).toBe(1);
    const [result] = await Promise.all([call, service.close()]);
    expect(result.structuredContent).toMatchObject({ nodes: [] });
  });
});

describe('an SSE stream', () => {
  it('carries a comment while nothing happens', async () => {
    await start({ keepAliveMs: 50 });
    const stream = await fetch(new URL('/sse', url), {
      headers: { ...(await headers()), accept: 'text/event-stream' },
    });
    const reader = stream.body?.getReader();
    let text = '';
    while (!text.includes(': keep-alive')) text += new TextDecoder().decode((await reader?.read())?.value);
    await reader?.cancel();
  });

  it('ends when the service drains', async () => {
    await start();
    const stream = await fetch(new URL('/sse', url), {
      headers: { ...(await headers()), accept: 'text/event-stream' },
    });
    const ended = stream.text();
    await service.close();
    expect(await ended).toContain('event: endpoint');
  });
});
