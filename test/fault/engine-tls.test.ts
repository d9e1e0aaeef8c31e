import { once } from 'node:events';
import { TLSSocket } from 'node:tls';
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { callOf, clusterConfig, engineFor, failureOf, TOKEN_CANARY } from '../support/engine-fixtures.ts';
import {
  answerData,
  configOf,
  startListener,
  startWireServer,
  testCertificate,
} from '../support/wire-server.ts';

const READ = callOf('GET', '/version');
const OTHER_PIN = Array.from({ length: 32 }, () => 'AB').join(':');

describe('a certificate that is not the one expected', () => {
  test.each(['GET', 'POST'] as const)('wrong fingerprint: not one byte of a %s is sent', async (method) => {
    const listener = await startListener();
    const config = clusterConfig({
      endpoints: [listener.endpoint],
      tls: { verify: false, fingerprint: OTHER_PIN, ca: listener.certificate.pem },
    });
    const error = await failureOf(
      engineFor(config).send(callOf(method, '/access/users', { parameters: { a: 1 } })),
    );
    expect(error).toMatchObject({ code: 'CLUSTER_UNREACHABLE', cluster: 'test', retryable: false });
    expect(error.message).toContain(listener.certificate.fingerprint);
    expect(error.message).toContain(OTHER_PIN);
    // Long enough for bytes on their way to arrive.
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(listener.bytes()).toBe('');
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain(TOKEN_CANARY);
  });

  test('the pin of an endpoint counts before that of the cluster', async () => {
    const server = await startWireServer(answerData);
    const config = configOf([server], { tls: { verify: true, fingerprint: OTHER_PIN } });
    await expect(engineFor(config).send(READ)).resolves.toMatchObject({ data: 'ok' });
  });

  test('not trusted: the error shows what was seen, and nothing is sent', async () => {
    const server = await startWireServer(answerData);
    const error = await failureOf(engineFor(clusterConfig({ endpoints: [server.endpoint] })).send(READ));
    expect(error).toMatchObject({ code: 'CLUSTER_UNREACHABLE', retryable: false });
    expect(error.message).toContain('not trusted (self-signed)');
    expect(error.hint).toContain(server.certificate.fingerprint);
    expect(server.requests).toEqual([]);
  });

  test.each([
    ['expired', { notAfter: new Date(Date.now() - 86_400_000) }, 'has expired'],
    ['for another name', { names: ['other.example'] }, 'for another host name'],
    ['for another address', { names: ['192.0.2.1'] }, 'for another host name'],
  ])('%s', async (_title, options, words) => {
    const certificate = await testCertificate(options);
    const server = await startWireServer(answerData, { certificate });
    const config = clusterConfig({
      endpoints: [server.endpoint],
      tls: { verify: true, ca: certificate.pem },
    });
    const error = await failureOf(engineFor(config).send(READ));
    expect(error.code).toBe('CLUSTER_UNREACHABLE');
    expect(error.message).toContain(words);
    expect(server.requests).toEqual([]);
  });

  test('a certificate that changes while the service runs is noticed at the next connection', async () => {
    const first = await startWireServer(answerData);
    const engine = engineFor(configOf([first]));
    await engine.send(READ);
    await first.close();
    const second = await startWireServer(answerData, { port: first.endpoint.port });
    const error = await failureOf(engine.send(READ));
    expect(error.message).toContain(second.certificate.fingerprint);
    expect(second.requests).toEqual([]);
  });
});

test('no connection resumes the session of another: each has to show its certificate', async () => {
  const server = await startWireServer(answerData);
  const engine = engineFor(configOf([server]));
  const reused: boolean[] = [];
  for (let round = 0; round < 3; round++) {
    await engine.send(READ);
    for (const socket of server.sockets) {
      reused.push(socket instanceof TLSSocket && socket.isSessionReused());
      const closed = once(socket, 'close');
      socket.destroy();
      await closed;
    }
  }
  expect(reused).toEqual([false, false, false]);
  expect(server.connections).toBe(3);
});

describe('a certificate that is expected', () => {
  test.each([
    ['a CA, by address', '127.0.0.1', ['127.0.0.1']],
    ['a CA, by name', 'localhost', ['localhost']],
    ['a CA, by IPv6 address', '::1', ['::1']],
  ])('%s', async (_title, host, names) => {
    const certificate = await testCertificate({ names });
    const server = await startWireServer(answerData, { certificate, host });
    const config = clusterConfig({
      endpoints: [{ host, port: server.endpoint.port }],
      tls: { verify: true, ca: certificate.pem },
    });
    await expect(engineFor(config).send(READ)).resolves.toMatchObject({ data: 'ok' });
    expect(server.requests[0]?.headers.host).toContain(String(server.endpoint.port));
  });

  test('a pin, with an expired certificate for another name', async () => {
    const certificate = await testCertificate({
      names: ['other.example'],
      notAfter: new Date(Date.now() - 1000),
    });
    const server = await startWireServer(answerData, { certificate });
    await expect(engineFor(configOf([server])).send(READ)).resolves.toMatchObject({ data: 'ok' });
  });

  test('verification off', async () => {
    const server = await startWireServer(answerData);
    const config = clusterConfig({ endpoints: [server.endpoint], tls: { verify: false } });
    await expect(engineFor(config).send(READ)).resolves.toMatchObject({ data: 'ok' });
  });
});
