import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { SignJWT } from 'jose';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { HttpConfig, RateLimits } from '../../src/config/config.ts';
import { directoryOf, RecordingCluster } from '../support/recording-cluster.ts';
import {
  AUDIENCE,
  buildService,
  type ServiceOptions,
  SHARED_SECRET,
  type TestService,
  tokenFor,
} from '../support/service.ts';

const OFF: RateLimits = { perAddress: 0, perPrincipal: 0, failedLogins: 0 };
const LIST = { jsonrpc: '2.0', id: 1, method: 'tools/list' };
const INITIALIZE = {
  jsonrpc: '2.0',
  id: 0,
  method: 'initialize',
  params: { protocolVersion: '2025-03-26', capabilities: {}, clientInfo: { name: 'test', version: '1' } },
};
const METADATA = '/.well-known/oauth-protected-resource';
const NEIGHBOUR = '198.51.100.7';

let service: TestService;
let tokens: { alice: string; bob: string };

interface Sent {
  method?: 'GET' | 'POST';
  url?: string;
  token?: string;
  from?: string;
  headers?: Record<string, string>;
  body?: object;
}

async function start(
  limits: Partial<RateLimits>,
  http: Partial<HttpConfig> = {},
  more: Partial<ServiceOptions> = {},
): Promise<void> {
  const estate = directoryOf(new RecordingCluster('production'));
  service = await buildService({ estate, http: { limits: { ...OFF, ...limits }, ...http }, ...more });
  tokens = { alice: await tokenFor('alice'), bob: await tokenFor('bob') };
}

/** A request to `/nothing`, which answers 404 to whoever may pass. */
function send({ method = 'GET', url = '/nothing', token, from = '192.0.2.1', headers = {}, body }: Sent) {
  return service.app.inject({
    method,
    url,
    remoteAddress: from,
    headers: {
      host: 'localhost',
      accept: 'application/json, text/event-stream',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...headers,
    },
    ...(body === undefined ? {} : { payload: body }),
  });
}

async function statuses(times: number, sent: Sent): Promise<number[]> {
  const found: number[] = [];
  for (let count = 0; count < times; count++) found.push((await send(sent)).statusCode);
  return found;
}

function signed(claims: Record<string, unknown>): Promise<string> {
  const key = new TextEncoder().encode(SHARED_SECRET.reveal());
  return new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(key);
}

// The limits count in real time: only the clocks are other ones, the timers go on.
beforeEach(() => void vi.useFakeTimers({ toFake: ['Date', 'performance'] }));
afterEach(async () => {
  vi.useRealTimers();
  await service.close();
});

describe('the limit of an address', () => {
  it('answers 429 beyond it, with the time to wait, until the minute is over', async () => {
    await start({ perAddress: 2 });
    const first = await send({ url: METADATA });
    expect(first.statusCode).toBe(200);
    expect(first.headers).toMatchObject({ 'ratelimit-limit': '2', 'ratelimit-remaining': '1' });
    expect(first.headers).not.toHaveProperty('retry-after');
    await send({ url: METADATA });
    vi.advanceTimersByTime(19_500);
    const refused = await send({ url: METADATA });
    expect(refused.statusCode).toBe(429);
    expect(refused.headers).toMatchObject({
      'retry-after': '41',
      'ratelimit-limit': '2',
      'ratelimit-remaining': '0',
      'ratelimit-reset': '41',
    });
    expect(refused.json()).toEqual({
      error: 'rate_limited',
      message: 'Too many requests from this address: 2 a minute are served. Try again in 41 s.',
      retry_after_seconds: 41,
    });
    vi.advanceTimersByTime(40_000);
    expect((await send({ url: METADATA })).statusCode).toBe(429);
    vi.advanceTimersByTime(1000);
    expect((await send({ url: METADATA })).statusCode).toBe(200);
  });

  it('counts each address by itself', async () => {
    await start({ perAddress: 1 });
    expect(await statuses(2, { url: METADATA })).toEqual([200, 429]);
    expect(await statuses(2, { url: METADATA, from: NEIGHBOUR })).toEqual([200, 429]);
  });

  it('takes one /64 of IPv6 for one address, and a mapped IPv4 address for itself', async () => {
    await start({ perAddress: 2 });
    expect(await statuses(1, { url: METADATA, from: '2001:db8:1:2::1' })).toEqual([200]);
    expect(await statuses(2, { url: METADATA, from: '2001:db8:1:2:ffff:ffff:ffff:ffff' })).toEqual([
      200, 429,
    ]);
    expect(await statuses(1, { url: METADATA, from: '2001:db8:1:3::1' })).toEqual([200]);
    expect(await statuses(1, { url: METADATA, from: 'fe80::1%eth0' })).toEqual([200]);
    expect(await statuses(1, { url: METADATA, from: '::ffff:192.0.2.1' })).toEqual([200]);
    expect(await statuses(2, { url: METADATA, from: '192.0.2.1' })).toEqual([200, 429]);
    expect(await statuses(1, { url: METADATA, from: '::ffff:192.0.2.2' })).toEqual([200]);
  });

  it.each(['/healthz', '/readyz'])('does not count %s', async (url) => {
    await start({ perAddress: 1, perPrincipal: 1, failedLogins: 1 });
    expect(new Set(await statuses(50, { url }))).toEqual(new Set([200]));
    expect(await statuses(2, { url: METADATA })).toEqual([200, 429]);
    expect(new Set(await statuses(5, { url }))).toEqual(new Set([200]));
  });

  it('counts what is asked without a token, whether it exists or not, and HEAD and OPTIONS too', async () => {
    await start({ perAddress: 3 });
    expect(
      (await service.app.inject({ method: 'HEAD', url: METADATA, headers: { host: 'localhost' } }))
        .statusCode,
    ).toBe(200);
    expect(
      (await service.app.inject({ method: 'OPTIONS', url: '/mcp', headers: { host: 'localhost' } }))
        .statusCode,
    ).toBe(404);
    expect(await statuses(1, { from: '127.0.0.1' })).toEqual([401]);
    expect(await statuses(1, { url: '/mcp', method: 'POST', body: LIST, from: '127.0.0.1' })).toEqual([429]);
  });

  it('comes behind the Host and Origin allowlists: who is refused there uses nothing up', async () => {
    await start({ perAddress: 1 });
    expect(await statuses(5, { url: METADATA, headers: { host: 'evil.example' } })).toEqual(
      Array(5).fill(421),
    );
    expect(await statuses(5, { url: METADATA, headers: { origin: 'https://evil.example' } })).toEqual(
      Array(5).fill(403),
    );
    expect(await statuses(1, { url: METADATA })).toEqual([200]);
  });

  it('can be read by a web page that is allowed', async () => {
    await start({ perAddress: 1 }, { allowedOrigins: ['https://app.example'] });
    const sent = { url: METADATA, headers: { origin: 'https://app.example' } };
    await send(sent);
    const { statusCode, headers } = await send(sent);
    expect(statusCode).toBe(429);
    expect(headers['access-control-allow-origin']).toBe('https://app.example');
    expect(headers['access-control-expose-headers']).toContain('retry-after');
    expect(headers['x-content-type-options']).toBe('nosniff');
  });

  it('logs once a minute that it was exceeded, not once a request', async () => {
    await start({ perAddress: 1 });
    await statuses(50, { url: METADATA });
    expect(service.lines.filter((line) => line.includes('rate limit exceeded'))).toHaveLength(1);
    vi.advanceTimersByTime(60_001);
    await statuses(50, { url: METADATA });
    expect(service.lines.filter((line) => line.includes('rate limit exceeded'))).toHaveLength(2);
  });
});

describe('X-Forwarded-For', () => {
  const forwarded = (address: string) => ({ url: METADATA, headers: { 'x-forwarded-for': address } });

  it('is ignored where no proxy is trusted: a client can not choose its address', async () => {
    await start({ perAddress: 2 });
    const answers = [];
    for (let last = 1; last <= 4; last++)
      answers.push((await send(forwarded(`203.0.113.${last}`))).statusCode);
    expect(answers).toEqual([200, 200, 429, 429]);
  });

  it('is ignored from an address that is no trusted proxy', async () => {
    await start({ perAddress: 2 }, { trustedProxies: ['10.0.0.0/8'] });
    const answers = [];
    for (let last = 1; last <= 3; last++)
      answers.push((await send(forwarded(`203.0.113.${last}`))).statusCode);
    expect(answers).toEqual([200, 200, 429]);
  });

  it('counts from a trusted proxy, and only what that proxy itself has added', async () => {
    await start({ perAddress: 1 }, { trustedProxies: ['10.0.0.0/8'] });
    const from = '10.1.2.3';
    expect(await statuses(2, { ...forwarded('203.0.113.1'), from })).toEqual([200, 429]);
    expect(await statuses(2, { ...forwarded('203.0.113.2'), from })).toEqual([200, 429]);
    // What stands left of the client's own address was written by the client.
    expect(await statuses(1, { ...forwarded('203.0.113.9, 203.0.113.1'), from })).toEqual([429]);
    expect(await statuses(1, { ...forwarded('203.0.113.9, 203.0.113.2, 10.9.9.9'), from })).toEqual([429]);
  });

  it('with something that is no address counts as the proxy’s own', async () => {
    await start({ perAddress: 2 }, { trustedProxies: ['10.0.0.0/8'] });
    const from = '10.1.2.3';
    const answers = [];
    for (let number = 0; number < 3; number++) {
      answers.push((await send({ ...forwarded(`nonsense-${number}`), from })).statusCode);
    }
    expect(answers).toEqual([200, 200, 429]);
  });

  it('makes no other header of a proxy count: Host is still what the client asked for', async () => {
    await start({}, { trustedProxies: ['10.0.0.0/8'] });
    const headers = { 'x-forwarded-host': 'localhost', 'x-forwarded-proto': 'https', host: 'evil.example' };
    expect(await statuses(1, { url: METADATA, from: '10.1.2.3', headers })).toEqual([421]);
    const fooled = await send({
      url: METADATA,
      from: '10.1.2.3',
      headers: { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https' },
    });
    expect(fooled.json().resource).toBe('http://localhost/mcp');
  });
});

describe('the limit of a principal', () => {
  it('counts each principal by itself, whatever addresses and tokens it uses', async () => {
    await start({ perPrincipal: 3 });
    const again = await tokenFor('alice');
    expect(await statuses(2, { token: tokens.alice })).toEqual([404, 404]);
    expect(await statuses(1, { token: again, from: NEIGHBOUR })).toEqual([404]);
    expect(await statuses(1, { token: again })).toEqual([429]);
    expect(await statuses(1, { token: tokens.alice, from: '203.0.113.77' })).toEqual([429]);
    expect(await statuses(3, { token: tokens.bob })).toEqual([404, 404, 404]);
    vi.advanceTimersByTime(60_000);
    expect(await statuses(1, { token: tokens.alice })).toEqual([404]);
  });

  it('says so in JSON-RPC on the MCP doors, with the body unread', async () => {
    await start({ perPrincipal: 1 });
    await send({ token: tokens.alice });
    const refused = [
      await send({ token: tokens.alice, method: 'POST', url: '/mcp', body: LIST }),
      await send({ token: tokens.alice, method: 'POST', url: '/mcp/', body: LIST }),
      await send({ token: tokens.alice, method: 'POST', url: '/mcp/production', body: LIST }),
      await send({ token: tokens.alice, url: '/sse' }),
      await send({ token: tokens.alice, method: 'POST', url: '/messages?sessionId=x', body: LIST }),
    ];
    for (const response of refused) {
      expect(response.statusCode).toBe(429);
      expect(response.headers['retry-after']).toBe('60');
      expect(response.json()).toEqual({
        jsonrpc: '2.0',
        id: null,
        error: {
          code: -32000,
          message: 'Too many requests of this principal: 1 a minute are served. Try again in 60 s.',
          data: { code: 'RATE_LIMITED', retry_after_seconds: 60 },
        },
      });
    }
    const huge = { authorization: `Bearer ${tokens.alice}`, 'content-length': String(64 * 1024 * 1024) };
    expect((await send({ method: 'POST', url: '/mcp', headers: huge })).statusCode).toBe(429);
  });

  it('is told in words by the SDK’s client', async () => {
    await start({ perPrincipal: 1 });
    const url = new URL('/mcp', await service.listen());
    const headers = { authorization: `Bearer ${tokens.alice}` };
    await fetch(url, { headers });
    const client = new Client({ name: 'test', version: '1' });
    const transport = new StreamableHTTPClientTransport(url, { requestInit: { headers } });
    await expect(client.connect(transport as Parameters<typeof client.connect>[0])).rejects.toThrow(
      /Too many requests of this principal.*Try again in 60 s/,
    );
  });

  it('counts the messages of a batch, so that nobody gets 100 for one', async () => {
    await start({ perPrincipal: 10 });
    const opened = await send({ token: tokens.alice, method: 'POST', url: '/mcp', body: INITIALIZE });
    expect(opened.headers['ratelimit-remaining']).toBe('9');
    const session = { 'mcp-session-id': String(opened.headers['mcp-session-id']) };
    const batch = (length: number) => Array.from({ length }, (_, id) => ({ ...LIST, id: id + 1 }));
    const sent = { token: tokens.alice, method: 'POST', url: '/mcp', headers: session } as const;
    const small = await send({ ...sent, body: batch(4) });
    expect([small.statusCode, small.headers['ratelimit-remaining']]).toEqual([200, '5']);
    const large = await send({ ...sent, body: batch(6) });
    expect([large.statusCode, large.headers['retry-after']]).toEqual([429, '60']);
    expect(await statuses(1, { token: tokens.bob })).toEqual([404]);
  });

  it('does not count what a stream carries', async () => {
    await start({ perPrincipal: 2 }, {}, { keepAliveMs: 5 });
    const url = await service.listen();
    const headers = { authorization: `Bearer ${tokens.alice}` };
    const stream = await fetch(`${url}/sse`, { headers });
    const reader = stream.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    while (text.split('keep-alive').length < 20) text += (await reader?.read())?.value ?? '';
    expect((await fetch(`${url}/nothing`, { headers })).status).toBe(404);
    expect((await fetch(`${url}/nothing`, { headers })).status).toBe(429);
    // The stream that was opened in time goes on.
    const before = text.length;
    while (text.length === before) text += (await reader?.read())?.value ?? '';
    await reader?.cancel();
  });

  it('holds without tokens too', async () => {
    await start({ perPrincipal: 1 }, {}, { auth: { mode: 'none' } });
    expect(await statuses(2, {})).toEqual([404, 429]);
  });
});

describe('a team behind one address', () => {
  it('does not use up the limit of the address: whose token was good is counted for its principal alone', async () => {
    await start({ perAddress: 2, perPrincipal: 50 });
    expect(new Set(await statuses(30, { token: tokens.alice }))).toEqual(new Set([404]));
    expect(new Set(await statuses(30, { token: tokens.bob }))).toEqual(new Set([404]));
  });

  it('is not locked out by a stranger who floods from the same address', async () => {
    await start({ perAddress: 5, perPrincipal: 50, failedLogins: 2 });
    await send({ token: tokens.alice });
    await statuses(20, { token: 'guess' });
    await statuses(20, {});
    expect(await statuses(1, {})).toEqual([429]);
    expect(new Set(await statuses(20, { token: tokens.alice }))).toEqual(new Set([404]));
  });

  it('has one who is over the limit of its principal counted as a stranger until the minute is over', async () => {
    await start({ perAddress: 3, perPrincipal: 2 });
    expect(await statuses(8, { token: tokens.alice })).toEqual([404, 404, 429, 429, 429, 429, 429, 429]);
    const last = await send({ token: tokens.alice });
    expect(last.json().message).toContain('from this address');
    vi.advanceTimersByTime(60_000);
    expect(await statuses(1, { token: tokens.alice })).toEqual([404]);
  });

  it('has nobody pass uncounted where principals have no limit', async () => {
    await start({ perAddress: 3 });
    expect(await statuses(5, { token: tokens.alice })).toEqual([404, 404, 404, 429, 429]);
  });

  it('has nothing pass uncounted that asks for no token, whatever is shown with it', async () => {
    await start({ perAddress: 3, perPrincipal: 10 });
    await send({ token: tokens.alice });
    expect(await statuses(3, { token: tokens.alice, url: METADATA })).toEqual([200, 200, 429]);
    const headers = { host: 'localhost', authorization: `Bearer ${tokens.alice}` };
    const options = { method: 'OPTIONS', url: '/mcp', headers, remoteAddress: '192.0.2.1' } as const;
    expect((await service.app.inject(options)).statusCode).toBe(429);
    expect(await statuses(2, { token: tokens.alice })).toEqual([404, 404]);
  });

  it('has no token pass uncounted that grants nothing', async () => {
    await start({ perAddress: 3, perPrincipal: 10 });
    const none = await tokenFor('carol', 'email');
    expect(await statuses(5, { token: none })).toEqual([403, 403, 403, 429, 429]);
  });

  it('has a token counted again once it is no longer good', async () => {
    await start({ perAddress: 3, perPrincipal: 10 });
    const soon = await signed({
      sub: 'a',
      aud: AUDIENCE,
      exp: Date.now() / 1000 + 30,
      scope: 'proxmox:read',
    });
    expect(await statuses(8, { token: soon })).toEqual(Array(8).fill(404));
    vi.advanceTimersByTime(50_000);
    // The first one is refused as known, then it is a stranger, of whom one was counted in this minute before.
    expect(await statuses(4, { token: soon })).toEqual([401, 401, 401, 429]);
  });
});

describe('failed logins', () => {
  it('are refused in words at first, then with 429, with and without a well-formed header', async () => {
    await start({ failedLogins: 3 });
    expect(await statuses(2, { token: 'wrong' })).toEqual([401, 401]);
    expect(await statuses(1, { headers: { authorization: 'Basic x' } })).toEqual([400]);
    expect(await statuses(1, { headers: { 'x-api-key': 'pmk_wrong' } })).toEqual([429]);
    expect(await statuses(1, { headers: { authorization: 'Basic x' } })).toEqual([429]);
    const refused = await send({ token: 'wrong', method: 'POST', url: '/mcp', body: LIST });
    expect(refused.json().error.message).toBe('Too many failed logins from this address. Try again in 60 s.');
    expect(refused.headers['retry-after']).toBe('60');
    expect(refused.body).not.toContain('token is not valid');
    vi.advanceTimersByTime(60_000);
    expect(await statuses(1, { token: 'wrong' })).toEqual([401]);
  });

  it('lock out neither a good token of that address, a first one included, nor another address', async () => {
    await start({ failedLogins: 1 });
    expect(await statuses(3, { token: 'wrong' })).toEqual([401, 429, 429]);
    expect(await statuses(2, { token: tokens.alice })).toEqual([404, 404]);
    expect(await statuses(1, { token: 'wrong', from: NEIGHBOUR })).toEqual([401]);
  });

  it('do not hide the challenge from who has no token yet, or one to renew', async () => {
    await start({ failedLogins: 1 });
    await statuses(3, { token: 'wrong' });
    const past = Date.now() / 1000 - 60;
    const expired = await signed({ sub: 'a', aud: AUDIENCE, exp: past, scope: 'proxmox:read' });
    for (const token of [undefined, expired]) {
      const response = await send(token === undefined ? {} : { token });
      expect(response.statusCode).toBe(401);
      expect(response.headers['www-authenticate']).toContain('resource_metadata=');
    }
  });

  it('do not count who succeeds, has no token, or has one that expired', async () => {
    await start({ failedLogins: 2 });
    const expired = await signed({
      sub: 'a',
      aud: AUDIENCE,
      exp: Date.now() / 1000 - 60,
      scope: 'proxmox:read',
    });
    await statuses(10, { token: tokens.alice });
    await statuses(10, {});
    await statuses(10, { token: expired });
    expect(await statuses(3, { token: 'wrong' })).toEqual([401, 401, 429]);
  });

  it('count a token that is expired and forged', async () => {
    await start({ failedLogins: 1 });
    const key = new TextEncoder().encode('another-secret-of-more-than-32-bytes-000000000');
    const forged = await new SignJWT({ sub: 'a', aud: AUDIENCE, exp: Date.now() / 1000 - 60 })
      .setProtectedHeader({ alg: 'HS256' })
      .sign(key);
    expect(await statuses(2, { token: forged })).toEqual([401, 429]);
  });

  it('do not fill the log', async () => {
    await start({ failedLogins: 3 });
    await statuses(50, { token: 'wrong' });
    expect(service.lines.filter((line) => line.includes('token refused'))).toHaveLength(3);
    expect(service.lines.filter((line) => line.includes('failed logins'))).toHaveLength(1);
    expect(service.lines.join()).not.toContain('wrong');
  });

  it('are bounded by the limit of the address as a whole: guessing is not free', async () => {
    await start({ perAddress: 10, failedLogins: 2 });
    const answers = await statuses(30, { token: 'guess' });
    expect(answers.filter((status) => status === 401)).toHaveLength(2);
    const last = await send({ token: tokens.alice });
    expect([last.statusCode, last.json().message]).toEqual([
      429,
      expect.stringContaining('from this address'),
    ]);
  });
});

describe('sessions', () => {
  it('are bounded for a principal and over all, with the time to wait', async () => {
    const limits = { most: 3, perPrincipal: 2, idleMs: 60_000 };
    await start({}, {}, { limits });
    const url = await service.listen();
    const open = (token: string) => fetch(`${url}/sse`, { headers: { authorization: `Bearer ${token}` } });
    const streams = [await open(tokens.alice), await open(tokens.alice)];
    const refused = await open(tokens.alice);
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '60']);
    expect(await refused.json()).toMatchObject({
      error: { data: { code: 'RATE_LIMITED', retry_after_seconds: 60 } },
    });
    streams.push(await open(tokens.bob));
    const full = await open(await tokenFor('carol'));
    expect([full.status, full.headers.get('retry-after')]).toEqual([503, '60']);
    for (const stream of streams) {
      expect(stream.status).toBe(200);
      await stream.body?.cancel();
    }
  });
});

describe('tools', () => {
  const call = {
    jsonrpc: '2.0',
    id: 7,
    method: 'tools/call',
    params: { name: 'list_clusters', arguments: {} },
  };

  async function result(token: string, body: object = call) {
    const opened = await send({ token, method: 'POST', url: '/mcp', body: INITIALIZE });
    const headers = { 'mcp-session-id': String(opened.headers['mcp-session-id']) };
    const response = await send({ token, method: 'POST', url: '/mcp', headers, body });
    return JSON.parse(/^data: (.*)$/m.exec(response.body)?.[1] ?? response.body).result;
  }

  it('answer RATE_LIMITED beyond the calls a minute of the policy, for that principal alone', async () => {
    const limitsOf = ({ subject }: { subject: string }) => (subject === 'alice' ? { callsPerMinute: 2 } : {});
    await start({}, {}, { limitsOf });
    expect((await result(tokens.alice)).isError).toBeFalsy();
    expect((await result(tokens.alice)).isError).toBeFalsy();
    const refused = await result(tokens.alice);
    expect(refused.isError).toBe(true);
    expect(refused.structuredContent.error).toMatchObject({ code: 'RATE_LIMITED', retryable: true });
    expect(refused.structuredContent.error.retry_after_seconds).toBeGreaterThan(0);
    expect(refused.content[0].text).toContain('2 calls a minute');
    expect((await result(tokens.bob)).isError).toBeFalsy();
  });

  it('answer RATE_LIMITED for a cluster whose places are taken, and other clusters answer', async () => {
    const hung = new RecordingCluster('hung');
    const well = new RecordingCluster('well');
    const held: (() => void)[] = [];
    hung.reply = () => new Promise((resolve) => held.push(() => resolve('done')));
    well.reply = () => 'fine';
    const callLimits = { perPrincipal: 10, perPrincipalAndCluster: 2, perCluster: 3 };
    await start({}, {}, { estate: directoryOf(hung, well), callLimits });
    const version = (cluster: string) => ({
      ...call,
      params: { name: 'proxmox_api_call', arguments: { cluster, path: '/version' } },
    });
    const hanging = [
      result(tokens.alice, version('hung')),
      result(tokens.alice, version('hung')),
      result(tokens.bob, version('hung')),
    ];
    await expect.poll(() => held.length).toBe(3);
    for (const token of [tokens.alice, tokens.bob]) {
      const { error } = (await result(token, version('hung'))).structuredContent;
      expect(error).toMatchObject({ code: 'RATE_LIMITED', cluster: 'hung', retry_after_seconds: 5 });
      expect((await result(token, version('well'))).structuredContent.data).toBe('fine');
    }
    expect(held).toHaveLength(3);
    for (const release of held.splice(0)) release();
    await Promise.all(hanging);
    const after = result(tokens.bob, version('hung'));
    await expect.poll(() => held.length).toBe(1);
    held[0]?.();
    expect((await after).isError).toBeFalsy();
  });
});
