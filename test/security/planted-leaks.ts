import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createServer } from 'node:http';
import Fastify from 'fastify';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { remoteEndpoint } from '../../src/access/remote-endpoint.ts';
import { issueToken } from '../../src/access/tokens.ts';
import { Secret } from '../../src/config/secret.ts';
import { createLogger } from '../../src/observability/logging.ts';
import { startSimulator } from '../../src/simulator/simulator.ts';
import { expectShown, watchSecret } from '../support/canary-watch.ts';
import { folderWith } from '../support/config-folder.ts';
import { RecordingCluster } from '../support/recording-cluster.ts';
import { SimulatedApi } from '../support/simulated-api.ts';

/*
 * Not among the tests of this project: each of these passes and leaks a secret in its own way, and canary-watch.test.ts
 * looks whether the watch that stands before every test file has seen it.
 */

function planted(): string {
  const value = `p1@nted/${randomBytes(9).toString('hex')}+?`;
  return new Secret(value).reveal();
}

it('log of a silent logger', () => {
  pino({ level: 'silent' })
    .child({ a: 1 })
    .trace({ deep: { secret: planted() } }, 'x');
});

it('log behind a redaction that does not know it', () => {
  createLogger(() => 'error', undefined, { write: () => undefined }).debug(`it is ${planted()}`);
});

it('standard error', () => {
  process.stderr.write(`it is ${planted()}\n`);
});

it('console', () => {
  const value = planted();
  // biome-ignore lint/suspicious/noConsole: what is tried
  console.info('it is', { value });
});

it('child, in base64', async () => {
  const code = `setTimeout(() => process.stderr.write('${btoa(`user:${planted()}`)}'), 50)`;
  const child = spawn(process.execPath, ['-e', code], { stdio: 'pipe' });
  await once(child, 'close');
});

it('child that is waited for, in a URL', () => {
  const code = `console.log('${encodeURIComponent(planted())}')`;
  expect(spawnSync(process.execPath, ['-e', code]).status).toBe(0);
});

it('environment of a child', () => {
  const env = { GUEST_PASSWORD: `p1@nted/${randomBytes(9).toString('hex')}` };
  spawnSync(process.execPath, ['-p', 'process.env.GUEST_PASSWORD'], { env });
});

it('response to a client, cut in two', async () => {
  const value = planted();
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-length': value.length });
    response.write(value.slice(0, 10));
    setTimeout(() => response.end(value.slice(10)), 50);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  await (await fetch(`http://127.0.0.1:${port}`)).text();
  server.close();
});

it('header of an injected response', async () => {
  const value = planted();
  const app = Fastify();
  app.get('/', (_request, reply) => reply.header('x-debug', Buffer.from(value).toString('hex')).send('ok'));
  expect((await app.inject('/')).statusCode).toBe(200);
});

it('file that is left', () => {
  const folder = folderWith({ 'audit.jsonl': JSON.stringify({ parameters: [planted()] }) });
  rmSync(folder, { recursive: true });
});

it('token that was issued', async () => {
  const request = { subject: 'a', scope: 'x', lifetimeSeconds: 9, audience: 'a' };
  process.stdout.write(await issueToken(new Secret(randomBytes(40).toString('hex')), request));
});

it('ticket of a simulated cluster', async () => {
  const simulator = await startSimulator();
  const [cluster] = simulator.clusters;
  process.stdout.write(String(cluster?.state.tickets.issue('root@pam').ticket));
  await simulator.close();
});

it('target endpoint that was made', async () => {
  const secret = new Secret(planted());
  const credentials = { kind: 'token', user: 'a@pve', tokenId: 'b', secret } as const;
  const cluster = new RecordingCluster('b', { credentials });
  const { whole } = await remoteEndpoint(cluster, 'pve1', new AbortController().signal);
  process.stdout.write(encodeURIComponent(whole.reveal()));
});

it.each([
  ['token of a target endpoint', (_text: string, token: string) => encodeURIComponent(token)],
  ['target endpoint', (text: string) => text],
  ['target endpoint in base64', (text: string) => btoa(text)],
])('%s that reached a simulated cluster', async (_what, leak) => {
  const api = await SimulatedApi.start();
  const token = `p1@nted/${randomBytes(9).toString('hex')}+?`;
  const text = `host=127.0.0.1,port=1,apitoken=PVEAPIToken=a@pve!b=${token},fingerprint=AA`;
  const body = { 'target-endpoint': text, 'target-storage': 'local-lvm', 'target-bridge': '1' };
  const { reason } = await api.on('production').call('POST', '/nodes/pve2/qemu/103/remote_migrate', body);
  await api.close();
  expect(reason).toContain('unable to connect');
  process.stdout.write(leak(text, token));
});

it('message of a failing test', () => {
  expect(planted()).toBe('another');
});

it('nothing: shown on purpose', () => {
  const value = planted();
  expectShown(value, 'a command that prints it');
  process.stdout.write(value);
});

it('another test, where it is not meant to be shown', () => {
  const value = planted();
  watchSecret('one more', value);
  expectShown(value, 'in the log alone', 'log');
  pino({ level: 'info' }, { write: () => undefined }).info(value);
  process.stdout.write(value);
});
