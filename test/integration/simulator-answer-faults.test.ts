import { Agent, request } from 'undici';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type ClusterApi, SimulatedApi } from '../support/simulated-api.ts';

let api: SimulatedApi;
let production: ClusterApi;

beforeAll(async () => {
  api = await SimulatedApi.start({ taskSeconds: 0.05, resourcesLagSeconds: 0 });
  production = api.on('production');
});
afterEach(() => production.cluster.faults.clear());
afterAll(() => api.close());

describe('what goes wrong on purpose', () => {
  const start = '/nodes/pve1/qemu/9000/status/start';
  const tasksOf = () => production.cluster.state.tasks.list().filter((task) => task.id === '9000').length;

  test('hang: no answer ever', async () => {
    production.cluster.faults.add({ kind: 'hang', match: /GET \/version/ });
    const dispatcher = new Agent({ connect: { ca: production.cluster.certificatePem }, headersTimeout: 200 });
    const pending = request(`https://${production.cluster.url}/api2/json/version`, { dispatcher });
    await expect(pending).rejects.toThrow(/Headers Timeout/);
    await dispatcher.destroy();
  });

  test('html: a page where JSON belongs', async () => {
    production.cluster.faults.add({ kind: 'html' });
    const reply = await production.call('GET', '/version');
    expect(reply).toMatchObject({ status: 200, text: expect.stringContaining('<html>') });
  });

  test('truncated-json: half an answer, cut off or passed off as whole', async () => {
    production.cluster.faults.add({ kind: 'truncated-json', times: 1 });
    await expect(production.call('GET', '/version')).rejects.toThrow();
    production.cluster.faults.add({ kind: 'truncated-json', end: true, times: 1 });
    await expect(production.call('GET', '/version')).rejects.toThrow(SyntaxError);
    expect((await production.call('GET', '/version')).status).toBe(200);
  });

  test('status: the given code and reason, and nothing is executed', async () => {
    const before = tasksOf();
    production.cluster.faults.add({
      kind: 'status',
      code: 596,
      reason: 'Connection timed out',
      match: /^POST /,
    });
    expect(await production.call('POST', start)).toMatchObject({
      status: 596,
      reason: 'Connection timed out',
      text: '',
    });
    expect((await production.call('GET', '/version')).status).toBe(200);
    expect(tasksOf()).toBe(before);
  });

  test('close: on one node only, and until removed', async () => {
    const { remove } = production.cluster.faults.add({ kind: 'close', node: 'pve2' });
    await expect(production.call('GET', '/version', undefined, { node: 1 })).rejects.toThrow();
    expect((await production.call('GET', '/version', undefined, { node: 0 })).status).toBe(200);
    remove();
    expect((await production.call('GET', '/version', undefined, { node: 1 })).status).toBe(200);
  });

  test('slow: the answer comes late', async () => {
    production.cluster.faults.add({ kind: 'slow', ms: 150, match: (asked) => asked === 'GET /version' });
    const started = performance.now();
    expect((await production.call('GET', '/version')).status).toBe(200);
    expect(performance.now() - started).toBeGreaterThanOrEqual(145);
  });

  test('commit-then-close: the work is done, the answer lost', async () => {
    const before = tasksOf();
    production.cluster.faults.add({ kind: 'commit-then-close', match: /POST .*\/start$/, times: 1 });
    await expect(production.call('POST', start)).rejects.toThrow();
    expect(tasksOf()).toBe(before + 1);
  });
});
