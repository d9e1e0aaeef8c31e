import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { Secret } from '../../../src/config/secret.ts';
import { makeCertificate } from '../../../src/simulator/certificate.ts';
import type { ClusterSpec } from '../../../src/simulator/estate.ts';
import type { SimulatedCluster } from '../../../src/simulator/simulator.ts';
import { type NodeSettings, settingsOf } from '../../../src/simulator/state/node-settings.ts';
import { type ToolClient, type ToolClientOptions, toolClient } from '../../support/tool-client.ts';

const ESTATE: ClusterSpec[] = [{ name: 'production', nodes: [{ name: 'a1' }, { name: 'a2' }] }];

const client = (options: ToolClientOptions = {}): Promise<ToolClient> =>
  toolClient({ ...options, simulator: { clusters: ESTATE, ...options.simulator } });

function nodeOf({ production: { state } }: ToolClient, name: string) {
  const node = state.nodes.find((one) => one.name === name);
  if (node === undefined) throw new Error(`no node ${name}`);
  return node;
}

const settings = (tools: ToolClient, name: string): NodeSettings =>
  settingsOf(tools.production.state, nodeOf(tools, name));

/** Accounts of ACME are for root@pam alone. */
function asRoot({ state }: SimulatedCluster) {
  const root = state.access.users.get('root@pam');
  if (root) root.password = 'c4n4ry-of-root';
  const credentials = { kind: 'password' as const, user: 'root@pam', password: new Secret('c4n4ry-of-root') };
  return { credentials };
}

describe('certificates', () => {
  it('lists those of all nodes, the first to expire first, and names nodes it lacks', async () => {
    const tools = await client();
    const all = await tools.call('list_certificates');
    expect(all.total).toBe(4);
    const days = all.certificates.map(({ days_left }: { days_left: number }) => days_left);
    expect(days).toEqual([...days].sort((a, b) => a - b));
    expect(await tools.call('list_certificates', { node: 'a2' })).toMatchObject({ total: 2 });
    await tools.production.faults.add({ kind: 'node-down', node: 'a2' }).ready;
    const part = await tools.call('list_certificates');
    expect(part).toMatchObject({ total: 2, unread: [{ node: 'a2' }] });
    expect(await tools.text('list_certificates')).toContain('Without a2');
  });

  it('puts one in place only where it fits its key and nothing is overwritten by accident', async () => {
    const tools = await client();
    const { pem: cert, key } = await makeCertificate('production', 'a1.example.com');
    const other = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
    const wrong = other.export({ type: 'pkcs8', format: 'pem' }).toString();
    const refusal = (args: Record<string, unknown>) =>
      tools.refused('set_certificate', { node: 'a1', ...args });
    const mismatch = await refusal({ certificate: cert, key: wrong });
    expect(mismatch.message).toContain('not the key of this certificate');
    expect(JSON.stringify(mismatch)).not.toContain(wrong.slice(40, 80));
    expect((await refusal({ certificate: 'PEM' })).message).toContain('no PEM certificate');
    expect((await refusal({})).code).toBe('INVALID_ARGUMENTS');
    expect((await refusal({ remove: true })).code).toBe('NOT_FOUND');
    expect(tools.writes()).toEqual([]);
    const set = await tools.call('set_certificate', { node: 'a1', certificate: cert, key });
    expect(set).toMatchObject({
      node: 'a1',
      removed: false,
      certificate: { names: expect.arrayContaining(['a1.example.com']) },
    });
    expect(JSON.stringify(set)).not.toContain('BEGIN');
    expect(settings(tools, 'a1').customCertificate).toBe(cert);
    expect((await refusal({ certificate: cert, key })).code).toBe('CONFLICT');
    await tools.call('set_certificate', {
      node: 'a1',
      certificate: cert,
      key,
      replace: true,
      restart: false,
    });
    expect(await tools.call('set_certificate', { node: 'a1', remove: true })).toMatchObject({
      removed: true,
    });
    expect(settings(tools, 'a1')).not.toHaveProperty('customCertificate');
  });

  it('orders one once account and domains are there', async () => {
    const tools = await client({ config: asRoot });
    expect((await tools.refused('order_certificate', { node: 'a1' })).hint).toContain('set_options');
    const acme = { acme: 'account=default,domains=a1.example.com;pve.example.com' };
    await tools.call('set_options', { node: 'a1', options: acme });
    expect((await tools.refused('order_certificate', { node: 'a1' })).hint).toContain('acme_account');
    const account = { contact: 'ops@example.com', tos_url: 'https://example.com/tos' };
    await tools.call('save_setting', { kind: 'acme_account', name: 'default', options: account });
    expect(await tools.call('order_certificate', { node: 'a1' })).toMatchObject({
      domains: ['a1.example.com', 'pve.example.com'],
      task: { status: 'ok' },
    });
    expect(settings(tools, 'a1').acmeCertificate).toBe(true);
    await tools.call('order_certificate', { node: 'a1', action: 'revoke' });
    expect(settings(tools, 'a1').acmeCertificate).toBe(false);
  });
});

describe('updates', () => {
  it('lists what waits by package and node, and what is installed', async () => {
    const tools = await client();
    settings(tools, 'a2').listsUpdated = false;
    const waiting = await tools.call('list_updates');
    expect(waiting.nodes).toEqual([
      { node: 'a1', packages: 3 },
      { node: 'a2', packages: 0 },
    ]);
    expect(waiting.packages).toContainEqual(
      expect.objectContaining({ package: 'pve-manager', from: '9.2.11', to: '9.2.12', nodes: ['a1'] }),
    );
    expect(await tools.call('refresh_updates', { node: 'a2' })).toMatchObject({ task: { status: 'ok' } });
    expect(settings(tools, 'a2').listsUpdated).toBe(true);
    expect(await tools.call('list_updates', { limit: 1 })).toMatchObject({
      total: 3,
      packages: [{ nodes: ['a1', 'a2'] }],
      note: expect.stringContaining('2 more'),
    });
    const installed = await tools.call('list_updates', { installed: true });
    expect(installed.packages).toContainEqual(
      expect.objectContaining({ package: 'pve-manager', version: '9.2.11', nodes: ['a1', 'a2'] }),
    );
    expect((await tools.refused('refresh_updates')).hint).toContain('node');
  });
});

describe('options', () => {
  it('sets and resets those of the datacenter', async () => {
    const tools = await client();
    const options = { mac_prefix: 'BC:24:11', http_proxy: 'http://joe:c4n4ry@proxy.example.com:3128' };
    const set = await tools.call('set_options', { options });
    expect(set).toMatchObject({ changed: ['mac_prefix', 'http_proxy'], options: { mac_prefix: 'BC:24:11' } });
    expect(JSON.stringify(set)).not.toContain('c4n4ry');
    expect(tools.production.state.datacenter.options).toMatchObject(options);
    await tools.call('set_options', { remove: ['mac_prefix'] });
    expect(tools.production.state.datacenter.options).not.toHaveProperty('mac_prefix');
    const { options: now } = await tools.call('get_options');
    expect(now).toMatchObject({ keyboard: 'en-us', http_proxy: 'http://[redacted]@proxy.example.com:3128' });
  });

  it('sets those of a node by three methods, and leaves what was not named', async () => {
    const tools = await client();
    const options = { timezone: 'Europe/Berlin', dns2: '192.0.2.2', description: 'rack 4' };
    const set = await tools.call('set_options', { node: 'a1', options });
    expect(set.options).toMatchObject({ ...options, search: 'example.com', dns1: '192.0.2.1' });
    expect(settings(tools, 'a1')).toMatchObject({
      timezone: 'Europe/Berlin',
      dns: { search: 'example.com', dns1: '192.0.2.1', dns2: '192.0.2.2' },
      config: { description: 'rack 4' },
    });
    await tools.call('set_options', { node: 'a1', remove: ['dns2', 'description'] });
    expect(settings(tools, 'a1')).toMatchObject({ dns: { dns1: '192.0.2.1' }, config: {} });
    expect(settings(tools, 'a1').dns).not.toHaveProperty('dns2');
    expect(await tools.call('get_options', { node: 'a1' })).toMatchObject({
      options: { timezone: 'Europe/Berlin' },
      time: expect.any(String),
    });
  });

  it('verifies every option before anything leaves', async () => {
    const tools = await client();
    const refusal = (args: Record<string, unknown>) => tools.refused('set_options', args);
    const misspelt = await refusal({ options: { mac_prefx: 'BC:24:11' } });
    expect(misspelt).toMatchObject({
      code: 'INVALID_ARGUMENTS',
      message: expect.stringContaining('mac_prefix'),
    });
    // One that is wrong keeps the others from being set.
    const mixed = await refusal({ node: 'a1', options: { timezone: 'Europe/Berlin', desciption: 'x' } });
    expect(mixed.message).toContain('did you mean description?');
    expect((await refusal({ options: { keyboard: 'klingon' } })).message).toContain('keyboard');
    expect((await refusal({ node: 'a1', remove: ['timezone'] })).message).toContain('timezone');
    expect((await refusal({})).message).toContain('Nothing');
    expect(tools.writes()).toEqual([]);
  });
});

describe('services and log', () => {
  it('stops and starts a service, but none that it needs itself', async () => {
    const tools = await client();
    const act = (service: string, action: string) => ({ node: 'a1', service, action });
    expect(await tools.call('manage_service', act('pvestatd', 'stop'))).toMatchObject({
      state: 'dead',
      task: { status: 'ok' },
    });
    expect(settings(tools, 'a1').stoppedServices).toContain('pvestatd');
    const listed = await tools.call('list_services', { node: 'a1' });
    expect(listed.services.slice(0, 3).map(({ service }: { service: string }) => service)).toContain(
      'pvestatd',
    );
    expect(await tools.text('list_services', { node: 'a1' })).toContain('pvestatd');
    await tools.call('manage_service', act('pvestatd', 'restart'));
    expect(settings(tools, 'a1').stoppedServices).not.toContain('pvestatd');
    const writes = tools.writes().length;
    expect((await tools.refused('manage_service', act('pveproxy', 'stop'))).hint).toContain('restart');
    expect((await tools.refused('manage_service', act('pvestat', 'stop'))).message).toContain('"pvestatd"');
    expect(tools.writes()).toHaveLength(writes);
  });

  it('shows the end of the log, of a service and of a span of time', async () => {
    const tools = await client();
    const end = await tools.call('get_syslog', { node: 'a1', limit: 5 });
    expect(end.lines).toHaveLength(5);
    expect(end.lines[0]).toContain(' a1 ');
    const cron = await tools.call('get_syslog', { node: 'a1', service: 'cron', limit: 3 });
    expect(cron.total).toBeGreaterThan(3);
    expect(cron.lines).toHaveLength(3);
    expect(cron.lines.every((line: string) => line.includes('cron['))).toBe(true);
    const now = tools.production.state.clock();
    const at = (minutes: number) => new Date(now - minutes * 60_000).toISOString();
    settings(tools, 'a1').timezone = 'UTC';
    const span = await tools.call('get_syslog', { node: 'a1', since: at(20), until: at(10) });
    expect(span.total).toBeGreaterThanOrEqual(9);
    expect(span.total).toBeLessThanOrEqual(11);
    const before = tools.production.requests.length;
    settings(tools, 'a1').timezone = 'Asia/Tokyo';
    await tools.call('get_syslog', { node: 'a1', since: '2026-11-21T08:00:00Z' });
    const asked = tools.production.requests.slice(before).find(({ path }) => path.endsWith('/syslog'));
    expect(asked?.query.since).toBe('2026-11-21 17:00:00');
  });
});
