import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { directoryOf, RecordingCluster } from '../support/recording-cluster.ts';
import { buildService, type TestService, tokenFor } from '../support/service.ts';

const CALL = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'tools/call',
  params: {
    name: 'proxmox_api_call',
    arguments: { path: '/version' },
    _meta: {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientInfo': { name: 'slow', version: '1' },
      'io.modelcontextprotocol/clientCapabilities': {},
    },
  },
});

const cluster = new RecordingCluster('production');
let service: TestService;
let url: URL;
let head: string;

beforeAll(async () => {
  // Those of production are 15 s, 30 s and 5 s.
  const timeouts = { headersMs: 1_500, requestMs: 2_000, checkMs: 100 };
  service = await buildService({ estate: directoryOf(cluster), timeouts });
  url = new URL(await service.listen());
  head = [
    'POST /mcp HTTP/1.1',
    `Host: ${url.host}`,
    `Authorization: Bearer ${await tokenFor('alice')}`,
    'Content-Type: application/json',
    'Accept: application/json, text/event-stream',
    'MCP-Protocol-Version: 2026-07-28',
    'Mcp-Method: tools/call',
    'Mcp-Name: proxmox_api_call',
    '',
  ].join('\r\n');
});
afterAll(() => service.close());
beforeEach(() => {
  cluster.calls.length = 0;
});

interface Open {
  socket: Socket;
  text: string;
  isClosed: boolean;
}

async function open(first: string | Buffer): Promise<Open> {
  const socket = connect(Number(url.port), url.hostname);
  const seen: Open = { socket, text: '', isClosed: false };
  socket.setEncoding('latin1').on('data', (text) => {
    seen.text += text;
  });
  socket
    .on('error', () => undefined)
    .on('close', () => {
      seen.isClosed = true;
    });
  await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
  if (first.length > 0) socket.write(first);
  return seen;
}

/** A whole request, as any other client sends one meanwhile. */
async function ordinaryCall(): Promise<string> {
  const { socket, ...seen } = await open(`${head}Content-Length: ${CALL.length}\r\n\r\n${CALL}`);
  const all = seen;
  await new Promise<void>((resolve, reject) => {
    socket.on('data', (text) => {
      all.text += text;
      if (all.text.includes('"structuredContent"')) resolve();
    });
    socket.once('close', () => reject(new Error(`closed after ${all.text}`)));
  });
  socket.destroy();
  return all.text;
}

const halfABody = () => `${head}Content-Length: ${CALL.length}\r\n\r\n${CALL.slice(0, 40)}`;
const SLOW: readonly [string, () => string, string][] = [
  ['say nothing', () => '', ''],
  ['send a header now and then', () => head, 'X-A: b\r\n'],
  ['never end a header', () => `${head}X-A: `, 'b'],
  ['send a body byte by byte', () => `${head}Content-Length: 4000\r\n\r\n{"jsonrpc":"2.0",`, ' '],
  ['send chunks without end', () => `${head}Transfer-Encoding: chunked\r\n\r\n`, '1\r\n \r\n'],
];

describe('500 clients that are slow', () => {
  it('keep nobody from being answered, and are ended', async () => {
    const slow = await Promise.all(
      Array.from({ length: 100 }, () => SLOW).flatMap((kinds) =>
        kinds.map(async ([, first, more]) => ({ more, seen: await open(first()) })),
      ),
    );
    const drip = setInterval(() => {
      for (const { more, seen } of slow) if (!seen.isClosed && more !== '') seen.socket.write(more);
    }, 200);
    for (let call = 0; call < 20; call++) expect(await ordinaryCall()).toMatch(/^HTTP\/1\.1 200 /);
    await expect.poll(() => slow.filter(({ seen }) => !seen.isClosed).length, { timeout: 15_000 }).toBe(0);
    clearInterval(drip);
    const statuses = new Set(slow.map(({ seen }) => seen.text.slice(9, 12)));
    expect([...statuses].filter((status) => !['', '408'].includes(status))).toEqual([]);
    expect(cluster.calls).toHaveLength(20);
    expect(await ordinaryCall()).toContain('"structuredContent"');
  });
});

describe('a client that', () => {
  it('goes away in the middle of a body has nothing done', async () => {
    const opened = await Promise.all(Array.from({ length: 50 }, () => open(halfABody())));
    for (const { socket } of opened) socket.resetAndDestroy();
    expect(await ordinaryCall()).toContain('"structuredContent"');
    expect(cluster.calls).toHaveLength(1);
    expect(service.lines.filter((line) => JSON.parse(line).level >= 50)).toEqual([]);
  });

  it('goes away right after a call is cut off, and nobody else', async () => {
    const opened = await Promise.all(
      Array.from({ length: 50 }, () => open(`${head}Content-Length: ${CALL.length}\r\n\r\n${CALL}`)),
    );
    for (const { socket } of opened) socket.resetAndDestroy();
    expect(await ordinaryCall()).toContain('"structuredContent"');
  });

  it.each([
    ['5,000 headers', () => `${head}${'X-A: b\r\n'.repeat(5_000)}\r\n`],
    ['one header of 64 KB', () => `${head}X-A: ${'b'.repeat(65_536)}\r\n\r\n`],
    ['a path of 64 KB', () => head.replace('/mcp', `/mcp/${'b'.repeat(65_536)}`)],
  ])('sends %s is refused with 431', async (_what, request) => {
    const seen = await open(request());
    await expect.poll(() => seen.text).toMatch(/^HTTP\/1\.1 431 /);
    seen.socket.destroy();
    expect(cluster.calls).toEqual([]);
  });

  it('sends more chunks than a body may have is refused with 413', async () => {
    const chunk = `10000\r\n${' '.repeat(65_536)}\r\n`;
    const seen = await open(`${head}Transfer-Encoding: chunked\r\n\r\n${chunk.repeat(70)}`);
    await expect.poll(() => seen.text).toMatch(/^HTTP\/1\.1 413 /);
    seen.socket.destroy();
    expect(cluster.calls).toEqual([]);
  });
});
