import { type AddressInfo, createServer } from 'node:net';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { HOP_HEADER } from '../../src/replicas/hop.ts';
import { NO_REDIS } from '../support/redis.ts';
import { headersOf, openSession, PROTOCOL, replicaSite, send, tokenOf } from '../support/replica-site.ts';

const call = (id: number, name: string, args: object = {}) => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name, arguments: args },
});
const START = { method: 'POST', path: '/nodes/n1/qemu/100/status/start' };

describe.skipIf(NO_REDIS)(`sessions of another replica${NO_REDIS ? `: ${NO_REDIS}` : ''}`, () => {
  it('are served through any of them: requests, the stream, the end', async () => {
    const site = await replicaSite();
    const [a, b] = [await site.start(), await site.start()];
    const token = await tokenOf('alice');
    const session = await openSession(a.url, token);
    expect(session).toMatch(/^[0-9a-f]{12}[.][0-9a-f-]{36}$/);

    const answer = await send(`${b.url}/mcp`, 'POST', headersOf(token, session), call(1, 'list_nodes'));
    expect(answer.status).toBe(200);
    expect(answer.text).toContain('n1');
    expect(answer.headers['ratelimit-limit']).toBe('600');

    const events: string[] = [];
    const stream = await fetch(`${b.url}/mcp`, { headers: headersOf(token, session) });
    expect(stream.headers.get('content-type')).toBe('text/event-stream');
    const reader = stream.body?.pipeThrough(new TextDecoderStream()).getReader();
    void (async () => {
      for (;;) {
        const next = await reader?.read();
        if (next === undefined || next.done) return;
        events.push(next.value);
      }
    })().catch(() => undefined);
    a.service.core.dispatcher.listChanges.refresh(true);
    await vi.waitFor(() => expect(events.join('')).toContain('notifications/tools/list_changed'));

    expect((await send(`${b.url}/mcp`, 'DELETE', headersOf(token, session))).status).toBe(200);
    for (const { url } of [a, b]) {
      const gone = await send(`${url}/mcp`, 'POST', headersOf(token, session), call(2, 'list_nodes'));
      expect(gone.status).toBe(404);
    }
  });

  it('belong to their principal, and each request to its token, wherever it comes in', async () => {
    const site = await replicaSite();
    const [a, b] = [await site.start(), await site.start()];
    const session = await openSession(a.url, await tokenOf('alice'));
    const at = (token: string) =>
      send(`${b.url}/mcp`, 'POST', headersOf(token, session), call(1, 'proxmox_api_call', START));

    expect((await at(await tokenOf('bob'))).status).toBe(404);
    expect((await at('eyJhbGciOiJIUzI1NiJ9.e30.wrong')).status).toBe(401);
    expect((await at(await tokenOf('alice', 'proxmox:read'))).text).toContain('POLICY_DENIED');
    const foreignHost = { ...headersOf(await tokenOf('alice'), session), host: 'evil.example' };
    expect((await send(`${b.url}/mcp`, 'POST', foreignHost, call(1, 'list_nodes'))).status).toBe(421);
    expect(site.arrived('POST')).toEqual([]);
    expect(a.log.filter((line) => line.includes('token refused'))).toEqual([]);
  });

  it('of HTTP+SSE: the stream at one, the messages through the other', async () => {
    const site = await replicaSite();
    const [a, b] = [await site.start(), await site.start()];
    const authorization = `Bearer ${await tokenOf('alice')}`;
    const posted: string[] = [];
    const transport = new SSEClientTransport(new URL('/sse', a.url), {
      requestInit: { headers: { authorization } },
      eventSourceInit: {
        fetch: (url, init) => fetch(url, { ...init, headers: { ...init.headers, authorization } }),
      },
      fetch: (url, init) => {
        if (init?.method !== 'POST') return fetch(url, init);
        const other = new URL(String(url));
        other.host = new URL(b.url).host;
        posted.push(other.href);
        return fetch(other, init);
      },
    });
    const client = new Client({ name: 'sse', version: '1' });
    await client.connect(transport as Parameters<Client['connect']>[0]);
    onTestFinished(() => client.close());
    const result = await client.callTool({ name: 'list_nodes', arguments: {} });
    expect(JSON.stringify(result)).toContain('n1');
    expect(posted.every((url) => url.startsWith(b.url))).toBe(true);
  });

  it('cancels there what a client gives up here', async () => {
    const site = await replicaSite();
    const [a, b] = [await site.start(), await site.start()];
    const token = await tokenOf('alice');
    const session = await openSession(a.url, token);
    const stop = new AbortController();
    const waiting = fetch(`${b.url}/mcp`, { headers: headersOf(token, session), signal: stop.signal });
    await waiting;
    const streams = () => send(`${a.url}/mcp`, 'GET', headersOf(token, session)).then(({ status }) => status);
    // One stream of its own kind is all that a session has: a second one is refused while it is open.
    expect(await streams()).toBe(409);
    stop.abort();
    await vi.waitFor(async () => {
      const again = new AbortController();
      const { status } = await fetch(`${a.url}/mcp`, {
        headers: headersOf(token, session),
        signal: again.signal,
      });
      again.abort();
      expect(status).toBe(200);
    });
  });

  it('are gone where their replica has stopped, never was, or is not reached', async () => {
    const site = await replicaSite();
    const [a, b] = [await site.start(), await site.start()];
    const token = await tokenOf('alice');
    const session = await openSession(a.url, token);
    const silent = await site.pretend('http://127.0.0.1:9');
    await a.stop();
    for (const id of [session, `${silent.name}.x`, 'abcdefabcdef.x', 'x']) {
      const { status } = await send(`${b.url}/mcp`, 'POST', headersOf(token, id), call(1, 'list_nodes'));
      expect(status).toBe(404);
    }
    // A client that begins anew may still send the id of the old one.
    const begin = {
      ...call(1, ''),
      method: 'initialize',
      params: { protocolVersion: PROTOCOL, capabilities: {}, clientInfo: { name: 'x', version: '1' } },
    };
    const anew = await send(`${b.url}/mcp`, 'POST', headersOf(token, session), begin);
    expect(anew.status).toBe(200);
  });

  it('are not asked twice where the replica is lost amid a call', async () => {
    const site = await replicaSite();
    let requests = 0;
    const server = createServer((socket) => {
      socket.once('data', (bytes) => {
        requests += String(bytes).startsWith('POST') ? 1 : 0;
        socket.destroy();
      });
      socket.on('error', () => undefined);
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    onTestFinished(() => void server.close());
    const dying = await site.pretend(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const b = await site.start();
    const token = await tokenOf('alice');
    const lost = await send(
      `${b.url}/mcp`,
      'POST',
      headersOf(token, `${dying.name}.x`),
      call(1, 'proxmox_api_call', START),
    );
    expect(lost.status).toBe(502);
    expect(JSON.parse(lost.text).error).toMatchObject({
      message: expect.stringContaining('may have been carried out'),
      data: { retryable: false },
    });
    expect(requests).toBe(1);
    const gone = await send(`${b.url}/mcp`, 'DELETE', headersOf(token, `${dying.name}.x`));
    expect(gone.status).toBe(404);
  });

  it('are never sent on twice, whoever claims that they were', async () => {
    const site = await replicaSite();
    const [a, b] = [await site.start(), await site.start()];
    const token = await tokenOf('alice');
    const session = await openSession(a.url, token);
    const headers = { ...headersOf(token, session), [HOP_HEADER]: '1.1.x.y' };
    expect((await send(`${b.url}/mcp`, 'POST', headers, call(1, 'list_nodes'))).status).toBe(404);
    expect((await send(`${a.url}/mcp`, 'POST', headers, call(1, 'list_nodes'))).status).toBe(200);
  });
});

describe.skipIf(NO_REDIS)(`limits of several replicas${NO_REDIS ? `: ${NO_REDIS}` : ''}`, () => {
  it('count together, and a request that was sent on once', async () => {
    const site = await replicaSite({ MCP_RATE_LIMIT_PER_PRINCIPAL: '10' });
    const [a, b] = [await site.start(), await site.start()];
    const token = await tokenOf('alice');
    // Two requests.
    const session = await openSession(a.url, token);
    const remaining: unknown[] = [];
    for (let number = 1; number <= 9; number++) {
      const { url } = number % 2 === 0 ? a : b;
      const answer = await send(`${url}/mcp`, 'POST', headersOf(token, session), {
        ...call(number, ''),
        method: 'ping',
      });
      remaining.push(answer.status === 429 ? 429 : Number(answer.headers['ratelimit-remaining']));
    }
    expect(remaining).toEqual([7, 6, 5, 4, 3, 2, 1, 0, 429]);
  });

  it('count failed logins together, and not for the replica that sends them on', async () => {
    const site = await replicaSite({ MCP_FAILED_LOGINS_PER_MINUTE: '4', MCP_RATE_LIMIT_PER_ADDRESS: '0' });
    const [a, b] = [await site.start(), await site.start()];
    const statuses: number[] = [];
    for (const { url } of [a, b, a, b, a, b]) {
      statuses.push(
        (await send(`${url}/mcp`, 'POST', headersOf('eyJhbGciOiJIUzI1NiJ9.e30.wrong'), {})).status,
      );
    }
    expect(statuses).toEqual([401, 401, 401, 401, 429, 429]);
  });

  it('count the calls a minute of a policy together, and go on by themselves without Redis', async () => {
    const site = await replicaSite();
    const [a, b] = [await site.start(), await site.start()];
    const token = await tokenOf('hasty');
    const sessions = [await openSession(a.url, token), await openSession(b.url, token)];
    const calls = async (index: number, id: number) => {
      const { url } = index === 0 ? a : b;
      const { text } = await send(
        `${url}/mcp`,
        'POST',
        headersOf(token, sessions[index]),
        call(id, 'list_nodes'),
      );
      return text.includes('RATE_LIMITED') ? 'limited' : 'ok';
    };
    expect([
      await calls(0, 1),
      await calls(1, 1),
      await calls(0, 2),
      await calls(1, 2),
      await calls(0, 3),
    ]).toEqual(['ok', 'ok', 'ok', 'limited', 'limited']);
    await site.redis.stop();
    // Each has counted its own beside: what was used up stays so, and what is left is not without a limit.
    const after = [await calls(1, 10), await calls(1, 11), await calls(1, 12), await calls(1, 13)];
    expect(after).toContain('limited');
    expect(after.filter((one) => one === 'ok').length).toBeLessThan(3);
  });
});
