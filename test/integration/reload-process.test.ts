import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client as ModernClient } from '@modelcontextprotocol/client';
import { StdioClientTransport as ModernTransport } from '@modelcontextprotocol/client/stdio';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { folderWith } from '../support/config-folder.ts';
import { entryOf } from '../support/reloading-service.ts';
import { CliProcess, COMPILED } from './cli-process.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const SOON = { timeout: 15_000, interval: 50 };
let simulator: Simulator;

beforeAll(async () => {
  simulator = await startSimulator({ taskSeconds: 0, authDelaySeconds: 0 });
});
afterAll(() => simulator.close());

const clustersJson = (...names: string[]): string =>
  JSON.stringify({
    clusters: Object.fromEntries(names.map((name) => [name, entryOf(simulator.cluster(name))])),
  });

function folder(): string {
  return folderWith({
    'clusters.json': clustersJson('staging'),
    '.env': 'MCP_JWT_SECRET=process-test-secret-of-more-than-32-bytes\nMCP_PORT=0\nCACHE_DIR=cache\n',
  });
}

const rewrite = (cwd: string, text: string): void =>
  writeFileSync(join(cwd, 'clusters.json'), text, { mode: 0o600 });

describe('serve', () => {
  it('loads anew on SIGHUP and on a change, keeps what it has where that is wrong, and ends on SIGTERM', async () => {
    const cwd = folder();
    const serve = new CliProcess(['serve'], { cwd });
    const [, url = ''] = await serve.shows('stderr', /"mcp":"([^"]+)"/);
    serve.child.kill('SIGHUP');
    await serve.shows('stderr', /configuration reloaded: nothing changed/);
    rewrite(cwd, clustersJson('staging', 'production'));
    serve.child.kill('SIGHUP');
    await serve.shows('stderr', /"added":\["production"\].*"msg":"configuration reloaded"/);
    await serve.shows('stderr', /"cluster":"production".*"msg":"cluster answers"/);
    rewrite(cwd, '{"clusters":');
    await serve.shows('stderr', /"level":"error".*line 1.*the configuration in use stays/);
    const ready = await fetch(new URL('/readyz', url));
    expect(await ready.text()).toContain('production');
    rewrite(cwd, clustersJson('staging'));
    await serve.shows('stderr', /"removed":\["production"\].*"msg":"configuration reloaded"/);
    const { code, stderr } = await serve.stop();
    expect(code).toBe(0);
    for (const { tokenSecret } of simulator.clusters) expect(stderr).not.toContain(tokenSecret);
  });
});

describe('stdio', () => {
  const command = (cwd: string) => ({
    command: process.execPath,
    args: [MAIN, 'stdio'],
    cwd,
    env: { NODE_COMPILE_CACHE: COMPILED },
  });
  const hasCluster = (tools: { name: string; inputSchema: { properties?: object | undefined } }[]): boolean =>
    'cluster' in (tools.find(({ name }) => name === 'list_nodes')?.inputSchema.properties ?? {});

  it('tells a v1 client that its tools have changed, on a change and on SIGHUP', async () => {
    const cwd = folder();
    const transport = new StdioClientTransport({ ...command(cwd), stderr: 'ignore' });
    const client = new Client({ name: 'v1', version: '1' });
    const told: string[] = [];
    const toolsTold = () => told.filter((method) => method === 'notifications/tools/list_changed');
    client.fallbackNotificationHandler = async ({ method }) => void told.push(method);
    await client.connect(transport);
    onTestFinished(() => client.close());
    expect(hasCluster((await client.listTools()).tools)).toBe(false);
    rewrite(cwd, clustersJson('staging', 'production'));
    await vi.waitFor(() => expect(toolsTold()).toHaveLength(1), SOON);
    await vi.waitFor(() => expect(told).toContain('notifications/resources/list_changed'), SOON);
    expect(hasCluster((await client.listTools()).tools)).toBe(true);
    rewrite(cwd, clustersJson('staging'));
    process.kill(transport.pid ?? 0, 'SIGHUP');
    await vi.waitFor(() => expect(toolsTold()).toHaveLength(2), SOON);
    expect(hasCluster((await client.listTools()).tools)).toBe(false);
  });

  it('tells a v2 client on revision 2026-07-28 that has subscribed', async () => {
    const cwd = folder();
    const client = new ModernClient(
      { name: 'v2', version: '1' },
      { versionNegotiation: { mode: { pin: '2026-07-28' } } },
    );
    const told = vi.fn<() => void>();
    client.setNotificationHandler('notifications/tools/list_changed', told);
    await client.connect(new ModernTransport({ ...command(cwd), stderr: 'ignore' }));
    onTestFinished(() => client.close());
    const { honoredFilter } = await client.listen({ toolsListChanged: true });
    expect(honoredFilter).toEqual({ toolsListChanged: true });
    expect(hasCluster((await client.listTools()).tools)).toBe(false);
    rewrite(cwd, clustersJson('staging', 'production'));
    await vi.waitFor(() => expect(told).toHaveBeenCalledOnce(), SOON);
    expect(hasCluster((await client.listTools({}, { cacheMode: 'bypass' })).tools)).toBe(true);
  });
});

describe('demo', () => {
  it('goes on after SIGHUP', async () => {
    const demo = new CliProcess(['demo', '--json'], { env: { LOG_LEVEL: 'info' } });
    const [line] = await demo.shows('stdout', /^\{.*\}$/m);
    demo.child.kill('SIGHUP');
    await demo.shows('stderr', /configuration reloaded: nothing changed/);
    const { url } = JSON.parse(line) as { url: string };
    expect((await fetch(new URL('/healthz', url))).status).toBe(200);
    expect((await demo.stop()).code).toBe(0);
  });
});
