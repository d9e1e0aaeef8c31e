import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { directoryOf, RecordingCluster } from '../support/recording-cluster.ts';
import { buildService, type ServiceOptions, type TestService, tokenFor } from '../support/service.ts';

const INITIALIZE = {
  jsonrpc: '2.0',
  id: 0,
  method: 'initialize',
  params: { protocolVersion: '2025-03-26', capabilities: {}, clientInfo: { name: 'test', version: '1' } },
};
const DELETE_GUEST = { path: '/nodes/pve1/qemu/100', method: 'DELETE' };

let cluster: RecordingCluster;
let service: TestService;
let url: URL;

async function start(options: Partial<ServiceOptions> = {}) {
  service = await buildService({ estate: directoryOf(cluster), ...options });
  url = new URL(await service.listen());
}

beforeEach(() => {
  cluster = new RecordingCluster('production');
});
afterEach(() => service.close());

async function send(
  path: string,
  body: unknown,
  token: string,
  more: Record<string, string> = {},
  method = 'POST',
) {
  return fetch(new URL(path, url), {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...more,
    },
    ...(method === 'POST' ? { body: JSON.stringify(body) } : {}),
  });
}

function toolCall(id: number | string, args: object, name = 'proxmox_api_call') {
  return { jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: args } };
}

async function session(token: string): Promise<{ 'mcp-session-id': string }> {
  const response = await send('/mcp', INITIALIZE, token);
  await response.text();
  return { 'mcp-session-id': response.headers.get('mcp-session-id') ?? '' };
}

async function sse(token: string) {
  const response = await fetch(new URL('/sse', url), {
    headers: { authorization: `Bearer ${token}`, accept: 'text/event-stream' },
  });
  const reader = response.body?.getReader();
  const decoder = new TextDecoder();
  let text = '';
  const until = async (mark: string) => {
    while (!text.includes(mark)) text += decoder.decode((await reader?.read())?.value);
    return text;
  };
  const path = /data: (\S+)/.exec(await until('\n\n'))?.[1] ?? '';
  return { path, until, close: () => reader?.cancel() };
}

describe('a session opened with more scopes than the request brings', () => {
  it('lends none of them to a weaker token of the same subject, over Streamable HTTP', async () => {
    await start();
    const opened = await session(await tokenFor('alice', 'proxmox:admin'));
    const response = await send(
      '/mcp',
      toolCall(1, DELETE_GUEST),
      await tokenFor('alice', 'proxmox:read'),
      opened,
    );
    expect(await response.text()).toContain('POLICY_DENIED');
    expect(cluster.calls).toEqual([]);
  });

  it('lends none of them over SSE', async () => {
    await start();
    const stream = await sse(await tokenFor('alice', 'proxmox:admin'));
    await send(stream.path, toolCall(1, DELETE_GUEST), await tokenFor('alice', 'proxmox:read'));
    expect(await stream.until('"id":1')).toContain('POLICY_DENIED');
    expect(cluster.calls).toEqual([]);
    await stream.close();
  });

  it('gives a stepped-up token what it holds', async () => {
    await start();
    const opened = await session(await tokenFor('alice', 'proxmox:read'));
    await send('/mcp', toolCall(1, DELETE_GUEST), await tokenFor('alice', 'proxmox:admin'), opened);
    expect(cluster.calls).toHaveLength(1);
  });
});

describe('clients that go away', () => {
  it.each(['/sse', '/mcp'])('during the token check leave no session on %s', async (path) => {
    await start({ limits: { most: 1000, perPrincipal: 1000, idleMs: 50 } });
    const token = await tokenFor('alice');
    const opened = path === '/mcp' ? await session(token) : {};
    const lines = Object.entries({
      host: url.host,
      authorization: `Bearer ${token}`,
      accept: 'text/event-stream',
      ...opened,
    });
    const request = `GET ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
    for (let round = 0; round < 200; round++) {
      await new Promise<void>((resolve) => {
        const socket = connect(Number(url.port), url.hostname, () => {
          socket.write(request, () => setImmediate(() => socket.resetAndDestroy()));
        });
        socket.once('close', () => resolve());
        socket.on('error', () => undefined);
      });
    }
    await expect
      .poll(() => service.sse.sessionCount + service.streamable.sessionCount, { timeout: 5000 })
      .toBe(0);
  });

  it('do not free their request’s id for another request: it would get the first one’s answer', async () => {
    await start();
    let release = () => {};
    cluster.reply = ({ path }) =>
      path.wire === '/version'
        ? new Promise((resolve) => {
            release = () => resolve('first');
          })
        : 'second';
    const token = await tokenFor('alice');
    const opened = await session(token);
    const abort = new AbortController();
    const first = fetch(new URL('/mcp', url), {
      method: 'POST',
      signal: abort.signal,
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        ...opened,
      },
      body: JSON.stringify(toolCall(5, { path: '/version' })),
    });
    await expect.poll(() => cluster.calls.length).toBe(1);
    abort.abort();
    await first.then((response) => response.text()).catch(() => undefined);
    const second = await send('/mcp', toolCall(5, { path: '/nodes' }), token, opened);
    expect(second.status).toBe(400);
    release();
    await expect
      .poll(async () => (await send('/mcp', toolCall(5, { path: '/nodes' }), token, opened)).text())
      .toContain('second');
  });
});

describe('messages that the SDK refuses', () => {
  it.each([
    [[{ jsonrpc: '2.0', id: 5, method: 'ping' }]],
    [{ id: 5, method: 'ping' }],
    [{ jsonrpc: '2.0', id: 5, method: 'ping', params: 7 }],
  ])('leave no id in flight on SSE: %j', async (body) => {
    await start();
    const token = await tokenFor('alice');
    const stream = await sse(token);
    expect((await send(stream.path, body, token)).status).toBe(400);
    expect((await send(stream.path, { jsonrpc: '2.0', id: 5, method: 'ping' }, token)).status).toBe(202);
    await stream.close();
  });

  it('leave none on Streamable HTTP', async () => {
    await start();
    const token = await tokenFor('alice');
    const opened = await session(token);
    const ping = { jsonrpc: '2.0', id: 5, method: 'ping' };
    expect((await send('/mcp', ping, token, { ...opened, 'mcp-protocol-version': 'nope' })).status).toBe(400);
    expect((await send('/mcp', ping, token, opened)).status).toBe(200);
  });

  it.each(['/mcp', 'sse'])('with a huge id or a huge batch are refused unread on %s', async (door) => {
    await start();
    const token = await tokenFor('alice');
    const opened = door === '/mcp' ? await session(token) : {};
    const stream = door === 'sse' ? await sse(token) : undefined;
    const path = stream?.path ?? '/mcp';
    const batch = Array.from({ length: 30_000 }, (_, id) => ({ jsonrpc: '2.0', id, method: 'ping' }));
    expect((await send(path, batch, token, opened)).status).toBe(400);
    expect(
      (await send(path, { jsonrpc: '2.0', id: 'x'.repeat(1000), method: 'ping' }, token, opened)).status,
    ).toBe(400);
    await stream?.close();
  });
});

describe('a batch of the legacy era', () => {
  it('keeps its other answers when one of its requests is cancelled', async () => {
    await start();
    let release = () => {};
    cluster.reply = () =>
      new Promise((resolve) => {
        release = () => resolve('late');
      });
    const token = await tokenFor('alice');
    const opened = await session(token);
    const batch = [toolCall(1, { path: '/version' }), toolCall(2, { path: '/nodes' })];
    const answer = send('/mcp', batch, token, opened).then((response) => response.text());
    await expect.poll(() => cluster.calls.length).toBe(2);
    await send(
      '/mcp',
      { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } },
      token,
      opened,
    );
    release();
    expect(await answer).toContain('"id":2');
  });

  it('that cancels its own call ends', async () => {
    await start();
    cluster.reply = () => new Promise(() => undefined);
    const token = await tokenFor('alice');
    const opened = await session(token);
    const cancel = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } };
    const response = await send('/mcp', [toolCall(1, { path: '/version' }), cancel], token, opened);
    expect(await response.text()).not.toContain('"result"');
  });
});

describe('odd requests', () => {
  it('a DELETE that is refused leaves the session as it is', async () => {
    await start();
    const token = await tokenFor('alice');
    const opened = await session(token);
    const refused = await send(
      '/mcp',
      undefined,
      token,
      { ...opened, 'mcp-protocol-version': 'nope' },
      'DELETE',
    );
    expect(refused.status).toBe(400);
    expect((await send('/mcp', { jsonrpc: '2.0', id: 1, method: 'ping' }, token, opened)).status).toBe(200);
  });

  it('HEAD opens nothing', async () => {
    await start();
    const token = await tokenFor('alice');
    for (const path of ['/mcp', '/sse'])
      expect((await send(path, undefined, token, {}, 'HEAD')).status).toBe(404);
    expect(service.sse.sessionCount).toBe(0);
  });

  it('null arguments count as none', async () => {
    await start();
    const token = await tokenFor('alice');
    const opened = await session(token);
    const body = {
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name: 'list_clusters', arguments: null },
    };
    expect(await (await send('/mcp', body, token, opened)).text()).toContain('"total":1');
  });

  it('broken JSON is a JSON-RPC parse error', async () => {
    await start();
    const response = await fetch(new URL('/mcp', url), {
      method: 'POST',
      headers: { authorization: `Bearer ${await tokenFor('alice')}`, 'content-type': 'application/json' },
      body: '{"jsonrpc":',
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ jsonrpc: '2.0', error: { code: -32700 } });
  });

  it('list_clusters asks for the scope to read', async () => {
    await start();
    const token = await tokenFor('alice', 'proxmox:secret');
    const opened = await session(token);
    const response = await send('/mcp', toolCall(1, {}, 'list_clusters'), token, opened);
    expect(await response.text()).toContain('POLICY_DENIED');
  });

  it('a call for another cluster does not land on the one the URL is bound to', async () => {
    await start({ estate: directoryOf(cluster, new RecordingCluster('staging')) });
    const token = await tokenFor('alice');
    const response = await send('/mcp/staging', INITIALIZE, token);
    await response.text();
    expect(response.status).toBe(200);
  });
});

describe('too much at once', () => {
  it('more calls of one principal than allowed are refused, those of another are not', async () => {
    await start();
    const held: (() => void)[] = [];
    cluster.reply = () => new Promise((resolve) => held.push(() => resolve('done')));
    const alice = await tokenFor('alice');
    const opened = await session(alice);
    const calls = Array.from({ length: 70 }, (_, id) =>
      send('/mcp', toolCall(id, { path: '/version' }), alice, opened).then((response) => response.text()),
    );
    await expect.poll(() => held.length).toBe(64);
    const bob = await tokenFor('bob');
    const other = send('/mcp', toolCall(1, { path: '/version' }), bob, await session(bob)).then((response) =>
      response.text(),
    );
    await expect.poll(() => held.length).toBe(65);
    for (const release of held) release();
    expect((await Promise.all(calls)).filter((text) => text.includes('RATE_LIMITED'))).toHaveLength(6);
    expect(await other).toContain('done');
  });

  it('an SSE client that never reads loses its stream, not the server’s memory', async () => {
    await start();
    cluster.reply = () => 'x'.repeat(40_000);
    const token = await tokenFor('alice');
    const socket = connect(Number(url.port), url.hostname);
    socket.on('error', () => undefined);
    socket.write(`GET /sse HTTP/1.1\r\nhost: ${url.host}\r\nauthorization: Bearer ${token}\r\n\r\n`);
    const head = await new Promise<string>((resolve) => socket.once('data', (data) => resolve(String(data))));
    socket.pause();
    const rest = head.includes('sessionId') ? head : '';
    const path = /\/messages\?sessionId=[\w-]+/.exec(rest)?.[0] ?? '';
    expect(path).not.toBe('');
    for (let id = 0; id < 600 && service.sse.sessionCount > 0; id++) {
      await (await send(path, toolCall(id, { path: '/version' }), token)).text();
    }
    await expect.poll(() => service.sse.sessionCount, { timeout: 5000 }).toBe(0);
    socket.destroy();
  });
});
