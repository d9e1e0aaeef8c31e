import { unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { type SimulatedCluster, type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { Relay } from '../support/relay.ts';
import { ask, callTool, type Entry, entryOf, ReloadingService } from '../support/reloading-service.ts';

const SOON = { timeout: 10_000, interval: 20 };

let simulator: Simulator;
let production: SimulatedCluster;
let staging: SimulatedCluster;
let recovery: SimulatedCluster;

beforeAll(async () => {
  simulator = await startSimulator({ taskSeconds: 3, authDelaySeconds: 0, resourcesLagSeconds: 0 });
  production = simulator.cluster('production');
  staging = simulator.cluster('staging');
  recovery = simulator.cluster('disaster-recovery');
});
afterAll(() => simulator.close());

async function start(clusters: Record<string, Entry>, top: Entry = {}): Promise<ReloadingService> {
  const site = await ReloadingService.start(clusters, top);
  onTestFinished(() => site.stop());
  return site;
}

const both = (): Record<string, Entry> => ({ production: entryOf(production), staging: entryOf(staging) });

describe('a change of the configuration files', () => {
  it('of the default, of the set of clusters: the next call has it, and the log says what changed', async () => {
    const site = await start(both(), { default_cluster: 'production' });
    const { client } = await site.connect('http');
    expect((await ask(client, '/version')).data).toMatchObject({ cluster: 'production' });

    site.write(both(), { default_cluster: 'staging' });
    await vi.waitFor(() => expect(site.said('configuration reloaded')).toHaveLength(1), SOON);
    expect(site.said('configuration reloaded')[0]).toMatchObject({
      changed: [],
      settings: ['default_cluster'],
    });
    expect((await ask(client, '/version')).data).toMatchObject({
      cluster: 'staging',
      selected_by: 'default',
    });

    site.write({ staging: entryOf(staging), dr: entryOf(recovery) }, { default_cluster: 'staging' });
    await vi.waitFor(() => expect(site.said('configuration reloaded')).toHaveLength(2), SOON);
    expect(site.said('configuration reloaded')[1]).toMatchObject({ added: ['dr'], removed: ['production'] });
    expect((await ask(client, '/nodes', { cluster: 'dr' })).data).toMatchObject({ cluster: 'dr' });
    const gone = await ask(client, '/version', { cluster: 'production' });
    expect(gone.data.error).toMatchObject({
      code: 'CLUSTER_NOT_FOUND',
      hint: expect.stringContaining('staging, dr'),
    });
    await vi.waitFor(() => expect(site.said('1 of 1 clusters answer')).toHaveLength(1), SOON);
  });

  it('of a secret in a file of its own', async () => {
    const site = await start({ staging: entryOf(staging, { token_secret: 'wrong-at-first' }) });
    const { client } = await site.connect('http');
    site.writeFile('token', 'still-wrong');
    site.write({ staging: entryOf(staging, { token_secret: { file: 'token' } }) });
    await vi.waitFor(() => expect(site.said('configuration reloaded')).toHaveLength(1), SOON);
    expect((await ask(client, '/version')).data.error?.code).toBe('UPSTREAM_AUTH');
    site.writeFile('token', `${staging.tokenSecret}\n`);
    await vi.waitFor(() => expect(site.said('configuration reloaded')).toHaveLength(2), SOON);
    expect((await ask(client, '/version')).data).toMatchObject({ cluster: 'staging' });
    expect(JSON.stringify(site.log)).not.toMatch(
      new RegExp(`wrong-at-first|still-wrong|${staging.tokenSecret}`),
    );
  });

  it('that breaks it: the one in use stays, and mending it is noticed', async () => {
    const site = await start(both());
    const { client } = await site.connect('http');
    site.writeFile('clusters.json', '{\n  "clusters": {\n    "a": }\n}');
    await vi.waitFor(() => expect(site.said('the configuration in use stays')).toHaveLength(1), SOON);
    const [line] = site.said('the configuration in use stays');
    expect(line).toMatchObject({ level: 'error' });
    expect(JSON.stringify(line)).toMatch(/clusters\.json.*line 3/);
    expect((await ask(client, '/version', { cluster: 'staging' })).data).toMatchObject({
      cluster: 'staging',
    });

    // A file that only the rejected configuration knows: that it appears is noticed too.
    site.write({ staging: entryOf(staging, { token_secret: { file: 'late' } }) });
    await vi.waitFor(() => expect(site.said('the configuration in use stays')).toHaveLength(2), SOON);
    site.writeFile('late', staging.tokenSecret);
    await vi.waitFor(() => expect(site.said('configuration reloaded')).toHaveLength(1), SOON);
    expect((await ask(client, '/version')).data).toMatchObject({ cluster: 'staging', selected_by: 'single' });

    unlinkSync(join(site.folder, 'clusters.json'));
    await vi.waitFor(() => expect(site.said('the configuration in use stays')).toHaveLength(3), SOON);
    expect((await ask(client, '/version')).isError).toBe(false);
  });

  it('that takes clusters.json away: an old .env with other clusters does not take its place', async () => {
    const site = await start(both(), { default_cluster: 'staging' });
    const { client } = await site.connect('http');
    const { url, user, tokenId, tokenSecret, fingerprint } = recovery;
    const variables = { API_URL: url, TOKEN_ID: `${user}!${tokenId}`, TOKEN_SECRET: tokenSecret };
    const lines = Object.entries({ ...variables, FINGERPRINT: fingerprint });
    site.writeEnv(lines.map(([name, value]) => `PROXMOX_${name}=${value}\n`).join(''));
    await vi.waitFor(() => expect(site.said('configuration reloaded')).toHaveLength(1), SOON);

    unlinkSync(join(site.folder, 'clusters.json'));
    await vi.waitFor(() => expect(site.said('the configuration in use stays')).toHaveLength(1), SOON);
    expect(JSON.stringify(site.said('the configuration in use stays'))).toMatch(/clusters\.json.*ENOENT/);
    expect((await ask(client, '/version')).data).toMatchObject({
      cluster: 'staging',
      selected_by: 'default',
    });
    site.write(both(), { default_cluster: 'production' });
    await vi.waitFor(() => expect(site.said('configuration reloaded')).toHaveLength(2), SOON);
    expect((await ask(client, '/version')).data).toMatchObject({ cluster: 'production' });
  });

  it('of other settings: some count at once, for open sessions too, others are named as waiting', async () => {
    const site = await start(both(), { default_cluster: 'staging' });
    const { client } = await site.connect('http');
    const write = () =>
      ask(client, '/nodes/stg1/qemu/100/config', { method: 'PUT', data: { description: 'reload' } });
    expect((await write()).isError).toBe(false);
    expect(site.log.some(({ level }) => level === 'debug')).toBe(false);

    site.writeEnv('MCP_READ_ONLY=true\nLOG_LEVEL=debug\nMCP_HOST=127.0.0.2\nMCP_JWT_AUDIENCE=other\n');
    await vi.waitFor(() => expect(site.said('configuration reloaded')).toHaveLength(1), SOON);
    expect(site.said('configuration reloaded')[0]).toMatchObject({
      settings: ['MCP_READ_ONLY', 'LOG_LEVEL'],
    });
    expect(site.said('with a restart')[0]).toMatchObject({
      level: 'warn',
      settings: ['MCP_HOST', 'MCP_JWT_AUDIENCE'],
    });
    const before = staging.requests.length;
    expect((await write()).data.error?.code).toBe('POLICY_DENIED');
    expect(staging.requests.slice(before).filter(({ method }) => method !== 'GET')).toEqual([]);
    site.apply({ ...both(), dr: entryOf(recovery) }, { default_cluster: 'staging' });
    await callTool(client, 'get_cluster_resources', { cluster: 'dr' });
    expect(site.log.some(({ level }) => level === 'debug')).toBe(true);

    site.writeEnv('LOG_LEVEL=error\n');
    site.reload();
    const lines = site.log.length;
    expect((await write()).isError).toBe(false);
    expect(site.log).toHaveLength(lines);
  });
});

describe('a call in flight', () => {
  async function relayed() {
    const relay = await Relay.start(staging.url);
    onTestFinished(() => relay.close());
    const old = { staging: entryOf(staging, { url: `127.0.0.1:${relay.port}` }), dr: entryOf(recovery) };
    return { relay, old, site: await start(old) };
  }

  const changes: [string, () => Record<string, Entry>][] = [
    ['changed', () => ({ staging: entryOf(staging), dr: entryOf(recovery) })],
    ['removed', () => ({ dr: entryOf(recovery) })],
    ['renamed', () => ({ other: entryOf(staging), dr: entryOf(recovery) })],
  ];

  it.each(changes)('ends as if nothing had happened while its cluster is %s', async (how, next) => {
    const { relay, site } = await relayed();
    const { client } = await site.connect('http');
    await ask(client, '/version', { cluster: 'staging' });
    const slow = staging.faults.add({ kind: 'slow', ms: 1_500, match: /^(?:GET \/nodes|PUT .*\/config)$/ });
    onTestFinished(() => slow.remove());
    const before = staging.requests.length;
    const read = ask(client, '/nodes', { cluster: 'staging' });
    const write = ask(client, '/nodes/stg1/qemu/100/config', {
      cluster: 'staging',
      method: 'PUT',
      data: { description: how },
    });
    const writes = () => staging.requests.slice(before).filter(({ method }) => method === 'PUT');
    await vi.waitFor(() => {
      expect(writes()).toHaveLength(1);
      expect(staging.requests.slice(before).some(({ path }) => path.endsWith('/nodes'))).toBe(true);
    }, SOON);

    site.apply(next());
    expect(site.said('configuration reloaded')).toHaveLength(1);
    const meanwhile = await ask(client, '/version', { cluster: 'staging' });
    if (how === 'changed') expect(meanwhile.isError).toBe(false);
    else expect(meanwhile.data.error).toMatchObject({ code: 'CLUSTER_NOT_FOUND' });

    expect(await read).toMatchObject({ isError: false, data: { cluster: 'staging' } });
    expect(await write).toMatchObject({ isError: false, data: { cluster: 'staging' } });
    expect(writes()).toHaveLength(1);
    await vi.waitFor(() => expect(relay.sockets).toBe(0), SOON);
    const connections = relay.connections;
    await ask(client, '/version', { cluster: 'staging' });
    expect(relay.connections).toBe(connections);
  });

  it('that follows a task goes on with the cluster that is no longer there', async () => {
    const { relay, site } = await relayed();
    const { client } = await site.connect('http');
    const started = await ask(client, '/nodes/stg2/qemu/101/status/start', {
      cluster: 'staging',
      method: 'POST',
    });
    const upid = String(started.data.data);
    const before = staging.requests.length;
    const waiting = callTool(client, 'wait_task', { cluster: 'staging', upid, wait_seconds: 20 });
    await vi.waitFor(() => expect(staging.requests.length).toBeGreaterThan(before), SOON);
    site.apply({ dr: entryOf(recovery) });
    expect(await waiting).toMatchObject({
      isError: false,
      data: { cluster: 'staging', task: { status: 'ok' } },
    });
    await vi.waitFor(() => expect(relay.sockets).toBe(0), SOON);
    const asked = staging.requests.length;
    await new Promise((later) => setTimeout(later, 500));
    expect(staging.requests).toHaveLength(asked);
  });
});

describe('a cluster that is removed', () => {
  it('is not mistaken for the one that is left, although a single cluster takes any name', async () => {
    const site = await start(both());
    const { client } = await site.connect('http');
    site.apply({ staging: entryOf(staging) });
    const before = staging.requests.length;
    const args = { cluster: 'production', method: 'PUT', data: { description: 'not here' } };
    const { data } = await ask(client, '/nodes/stg1/qemu/100/config', args);
    expect(data.error).toMatchObject({ code: 'CLUSTER_NOT_FOUND', hint: 'Use one of: staging.' });
    expect(staging.requests.slice(before).filter(({ method }) => method !== 'GET')).toEqual([]);
    site.apply(both());
    expect((await ask(client, '/version', { cluster: 'production' })).isError).toBe(false);
  });

  it('takes its URL with it: 404 for its sessions, which end, and for new ones', async () => {
    const site = await start(both());
    const own = await site.connect('http', '/mcp/production');
    const modern = await site.connect('modern', '/mcp/production');
    const subscription = await modern.listen();
    const slow = production.faults.add({ kind: 'slow', ms: 1_000, match: /^GET \/nodes$/ });
    onTestFinished(() => slow.remove());
    const before = production.requests.length;
    const last = [ask(own.client, '/nodes'), ask(modern.client, '/nodes')];
    await vi.waitFor(
      () =>
        expect(
          production.requests.slice(before).filter(({ path }) => path.endsWith('/nodes')).length,
        ).toBeGreaterThanOrEqual(2),
      SOON,
    );
    site.apply({ staging: entryOf(staging) });
    await expect(ask(own.client, '/version')).rejects.toThrow(/404|No such cluster/);
    await expect(ask(modern.client, '/version')).rejects.toThrow();
    await expect(site.connect('http', '/mcp/production')).rejects.toThrow();
    expect(await subscription?.closed).toBe('graceful');
    for (const answer of await Promise.all(last)) expect(answer.isError).toBe(false);
    await vi.waitFor(() => expect(site.service.core.dispatcher.listChanges.size).toBe(0), SOON);
    // A cluster of that name that comes back is another one: the old session stays gone.
    site.apply(both());
    await expect(ask(own.client, '/version')).rejects.toThrow();
  });
});
