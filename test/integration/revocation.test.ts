import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { fileWith, folderWith } from '../support/config-folder.ts';
import { CliProcess, freePort, runCli } from './cli-process.ts';

const INITIALIZE = {
  jsonrpc: '2.0',
  id: 0,
  method: 'initialize',
  params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'test', version: '1' } },
};
const PING = { jsonrpc: '2.0', id: 1, method: 'ping' };
const LISTEN = {
  jsonrpc: '2.0',
  id: 1,
  method: 'subscriptions/listen',
  params: {
    notifications: { toolsListChanged: true },
    _meta: {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
      'io.modelcontextprotocol/clientCapabilities': {},
    },
  },
};
const MODERN = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'subscriptions/listen' };

/** A running service with a state file and no other way in, and the commands of its folder. */
async function start() {
  const cwd = folderWith({ 'clusters.json': fileWith() });
  const port = await freePort();
  const env = { STATE_FILE: 'state.db', MCP_PORT: String(port), CLUSTER_VALIDATION: 'false' };
  const service = new CliProcess(['serve'], { cwd, env });
  await service.shows('stderr', /listening/);
  const url = `http://127.0.0.1:${port}`;
  const cli = async (...args: string[]) => {
    const ended = await runCli(args, { cwd, env });
    expect(ended.code, ended.stderr).toBe(0);
    return ended.stdout.trim();
  };
  return { cwd, service, cli, url };
}

type Shown = Record<string, string>;

function post(url: string, shown: Shown, body: unknown, more: Shown = {}) {
  const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
  return fetch(url, {
    method: 'POST',
    headers: { ...headers, ...shown, ...more },
    body: JSON.stringify(body),
  });
}

async function session(url: string, shown: Shown): Promise<Shown> {
  const response = await post(`${url}/mcp`, shown, INITIALIZE);
  expect(response.status).toBe(200);
  await response.text();
  return { 'mcp-session-id': response.headers.get('mcp-session-id') ?? '' };
}

/** Opens a stream; resolves with the milliseconds since the epoch at which it ended. */
async function stream(open: Promise<Response>) {
  const response = await open;
  expect(response.status).toBe(200);
  const reader = response.body?.getReader();
  const ended = (async () => {
    try {
      while (!(await reader?.read())?.done) {
        // Whatever comes before the end does not count.
      }
    } catch {
      // The connection was cut, which is an end too.
    }
    return Date.now();
  })();
  return { ended };
}

/** Every kind of stream that stays open. */
async function streams(url: string, shown: Shown) {
  const accept = { accept: 'text/event-stream' };
  const opened = await session(url, shown);
  return await Promise.all([
    stream(fetch(`${url}/mcp`, { headers: { ...accept, ...shown, ...opened } })),
    stream(fetch(`${url}/sse`, { headers: { ...accept, ...shown } })),
    stream(post(`${url}/mcp`, shown, LISTEN, MODERN)),
  ]);
}

async function stillOpen(open: { ended: Promise<number> }[]): Promise<boolean[]> {
  const pending = new Promise<'open'>((resolve) => setTimeout(() => resolve('open'), 300));
  return await Promise.all(open.map(async ({ ended }) => (await Promise.race([ended, pending])) === 'open'));
}

it('a token that another process revokes is refused at once, and its streams and sessions end', async () => {
  const { cwd, cli, url } = await start();
  const alice = { authorization: `Bearer ${await cli('token', '--subject', 'alice')}` };
  const twin = { authorization: `Bearer ${await cli('token', '--subject', 'alice')}` };
  const bob = { authorization: `Bearer ${await cli('token', '--subject', 'bob')}` };
  const [opened, ofTwin, ofBob] = [
    await session(url, alice),
    await session(url, twin),
    await session(url, bob),
  ];
  const [mine, others] = [await streams(url, alice), await streams(url, bob)];
  expect(await stillOpen([...mine, ...others])).toEqual(Array(6).fill(true));

  const { tokens } = JSON.parse(await cli('token', 'list', '--subject', 'alice', '--json'));
  const jti = JSON.parse(Buffer.from(alice.authorization.split('.')[1] ?? '', 'base64url').toString()).jti;
  expect(tokens.map((token: { jti: string }) => token.jti)).toContain(jti);
  await cli('token', 'revoke', jti);
  const revokedAt = Date.now();
  expect((await post(`${url}/mcp`, alice, PING, opened)).status).toBe(401);
  for (const { ended } of mine) expect((await ended) - revokedAt).toBeLessThan(5000);
  expect(await stillOpen(others)).toEqual([true, true, true]);
  // The session that the token had opened is gone for its owner’s other token too; the others are not.
  expect((await post(`${url}/mcp`, twin, PING, opened)).status).toBe(404);
  expect((await post(`${url}/mcp`, twin, PING, ofTwin)).status).toBe(200);
  expect((await post(`${url}/mcp`, bob, PING, ofBob)).status).toBe(200);

  await cli('token', 'revoke', '--subject', 'alice');
  expect((await post(`${url}/mcp`, twin, PING, ofTwin)).status).toBe(401);
  const again = { authorization: `Bearer ${await cli('token', '--subject', 'alice')}` };
  expect(await session(url, again)).not.toEqual(ofTwin);
  await cli('token', 'revoke', '--all');
  for (const shown of [again, bob]) expect((await post(`${url}/mcp`, shown, INITIALIZE)).status).toBe(401);
  for (const { ended } of others) await ended;

  for (const suffix of ['', '-wal']) {
    expect(statSync(join(cwd, `state.db${suffix}`)).mode & 0o777).toBe(0o600);
    const stored = readFileSync(join(cwd, `state.db${suffix}`)).toString('latin1');
    for (const { authorization } of [alice, bob]) expect(stored).not.toContain(authorization.slice(-40));
  }
}, 60_000);

it('an API key works in both headers, is rotated with an overlap, and ends with its revocation', async () => {
  const { cli, url, cwd, service } = await start();
  const made = JSON.parse(await cli('keys', 'add', '--subject', 'ci', '--lifetime', '1h', '--json'));
  const fixed = { 'x-api-key': made.key };
  const opened = await session(url, fixed);
  expect((await post(`${url}/mcp`, { authorization: `Bearer ${made.key}` }, PING, opened)).status).toBe(200);
  const both = { ...fixed, authorization: `Bearer ${made.key}` };
  expect((await post(`${url}/mcp`, both, PING, opened)).status).toBe(400);
  expect((await post(`${url}/mcp?api_key=${made.key}`, {}, PING, opened)).status).toBe(400);

  const fresh = { 'x-api-key': await cli('keys', 'rotate', made.id) };
  expect((await post(`${url}/mcp`, fixed, PING, opened)).status).toBe(200);
  expect((await post(`${url}/mcp`, fresh, PING, opened)).status).toBe(200);
  const open = await streams(url, fixed);
  await cli('keys', 'revoke', made.id);
  expect((await post(`${url}/mcp`, fixed, INITIALIZE)).status).toBe(401);
  for (const { ended } of open) await ended;
  expect((await post(`${url}/mcp`, fresh, INITIALIZE)).status).toBe(200);
  const list = await cli('keys', 'list');
  expect(list).toMatch(/ID +SUBJECT[\s\S]*ci .* valid[\s\S]*ci .* revoked/);
  for (const key of [made.key, fresh['x-api-key']]) {
    expect(list).not.toContain(key);
    expect(service.stderr).not.toContain(key);
    expect(readFileSync(join(cwd, 'state.db')).toString('latin1')).not.toContain(key);
  }
}, 60_000);

it('a token that expires while its streams are open loses them, and keeps its session for the next one', async () => {
  const { cli, url } = await start();
  const brief = { authorization: `Bearer ${await cli('token', '--subject', 'alice', '--lifetime', '3s')}` };
  const opened = await session(url, brief);
  for (const { ended } of await streams(url, brief)) await ended;
  const next = { authorization: `Bearer ${await cli('token', '--subject', 'alice')}` };
  expect((await post(`${url}/mcp`, next, PING, opened)).status).toBe(200);
}, 60_000);

it('a rotated key keeps its tokens for the overlap, and loses them without one', async () => {
  const { cli, url } = await start();
  const old = { authorization: `Bearer ${await cli('token', '--subject', 'alice')}` };
  await cli('token', 'rotate');
  expect((await post(`${url}/mcp`, old, INITIALIZE)).status).toBe(200);
  const fresh = { authorization: `Bearer ${await cli('token', '--subject', 'alice')}` };
  await cli('token', 'rotate', '--overlap', '0s', '--alg', 'HS256');
  expect((await post(`${url}/mcp`, fresh, INITIALIZE)).status).toBe(401);
  const states = JSON.parse(await cli('token', 'list', '--json')).tokens.map(
    ({ state }: { state: string }) => state,
  );
  expect(states.toSorted()).toEqual(['key retired', 'valid']);
}, 60_000);
