import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ClusterManager } from '../../src/clusters/manager.ts';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { folderWith } from '../support/config-folder.ts';
import { configFor, SILENT } from '../support/engine-fixtures.ts';
import { buildService, type TestService, tokenFor } from '../support/service.ts';
import { CliProcess, freePort, runCli } from './cli-process.ts';

let simulator: Simulator;
let clusters: ClusterManager;
let service: TestService;
let url: string;
let token: string;

beforeAll(async () => {
  simulator = await startSimulator({ taskSeconds: 1, authDelaySeconds: 0 });
  clusters = new ClusterManager(
    { clusters: simulator.clusters.map((cluster) => configFor(cluster)) },
    { logger: SILENT },
  );
  service = await buildService({ estate: clusters });
  url = await service.listen();
  token = await tokenFor('caller');
});
afterAll(async () => {
  await service.close();
  await clusters.close();
  await simulator.close();
});

function call(args: string[], env: Record<string, string> = { MCP_TOKEN: token }) {
  return runCli(['call', '--url', url, ...args], { env, cwd: folderWith() });
}

describe('call', () => {
  it('prints the summary and the structured answer', async () => {
    const { code, stdout, stderr } = await call(['list_nodes', '--arg', 'cluster=staging']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const [summary, json = '', ...rest] = stdout.split('\n');
    expect(summary).toBe('staging has 2 nodes: stg1 (online), stg2 (online).');
    expect(JSON.parse(json)).toMatchObject({ cluster: 'staging', total: 2 });
    expect(rest).toEqual(['']);
  });

  it('prints the structured answer alone with --json', async () => {
    const { stdout } = await call(
      ['list_nodes', '--args', '{"cluster":"staging"}', '--json', '--token', token],
      {},
    );
    expect(JSON.parse(stdout)).toMatchObject({ cluster: 'staging', total: 2 });
    expect(stdout.trim().split('\n')).toHaveLength(1);
  });

  it('lists the tools', async () => {
    const { code, stdout } = await call(['--list']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^list_clusters {2}List clusters\n {2}Lists the Proxmox VE clusters/);
    const json = JSON.parse((await call(['--list', '--json'])).stdout);
    expect(json.tools.map(({ name }: { name: string }) => name)).toContain('proxmox_api_call');
  });

  it('ends its session', async () => {
    await call(['list_clusters']);
    expect(service.streamable.sessionCount).toBe(0);
  });

  it('gives 1 for an error of the tool, with code, message and hint', async () => {
    const args = ['list_nodes', '--arg', 'cluster=stagin'];
    const { code, stdout, stderr } = await call(args);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^CLUSTER_NOT_FOUND: There is no cluster "stagin".*\n.*production/);
    const json = await call([...args, '--json']);
    expect(json.code).toBe(1);
    expect(JSON.parse(json.stdout).error.code).toBe('CLUSTER_NOT_FOUND');
  });

  it.each([
    [[], /Which tool\?/],
    [['list_nodes', '--args', '[1]'], /--args must be a JSON object/],
    [['list_nodes', '--arg', 'x'], /is not key=value/],
    [['list_nodes', '--timeout', '-1'], /number of seconds/],
    [['list_nodes', '--url', 'nowhere'], /is no http or https address/],
    [['list_nodes', '--no-such-option'], /unknown option/],
    [['no_such_tool'], /^error: Unknown tool: "no_such_tool"\. The tools are: list_clusters/],
  ])('gives 2 for %j', async (args, message) => {
    const { code, stderr } = await call(args);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });

  it('takes port and token from .env, and the environment before it', async () => {
    const dotEnv = `MCP_PORT=${new URL(url).port}\nMCP_TOKEN_FILE=token\n`;
    const cwd = folderWith({ '.env': dotEnv, token });
    const { code, stdout, stderr } = await runCli(['call', 'list_clusters', '--json'], { cwd });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout).clusters).toHaveLength(3);
    const port = await freePort();
    const elsewhere = await runCli(['call', '--list'], { cwd, env: { MCP_PORT: String(port) } });
    expect(elsewhere.code).toBe(3);
    expect(elsewhere.stderr).toContain(`127.0.0.1:${port}`);
  });

  it('names the file of an MCP_PORT that is none', async () => {
    const cwd = folderWith({ '.env': 'MCP_PORT=http\n' });
    const { code, stderr } = await runCli(['call', '--list'], { cwd });
    expect(code).toBe(2);
    expect(stderr).toContain('.env, MCP_PORT: must be a port');
  });

  it('gives 3 without a token and with a wrong one, and prints none', async () => {
    const without = await call(['list_clusters'], {});
    expect(without.code).toBe(3);
    expect(without.stderr).toMatch(/HTTP 401[\s\S]*MCP_TOKEN[\s\S]*proxmox-mcp token/);
    const wrong = `${token.slice(0, -8)}AAAAAAAA`;
    const { code, stdout, stderr } = await call(['list_clusters'], { MCP_TOKEN: wrong });
    expect(code).toBe(3);
    expect(stderr).toMatch(/HTTP 401: The token was refused[\s\S]*Give a valid token/);
    expect(stdout + stderr).not.toContain(wrong);
  });

  it('gives 3 where nothing listens, where it is no MCP, and for another path', async () => {
    const port = await freePort();
    const nothing = await call(['list_clusters', '--url', `http://127.0.0.1:${port}`]);
    expect(nothing.code).toBe(3);
    expect(nothing.stderr).toMatch(/can't be reached \(ECONNREFUSED\)\.\nStart the service/);
    const page = createServer((_request, response) =>
      response.setHeader('content-type', 'text/html').end('<html>'),
    );
    await new Promise<void>((listening) => page.listen(port, '127.0.0.1', () => listening()));
    const html = await call(['list_clusters', '--url', `http://127.0.0.1:${port}/mcp`]);
    page.close();
    expect(html.code).toBe(3);
    expect(html.stderr).toContain('does not speak MCP');
    const elsewhere = await call(['list_clusters', '--url', `${url}/api`]);
    expect(elsewhere.code).toBe(3);
    expect(elsewhere.stderr).toContain(`The path is usually /mcp: ${url}/mcp`);
  });

  const NODES = ['proxmox_api_call', '--arg', 'cluster=staging', '--arg', 'path=/nodes'];

  it('says how long to wait where the service says it', async () => {
    const busy = createServer((_request, response) => {
      response.writeHead(429, { 'retry-after': '58', 'content-type': 'application/json' });
      response.end(JSON.stringify({ error: { code: -32000, message: 'Too many requests.' } }));
    });
    await new Promise<void>((resolve) => busy.listen(0, '127.0.0.1', resolve));
    const { port } = busy.address() as AddressInfo;
    const { code, stderr } = await runCli(['call', '--list', '--url', `http://127.0.0.1:${port}/mcp`]);
    busy.close();
    expect(code).toBe(3);
    expect(stderr).toMatch(/HTTP 429: Too many requests\.\nWait 58 s, then repeat\./);
  });

  it('gives up after --timeout', async () => {
    const slow = simulator.cluster('staging').faults.add({ kind: 'slow', ms: 15_000, match: /\/nodes$/ });
    const startedAt = performance.now();
    const { code, stderr } = await call([...NODES, '--timeout', '1']);
    slow.remove();
    expect(code).toBe(3);
    expect(stderr).toMatch(/no answer within 1 s[\s\S]*--timeout/);
    expect(performance.now() - startedAt).toBeLessThan(10_000);
  });

  it('ends at Ctrl-C while it still connects', async () => {
    const silent = createServer(() => undefined);
    await new Promise<void>((listening) => silent.listen(0, '127.0.0.1', () => listening()));
    const address = silent.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const asked = new Promise((request) => silent.once('request', request));
    const calling = new CliProcess(['call', '--list', '--url', `http://127.0.0.1:${port}`]);
    await asked;
    expect((await calling.stop('SIGINT')).code).toBe(130);
    silent.closeAllConnections();
    silent.close();
  });

  it('cancels the call on the service at Ctrl-C', async () => {
    const staging = simulator.cluster('staging');
    const hang = staging.faults.add({ kind: 'hang', match: /\/nodes$/ });
    const before = staging.requests.length;
    const args = ['call', ...NODES, '--url', url];
    const calling = new CliProcess(args, { env: { MCP_TOKEN: token } });
    while (!staging.requests.slice(before).some(({ path }) => path.endsWith('/nodes')))
      await new Promise((again) => setTimeout(again, 10));
    const { code, stderr } = await calling.stop('SIGINT');
    hang.remove();
    expect(code).toBe(130);
    expect(stderr).toContain('Interrupted.');
    await vi.waitFor(() => expect(service.lines.join()).toContain('"outcome":"cancelled"'));
  });
});
