import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { directoryOf, RecordingCluster } from '../support/recording-cluster.ts';
import { buildService, type TestService, tokenFor } from '../support/service.ts';

const INITIALIZE = {
  jsonrpc: '2.0',
  id: 0,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'p', version: '1' } },
};
const SAMPLE_MS = 100;

let service: TestService;
let authorization: string;
let isBlocking: boolean;
let blocked: Promise<void>;

/** Keeps the event loop busy for much longer than it may be, again and again. */
async function block(): Promise<void> {
  while (isBlocking) {
    const until = performance.now() + 1.2 * SAMPLE_MS;
    while (performance.now() < until);
    await sleep(1);
  }
}

beforeEach(async () => {
  const pressure = { delayMs: 40, sampleMs: SAMPLE_MS };
  service = await buildService({ estate: directoryOf(new RecordingCluster('production')), pressure });
  await service.app.ready();
  authorization = `Bearer ${await tokenFor('alice')}`;
  isBlocking = true;
  blocked = block();
});
afterEach(async () => {
  isBlocking = false;
  await blocked;
  await service.close();
});

const headers = (more: Record<string, string> = {}) => ({
  host: '127.0.0.1',
  authorization,
  'content-type': 'application/json',
  accept: 'application/json, text/event-stream',
  ...more,
});
const initialize = () =>
  service.app.inject({ method: 'POST', url: '/mcp', headers: headers(), payload: INITIALIZE });

describe('while the event loop is blocked', () => {
  it('requests get 503 with a time to come back, and go through once it is over', async () => {
    await expect.poll(async () => (await initialize()).statusCode, { timeout: 10_000 }).toBe(503);
    const answer = await initialize();
    expect(answer.headers['retry-after']).toBe('5');
    expect(answer.json()).toEqual({
      jsonrpc: '2.0',
      id: null,
      error: {
        code: -32000,
        message: 'The service is overloaded. Try again in 5 s.',
        data: { code: 'RATE_LIMITED', retry_after_seconds: 5 },
      },
    });
    isBlocking = false;
    await blocked;
    await expect.poll(async () => (await initialize()).statusCode, { timeout: 10_000 }).toBe(200);
    // Said once or so, not for each request.
    const said = service.lines.filter((line) => line.includes('event loop blocked'));
    expect(said.length).toBeGreaterThan(0);
  });

  it('nobody is turned away while the service is starting', async () => {
    const statuses = new Set<number>();
    for (const until = performance.now() + 3 * SAMPLE_MS; performance.now() < until; await sleep(5))
      statuses.add((await initialize()).statusCode);
    expect([...statuses]).toEqual([200]);
  });

  it('what load balancers ask is answered, and plain routes answer plainly', async () => {
    await expect.poll(async () => (await initialize()).statusCode, { timeout: 10_000 }).toBe(503);
    for (const url of ['/healthz', '/readyz'])
      expect((await service.app.inject({ url, headers: { host: '127.0.0.1' } })).statusCode, url).toBe(200);
    const plain = await service.app.inject({ url: '/approvals', headers: headers() });
    expect(plain.statusCode).toBe(503);
    expect(plain.json()).toMatchObject({ error: 'overloaded', retry_after_seconds: 5 });
  });
});
