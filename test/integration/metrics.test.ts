import { spawnSync } from 'node:child_process';
import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { ObservedService } from '../support/observed-service.ts';

const METRICS_TOKEN = 'scrape-token-of-the-tests-0123456789abcdef';
const SHOWN = { authorization: `Bearer ${METRICS_TOKEN}` };
const SUBJECT = 'ada-the-subject';

let simulator: Simulator;
let site: ObservedService;

beforeAll(async () => {
  simulator = await startSimulator({ taskSeconds: 0.2, authDelaySeconds: 0, resourcesLagSeconds: 0 });
  const clusters = ['production', 'staging'].map((name) => simulator.cluster(name));
  site = await ObservedService.start(clusters, { MCP_METRICS_TOKEN: METRICS_TOKEN, MCP_TOOLSETS: 'all' });
  await work();
});
afterAll(async () => {
  await site.stop();
  await simulator.close();
});

/** Real calls on every door: good ones, one that fails, one that needs an approval, and tools that there are not. */
async function work(): Promise<void> {
  const http = await site.connect('http', {}, SUBJECT);
  await http.callTool({ name: 'list_clusters', arguments: {} });
  await http.callTool({ name: 'proxmox_api_call', arguments: { cluster: 'production', path: '/version' } });
  await http.callTool({
    name: 'proxmox_api_call',
    arguments: { cluster: 'production', path: '/nodes/zzz/status' },
  });
  await http.callTool({ name: 'find_guests', arguments: { text: 'web' } });
  await http.callTool({ name: 'find_guests', arguments: { text: 'web' } });
  const { guest, node } = stopped();
  const startIt = {
    cluster: 'production',
    path: `/nodes/${node}/qemu/${guest}/status/start`,
    method: 'POST',
  };
  await http.callTool({ name: 'proxmox_api_call', arguments: startIt });
  const deleteIt = { cluster: 'production', path: `/nodes/${node}/qemu/${guest}`, method: 'DELETE' };
  await http.callTool({ name: 'proxmox_api_call', arguments: deleteIt });
  await Promise.allSettled(
    Array.from({ length: 200 }, (_, index) => http.callTool({ name: `odd_tool_${index}`, arguments: {} })),
  );
  await Promise.all(
    Array.from({ length: 200 }, (_, index) =>
      http.callTool({ name: 'list_nodes', arguments: { cluster: `odd-cluster-${index}` } }),
    ),
  );
  const sse = await site.connect('sse', {}, SUBJECT);
  await sse.callTool({ name: 'list_nodes', arguments: { cluster: 'staging' } });
  const modern = await site.connect('modern', {}, SUBJECT);
  await modern.callTool({ name: 'list_nodes', arguments: { cluster: 'staging' } });
  await site.get('/mcp', { authorization: 'Bearer wrong-token-canary' });
}

function stopped(): { guest: number; node: string } {
  for (const { vmid, node, type, status, config } of simulator.cluster('production').state.guests.values()) {
    if (type === 'qemu' && status === 'stopped' && config.template !== 1) return { guest: vmid, node };
  }
  throw new Error('no VM is stopped');
}

async function scrape(): Promise<string> {
  const answer = await site.get('/metrics', SHOWN);
  expect(answer.status).toBe(200);
  return answer.text();
}

/** The values of a metric whose labels hold all of the given ones. */
function values(text: string, name: string, labels: Record<string, string> = {}): number[] {
  return text.split('\n').flatMap((line) => {
    const [, found, given = '', value] = /^([a-z_0-9]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    const fits = Object.entries(labels).every(([label, wanted]) => given.includes(`${label}="${wanted}"`));
    return found === name && fits ? [Number(value)] : [];
  });
}

const sum = (numbers: number[]): number => numbers.reduce((all, one) => all + one, 0);

describe('what is counted', () => {
  it('calls by tool, cluster, door and outcome, with times and tokens', async () => {
    const text = await scrape();
    const calls = (labels: Record<string, string>) =>
      sum(values(text, 'proxmox_mcp_tool_calls_total', labels));
    expect(calls({ tool: 'list_clusters', cluster: 'none', door: 'streamable-http', outcome: 'ok' })).toBe(1);
    expect(calls({ tool: 'proxmox_api_call', cluster: 'production', outcome: 'ok' })).toBe(2);
    expect(calls({ tool: 'proxmox_api_call', outcome: 'APPROVAL_REQUIRED' })).toBe(1);
    expect(calls({ tool: 'list_nodes', cluster: 'staging', door: 'sse', outcome: 'ok' })).toBe(1);
    expect(calls({ tool: 'list_nodes', cluster: 'staging', door: 'stateless', outcome: 'ok' })).toBe(1);
    expect(calls({ tool: 'list_nodes', cluster: 'none', outcome: 'CLUSTER_NOT_FOUND' })).toBe(200);
    const times = 'proxmox_mcp_tool_call_duration_seconds_count';
    expect(values(text, times, { tool: 'list_nodes', cluster: 'staging' })).toEqual([2]);
    expect(
      sum(values(text, 'proxmox_mcp_answer_tokens_estimated_total', { tool: 'list_clusters' })),
    ).toBeGreaterThan(20);
    expect(values(text, 'proxmox_mcp_unknown_tool_calls_total', { door: 'streamable-http' })).toEqual([200]);
  });

  it('requests to Proxmox VE, the state of clusters, and the inventory', async () => {
    const text = await scrape();
    const upstream = (labels: Record<string, string>) =>
      sum(values(text, 'proxmox_mcp_upstream_requests_total', { cluster: 'production', ...labels }));
    expect(upstream({ method: 'GET', status: '2xx' })).toBeGreaterThan(2);
    expect(upstream({ method: 'POST', status: '2xx' })).toBe(1);
    expect(upstream({ method: 'DELETE' })).toBe(0);
    expect(values(text, 'proxmox_mcp_cluster_up')).toEqual([1, 1]);
    expect(values(text, 'proxmox_mcp_breakers_open', { cluster: 'production' })).toEqual([0]);
    expect(values(text, 'proxmox_mcp_upstream_requests_queued', { cluster: 'production' })).toEqual([0]);
    expect(
      values(text, 'proxmox_mcp_inventory_reads_total', { cluster: 'staging', result: 'hit' }),
    ).not.toEqual([]);
    expect(
      values(text, 'proxmox_mcp_inventory_age_seconds', { cluster: 'staging' })[0],
    ).toBeGreaterThanOrEqual(0);
  });

  it('sessions, streams, jobs, approvals, refused logins, the record and the process', async () => {
    const text = await scrape();
    expect(values(text, 'proxmox_mcp_sessions', { door: 'streamable-http' })).toEqual([1]);
    expect(values(text, 'proxmox_mcp_sessions', { door: 'sse' })).toEqual([1]);
    expect(values(text, 'proxmox_mcp_open_streams', { door: 'sse' })).toEqual([1]);
    expect(values(text, 'proxmox_mcp_jobs_started_total', { cluster: 'production' })).toEqual([1]);
    expect(values(text, 'proxmox_mcp_approval_events_total', { event: 'made' })).toEqual([1]);
    expect(values(text, 'proxmox_mcp_approval_plans', { state: 'pending' })).toEqual([1]);
    expect(values(text, 'proxmox_mcp_failed_logins_total')).toEqual([1]);
    expect(values(text, 'proxmox_mcp_audit_up')).toEqual([1]);
    expect(values(text, 'proxmox_mcp_audit_lines')[0]).toBeGreaterThan(3);
    expect(values(text, 'proxmox_mcp_event_loop_busy_seconds_total')[0]).toBeGreaterThan(0);
    expect(values(text, 'proxmox_mcp_build_info')).toEqual([1]);
    for (const name of [
      'process_resident_memory_bytes',
      'process_open_fds',
      'nodejs_eventloop_lag_p99_seconds',
    ]) {
      expect(values(text, name)).toHaveLength(1);
    }
    await expect
      .poll(async () => values(await scrape(), 'proxmox_mcp_jobs_ended_total', { outcome: 'ok' }))
      .toEqual([1]);
  });

  it('no more series for a thousand odd names, and nothing that a caller, a guest or a secret is called', async () => {
    const text = await scrape();
    expect(text).not.toContain('odd');
    expect(values(text, 'proxmox_mcp_tool_calls_total').length).toBeLessThan(20);
    const { guests } = simulator.cluster('production').state;
    const secrets = [
      SUBJECT,
      METRICS_TOKEN,
      'wrong-token-canary',
      simulator.cluster('production').tokenSecret,
    ];
    const names = [...guests.values()].map(({ config }) => String(config.name ?? config.hostname));
    expect(names.length).toBeGreaterThan(3);
    for (const word of [...secrets, ...names, ...simulator.cluster('production').endpoints, 'zzz']) {
      expect(text).not.toContain(word);
    }
  });

  it('in the form that Prometheus takes', async ({ skip }) => {
    const text = await scrape();
    const { status, error, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
      input: text,
      encoding: 'utf8',
    });
    skip(error !== undefined, 'promtool (Debian: prometheus) is not installed');
    // Names of prom-client's own, as all Node.js services have them.
    const ours = (stdout + stderr).split('\n').filter((line) => line !== '' && !/^nodejs_/.test(line));
    expect(ours).toEqual([]);
    expect([0, 3]).toContain(status);
  });
});

describe('who may read it', () => {
  it('nobody without the token, whatever else they show', async () => {
    expect((await site.get('/metrics')).status).toBe(401);
    for (const token of [await site.token('admin'), `${METRICS_TOKEN}x`, METRICS_TOKEN.slice(1)]) {
      const answer = await site.get('/metrics', { authorization: `Bearer ${token}` });
      expect(answer.status).toBe(401);
      expect(await answer.text()).not.toContain('proxmox_mcp_');
    }
    expect((await site.get(`/metrics?token=${METRICS_TOKEN}`)).status).toBe(401);
  });

  it('with it under any Host, as pods are asked by their address; other paths keep to the list', async () => {
    expect(await statusFor('/metrics', { ...SHOWN, host: '10.1.2.3:8000' })).toBe(200);
    expect(await statusFor('/metrics', { ...SHOWN, host: 'proxmox-mcp.tools.svc:8000' })).toBe(200);
    expect(await statusFor('/healthz', { host: '10.1.2.3:8000' })).toBe(421);
    expect(await statusFor('/metrics', { ...SHOWN, origin: 'https://evil.example' })).toBe(403);
  });

  it('it is no credential of the service', async () => {
    expect((await site.get('/mcp', SHOWN)).status).toBe(401);
  });

  it('nobody where it is not switched on, and whoever reaches the port where it is open', async () => {
    const clusters = [simulator.cluster('staging')];
    const off = await ObservedService.start(clusters);
    const isOff = await off.get('/metrics', SHOWN);
    await off.stop();
    expect(isOff.status).toBe(401);
    expect(await isOff.text()).not.toContain('proxmox_mcp_');
    const open = await ObservedService.start(clusters, { MCP_METRICS: 'open' });
    const port = Number(new URL(open.service.url).port);
    const byAddress = await statusFor('/metrics', { host: '10.1.2.3:8000' }, port);
    const byName = await statusFor('/metrics', { host: 'rebound.example' }, port);
    const isOpen = await open.get('/metrics');
    await open.stop();
    expect([isOpen.status, byAddress, byName]).toEqual([200, 200, 421]);
  });
});

/** `fetch` sets Host by itself. */
function statusFor(
  path: string,
  headers: Record<string, string>,
  port = Number(new URL(site.service.url).port),
) {
  return new Promise<number | undefined>((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path, headers }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    });
    sent.once('error', reject).end();
  });
}
