import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { directoryOf, RecordingCluster } from '../support/recording-cluster.ts';
import { buildService, type TestService, tokenFor } from '../support/service.ts';

/** The doors write their answers past Fastify: whatever the plugins have set must be on them all the same. */
const ORIGIN = 'https://app.example';
const REVISION = '2026-07-28';
const PLAIN = { accept: 'application/json, text/event-stream', 'content-type': 'application/json' };
const META = {
  'io.modelcontextprotocol/protocolVersion': REVISION,
  'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {},
};
const INITIALIZE = {
  jsonrpc: '2.0',
  id: 0,
  method: 'initialize',
  params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 't', version: '1' } },
};

const cluster = new RecordingCluster('production');
let service: TestService;
let url: string;
let authorization: string;
let session: string;
let messages: string;
const ending = new AbortController();

beforeAll(async () => {
  service = await buildService({
    estate: directoryOf(cluster),
    http: {
      allowedOrigins: [ORIGIN],
      limits: { perAddress: 1000, perPrincipal: 1000, failedLogins: 1000 },
    },
    limits: { most: 2, perPrincipal: 2, idleMs: 60_000 },
    postDeadlineMs: 200,
    callDeadlineSeconds: 1,
  });
  service.app.addHook('onRequest', async (_request, reply) => {
    reply.header('X-Of-Some-Plugin', 'here');
  });
  url = await service.listen();
  authorization = `Bearer ${await tokenFor('alice')}`;
  session = (await send('POST', '/mcp', INITIALIZE)).headers.get('mcp-session-id') ?? '';
  messages = await opened(await send('GET', '/sse'));
});
afterAll(async () => {
  ending.abort();
  await service.close();
});

function send(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
  return fetch(new URL(path, url), {
    method,
    headers: { authorization, origin: ORIGIN, 'x-request-id': 'asked-1', ...PLAIN, ...headers },
    signal: ending.signal,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

/** Where an SSE session takes messages. */
async function opened(stream: Response): Promise<string> {
  const reader = stream.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  while (!/data: \S+\n/.test(text)) text += (await reader?.read())?.value ?? '';
  return /data: (\S+)/.exec(text)?.[1] ?? '';
}

const request = (method: string, params: object = {}, id = 7) => ({ jsonrpc: '2.0', id, method, params });
const READ = { name: 'proxmox_api_call', arguments: { path: '/version' } };
const inSession = (body: unknown, headers = {}) =>
  send('POST', '/mcp', body, { 'mcp-session-id': session, ...headers });
const stateless = (method: string, params: { name?: string } = {}) =>
  send('POST', '/mcp', request(method, { ...params, _meta: META }), {
    'mcp-protocol-version': REVISION,
    'mcp-method': method,
    ...(params.name === undefined ? {} : { 'mcp-name': params.name }),
  });
/** A call that no cluster answers before the door gives it up. */
async function unanswered(ask: () => Promise<Response>): Promise<Response> {
  cluster.reply = () => new Promise(() => undefined);
  const response = await ask();
  cluster.reply = () => null;
  return response;
}

const ANSWERS: [string, () => Promise<Response>, number][] = [
  ['a list on a session', () => inSession(request('tools/list')), 200],
  ['a call on a session', () => inSession(request('tools/call', READ)), 200],
  [
    'a call on a session that takes long',
    () => unanswered(() => inSession(request('tools/call', READ, 8))),
    200,
  ],
  ['what the SDK answers on a session', () => inSession(request('prompts/list')), 200],
  ['a notification', () => inSession({ jsonrpc: '2.0', method: 'notifications/initialized' }), 202],
  ['an empty batch', () => inSession([]), 400],
  ['what the SDK refuses', () => inSession(request('tools/list'), { accept: 'text/html' }), 406],
  ['no session', () => send('POST', '/mcp', request('tools/list')), 400],
  ['an unknown session', () => inSession(request('tools/list'), { 'mcp-session-id': 'x' }), 404],
  ['the stream of a session', () => send('GET', '/mcp', undefined, { 'mcp-session-id': session }), 200],
  ['the end of an unknown session', () => send('DELETE', '/mcp', undefined, { 'mcp-session-id': 'x' }), 404],
  ['a stateless list', () => stateless('tools/list'), 200],
  ['a stateless call', () => stateless('tools/call', READ), 200],
  ['a stateless call that takes too long', () => unanswered(() => stateless('tools/call', READ)), 504],
  ['what the SDK answers without a session', () => stateless('server/discover'), 200],
  ['a stream of changes', () => stateless('subscriptions/listen'), 200],
  ['the stream of SSE', () => send('GET', '/sse'), 200],
  ['a call by SSE', () => send('POST', messages, request('tools/call', READ)), 202],
  ['what the SDK takes by SSE', () => send('POST', messages, INITIALIZE), 202],
  ['what the SDK refuses by SSE', () => send('POST', messages, { jsonrpc: '1.0' }), 400],
  ['an unknown stream of SSE', () => send('POST', '/messages?sessionId=x', INITIALIZE), 404],
  ['a health check', () => send('GET', '/healthz'), 200],
  ['nothing that is served', () => send('GET', '/nothing'), 404],
];

describe('the headers of plugins are on the answer to', () => {
  it.each(ANSWERS)('%s', async (_what, ask, status) => {
    const response = await ask();
    expect(response.status).toBe(status);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'x-of-some-plugin': 'here',
      'x-request-id': 'asked-1',
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none';frame-ancestors 'none'",
      'access-control-allow-origin': ORIGIN,
      vary: 'Origin',
    });
    const isLimited = !response.url.endsWith('/healthz');
    expect(response.headers.get('ratelimit-limit')).toBe(isLimited ? '1000' : null);
  });

  it('a session beyond the most that a principal may have', async () => {
    await send('GET', '/sse');
    const response = await send('GET', '/sse');
    expect(response.status).toBe(429);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'x-of-some-plugin': 'here',
      'retry-after': '60',
      'ratelimit-limit': '1000',
    });
  });
});
