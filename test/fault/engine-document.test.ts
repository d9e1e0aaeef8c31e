import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { Secret } from '../../src/config/secret.ts';
import { clusterConfig, engineFor, failureOf, TOKEN_CANARY } from '../support/engine-fixtures.ts';
import {
  type Answering,
  answerData,
  configOf,
  startListener,
  startWireServer,
} from '../support/wire-server.ts';

const PATH = '/pve-docs/api-viewer/apidoc.js';
const MIB = 1024 * 1024;
const OTHER_PIN = Array.from({ length: 32 }, () => 'AB').join(':');

const answering =
  (status: number, headers: Record<string, string>, body: string | Buffer = ''): Answering =>
  (_request, response) =>
    void response.writeHead(status, headers).end(body);

describe('a document beside the API', () => {
  test.each([
    ['token', {}],
    [
      'password',
      { credentials: { kind: 'password', user: 'ops@pve', password: new Secret(TOKEN_CANARY) } as const },
    ],
  ])('is asked for without any credential: %s', async (_title, changes) => {
    const server = await startWireServer(answering(200, { 'Last-Modified': 'Mon' }, 'text'));
    const document = await engineFor(configOf([server], changes)).fetchDocument(PATH);
    expect(document).toEqual({ status: 200, text: 'text', lastModified: 'Mon' });
    expect(server.requests).toHaveLength(1);
    expect(server.requests[0]).toMatchObject({ method: 'GET', url: PATH, body: '' });
    expect(server.requests[0]?.headers).not.toHaveProperty('authorization');
    expect(server.requests[0]?.headers).not.toHaveProperty('cookie');
    expect(JSON.stringify(server.requests)).not.toContain(TOKEN_CANARY);
  });

  test('comes packed, and is unpacked', async () => {
    const text = 'größe '.repeat(100_000);
    const server = await startWireServer(answering(200, { 'Content-Encoding': 'gzip' }, gzipSync(text)));
    const document = await engineFor(configOf([server])).fetchDocument(PATH);
    expect(document.text).toBe(text);
    expect(server.requests[0]?.headers['accept-encoding']).toBe('gzip');
  });

  test('unchanged: the date goes out, 304 comes back', async () => {
    const server = await startWireServer(answering(304, {}));
    const date = 'Mon, 01 Jan 2026 00:00:00 GMT';
    const engine = engineFor(configOf([server]));
    expect(await engine.fetchDocument(PATH, { ifModifiedSince: date })).toEqual({ status: 304, text: '' });
    expect(server.requests[0]?.headers['if-modified-since']).toBe(date);
  });

  test('a date that can’t be a header is left out', async () => {
    const server = await startWireServer(answering(200, {}, 'x'));
    await engineFor(configOf([server])).fetchDocument(PATH, { ifModifiedSince: 'x\r\nCookie: y' });
    expect(server.requests[0]?.headers).not.toHaveProperty('if-modified-since');
  });

  test.each([404, 403, 401])('status %s is passed on, and is no word on the credentials', async (status) => {
    const server = await startWireServer((request, response, socket) =>
      request.url === PATH
        ? void response.writeHead(status).end('no')
        : answerData(request, response, socket),
    );
    const engine = engineFor(configOf([server]));
    expect(await engine.fetchDocument(PATH)).toMatchObject({ status });
    expect(server.requests).toHaveLength(1);
  });

  test('goes to the next endpoint as a read does', async () => {
    const dead = await startWireServer(answerData);
    await dead.close();
    const broken = await startWireServer((_request, _response, socket) => socket.destroy());
    const good = await startWireServer(answering(200, {}, 'text'));
    const document = await engineFor(configOf([dead, broken, good])).fetchDocument(PATH);
    expect(document.text).toBe('text');
  });

  test.each([
    '/api2/json/version',
    '/api2',
    '/../etc',
    '/a//b',
    '/a?b',
    '/a#b',
    'a',
    '',
    '//host/a',
    '/%2e%2e/a',
  ])('the path %j is refused', async (path) => {
    const server = await startWireServer(answerData);
    const error = await failureOf(engineFor(configOf([server])).fetchDocument(path));
    expect(error).toMatchObject({ code: 'INVALID_PATH', cluster: 'test' });
    expect(server.connections).toBe(0);
  });
});

describe('a document that harms', () => {
  test('a bomb: 20 KB that unpack to more than 16 MiB', async () => {
    const bomb = gzipSync(Buffer.alloc(17 * MIB));
    expect(bomb.length).toBeLessThan(20_000);
    const server = await startWireServer(answering(200, { 'Content-Encoding': 'gzip' }, bomb));
    const error = await failureOf(engineFor(configOf([server])).fetchDocument(PATH));
    expect(error).toMatchObject({ code: 'UPSTREAM_ERROR', cluster: 'test', retryable: false });
    expect(error.message).toContain('larger than 16777216 bytes once unpacked');
    expect(server.requests).toHaveLength(1);
  });

  test('16 MiB exactly are read', async () => {
    const packed = gzipSync(Buffer.alloc(16 * MIB, 'x'));
    const server = await startWireServer(answering(200, { 'Content-Encoding': 'gzip' }, packed));
    expect((await engineFor(configOf([server])).fetchDocument(PATH)).text).toHaveLength(16 * MIB);
  });

  test('one without end: the socket is closed', async () => {
    const server = await startWireServer((_request, response) => {
      response.writeHead(200);
      const write = () => {
        while (!response.destroyed && response.write(Buffer.alloc(MIB)));
      };
      response.on('drain', write);
      write();
    });
    const error = await failureOf(engineFor(configOf([server])).fetchDocument(PATH));
    expect(error).toMatchObject({ code: 'UPSTREAM_ERROR' });
    expect(error.message).toContain('larger than 16777216 bytes');
    await expect.poll(() => server.sockets.size).toBe(0);
  });

  test('gzip that is cut off', async () => {
    const half = gzipSync(Buffer.alloc(100_000)).subarray(0, 50);
    const server = await startWireServer(answering(200, { 'Content-Encoding': 'gzip' }, half));
    const error = await failureOf(engineFor(configOf([server])).fetchDocument(PATH));
    expect(error.code).toBe('CLUSTER_UNREACHABLE');
  });

  test('a certificate that is not the pinned one: nothing is sent', async () => {
    const listener = await startListener();
    const config = clusterConfig({
      endpoints: [listener.endpoint],
      tls: { verify: false, fingerprint: OTHER_PIN },
    });
    expect(await failureOf(engineFor(config).fetchDocument(PATH))).toMatchObject({
      code: 'CLUSTER_UNREACHABLE',
    });
    expect(listener.bytes()).toBe('');
  });

  test('one that trickles: the deadline, and the caller’s own abort', async () => {
    const server = await startWireServer((_request, response) => {
      response.writeHead(200);
      const timer = setInterval(() => response.write('x'), 20);
      response.once('close', () => clearInterval(timer));
    });
    const engine = engineFor(configOf([server]));
    expect(await failureOf(engine.fetchDocument(PATH, { deadlineMs: 150 }))).toMatchObject({
      code: 'TIMEOUT',
    });
    const caller = new AbortController();
    const fetching = engine.fetchDocument(PATH, { signal: caller.signal });
    setTimeout(() => caller.abort('enough'), 50);
    await expect(fetching).rejects.toBe('enough');
    await expect.poll(() => server.sockets.size).toBe(0);
  });
});
