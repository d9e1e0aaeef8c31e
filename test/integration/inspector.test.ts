import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ClusterManager } from '../../src/clusters/manager.ts';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { configFor } from '../support/engine-fixtures.ts';
import { buildService, type TestService, tokenFor } from '../support/service.ts';

const inspector = fileURLToPath(new URL('../../node_modules/.bin/mcp-inspector', import.meta.url));
let simulator: Simulator;
let clusters: ClusterManager;
let service: TestService;
let url: string;

beforeAll(async () => {
  simulator = await startSimulator({ taskSeconds: 0, authDelaySeconds: 0 });
  const configs = simulator.clusters.map((cluster) => configFor(cluster));
  clusters = new ClusterManager({ clusters: configs }, { logger: pino({ level: 'silent' }) });
  service = await buildService({ estate: clusters });
  url = await service.listen();
});

afterAll(async () => {
  await service.close();
  await clusters.close();
  await simulator.close();
});

/** Runs the Inspector's command line as a user would; its exit code does not tell failure, its output does. */
function inspect(args: string[], token?: string): Promise<string> {
  const header = token === undefined ? [] : ['--header', `Authorization: Bearer ${token}`];
  const all = ['--cli', ...args, '--format', 'json', '-q', '--stored-auth-only', ...header];
  return new Promise((resolve) => {
    execFile(inspector, all, { timeout: 30_000 }, (_error, stdout, stderr) => resolve(stdout + stderr));
  });
}

describe.each([
  ['http', '/mcp', []],
  ['sse', '/sse', []],
  ['http', '/mcp', ['--protocol-era', 'modern']],
])('the Inspector over %s %s %j', (transport, path, more) => {
  it('calls a tool with a token', async () => {
    const call = ['--method', 'tools/call', '--tool-name', 'list_nodes', '--tool-arg', 'cluster=production'];
    const output = await inspect(
      [`${url}${path}`, '--transport', transport, ...more, ...call],
      await tokenFor('inspector'),
    );
    expect(JSON.parse(output).result.structuredContent).toMatchObject({ cluster: 'production', total: 3 });
  });

  it('is refused without one', async () => {
    const output = await inspect([
      `${url}${path}`,
      '--transport',
      transport,
      ...more,
      '--method',
      'tools/list',
    ]);
    expect(output).not.toContain('list_nodes');
    expect(output).toMatch(/auth|401|unauthor/i);
  });
});
