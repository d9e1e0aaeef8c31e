import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { parse } from 'yaml';
import { type Certificate, makeCertificate } from '../../src/simulator/certificate.ts';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { folderWith } from '../support/config-folder.ts';
import { ask, entryOf, ReloadingService } from '../support/reloading-service.ts';
import { trustingFetch } from '../support/trusting-fetch.ts';
import { projectFile } from './project.ts';

const HOST = 'mcp.example.com';
const isThere = (program: string, option: string) => spawnSync(program, [option]).status === 0;
const hasNginx = isThere('nginx', '-v');
const hasCaddy = isThere('caddy', 'version');

let simulator: Simulator;
let certificate: Certificate;

beforeAll(async () => {
  simulator = await startSimulator({ taskSeconds: 3, authDelaySeconds: 0, resourcesLagSeconds: 0 });
  certificate = await makeCertificate('proxy', HOST);
});
afterAll(() => simulator.close());

/** The service that the proxy of a test stands in front of, as the docs say it is set up. */
async function startService(): Promise<{ site: ReloadingService; port: string }> {
  const lines = `MCP_PUBLIC_URL=https://${HOST}\nMCP_TRUSTED_PROXIES=loopback\nLOG_LEVEL=info\n`;
  const site = await ReloadingService.start(
    { staging: entryOf(simulator.cluster('staging')) },
    {},
    { lines },
  );
  onTestFinished(() => site.stop());
  return { site, port: new URL(site.service.url).port };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** Starts a proxy, ends it after the test, and waits until it listens. */
async function run(
  program: string,
  args: string[],
  url: string,
  fetch: typeof globalThis.fetch,
): Promise<void> {
  const child: ChildProcess = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr?.on('data', (chunk) => (said += chunk));
  const exited = once(child, 'exit');
  onTestFinished(async () => {
    child.kill('SIGTERM');
    await exited;
  });
  for (let tries = 0; tries < 200; tries++) {
    if (child.exitCode !== null) throw new Error(`${program} ended with ${child.exitCode}: ${said}`);
    const answer = await fetch(`${url}/healthz`).catch(() => undefined);
    if (answer?.ok) return;
    await sleep(50);
  }
  throw new Error(`${program} does not answer: ${said}`);
}

/** A call by each door; on SSE each answer comes over a stream that does not end, so that a buffer would hold it. */
async function passes(site: ReloadingService, url: string, fetch: typeof globalThis.fetch): Promise<void> {
  for (const [kind, path] of [
    ['http', '/mcp'],
    ['modern', '/mcp'],
    ['sse', '/sse'],
  ] as const) {
    const { client } = await site.connect(kind, `${url}${path}`, { fetch });
    expect((await ask(client, '/version')).data, kind).toMatchObject({ cluster: 'staging' });
  }
  const events = await fetch(`${url}/healthz`);
  expect(events.headers.get('content-encoding')).toBeNull();
  const refused = await fetch(`${url}/mcp`, { method: 'POST' });
  expect(refused.headers.get('www-authenticate')).toContain(`https://${HOST}/.well-known`);
}

function trusting() {
  const { fetch, close } = trustingFetch([certificate.pem]);
  onTestFinished(close);
  return fetch;
}

function nginxFolder(ports: { http: number; https: number; service: string }): string {
  const folder = folderWith({ 'tls.crt': certificate.pem, 'tls.key': certificate.key });
  const server = projectFile('deploy/nginx/proxmox-mcp.conf')
    .replaceAll(/^.*\[::\].*\n/gm, '')
    .replace('listen 80;', `listen 127.0.0.1:${ports.http};`)
    .replace('listen 443 ssl', `listen 127.0.0.1:${ports.https} ssl`)
    .replace('127.0.0.1:8000', `127.0.0.1:${ports.service}`)
    .replace(/\/etc\/letsencrypt\/\S+fullchain\.pem/, join(folder, 'tls.crt'))
    .replace(/\/etc\/letsencrypt\/\S+privkey\.pem/, join(folder, 'tls.key'));
  for (const kind of ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']) mkdirSync(join(folder, kind));
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${folder}/${kind};`,
  );
  writeFileSync(join(folder, 'server.conf'), server);
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off; worker_processes 1; pid ${folder}/pid; error_log stderr; events {}
http { access_log off; ${paths.join(' ')} include ${folder}/server.conf; }`,
  );
  return folder;
}

describe('deploy/nginx/proxmox-mcp.conf', () => {
  it('is what nginx accepts, without a warning', ({ skip }) => {
    skip(!hasNginx, 'there is no nginx here');
    const folder = nginxFolder({ http: 8080, https: 8443, service: '8000' });
    const { status, stderr } = spawnSync(
      'nginx',
      ['-t', '-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr'],
      {
        encoding: 'utf8',
      },
    );
    expect(stderr).toMatch(/test is successful/);
    expect(stderr).not.toMatch(/\[(?:warn|emerg)\]/);
    expect(status).toBe(0);
  });

  it('passes calls and streams on as they come, over TLS, and tells the address of the client', async ({
    skip,
  }) => {
    skip(!hasNginx, 'there is no nginx here');
    const { site, port } = await startService();
    const [http, https] = [await freePort(), await freePort()];
    const folder = nginxFolder({ http, https, service: port });
    const fetch = trusting();
    const url = `https://${HOST}:${https}`;
    await run('nginx', ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr'], url, fetch);
    await passes(site, url, fetch);
    const moved = await globalThis.fetch(`http://127.0.0.1:${http}/mcp`, { redirect: 'manual' });
    expect(moved.status).toBe(301);
    // What a client claims of its address does not get through.
    await fetch(`${url}/mcp`, {
      method: 'POST',
      headers: { authorization: 'Bearer nonsense', 'x-forwarded-for': '203.0.113.9' },
    });
    expect(site.said('token refused').map(({ address }) => address)).toEqual(['127.0.0.1']);
  });
});

interface ComposeConfigs {
  configs: { caddyfile: { content: string } };
}

/** The Caddyfile as Compose hands it over. */
function caddyfile(): string {
  const { configs }: ComposeConfigs = parse(projectFile('deploy/compose/docker-compose.yml'));
  return configs.caddyfile.content.replaceAll('$$', '$');
}

describe('the Caddyfile of deploy/compose', () => {
  const env = { ...process.env, MCP_DOMAIN: HOST };

  it('is valid, and asks for certificates of its own', ({ skip }) => {
    skip(!hasCaddy, 'there is no caddy here');
    const folder = folderWith({ Caddyfile: caddyfile() });
    const caddy = (...args: string[]) =>
      spawnSync('caddy', args, { encoding: 'utf8', env: { ...env, HOME: folder, XDG_DATA_HOME: folder } });
    const adapted = caddy(
      'adapt',
      '--config',
      join(folder, 'Caddyfile'),
      '--adapter',
      'caddyfile',
      '--validate',
    );
    expect(adapted.status, adapted.stderr).toBe(0);
    // YAML has spaces where Caddy would have tabs.
    const warnings = adapted.stderr.split('\n').filter((line) => /"level":"(?:warn|error)"/.test(line));
    expect(warnings.filter((line) => !line.includes('is not formatted'))).toEqual([]);
    const [server] = Object.values<{ listen: string[] }>(JSON.parse(adapted.stdout).apps.http.servers);
    expect(server?.listen).toEqual([':443']);
    expect(adapted.stdout).toContain('"flush_interval":-1');
  });

  it('passes calls and streams on as they come, over TLS', async ({ skip }) => {
    skip(!hasCaddy, 'there is no caddy here');
    const { site, port } = await startService();
    const https = await freePort();
    const text = caddyfile()
      .replace('grace_period 10s', 'grace_period 100ms\n\tadmin off\n\tauto_https off')
      .replace('{$MCP_DOMAIN} {', `https://${HOST}:${https} {\n\tbind 127.0.0.1\n\ttls tls.crt tls.key`)
      .replace('proxmox-mcp:8000', `127.0.0.1:${port}`);
    const folder = folderWith({ 'tls.crt': certificate.pem, 'tls.key': certificate.key });
    const local = text.replace('tls tls.crt tls.key', `tls ${folder}/tls.crt ${folder}/tls.key`);
    writeFileSync(join(folder, 'Caddyfile'), local);
    const fetch = trusting();
    const url = `https://${HOST}:${https}`;
    const args = ['HOME', 'XDG_DATA_HOME', 'XDG_CONFIG_HOME'].map((name) => `${name}=${folder}`);
    const command = ['caddy', 'run', '--config', join(folder, 'Caddyfile'), '--adapter', 'caddyfile'];
    await run('env', [...args, ...command], url, fetch);
    await passes(site, url, fetch);
  });
});
