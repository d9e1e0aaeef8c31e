import { createServer } from 'node:net';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ServiceClient } from '../../src/mcp/client.ts';
import { type SimulatedCluster, type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { CANARY, fileWith, folderWith } from '../support/config-folder.ts';
import { CliProcess, runCli } from './cli-process.ts';

const SECRET = 'cli-test-secret-of-more-than-32-bytes-0123';
let simulator: Simulator;

beforeAll(async () => {
  simulator = await startSimulator({ taskSeconds: 0, authDelaySeconds: 0 });
});
afterAll(() => simulator.close());

function entryOf(cluster: SimulatedCluster): object {
  const { url, user, tokenId, tokenSecret, fingerprint } = cluster;
  return { url, user, token_id: tokenId, token_secret: tokenSecret, fingerprint };
}

function folder(clusters: readonly SimulatedCluster[] = [simulator.cluster('staging')]): string {
  const entries = clusters.map((cluster) => [cluster.name, entryOf(cluster)]);
  return folderWith({
    'clusters.json': { clusters: Object.fromEntries(entries) },
    '.env': `MCP_JWT_SECRET=${SECRET}\nMCP_PORT=0\n`,
  });
}

function connect(url: URL, token: string): Promise<ServiceClient> {
  return ServiceClient.connect({ url, token, timeoutMs: 30_000, signal: new AbortController().signal });
}

async function startServe(cwd = folder()) {
  const serve = new CliProcess(['serve'], { cwd });
  const [, url = ''] = await serve.shows('stderr', /"mcp":"([^"]+)"/);
  const { stdout } = await runCli(['token', '--subject', 'test', '--scope', 'proxmox:admin'], { cwd });
  return { serve, url: new URL(url), token: stdout.trim() };
}

describe('serve', () => {
  it('says where it listens and which clusters answer, and ends with 0 on SIGTERM', async () => {
    const down = simulator.cluster('disaster-recovery');
    await down.stop();
    const { serve, url } = await startServe(folder([simulator.cluster('staging'), down]));
    await serve.shows('stderr', /"cluster":"staging".*"msg":"cluster answers"/);
    await serve.shows('stderr', /"cluster":"disaster-recovery".*"msg":"cluster does not answer"/);
    expect((await fetch(new URL('/readyz', url))).status).toBe(200);
    await down.start();
    const startedAt = performance.now();
    expect(await serve.stop()).toMatchObject({ code: 0, stdout: '' });
    expect(performance.now() - startedAt).toBeLessThan(5000);
  });

  it('names the port that is in use, what to do, and ends with 1', async () => {
    const other = createServer();
    await new Promise<void>((listening) => other.listen(0, '127.0.0.1', () => listening()));
    const address = other.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const { code, stderr } = await runCli(['serve'], { cwd: folder(), env: { MCP_PORT: String(port) } });
    other.close();
    expect(code).toBe(1);
    expect(stderr).toContain(`Port ${port} on 127.0.0.1 is in use`);
    expect(stderr).toContain('MCP_PORT');
  });

  it('says that MCP_HOST is no address of this machine', async () => {
    const env = { MCP_HOST: '192.0.2.1', MCP_ALLOWED_HOSTS: 'x' };
    const { code, stderr } = await runCli(['serve'], { cwd: folder(), env });
    expect(code).toBe(1);
    expect(stderr).toContain('MCP_HOST 192.0.2.1 is not an address of this machine.');
  });

  it.each(['serve', 'stdio', 'check'])(
    '%s refuses a wrong configuration with 2, and prints no secret',
    async (name) => {
      const cwd = folderWith({
        'clusters.json': fileWith({ fingerprint: 'AB:CD', token_secret: CANARY }),
        '.env': `MCP_JWT_SECRET=${CANARY}-of-more-than-32-bytes\nMCP_PORT=x\n`,
      });
      const { code, stdout, stderr } = await runCli([name], { cwd });
      expect(code).toBe(2);
      expect(stderr).toContain('clusters.json, cluster "prod", fingerprint: must be a SHA-256 fingerprint');
      expect(stderr).toContain('MCP_PORT');
      expect(stdout + stderr).not.toContain(CANARY);
    },
  );

  it('points to init where there is no configuration at all', async () => {
    const { code, stderr } = await runCli(['serve'], { cwd: folderWith(), env: { MCP_JWT_SECRET: SECRET } });
    expect(code).toBe(2);
    expect(stderr).toContain('proxmox-mcp init');
  });

  it('logs a misspelt setting by its name, and not its value', async () => {
    const cwd = folder();
    const serve = new CliProcess(['serve'], { cwd, env: { MCP_REDA_ONLY: CANARY } });
    await serve.shows(
      'stderr',
      /MCP_REDA_ONLY is not a setting of this service: did you mean MCP_READ_ONLY\?/,
    );
    await serve.shows('stderr', /"listening"/);
    expect((await serve.stop()).stderr).not.toContain(CANARY);
  });

  it('writes no secret into its log', async () => {
    const { serve, url, token } = await startServe();
    const service = await connect(url, token);
    await service.callTool({ tool: 'list_nodes', args: {} });
    await service.close();
    const { stderr } = await serve.stop();
    expect(stderr).toContain('"tool":"list_nodes"');
    for (const secret of [token, SECRET, simulator.cluster('staging').tokenSecret]) {
      expect(stderr).not.toContain(secret);
    }
  });
});

describe('serve, told to stop with a call in flight', () => {
  const cluster = () => simulator.cluster('staging');
  const arrived = async (before: number) => {
    // Probes of the service come in between.
    const isAsked = () =>
      cluster()
        .requests.slice(before)
        .some(({ path }) => path.endsWith('/resources'));
    while (!isAsked()) await new Promise((again) => setTimeout(again, 10));
  };

  it('answers the call over Streamable HTTP, refuses new ones, and ends with 0', async () => {
    const { serve, url, token } = await startServe();
    await serve.shows('stderr', /cluster answers/);
    const service = await connect(url, token);
    const slow = cluster().faults.add({ kind: 'slow', ms: 1500, match: /\/cluster\/resources$/ });
    const before = cluster().requests.length;
    const answer = service.callTool({ tool: 'list_nodes', args: {} });
    await arrived(before);
    const ended = serve.stop();
    await serve.shows('stderr', /stopping/);
    const late = await connect(url, token).catch((error: Error) => error);
    expect(late).toBeInstanceOf(Error);
    expect((await answer).structured).toMatchObject({ cluster: 'staging', total: 2 });
    slow.remove();
    expect((await ended).code).toBe(0);
    await service.close();
  });

  it('answers the call over SSE', async () => {
    const { serve, url, token } = await startServe();
    await serve.shows('stderr', /cluster answers/);
    const client = new Client({ name: 'test', version: '1' });
    const headers = { authorization: `Bearer ${token}` };
    const transport = new SSEClientTransport(new URL('/sse', url), { requestInit: { headers } });
    await client.connect(transport as Parameters<Client['connect']>[0]);
    const slow = cluster().faults.add({ kind: 'slow', ms: 1000, match: /\/cluster\/resources$/ });
    const before = cluster().requests.length;
    const answer = client.callTool({ name: 'list_nodes', arguments: {} });
    await arrived(before);
    const ended = serve.stop();
    expect((await answer).structuredContent).toMatchObject({ total: 2 });
    slow.remove();
    expect((await ended).code).toBe(0);
    await client.close();
  });

  it('ends at once at a second signal', async () => {
    const { serve, url, token } = await startServe();
    await serve.shows('stderr', /cluster answers/);
    const service = await connect(url, token);
    const hang = cluster().faults.add({ kind: 'hang', match: /\/cluster\/resources$/ });
    const before = cluster().requests.length;
    const answer = service.callTool({ tool: 'list_nodes', args: {} }).catch((error: Error) => error);
    await arrived(before);
    serve.child.kill('SIGTERM');
    await serve.shows('stderr', /stopping/);
    const startedAt = performance.now();
    const { code, stderr } = await serve.stop('SIGINT');
    expect(performance.now() - startedAt).toBeLessThan(5000);
    expect(code).toBe(1);
    expect(stderr).toContain('Second SIGINT: ending at once.');
    hang.remove();
    expect(await answer).toMatchObject({ message: expect.stringContaining('The connection broke off') });
    await service.close();
  });
});

describe('stdio', () => {
  const INITIALIZE = {
    jsonrpc: '2.0',
    id: 1,
    method: 'initialize',
    params: {
      protocolVersion: '2025-11-25',
      capabilities: {},
      clientInfo: { name: 'test', version: '1' },
    },
  };

  it('speaks the protocol alone on standard output, and ends when its input does', async () => {
    const stdio = new CliProcess(['stdio'], { cwd: folder() });
    stdio.child.stdin?.write(`${JSON.stringify(INITIALIZE)}\n`);
    await stdio.shows('stdout', /"serverInfo"/);
    stdio.child.stdin?.write(`${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' })}\n`);
    const call = {
      jsonrpc: '2.0',
      id: 2,
      method: 'tools/call',
      params: { name: 'list_nodes', arguments: {} },
    };
    stdio.child.stdin?.write(`${JSON.stringify(call)}\n`);
    await stdio.shows('stdout', /"id":2/);
    stdio.child.stdin?.end();
    const { code, stdout, stderr } = await stdio.ended;
    expect(code).toBe(0);
    const messages = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(messages.map(({ id }) => id)).toEqual([1, 2]);
    expect(messages[1].result.structuredContent).toMatchObject({ cluster: 'staging', total: 2 });
    expect(stderr).toContain('"door":"stdio"');
  });

  it('needs no MCP_JWT_SECRET, and ends with 0 on SIGTERM', async () => {
    const cwd = folderWith({
      'clusters.json': { clusters: { staging: entryOf(simulator.cluster('staging')) } },
    });
    const stdio = new CliProcess(['stdio'], { cwd });
    stdio.child.stdin?.write(`${JSON.stringify(INITIALIZE)}\n`);
    await stdio.shows('stdout', /"serverInfo"/);
    expect((await stdio.stop()).code).toBe(0);
  });
});
