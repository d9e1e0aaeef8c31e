import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { type Certificate, makeCertificate } from '../../src/simulator/certificate.ts';
import { type SimulatedCluster, type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { folderWith } from '../support/config-folder.ts';
import { ask, entryOf, ReloadingService, SECRET } from '../support/reloading-service.ts';
import { trustingFetch } from '../support/trusting-fetch.ts';

const SOON = { timeout: 10_000, interval: 20 };
const NEXT_SECRET = 'the-next-test-secret-of-more-than-32-bytes';

let simulator: Simulator;
let staging: SimulatedCluster;
let first: Certificate;
let second: Certificate;

beforeAll(async () => {
  simulator = await startSimulator({ taskSeconds: 3, authDelaySeconds: 0, resourcesLagSeconds: 0 });
  staging = simulator.cluster('staging');
  [first, second] = await Promise.all([
    makeCertificate('first', 'localhost'),
    makeCertificate('second', 'localhost'),
  ]);
});
afterAll(() => simulator.close());

async function start(more: Parameters<typeof ReloadingService.start>[2] = {}): Promise<ReloadingService> {
  const site = await ReloadingService.start({ staging: entryOf(staging) }, {}, more);
  onTestFinished(() => site.stop());
  return site;
}

async function startSecure() {
  const site = await start({
    lines: 'MCP_TLS_CERT_FILE=tls.crt\nMCP_TLS_KEY_FILE=tls.key\n',
    files: { 'tls.crt': first.pem, 'tls.key': first.key },
  });
  const trusted = trustingFetch([first.pem, second.pem]);
  onTestFinished(() => trusted.close());
  return { site, fetch: trusted.fetch };
}

/** What a new connection is shown. */
async function handshake(site: ReloadingService, options: object = {}): Promise<string> {
  const { port } = new URL(site.service.url);
  const socket: TLSSocket = connect({
    host: '127.0.0.1',
    port: Number(port),
    rejectUnauthorized: false,
    ...options,
  });
  try {
    await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject));
    return socket.getPeerCertificate().fingerprint256;
  } finally {
    socket.destroy();
  }
}

describe('https of its own', () => {
  it('takes another certificate while streams and calls are open, and keeps it where the next is no pair', async () => {
    const { site, fetch } = await startSecure();
    expect(site.service.url).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
    expect(await handshake(site)).toBe(first.fingerprint);
    const [sse, session] = [
      await site.connect('sse', '/sse', { fetch }),
      await site.connect('http', '/mcp', { fetch }),
    ];
    const ends = vi.fn<() => void>();
    sse.client.onclose = ends;
    expect((await ask(sse.client, '/version')).isError).toBe(false);

    // One file after the other, as tools write them: what does not fit meanwhile is not used.
    site.writeFile('tls.crt', second.pem);
    const calls = Promise.all(Array.from({ length: 20 }, () => ask(session.client, '/version')));
    site.writeFile('tls.key', second.key);
    await vi.waitFor(() => expect(site.said('another certificate is in use')).toHaveLength(1), SOON);
    expect(await handshake(site)).toBe(second.fingerprint);
    expect((await calls).every(({ isError }) => !isError)).toBe(true);
    expect((await ask(sse.client, '/version')).data).toMatchObject({ cluster: 'staging' });
    expect((await ask(session.client, '/version')).data).toMatchObject({ cluster: 'staging' });
    expect(ends).not.toHaveBeenCalled();
    expect(site.said('configuration reloaded').at(-1)).toMatchObject({ settings: ['MCP_TLS_CERT'] });

    const before = site.said('the configuration in use stays').length;
    site.writeFile('tls.key', first.key);
    await vi.waitFor(
      () => expect(site.said('the configuration in use stays').length).toBeGreaterThan(before),
      SOON,
    );
    expect(JSON.stringify(site.said('the configuration in use stays').at(-1))).toContain(
      'does not belong to',
    );
    expect(await handshake(site)).toBe(second.fingerprint);
    expect((await ask(sse.client, '/version')).isError).toBe(false);
    expect(JSON.stringify(site.log)).not.toContain('PRIVATE KEY');
  });

  it('speaks neither plain HTTP nor what is older than TLS 1.2, and names itself https', async () => {
    const { site, fetch } = await startSecure();
    const metadata = await fetch(`${site.service.url}/.well-known/oauth-protected-resource`);
    expect(await metadata.json()).toMatchObject({
      resource: expect.stringMatching(/^https:\/\/127\.0\.0\.1:\d+\/mcp$/),
    });
    await expect(globalThis.fetch(site.service.url.replace('https', 'http'))).rejects.toThrow('fetch failed');
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' };
    await expect(handshake(site, old)).rejects.toThrow(/protocol version|version/i);
    expect(await handshake(site, { maxVersion: 'TLSv1.2' })).toBe(first.fingerprint);
  });

  it('follows a folder that Kubernetes swaps', async () => {
    const mounted = folderWith();
    for (const [version, { pem, key }] of Object.entries({ '..1': first, '..2': second })) {
      mkdirSync(join(mounted, version));
      writeFileSync(join(mounted, version, 'tls.crt'), pem);
      writeFileSync(join(mounted, version, 'tls.key'), key, { mode: 0o600 });
    }
    symlinkSync('..1', join(mounted, '..data'));
    for (const name of ['tls.crt', 'tls.key']) symlinkSync(join('..data', name), join(mounted, name));
    const site = await start({
      lines: `MCP_TLS_CERT_FILE=${mounted}/tls.crt\nMCP_TLS_KEY_FILE=${mounted}/tls.key\n`,
    });
    expect(await handshake(site)).toBe(first.fingerprint);
    symlinkSync('..2', join(mounted, '..data_tmp'));
    renameSync(join(mounted, '..data_tmp'), join(mounted, '..data'));
    await vi.waitFor(() => expect(site.said('another certificate is in use')).toHaveLength(1), SOON);
    expect(await handshake(site)).toBe(second.fingerprint);
    expect(site.said('the configuration in use stays')).toEqual([]);
  });
});

describe('the shared secret', () => {
  it('is exchanged with an overlap, and without one ends what the old one had opened', async () => {
    const site = await start();
    const old = await site.connect('sse');
    const ends = new Promise<void>((resolve) => {
      old.client.onerror = () => resolve();
      old.client.onclose = () => resolve();
    });
    site.writeEnv(`MCP_JWT_SECRET=${NEXT_SECRET}\nMCP_JWT_SECRET_PREVIOUS=${SECRET}\n`);
    site.reload();
    expect(site.said('configuration reloaded').at(-1)).toMatchObject({
      settings: ['MCP_JWT_SECRET', 'MCP_JWT_SECRET_PREVIOUS'],
    });
    expect(site.said('with a restart')).toEqual([]);
    const next = await site.connect('http', '/mcp', { secret: NEXT_SECRET });
    expect((await ask(next.client, '/version')).isError).toBe(false);
    expect((await ask(old.client, '/version')).isError).toBe(false);

    site.writeEnv(`MCP_JWT_SECRET=${NEXT_SECRET}\n`);
    site.reload();
    await ends;
    await expect(ask(old.client, '/version')).rejects.toThrow();
    await expect(site.connect('http')).rejects.toThrow(/401|not valid/);
    expect((await ask(next.client, '/version')).isError).toBe(false);
    expect(JSON.stringify(site.log)).not.toMatch(new RegExp(`${SECRET}|${NEXT_SECRET}`));
  });

  it('stays where the new one is too short', async () => {
    const site = await start();
    const { client } = await site.connect('http');
    site.writeEnv('MCP_JWT_SECRET=short\n');
    site.reload();
    expect(JSON.stringify(site.said('the configuration in use stays'))).toContain('shorter than 32 bytes');
    expect((await ask(client, '/version')).isError).toBe(false);
  });
});

describe('what a cluster is trusted by', () => {
  it('is exchanged with its ca_file', async () => {
    const { url, user, tokenId, tokenSecret } = staging;
    const entry = {
      url: url.replace('127.0.0.1', 'localhost'),
      user,
      token_id: tokenId,
      token_secret: tokenSecret,
    };
    const site = await ReloadingService.start(
      { staging: { ...entry, ca_file: 'ca.pem' } },
      {},
      { files: { 'ca.pem': first.pem } },
    );
    onTestFinished(() => site.stop());
    const { client } = await site.connect('http');
    expect((await ask(client, '/version')).data.error?.code).toBe('CLUSTER_UNREACHABLE');
    site.writeFile('ca.pem', staging.certificatePem);
    site.reload();
    expect((await ask(client, '/version')).data).toMatchObject({ cluster: 'staging' });
  });
});
