import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { issueToken } from '../../src/access/tokens.ts';
import { directoryOf, RecordingCluster } from '../support/recording-cluster.ts';
import { AUDIENCE, buildService, SHARED_SECRET, type TestService } from '../support/service.ts';

const INITIALIZE = {
  jsonrpc: '2.0',
  id: 0,
  method: 'initialize',
  params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'test', version: '1' } },
};
const CALL = {
  jsonrpc: '2.0',
  id: 1,
  method: 'tools/call',
  params: { name: 'proxmox_api_call', arguments: { path: '/version' } },
};

let cluster: RecordingCluster;
let service: TestService;
let url: string;
let release: () => void;

beforeEach(async () => {
  cluster = new RecordingCluster('production');
  cluster.reply = () =>
    new Promise((resolve) => {
      release = () => resolve('late');
    });
  service = await buildService({ estate: directoryOf(cluster) });
  url = await service.listen();
});
afterEach(async () => {
  release?.();
  await service.close();
});

async function tokenOf(jti: string): Promise<Record<string, string>> {
  const request = { subject: 'alice', scope: 'proxmox:admin', lifetimeSeconds: 600, audience: AUDIENCE, jti };
  return { authorization: `Bearer ${await issueToken(SHARED_SECRET, request)}` };
}

function post(path: string, shown: Record<string, string>, body: object) {
  const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
  return fetch(new URL(path, url), {
    method: 'POST',
    headers: { ...headers, ...shown },
    body: JSON.stringify(body),
  });
}

async function session(shown: Record<string, string>) {
  const opened = await post('/mcp', shown, INITIALIZE);
  await opened.text();
  return { 'mcp-session-id': opened.headers.get('mcp-session-id') ?? '' };
}

async function stream(shown: Record<string, string>) {
  const response = await fetch(new URL('/sse', url), { headers: { ...shown, accept: 'text/event-stream' } });
  const reader = response.body?.getReader();
  const path = /data: (\S+)/.exec(new TextDecoder().decode((await reader?.read())?.value))?.[1] ?? '';
  return { path, reader };
}

describe('a call under way when its credential is revoked', () => {
  it('is cancelled, though another credential had opened the session, which goes on', async () => {
    const [opener, caller] = [await tokenOf('opener'), await tokenOf('caller')];
    const opened = await session(opener);
    const answer = post('/mcp', { ...caller, ...opened }, CALL).then(
      (response) => response.text(),
      () => 'cut',
    );
    await expect.poll(() => cluster.calls.length).toBe(1);
    await service.credentials.revocations.revoke({ credential: 'jwt:caller' });
    expect(cluster.calls[0]?.signal?.aborted).toBe(true);
    expect(await answer.catch(() => 'cut')).not.toContain('late');
    const ping = { jsonrpc: '2.0', id: 2, method: 'ping' };
    expect((await post('/mcp', { ...opener, ...opened }, ping)).status).toBe(200);
    expect((await post('/mcp', { ...caller, ...opened }, ping)).status).toBe(401);
  });

  it('is cancelled over SSE too, where the request was answered long before', async () => {
    const [opener, caller] = [await tokenOf('opener'), await tokenOf('caller')];
    const { path, reader } = await stream(opener);
    expect((await post(path, caller, CALL)).status).toBe(202);
    await expect.poll(() => cluster.calls.length).toBe(1);
    await service.credentials.revocations.revoke({ credential: 'jwt:caller' });
    expect(cluster.calls[0]?.signal?.aborted).toBe(true);
    expect(service.sse.sessionCount).toBe(1);
    await service.credentials.revocations.revoke({ credential: 'jwt:opener' });
    await expect.poll(() => service.sse.sessionCount).toBe(0);
    await reader?.cancel().catch(() => undefined);
  });

  it('of another subject goes on', async () => {
    const alice = await tokenOf('alice');
    const answer = post('/mcp', { ...alice, ...(await session(alice)) }, CALL);
    await expect.poll(() => cluster.calls.length).toBe(1);
    await service.credentials.revocations.revoke({ subject: 'bob' });
    await service.credentials.revocations.revoke({ credential: 'jwt:other' });
    expect(cluster.calls[0]?.signal?.aborted).toBe(false);
    release();
    expect(await (await answer).text()).toContain('late');
  });
});

describe('a state that fails while streams are open', () => {
  it('ends them, and answers 503', async () => {
    const alice = await tokenOf('alice');
    const { reader } = await stream(alice);
    const { revocations } = service.credentials;
    const before = revocations.isRevoked.bind(revocations);
    revocations.isRevoked = () => {
      throw new Error('disk I/O error');
    };
    expect((await post('/mcp', alice, INITIALIZE)).status).toBe(503);
    await revocations.revoke({ credential: 'jwt:other' });
    await expect(reader?.read()).rejects.toThrow();
    revocations.isRevoked = before;
    expect((await post('/mcp', alice, INITIALIZE)).status).toBe(200);
  });
});
