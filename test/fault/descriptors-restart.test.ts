import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ServiceClient } from '../../src/mcp/client.ts';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { CliProcess, runCli } from '../integration/cli-process.ts';
import { folderWith } from '../support/config-folder.ts';

/** Its own, and room for a few connections. */
const DESCRIPTORS = 90;
const CHANGE = {
  tool: 'update_guest',
  args: { cluster: 'staging', vmid: VMID, description: 'x' },
};

let simulator: Simulator;
beforeAll(async () => {
  simulator = await startSimulator({ taskSeconds: 0, authDelaySeconds: 0 });
});
afterAll(() => simulator.close());

async function start() {
  const { name, url, user, tokenId, tokenSecret, fingerprint } = simulator.cluster('staging');
  const entry = { url, user, token_id: tokenId, token_secret: tokenSecret, fingerprint };
  const cwd = folderWith({
    'clusters.json': { clusters: { [name]: entry } },
    '.env': 'MCP_JWT_SECRET=descriptor-test-secret-of-more-than-32-bytes\nMCP_PORT=0\nMCP_RATE_LIMIT_PER_ADDRESS=0\nAUDIT_FILE=audit.log\nSTATE_FILE=state.db\n',
  });
  const serve = new CliProcess(['serve'], { cwd, descriptors: DESCRIPTORS });
  const [, mcp = ''] = await serve.shows('stderr', /"mcp":"([^"]+)"/);
  const { stdout } = await runCli(['token', '--subject', 'test', '--scope', 'proxmox:admin'], { cwd });
  return { serve, url: new URL(mcp), token: stdout.trim(), audit: join(cwd, 'audit.log') };
}

function open(url: URL): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = connect(Number(url.port), url.hostname);
    socket.on('error', () => undefined);
    socket.once('connect', () => resolve(socket));
    socket.once('close', () => resolve(socket));
  });
}

it('survives that it has no file descriptor left, and does nothing that it can not record', async () => {
  const { serve, url, token, audit } = await start();
  const connected = () =>
    ServiceClient.connect({ url, token, timeoutMs: 20_000, signal: new AbortController().signal });
  const client = await connected();
  const first = await client.callTool(CHANGE);
  expect(first.isError ?? false).toBe(false);
  const flood = await Promise.all(Array.from({ length: 2 * DESCRIPTORS }, () => open(url)));
  const writes = () => simulator.cluster('staging').requests.filter(({ method }) => method === 'PUT').length;
  const before = writes();
  // Whatever comes of it, nothing leaves that is not in the record.
  const during = await client.callTool(CHANGE).catch(() => undefined);
  expect(serve.child.exitCode).toBeNull();
  for (const socket of flood) socket.destroy();
  await expect
    .poll(async () => (await fetch(new URL('/healthz', url)).catch(() => undefined))?.status, { timeout: 15_000 })
    .toBe(200);
  const again = await connected();
  const after = await again.callTool(CHANGE);
  expect(after.isError ?? false).toBe(false);
  const begun = readFileSync(audit, 'utf8').split('\n').filter((line) => line.includes('"begin"')).length;
  expect(begun).toBeGreaterThanOrEqual(writes() + 0);
  expect(writes() - before).toBe(during !== undefined && !during.isError ? 2 : 1);
  expect((await serve.stop()).code).toBe(0);
}, 60_000);
