import { describe, expect, test } from 'vitest';
import { callOf, clusterConfig, engineFor, failureOf } from '../support/engine-fixtures.ts';
import {
  type Answering,
  answerData,
  configOf,
  sendJson,
  startWireServer,
  type WireServer,
} from '../support/wire-server.ts';

const READ = callOf('GET', '/nodes/pve2/status');
const WRITE = callOf('POST', '/nodes/pve2/qemu/100/status/start');
const WRITES = ['POST', 'PUT', 'DELETE'] as const;
const IN_DOUBT = 'may or may not have been carried out; look before repeating';

const hang: Answering = () => undefined;
const reset: Answering = (_request, _response, socket) => socket.destroy();

/** A server whose port nobody listens on any more. */
async function deadServer(): Promise<WireServer> {
  const server = await startWireServer(answerData);
  await server.close();
  return server;
}

describe('a write is sent once', () => {
  test.each(WRITES)('the socket dies after a %s has arrived', async (method) => {
    const [first, second] = [await startWireServer(reset), await startWireServer(answerData)];
    const error = await failureOf(engineFor(configOf([first, second])).send(callOf(method, '/nodes/pve2/x')));
    expect(error).toMatchObject({ code: 'UPSTREAM_ERROR', retryable: false });
    expect(error.message).toContain(IN_DOUBT);
    expect([first.requests.length, second.requests.length]).toEqual([1, 0]);
  });

  test.each(WRITES)('a %s is not answered in time', async (method) => {
    const [first, second] = [await startWireServer(hang), await startWireServer(answerData)];
    const call = callOf(method, '/nodes/pve2/x', { deadlineMs: 150 });
    const error = await failureOf(engineFor(configOf([first, second])).send(call));
    expect(error).toMatchObject({ code: 'TIMEOUT', retryable: false });
    expect(error.message).toContain(IN_DOUBT);
    expect([first.requests.length, second.requests.length]).toEqual([1, 0]);
  });

  test('the answer breaks off after its head', async () => {
    const server = await startWireServer((_request, response, socket) => {
      response.writeHead(200, { 'Content-Length': 100 });
      response.write('{"data":', () => socket.destroy());
    });
    const error = await failureOf(engineFor(configOf([server])).send(WRITE));
    expect(error.message).toContain(IN_DOUBT);
    expect(server.requests).toHaveLength(1);
  });

  test.each([595, 596, 599, 502, 503, 504])('status %s', async (status) => {
    const [first, second] = [
      await startWireServer((_request, response) => void response.writeHead(status).end()),
      await startWireServer(answerData),
    ];
    await failureOf(engineFor(configOf([first, second])).send(WRITE));
    expect([first.requests.length, second.requests.length]).toEqual([1, 0]);
  });

  test('connecting failed: it goes to the next endpoint', async () => {
    const [first, second] = [await deadServer(), await startWireServer(answerData)];
    await expect(engineFor(configOf([first, second])).send(WRITE)).resolves.toMatchObject({ data: 'ok' });
    expect(second.requests).toHaveLength(1);
  });

  test('a wrong certificate counts as not sent', async () => {
    const [first, second] = [await startWireServer(answerData), await startWireServer(answerData)];
    const endpoints = [first.endpoint, { ...second.endpoint, fingerprint: second.certificate.fingerprint }];
    await engineFor(clusterConfig({ endpoints })).send(WRITE);
    expect([first.requests.length, second.requests.length]).toEqual([0, 1]);
  });

  test('every endpoint down: each is tried once and named', async () => {
    const servers = [await deadServer(), await deadServer()];
    const error = await failureOf(engineFor(configOf(servers)).send(WRITE));
    expect(error).toMatchObject({ code: 'CLUSTER_UNREACHABLE', cluster: 'test', retryable: true });
    for (const { endpoint } of servers) {
      expect(error.message).toContain(`127.0.0.1:${endpoint.port} refused the connection`);
    }
    expect(error.message.match(/refused/g)).toHaveLength(2);
  });

  test('many writes over connections that the server drops between requests: each arrives once', async () => {
    const server = await startWireServer((_request, response, socket) => {
      sendJson(response, 200, { data: null });
      response.once('finish', () => setImmediate(() => socket.destroy()));
    });
    const engine = engineFor(configOf([server]));
    const names = Array.from({ length: 40 }, (_, index) => `call${index}`);
    for (const name of names) {
      await engine.send({ ...WRITE, parameters: { name } }).catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    const bodies = server.requests.map(({ body }) => body);
    expect(new Set(bodies).size).toBe(bodies.length);
  });
});

describe('a read is repeated', () => {
  test('over the endpoints, when the first is down', async () => {
    const [first, second] = [await deadServer(), await startWireServer(answerData)];
    const reply = await engineFor(configOf([first, second])).send(READ);
    expect(reply.endpoint).toBe(`127.0.0.1:${second.endpoint.port}`);
  });

  test.each([595, 596, 599, 502, 503, 504])('after %s, at another endpoint', async (status) => {
    const [first, second] = [
      await startWireServer((_request, response) => void response.writeHead(status).end()),
      await startWireServer(answerData),
    ];
    await expect(engineFor(configOf([first, second])).send(READ)).resolves.toMatchObject({ data: 'ok' });
    expect([first.requests.length, second.requests.length]).toEqual([1, 1]);
  });

  test('the node is named even where the other endpoint is down as well', async () => {
    const servers = [
      await startWireServer((_request, response) => void response.writeHead(595).end()),
      await deadServer(),
    ];
    const error = await failureOf(engineFor(configOf(servers)).send(READ));
    expect(error).toMatchObject({ code: 'UPSTREAM_ERROR', status: 595 });
    expect(error.message).toContain('Node pve2 did not answer');
  });

  test('three times at most', async () => {
    const server = await startWireServer(reset);
    const error = await failureOf(engineFor(configOf([server])).send(READ));
    expect(error).toMatchObject({ code: 'CLUSTER_UNREACHABLE', retryable: true });
    expect(server.requests).toHaveLength(3);
  });

  test('not after what PVE has answered', async () => {
    const server = await startWireServer((_request, response) =>
      sendJson(response, 500, { data: null }, 'no'),
    );
    await failureOf(engineFor(configOf([server])).send(READ));
    expect(server.requests).toHaveLength(1);
  });

  test('the node that stays away is named, not the endpoint', async () => {
    const server = await startWireServer((_request, response) => void response.writeHead(595).end());
    const error = await failureOf(engineFor(configOf([server])).send(READ));
    expect(error.message).toContain(`Node pve2 did not answer 127.0.0.1:${server.endpoint.port}`);
    expect(error.retryable).toBe(true);
  });
});

describe('the cause is said in words', () => {
  test.each([
    ['a port where nobody listens', { host: '127.0.0.1', port: 1 }, 'refused the connection'],
    [
      'a name that does not exist',
      { host: 'no-such-host.invalid', port: 8006 },
      /name that (?:was not found|could not be looked up)/,
    ],
  ])('%s', async (_title, endpoint, words) => {
    const error = await failureOf(engineFor(clusterConfig({ endpoints: [endpoint] })).send(READ));
    expect(error.code).toBe('CLUSTER_UNREACHABLE');
    expect(error.message).toMatch(words);
  });
});

describe('the breaker', () => {
  test('an endpoint that failed five times is asked last, and again after 30 s', async () => {
    let now = 1_000_000;
    const [first, second] = [await startWireServer(reset), await startWireServer(answerData)];
    const engine = engineFor(configOf([first, second]), { clock: { now: () => now } });
    for (let count = 0; count < 7; count++) await engine.send(READ);
    expect(first.requests).toHaveLength(5);
    now += 30_000;
    await Promise.all([engine.send(READ), engine.send(READ), engine.send(READ)]);
    expect(first.requests).toHaveLength(6);
  });

  test('the last endpoint stays in use', async () => {
    let broken = true;
    const server = await startWireServer((request, response, socket) =>
      broken ? socket.destroy() : answerData(request, response, socket),
    );
    const engine = engineFor(configOf([server]));
    for (let count = 0; count < 3; count++) await failureOf(engine.send(READ));
    broken = false;
    await expect(engine.send(WRITE)).resolves.toMatchObject({ data: 'ok' });
  });
});
