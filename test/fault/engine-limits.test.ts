import { type AddressInfo, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { callOf, clusterConfig, engineFor, failureOf } from '../support/engine-fixtures.ts';
import { type Answering, answerData, configOf, sendJson, startWireServer } from '../support/wire-server.ts';

const READ = callOf('GET', '/nodes');
const WRITE = callOf('POST', '/nodes/pve1/x');
const hang: Answering = () => undefined;

describe('deadlines', () => {
  test('a server that hangs: TIMEOUT in time, and the socket is closed', async () => {
    const server = await startWireServer(hang);
    const startedAt = Date.now();
    const error = await failureOf(engineFor(configOf([server])).send({ ...READ, deadlineMs: 200 }));
    expect(error).toMatchObject({ code: 'TIMEOUT', cluster: 'test', retryable: true });
    expect(error.message).toContain('0.2 s');
    expect(Date.now() - startedAt).toBeLessThan(1000);
    await expect.poll(() => server.sockets.size).toBe(0);
  });

  test('a body that trickles is covered too', async () => {
    const server = await startWireServer((_request, response) => {
      response.writeHead(200, { 'Content-Type': 'application/json' });
      const timer = setInterval(() => response.write(' '), 20);
      response.once('close', () => clearInterval(timer));
    });
    const error = await failureOf(engineFor(configOf([server])).send({ ...READ, deadlineMs: 200 }));
    expect(error.code).toBe('TIMEOUT');
    await expect.poll(() => server.sockets.size).toBe(0);
  });

  test('a TLS handshake that hangs: a write was not sent, and says so', async () => {
    const sockets = new Set<Socket>();
    const silent = createServer((socket) => sockets.add(socket));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
      silent.close();
    });
    const { port } = silent.address() as AddressInfo;
    const engine = engineFor(clusterConfig({ endpoints: [{ host: '127.0.0.1', port }] }));
    const error = await failureOf(engine.send({ ...WRITE, deadlineMs: 150 }));
    expect(error).toMatchObject({ code: 'TIMEOUT', retryable: true });
    expect(error.message).toContain('was not sent');
  });

  test('a handshake that hangs does not take the whole deadline where another endpoint is left', async () => {
    const silent = createServer();
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void silent.close());
    const { port } = silent.address() as AddressInfo;
    const good = await startWireServer(answerData);
    const config = configOf([good]);
    const endpoints = [{ host: '127.0.0.1', port }, ...config.endpoints];
    const engine = engineFor({ ...config, endpoints }, { limits: { connectMs: 200 } });
    await expect(engine.send({ ...WRITE, deadlineMs: 5000 })).resolves.toMatchObject({ data: 'ok' });
  });

  test('the next call works without a restart', async () => {
    let hangs = true;
    const server = await startWireServer((request, response, socket) =>
      hangs ? undefined : answerData(request, response, socket),
    );
    const engine = engineFor(configOf([server]));
    await failureOf(engine.send({ ...READ, deadlineMs: 100 }));
    hangs = false;
    await expect(engine.send(READ)).resolves.toMatchObject({ data: 'ok' });
  });
});

describe('the caller gives up', () => {
  test('its own reason comes back, and the socket is closed', async () => {
    const server = await startWireServer(hang);
    const caller = new AbortController();
    const call = engineFor(configOf([server])).send({ ...WRITE, signal: caller.signal });
    await expect.poll(() => server.requests.length).toBe(1);
    caller.abort();
    await expect(call).rejects.toBe(caller.signal.reason);
    await expect.poll(() => server.sockets.size).toBe(0);
  });

  test('before anything: nothing is sent', async () => {
    const server = await startWireServer(answerData);
    const signal = AbortSignal.abort();
    await expect(engineFor(configOf([server])).send({ ...READ, signal })).rejects.toBe(signal.reason);
    expect(server.connections).toBe(0);
  });

  test('while connecting: the request does not follow later', async () => {
    const server = await startWireServer(answerData);
    const caller = new AbortController();
    const call = engineFor(configOf([server])).send({ ...WRITE, signal: caller.signal });
    setImmediate(() => caller.abort());
    await expect(call).rejects.toHaveProperty('name', 'AbortError');
    await sleep(100);
    expect(server.requests).toEqual([]);
  });
});

describe('at most six calls at once per node', () => {
  test('the rest waits for its turn', async () => {
    const server = await startWireServer((_request, response) => {
      setTimeout(() => sendJson(response, 200, { data: 'ok' }), 20);
    });
    const engine = engineFor(configOf([server]));
    await Promise.all(Array.from({ length: 30 }, () => engine.send(READ)));
    expect(server.mostAtOnce).toBe(6);
    expect(server.connections).toBeLessThanOrEqual(6);
    expect(server.requests).toHaveLength(30);
  });

  test('waiting counts into the deadline, and a call that never had its turn was not sent', async () => {
    const server = await startWireServer(hang);
    const engine = engineFor(configOf([server]), { limits: { callsPerNode: 1 } });
    const first = failureOf(engine.send({ ...READ, deadlineMs: 400 }));
    const second = await failureOf(engine.send({ ...WRITE, deadlineMs: 100 }));
    expect(second).toMatchObject({ code: 'TIMEOUT', retryable: true });
    expect(second.message).toContain('was not sent');
    await first;
    expect(server.requests.map(({ method }) => method)).toEqual(['GET']);
  });

  test('a full queue answers at once', async () => {
    const server = await startWireServer(hang);
    const engine = engineFor(configOf([server]), { limits: { callsPerNode: 1, queuedPerNode: 1 } });
    const waiting = [1, 2].map(() => failureOf(engine.send({ ...READ, deadlineMs: 300 })));
    expect(await failureOf(engine.send(READ))).toMatchObject({ code: 'RATE_LIMITED', retryable: true });
    await Promise.all(waiting);
  });
});

describe('close', () => {
  test('ends calls in flight and leaves no socket', async () => {
    const server = await startWireServer(hang);
    const engine = engineFor(configOf([server]));
    const calls = [READ, WRITE].map((call) => failureOf(engine.send(call)));
    await expect.poll(() => server.requests.length).toBe(2);
    await engine.close();
    for (const error of await Promise.all(calls)) {
      expect(error).toMatchObject({ code: 'CLUSTER_UNREACHABLE', cluster: 'test' });
    }
    await expect.poll(() => server.sockets.size).toBe(0);
    expect((await failureOf(engine.send(READ))).message).toContain('closed');
  });

  test('gives up a handshake that hangs, as a call that was abandoned leaves one', async () => {
    const sockets = new Set<Socket>();
    const silent = createServer((socket) => {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket)).on('error', () => undefined);
      socket.resume();
    });
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void silent.close());
    const { port } = silent.address() as AddressInfo;
    const engine = engineFor(clusterConfig({ endpoints: [{ host: '127.0.0.1', port }] }));
    await failureOf(engine.send({ ...READ, deadlineMs: 100 }));
    expect(sockets.size).toBe(1);
    await engine.close();
    await expect.poll(() => sockets.size, { timeout: 1_000 }).toBe(0);
  });

  test('leaves no timer and no socket of this process', async () => {
    const server = await startWireServer(answerData);
    const before = resources();
    const engine = engineFor(configOf([server]));
    await Promise.all([engine.send(READ), engine.send(READ)]);
    await engine.close();
    await expect.poll(resources).toEqual(before);
  });

  test('connections that are idle go before PVE drops them', { timeout: 10_000 }, async () => {
    const server = await startWireServer((_request, response) => {
      response.setHeader('Keep-Alive', 'timeout=60');
      sendJson(response, 200, { data: 'ok' });
    });
    await engineFor(configOf([server])).send(READ);
    expect(server.sockets.size).toBe(1);
    await sleep(4_900);
    expect(server.sockets.size).toBe(0);
  });
});

/** What keeps this process alive, but for what the test runner does. */
function resources(): string[] {
  return process.getActiveResourcesInfo().filter((name) => /TLS|TCPSOCKET|TCPWRAP|Timeout/i.test(name));
}
