import { readdirSync, readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { clustersFileOf } from '../../src/cli/simulated.ts';
import { ServiceClient } from '../../src/mcp/client.ts';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { CliProcess, runCli } from '../integration/cli-process.ts';
import { folderWith } from '../support/config-folder.ts';

/** What the service has open by itself, and room for some connections. */
const DESCRIPTORS = 80;
const SETTINGS = [
  'MCP_JWT_SECRET=descriptor-test-secret-of-more-than-32-bytes',
  'MCP_PORT=0',
  'MCP_RATE_LIMIT_PER_ADDRESS=0',
  'AUDIT_FILE=audit.log',
  'STATE_FILE=state.db',
].join('\n');

let simulator: Simulator;
beforeAll(async () => {
  simulator = await startSimulator({ taskSeconds: 0, authDelaySeconds: 0 });
});
afterAll(() => simulator.close());

async function start() {
  const cwd = folderWith({ 'clusters.json': clustersFileOf(simulator.clusters), '.env': `${SETTINGS}\n` });
  const serve = new CliProcess(['serve'], { cwd, descriptors: DESCRIPTORS });
  const [, mcp = ''] = await serve.shows('stderr', /"mcp":"([^"]+)"/);
  const { stdout } = await runCli(['token', '--subject', 'test', '--scope', 'proxmox:admin'], { cwd });
  return { serve, url: new URL(mcp), token: stdout.trim(), audit: join(cwd, 'audit.log') };
}

/** A connection that says nothing: accepted, waiting, or cut off at once. */
function open(url: URL): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = connect(Number(url.port), url.hostname);
    socket.on('error', () => undefined);
    for (const event of ['connect', 'close']) socket.once(event, () => resolve(socket));
  });
}

const change = (notes: string) => ({
  tool: 'update_guest',
  args: { cluster: 'production', vmid: 103, notes },
});
const isWrite = ({ method, path }: { method: string; path: string }) =>
  method !== 'GET' && path.includes('/qemu/103/');
const writes = () => simulator.cluster('production').requests.filter(isWrite).length;

it('survives that no file descriptor is left, does nothing unrecorded, and goes on once there are some', async () => {
  const { serve, url, token, audit } = await start();
  const connected = () =>
    ServiceClient.connect({ url, token, timeoutMs: 20_000, signal: new AbortController().signal });
  const client = await connected();
  expect(await client.callTool(change('before'))).toMatchObject({ isError: false });
  const flood = await Promise.all(Array.from({ length: 3 * DESCRIPTORS }, () => open(url)));
  const used = () => readdirSync(`/proc/${serve.child.pid}/fd`).length;
  await expect.poll(used, { timeout: 10_000 }).toBeGreaterThan(DESCRIPTORS - 4);
  await client.callTool(change('during')).catch(() => undefined);
  expect(serve.child.exitCode).toBeNull();
  for (const socket of flood) socket.destroy();
  const healthy = async () => (await fetch(new URL('/healthz', url)).catch(() => undefined))?.status;
  await expect.poll(healthy, { timeout: 15_000 }).toBe(200);
  expect(await (await connected()).callTool(change('after'))).toMatchObject({ isError: false });
  const text = readFileSync(audit, 'utf8');
  const recorded = text
    .split('\n')
    .filter((line) => /"begin".*"method":"P(?:OS|U)T".*\/qemu\/103\//.test(line));
  expect(recorded.length).toBeGreaterThanOrEqual(writes());
  expect(writes()).toBeGreaterThanOrEqual(2);
  expect((await serve.stop()).code).toBe(0);
}, 60_000);
