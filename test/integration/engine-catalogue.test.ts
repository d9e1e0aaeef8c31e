import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { ClusterManager } from '../../src/clusters/manager.ts';
import type { ClusterConfig } from '../../src/config/config.ts';
import { folderWith } from '../support/config-folder.ts';
import { failureOf, SILENT, TOKEN_CANARY } from '../support/engine-fixtures.ts';
import { type Answering, configOf, sendJson, startWireServer } from '../support/wire-server.ts';
import { node, taking } from '../unit/catalogue/schemas.ts';

const APIDOC = '/pve-docs/api-viewer/apidoc.js';

function hostOf(path: string, version = '9.2.11'): Answering {
  const schema = `const apiSchema = ${JSON.stringify([node(path, { GET: taking({}) })])}\n;\nExt.x();`;
  return ({ url }, response) => {
    if (url === '/api2/json/version') return sendJson(response, 200, { data: { version, release: '9.2' } });
    if (url !== APIDOC) return sendJson(response, 501, { data: null }, 'not implemented');
    const headers = { 'Content-Encoding': 'gzip', 'Last-Modified': 'Mon, 01 Jan 2026 00:00:00 GMT' };
    response.writeHead(200, headers).end(gzipSync(schema));
  };
}

function managerOf(clusters: ClusterConfig[], cacheDir?: string, clock = { now: Date.now }): ClusterManager {
  const config = { clusters, ...(cacheDir === undefined ? {} : { cacheDir }) };
  const manager = new ClusterManager(config, { logger: SILENT, clock });
  onTestFinished(() => manager.close());
  return manager;
}

describe('the catalogue of a cluster', () => {
  test('is its host’s own, fetched without a credential, and kept on disk', async () => {
    const server = await startWireServer(hostOf('/own'));
    const cacheDir = folderWith();
    const config = configOf([server], { name: 'prod' });
    const first = managerOf([config], cacheDir).select({ cluster: 'prod' }).cluster;
    const catalogue = await first.catalogue();
    expect(catalogue).toMatchObject({ source: 'cluster', version: '9.2.11' });
    expect(catalogue.methods.map(({ path }) => path)).toEqual(['/own']);
    const fetched = server.requests.filter(({ url }) => url === APIDOC);
    expect(fetched).toHaveLength(1);
    expect(JSON.stringify(fetched)).not.toContain(TOKEN_CANARY);
    await first.close();
    expect(readdirSync(join(cacheDir, 'prod', `127.0.0.1_${server.endpoint.port}`))).toEqual([
      'pve-9.2.11.json',
    ]);

    const second = managerOf([config], cacheDir).select({ cluster: 'prod' }).cluster;
    expect((await second.catalogue()).methods.map(({ path }) => path)).toEqual(['/own']);
    expect(server.requests.filter(({ url }) => url === APIDOC)).toHaveLength(1);
  });

  test('is each one’s own; where none can be had, all share the built-in one', async () => {
    const own = await startWireServer(hostOf('/own'));
    const blocked = await startWireServer((request, response, socket) =>
      request.url === APIDOC ? void response.writeHead(403).end() : hostOf('')(request, response, socket),
    );
    const manager = managerOf([
      configOf([own], { name: 'a' }),
      configOf([blocked], { name: 'b' }),
      configOf([blocked], { name: 'c' }),
    ]);
    const [a, b, c] = await Promise.all(manager.list().map((cluster) => cluster.catalogue()));
    expect(a?.source).toBe('cluster');
    expect(b?.source).toBe('built-in');
    expect(b?.methods.length).toBeGreaterThan(500);
    expect(c).toBe(b);
  });

  test('is in memory once for clusters with the same schema, and apart for one that differs', async () => {
    const hosts = await Promise.all(['/own', '/own', '/other'].map((path) => startWireServer(hostOf(path))));
    const cacheDir = folderWith();
    const configs = hosts.map((host, index) => configOf([host], { name: `c${index}` }));
    for (const manager of [managerOf(configs, cacheDir), managerOf(configs, cacheDir)]) {
      const [a, b, c] = await Promise.all(manager.list().map((cluster) => cluster.catalogue()));
      expect(a?.source).toBe('cluster');
      expect(b).toBe(a);
      expect(c?.methods.map(({ path }) => path)).toEqual(['/other']);
      await manager.close();
    }
    // Each host was asked itself, and once: the second manager found everything on disk.
    for (const { requests } of hosts) expect(requests.filter(({ url }) => url === APIDOC)).toHaveLength(1);
  });

  test('follows the version of the host', async () => {
    let now = Date.now();
    let host = hostOf('/old', '9.2.11');
    const server = await startWireServer((request, response, socket) => host(request, response, socket));
    const manager = managerOf([configOf([server])], undefined, { now: () => now });
    const { cluster } = manager.select({});
    await cluster.catalogue();
    host = hostOf('/new', '9.3.1');
    now += 60_000;
    await vi.waitFor(async () => expect((await cluster.catalogue()).version).toBe('9.3.1'));
  });

  test('a host that hangs costs the first caller five seconds', { timeout: 15_000 }, async () => {
    const server = await startWireServer((request, response, socket) =>
      request.url === APIDOC ? undefined : hostOf('')(request, response, socket),
    );
    const { cluster } = managerOf([configOf([server])]).select({});
    const startedAt = Date.now();
    expect((await cluster.catalogue()).source).toBe('built-in');
    expect(Date.now() - startedAt).toBeLessThan(6_500);
    const again = Date.now();
    await cluster.catalogue();
    expect(Date.now() - again).toBeLessThan(100);
    await cluster.close();
    await expect.poll(() => server.sockets.size).toBe(0);
  });
});

describe('permissions', () => {
  function answering(data: unknown): Answering {
    return ({ url }, response) =>
      url === '/api2/json/access/permissions'
        ? sendJson(response, 200, { data })
        : sendJson(response, 200, { data: [] });
  }

  test('are asked once for all, and for a minute', async () => {
    let now = Date.now();
    const server = await startWireServer(answering({ '/': { 'Sys.Audit': 1 } }));
    const { cluster } = managerOf([configOf([server])], undefined, { now: () => now }).select({});
    const answers = await Promise.all([cluster.permissions(), cluster.permissions()]);
    expect(answers).toEqual([{ '/': { 'Sys.Audit': 1 } }, { '/': { 'Sys.Audit': 1 } }]);
    now += 59_000;
    await cluster.permissions();
    expect(server.requests).toHaveLength(1);
    now += 2_000;
    await cluster.permissions();
    expect(server.requests).toHaveLength(2);
  });

  test('a token that sees nothing has none, where an empty cluster would have some', async () => {
    const server = await startWireServer(answering({}));
    const { cluster } = managerOf([configOf([server])]).select({});
    expect(await cluster.permissions()).toEqual({});
  });

  test.each([[null], [[]], ['x'], [{ '/': 1 }]])('%j is an error with the cluster’s name', async (data) => {
    const server = await startWireServer(answering(data));
    const { cluster } = managerOf([configOf([server])]).select({});
    expect(await failureOf(cluster.permissions())).toMatchObject({ code: 'UPSTREAM_ERROR', cluster: 'test' });
  });

  test('a failure is not kept', async () => {
    let broken = true;
    const server = await startWireServer((request, response, socket) =>
      broken
        ? sendJson(response, 500, { data: null }, 'no')
        : answering({ '/': {} })(request, response, socket),
    );
    const { cluster } = managerOf([configOf([server])]).select({});
    expect((await failureOf(cluster.permissions())).code).toBe('UPSTREAM_ERROR');
    broken = false;
    expect(await cluster.permissions()).toEqual({ '/': {} });
  });
});
