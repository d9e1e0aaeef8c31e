import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { directoryOf, RecordingCluster } from '../support/recording-cluster.ts';
import { buildService, type TestService, tokenFor } from '../support/service.ts';

const LEGACY = {
  protocolVersion: '2025-06-18',
  capabilities: {},
  clientInfo: { name: 'test', version: '1' },
};
const INITIALIZE = { jsonrpc: '2.0', id: 0, method: 'initialize', params: LEGACY };
const META = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {},
};
const MODERN_CALL = {
  jsonrpc: '2.0',
  id: 1,
  method: 'tools/call',
  params: { name: 'proxmox_api_call', arguments: { path: '/version' }, _meta: META },
};
const LEGACY_CALL = { ...MODERN_CALL, params: { name: 'proxmox_api_call', arguments: { path: '/version' } } };

const cluster = new RecordingCluster('production');
let service: TestService;
let port: number;
let good: string;
let key: string;
let session: string;

beforeAll(async () => {
  service = await buildService({
    estate: directoryOf(cluster),
    http: {
      allowedHosts: ['127.0.0.1:*', 'mcp.example', '*.corp.example:8443', '[::1]:*'],
      allowedOrigins: ['https://app.example'],
    },
  });
  port = Number(new URL(await service.listen()).port);
  good = await tokenFor('alice');
  key = (await service.credentials.apiKeys.add('alice', 'proxmox:admin', 600)).key;
  const opened = await send(head([`Authorization: Bearer ${good}`]), INITIALIZE);
  session = /mcp-session-id: (\S+)/i.exec(opened.text)?.[1] ?? '';
  expect(session).not.toBe('');
});
afterAll(() => service.close());

/** The lines of a request: only what the test says, and what HTTP needs. */
function head(
  lines: readonly string[],
  { target = '/mcp', host = `127.0.0.1:${port}`, method = 'POST' } = {},
) {
  const hosts = host === '' ? [] : [`Host: ${host}`];
  return { first: `${method} ${target} HTTP/1.1`, lines: [...hosts, ...lines] };
}

/** Writes bytes as they are: a client library would refuse most of these. */
async function send({ first, lines }: ReturnType<typeof head>, body: unknown = LEGACY_CALL) {
  const payload = JSON.stringify(body);
  const fixed = [
    'Accept: application/json, text/event-stream',
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(payload)}`,
    'Connection: close',
  ];
  const request = `${[first, ...lines, ...fixed].join('\r\n')}\r\n\r\n${payload}`;
  return await raw(request);
}

async function raw(request: string) {
  const text = await new Promise<string>((resolve) => {
    let answer = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(Buffer.from(request, 'utf8')));
    socket.setTimeout(3000, () => socket.destroy());
    socket.on('data', (data) => {
      answer += data.toString('latin1');
      // The end of a chunked answer: what is kept open behind it is not waited for.
      if (answer.endsWith('\r\n0\r\n\r\n')) socket.destroy();
    });
    socket.on('error', () => undefined);
    socket.once('close', () => resolve(answer));
  });
  return { text, status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0) };
}

const big = 'x'.repeat(20_000);
/** Name, the header lines, and the statuses that refuse. */
const CREDENTIALS: [string, () => string[], number[]][] = [
  ['no scheme', () => [`Authorization: ${good}`], [400]],
  ['the scheme alone', () => ['Authorization: Bearer'], [400]],
  ['the scheme and a blank', () => ['Authorization: Bearer '], [400]],
  ['an empty header', () => ['Authorization:'], [400]],
  ['two blanks', () => [`Authorization: Bearer  ${good}`], [400]],
  ['a tab', () => [`Authorization: Bearer\t${good}`], [400]],
  ['no blank', () => [`Authorization: Bearer${good}`], [400]],
  ['a colon', () => [`Authorization: Bearer: ${good}`], [400]],
  ['an equals sign', () => [`Authorization: Bearer=${good}`], [400]],
  ['quotes', () => [`Authorization: Bearer "${good}"`], [400]],
  ['angle brackets', () => [`Authorization: Bearer <${good}>`], [400]],
  ['a list of two', () => [`Authorization: Bearer x, Bearer ${good}`], [400]],
  ['a list of two, ours first', () => [`Authorization: Bearer ${good}, Bearer x`], [400]],
  ['a list with Basic', () => [`Authorization: Basic dTpw, Bearer ${good}`], [400]],
  ['a trailing comma', () => [`Authorization: Bearer ${good},`], [400]],
  ['a trailing word', () => [`Authorization: Bearer ${good} x`], [400]],
  ['a parameter', () => [`Authorization: Bearer ${good};admin=1`], [400]],
  [
    'Basic with the token',
    () => [`Authorization: Basic ${Buffer.from(`u:${good}`).toString('base64')}`],
    [400],
  ],
  ['Token', () => [`Authorization: Token ${good}`], [400]],
  ['DPoP', () => [`Authorization: DPoP ${good}`], [400]],
  ['Digest', () => ['Authorization: Digest username="a"'], [400]],
  ['a scheme that only looks like it (Cyrillic)', () => [`Authorization: \u0412earer ${good}`], [400]],
  ['a full-width scheme', () => [`Authorization: \uff22earer ${good}`], [400]],
  ['a non-breaking blank', () => [`Authorization: Bearer\u00a0${good}`], [400]],
  ['a zero-width blank', () => [`Authorization: Bearer \u200b${good}`], [400]],
  ['NUL in the token', () => [`Authorization: Bearer ${good}\0`], [400]],
  ['NUL before the token', () => [`Authorization: Bearer \0${good}`], [400]],
  ['a bare CR', () => [`Authorization: Bearer x\r Bearer ${good}`], [400]],
  ['an escape', () => [`Authorization: Bearer \x1b[31m${good}`], [400]],
  ['a folded line', () => ['Authorization: Bearer', ` ${good}`], [400]],
  ['%-encoding', () => [`Authorization: Bearer%20${good}`], [400]],
  ['sent twice', () => [`Authorization: Bearer ${good}`, `Authorization: Bearer ${good}`], [400]],
  ['sent twice, the bad one last', () => [`Authorization: Bearer ${good}`, 'authorization: Bearer x'], [400]],
  [
    'sent twice, the bad one first',
    () => ['AUTHORIZATION: Bearer x', `Authorization: Bearer ${good}`],
    [400],
  ],
  ['20 KB', () => [`Authorization: Bearer ${big}`], [401, 431]],
  ['9 KB', () => [`Authorization: Bearer ${big.slice(0, 9000)}`], [401]],
  ['another header’s name', () => [`Proxy-Authorization: Bearer ${good}`], [401]],
  ['a cookie', () => [`Cookie: access_token=${good}; Authorization=Bearer ${good}`], [401]],
  ['X-Authorization', () => [`X-Authorization: Bearer ${good}`], [401]],
  ['X-Forwarded-Authorization', () => [`X-Forwarded-Authorization: Bearer ${good}`], [401]],
  ['an underscore in the name', () => [`X_API_KEY: ${key}`], [401]],
  ['a blank in the name', () => [`Authorization : Bearer ${good}`], [400]],
  ['a name with a line break', () => [`X-A: b\nAuthorization: Bearer ${good}`], [400, 401]],
  [
    'a user name from a proxy',
    () => ['X-Forwarded-User: admin', 'X-Remote-User: root', 'Remote-User: root'],
    [401],
  ],
  [
    'a client from a proxy',
    () => ['X-Forwarded-For: 127.0.0.1', 'Forwarded: for=127.0.0.1', 'X-Real-IP: ::1'],
    [401],
  ],
  ['a method in a header', () => ['X-HTTP-Method-Override: GET', 'X-Method-Override: OPTIONS'], [401]],
  ['another URL in a header', () => ['X-Original-URL: /healthz', 'X-Rewrite-URL: /healthz'], [401]],
  ['a session id alone', () => [`Mcp-Session-Id: ${session}`], [401]],
  ['a session id as a token', () => [`Authorization: Bearer ${session}`], [401]],
  ['X-API-Key and Authorization', () => [`X-API-Key: ${key}`, `Authorization: Bearer ${good}`], [400]],
  ['X-API-Key and a bad Authorization', () => [`X-API-Key: ${key}`, 'Authorization: Basic x'], [400]],
  ['two X-API-Key', () => [`X-API-Key: ${key}`, `X-API-Key: ${key}`], [400]],
  ['a list in X-API-Key', () => [`X-API-Key: ${key}, ${key}`], [400]],
  ['a token in X-API-Key', () => [`X-API-Key: ${good}`], [400]],
  ['Bearer in X-API-Key', () => [`X-API-Key: Bearer ${key}`], [400]],
  ['an empty X-API-Key', () => ['X-API-Key:'], [400]],
  ['an X-API-Key with NUL', () => [`X-API-Key: ${key}\0`], [400]],
  ['an X-API-Key cut short', () => [`X-API-Key: ${key.slice(0, -1)}`], [401]],
  ['an X-API-Key of 20 KB', () => [`X-API-Key: pmk_${big}`], [401, 431]],
  ['a key with Basic', () => [`Authorization: Basic ${key}`], [400]],
];

const SMUGGLED: [string, () => ReturnType<typeof head>, number[]][] = [
  ['two Content-Length', () => head([`Authorization: Bearer ${good}`, 'Content-Length: 0']), [400]],
  [
    'Transfer-Encoding beside Content-Length',
    () => head([`Authorization: Bearer ${good}`, 'Transfer-Encoding: chunked']),
    [400],
  ],
  [
    'an obscure Transfer-Encoding',
    () => head([`Authorization: Bearer ${good}`, 'Transfer-Encoding: xchunked']),
    [400, 501],
  ],
  ['a token in the query', () => head([], { target: `/mcp?access_token=${good}` }), [400]],
  [
    'a token in the query, encoded',
    () => head([], { target: `/mcp?access%5Ftoken=${encodeURIComponent(good)}` }),
    [400],
  ],
  [
    'a key in the query beside a good header',
    () => head([`Authorization: Bearer ${good}`], { target: `/mcp?x=${key}` }),
    [400],
  ],
  [
    'HTTP/1.0 without a Host',
    () => ({ first: 'POST /mcp HTTP/1.0', lines: [`Authorization: Bearer ${good}`] }),
    [400, 421],
  ],
  [
    'an absolute URL of another host',
    () => head([`Authorization: Bearer ${good}`], { target: 'http://evil.example/mcp' }),
    [400, 404, 421],
  ],
  ['a path that is not normal', () => head([], { target: '/healthz/../mcp' }), [401, 404]],
  ['a path with an encoded slash', () => head([], { target: '/healthz%2f..%2fmcp' }), [401, 404]],
  ['TRACE', () => head([`Authorization: Bearer ${good}`], { method: 'TRACE' }), [400, 404, 405]],
  [
    'CONNECT',
    () => head([`Authorization: Bearer ${good}`], { method: 'CONNECT', target: '127.0.0.1:22' }),
    [0, 400, 404, 405],
  ],
];

/** With a good token: what the doors make of the headers of MCP. */
const DOORS: [string, string[], body: unknown, number[]][] = [
  ['an unknown session', ['Mcp-Session-Id: nothing'], LEGACY_CALL, [404]],
  ['an empty session', ['Mcp-Session-Id:'], LEGACY_CALL, [400, 404]],
  ['a session that is a path', ['Mcp-Session-Id: ../../etc/passwd'], LEGACY_CALL, [404]],
  ['a session named __proto__', ['Mcp-Session-Id: __proto__'], LEGACY_CALL, [404]],
  ['a session of 8 KB', [`Mcp-Session-Id: ${big.slice(0, 8000)}`], LEGACY_CALL, [404, 431]],
  [
    'another method in Mcp-Method',
    ['MCP-Protocol-Version: 2026-07-28', 'Mcp-Method: tools/list', 'Mcp-Name: proxmox_api_call'],
    MODERN_CALL,
    [400],
  ],
  [
    'another tool in Mcp-Name',
    ['MCP-Protocol-Version: 2026-07-28', 'Mcp-Method: tools/call', 'Mcp-Name: list_clusters'],
    MODERN_CALL,
    [400],
  ],
  ['no Mcp-Method', ['MCP-Protocol-Version: 2026-07-28', 'Mcp-Name: proxmox_api_call'], MODERN_CALL, [400]],
  ['no Mcp-Name', ['MCP-Protocol-Version: 2026-07-28', 'Mcp-Method: tools/call'], MODERN_CALL, [400]],
  [
    'two Mcp-Method',
    [
      'MCP-Protocol-Version: 2026-07-28',
      'Mcp-Method: tools/call',
      'Mcp-Method: tools/list',
      'Mcp-Name: proxmox_api_call',
    ],
    MODERN_CALL,
    [400],
  ],
  [
    'another version in the header',
    ['MCP-Protocol-Version: 2025-06-18', 'Mcp-Method: tools/call', 'Mcp-Name: proxmox_api_call'],
    MODERN_CALL,
    [400],
  ],
  [
    'a version that does not exist',
    ['MCP-Protocol-Version: 2099-01-01', 'Mcp-Method: tools/call', 'Mcp-Name: proxmox_api_call'],
    MODERN_CALL,
    [400],
  ],
  ['a form as a content type', ['Content-Type: text/plain'], LEGACY_CALL, [400, 415]],
];

describe('headers that show no credential in the right way', () => {
  it('are, with the others, at least fifty', () => {
    expect(CREDENTIALS.length + SMUGGLED.length + DOORS.length).toBeGreaterThanOrEqual(50);
  });

  it.each(CREDENTIALS)('%s', async (_name, lines, statuses) => {
    await refused(head([...lines(), ...withSession(lines())]), LEGACY_CALL, statuses);
  });

  it.each(SMUGGLED)('%s', async (_name, request, statuses) => {
    await refused(request(), LEGACY_CALL, statuses);
  });
});

describe('headers of MCP that do not fit', () => {
  it.each(DOORS)('%s', async (_name, lines, body, statuses) => {
    await refused(head([`Authorization: Bearer ${good}`, ...lines]), body, statuses);
  });
});

/** Each of them is sent into an open session too: it must lend nothing. */
function withSession(lines: readonly string[]): string[] {
  return lines.some((line) => line.startsWith('Mcp-Session-Id')) ? [] : [`Mcp-Session-Id: ${session}`];
}

async function refused(request: ReturnType<typeof head>, body: unknown, statuses: number[]) {
  const before = cluster.calls.length;
  const { status, text } = await send(request, body);
  expect(statuses, text.slice(0, 300)).toContain(status);
  expect(cluster.calls.length).toBe(before);
  expect(text).not.toContain(good.slice(-30));
  expect(text).not.toContain(key.slice(-30));
  const log = service.lines.join('');
  expect(log).not.toContain(good.slice(-30));
  expect(log).not.toContain(key.slice(-30));
}

describe('the right way', () => {
  it.each<[string, () => string[]]>([
    ['Bearer', () => [`Authorization: Bearer ${good}`]],
    ['bearer, whatever its case', () => [`authorization: bEaReR ${good}`]],
    ['blanks around the value', () => [`Authorization:   Bearer ${good}  `]],
    ['a key as Bearer', () => [`Authorization: Bearer ${key}`]],
    ['a key in X-API-Key', () => [`X-Api-Key: ${key}`]],
    [
      'proxy headers beside it',
      () => [`Authorization: Bearer ${good}`, 'X-Forwarded-For: 1.2.3.4', 'X-Forwarded-Host: evil'],
    ],
  ])('%s does reach the cluster', async (_name, lines) => {
    const before = cluster.calls.length;
    const { status } = await send(head([...lines(), `Mcp-Session-Id: ${session}`]));
    expect(status).toBe(200);
    expect(cluster.calls.length).toBe(before + 1);
  });

  it('a forwarded host has no part in the metadata address', async () => {
    const { text } = await send(
      head(['X-Forwarded-Host: evil.example', 'X-Forwarded-Proto: gopher', 'Forwarded: host=evil.example']),
    );
    expect(text).toContain(`resource_metadata="http://127.0.0.1:${port}/`);
    expect(text).not.toContain('evil');
  });
});

describe('Host and Origin', () => {
  const OK = 200;
  it.each<[host: string, origin: string | undefined, number]>([
    ['127.0.0.1', undefined, OK],
    ['127.0.0.1:1', undefined, OK],
    ['MCP.example', undefined, OK],
    ['mcp.example:443', undefined, OK],
    ['a.corp.example:8443', undefined, OK],
    ['a.b.corp.example:8443', undefined, OK],
    ['[::1]:80', undefined, OK],
    ['127.0.0.1', 'https://app.example', OK],
    ['127.0.0.1', 'HTTPS://APP.EXAMPLE', OK],
    ['', undefined, 400],
    ['evil.example', undefined, 421],
    ['127.0.0.1.evil.example', undefined, 421],
    ['evil.example:127.0.0.1', undefined, 421],
    ['mcp.example.', undefined, 421],
    ['mcp.example@evil.example', undefined, 421],
    ['evil.example@mcp.example', undefined, 421],
    ['mcp.example, evil.example', undefined, 421],
    ['mcp.example/evil', undefined, 421],
    ['mcp.example:99999', undefined, 421],
    ['mcp.example:', undefined, 421],
    ['corp.example:8443', undefined, 421],
    ['a.corp.example', undefined, 421],
    ['a.corp.example:8444', undefined, 421],
    ['xcorp.example:8443', undefined, 421],
    ['*', undefined, 421],
    ['*.corp.example:8443', undefined, 421],
    ['2130706433', undefined, 421],
    ['0x7f.1', undefined, 421],
    ['127.1', undefined, 421],
    ['[::ffff:127.0.0.1]', undefined, 421],
    ['[::1', undefined, 421],
    ['m\u0441p.example', undefined, 421],
    ['127.0.0.1', 'null', 403],
    ['127.0.0.1', 'http://app.example', 403],
    ['127.0.0.1', 'https://app.example:444', 403],
    ['127.0.0.1', 'https://app.example.evil.example', 403],
    ['127.0.0.1', 'https://evil.example/https://app.example', 403],
    ['127.0.0.1', 'https://app.example, https://evil.example', 403],
    ['127.0.0.1', 'https://user@app.example', 403],
    ['127.0.0.1', 'file://', 403],
    ['127.0.0.1', 'chrome-extension://abc', 403],
    // Our own, which no other page has; another port is another service's.
    ['127.0.0.1', 'http://127.0.0.1', 200],
    ['127.0.0.1', 'http://127.0.0.1:81', 403],
    ['127.0.0.1', 'http://localhost', 403],
    ['127.0.0.1', 'ftp://127.0.0.1', 403],
    // A page that its DNS has led here has the origin that it sends as Host.
    ['mcp.example', 'https://mcp.example', 403],
    ['127.0.0.1', '*', 403],
    ['evil.example', 'https://app.example', 421],
  ])('%j with Origin %j answers %i', async (host, origin, status) => {
    const lines = [`Authorization: Bearer ${good}`, `Mcp-Session-Id: ${session}`];
    if (origin !== undefined) lines.push(`Origin: ${origin}`);
    const before = cluster.calls.length;
    const answer = await send(head(lines, { host }));
    expect(answer.status).toBe(status);
    expect(cluster.calls.length - before).toBe(status === OK ? 1 : 0);
    if (status !== OK) expect(answer.text).not.toMatch(/access-control-allow-origin/i);
  });

  it.each([
    ['Host', 'Host: evil.example', 400],
    ['Host, the same', 'Host: mcp.example', 400],
    ['Origin', 'Origin: https://evil.example', 403],
  ])('a second %s is refused', async (_name, line, status) => {
    const lines = [`Authorization: Bearer ${good}`, 'Origin: https://app.example', line];
    expect((await send(head(lines, { host: 'mcp.example' }))).status).toBe(status);
  });
});

describe('the session of another', () => {
  it.each(['POST', 'GET', 'DELETE'])('does not exist for %s', async (method) => {
    const lines = [`Authorization: Bearer ${await tokenFor('bob')}`, `Mcp-Session-Id: ${session}`];
    const { status, text } = await send(head(lines, { method }));
    expect(status).toBe(404);
    expect(text).not.toContain('alice');
  });

  it('does not exist for a subject that only looks like its owner', async () => {
    for (const subject of ['Alice', 'alice ', 'al\u0456ce', '["","alice"]']) {
      const lines = [`Authorization: Bearer ${await tokenFor(subject)}`, `Mcp-Session-Id: ${session}`];
      expect([401, 404]).toContain((await send(head(lines))).status);
    }
  });

  it('nor under another cluster’s address, nor by SSE', async () => {
    const lines = [`Authorization: Bearer ${good}`, `Mcp-Session-Id: ${session}`];
    expect((await send(head(lines, { target: '/mcp/production' }))).status).toBe(404);
    expect((await send(head(lines, { target: `/messages?sessionId=${session}` }))).status).toBe(404);
  });

  it('and a key of the same subject is the same person', async () => {
    const { status } = await send(head([`X-API-Key: ${key}`, `Mcp-Session-Id: ${session}`]));
    expect(status).toBe(200);
  });
});
