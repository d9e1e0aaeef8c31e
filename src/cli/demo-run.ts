import { randomBytes, randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openCredentials } from '../access/credentials.ts';
import { openState } from '../access/state.ts';
import { issueToken } from '../access/tokens.ts';
import type { Config } from '../config/config.ts';
import { loadConfig } from '../config/load.ts';
import { createLogger } from '../observability/logging.ts';
import { type Simulator, startSimulator } from '../simulator/simulator.ts';
import { redactionOf } from './compose.ts';
import type { DemoOptions } from './demo.ts';
import { type Demo, demoText } from './demo-text.ts';
import { print, printJson } from './output.ts';
import { showProgress } from './progress.ts';
import { Reloading } from './reload.ts';
import { startService } from './service.ts';
import { stopOnSignal } from './shutdown.ts';
import { accessOf, clustersFileOf } from './simulated.ts';

const USUAL_PORT = 8000;
/** What an operator would set too: keys can be revoked, and every call is on record. */
const FILES = 'CACHE_DIR=cache\nSTATE_FILE=state.db\nAUDIT_FILE=audit.jsonl\n';
const TOKEN_SECONDS = 30 * 86_400;

/**
 * Starts simulated clusters and, in front of them, the service as it would run for real: its configuration is
 * written to a temporary folder and read from there. Runs until a signal comes.
 */
export async function runDemo(options: DemoOptions): Promise<void> {
  const undo: (() => Promise<void>)[] = [];
  const unwind = async (): Promise<void> => {
    for (const step of undo.reverse()) await step();
  };
  const ending = stopOnSignal(unwind, ['SIGHUP']);
  try {
    const demo = await start(options, undo, () => ending.close());
    if (options.json) printJson(jsonOf(demo));
    else print(demoText(demo));
  } catch (error) {
    ending.uninstall();
    await unwind();
    throw error;
  }
}

async function start(
  { taskSeconds, json }: DemoOptions,
  undo: (() => Promise<void>)[],
  onHangUp: () => void,
): Promise<Demo> {
  using _progress = showProgress('Starting three simulated clusters and the service');
  const simulator = await startSimulator({ taskSeconds });
  undo.push(() => simulator.close());
  const folder = await writeFolder(simulator);
  const { port, busyPort } = await choosePort(process.env.MCP_PORT, json ?? false);
  const source = {
    env: {
      MCP_PORT: port,
      LOG_LEVEL: process.env.LOG_LEVEL ?? 'warn',
      MCP_TOOLSETS: process.env.MCP_TOOLSETS ?? '',
      // Scripts that try things out are no attackers, and nothing here is worth an attack: no limits unless wanted.
      MCP_RATE_LIMIT_PER_ADDRESS: process.env.MCP_RATE_LIMIT_PER_ADDRESS ?? '0',
      MCP_RATE_LIMIT_PER_PRINCIPAL: process.env.MCP_RATE_LIMIT_PER_PRINCIPAL ?? '0',
      MCP_FAILED_LOGINS_PER_MINUTE: process.env.MCP_FAILED_LOGINS_PER_MINUTE ?? '0',
    },
    cwd: folder,
  };
  const config = loadConfig(source);
  const redaction = redactionOf(config);
  const logger = createLogger(() => config.logLevel, redaction);
  const service = await startService(config, logger, redaction);
  undo.push(() => service.stop());
  const reloading = new Reloading({ source, config, core: service.core, logger, onHangUp });
  undo.push(() => reloading.close());
  return {
    url: `${service.url}/mcp`,
    sse_url: `${service.url}/sse`,
    token: await demoToken(config, 'demo-admin', 'proxmox:admin'),
    read_only_token: await demoToken(config, 'demo-reader', 'proxmox:read'),
    approver_token: await demoToken(config, 'demo-approver', 'proxmox:approve'),
    clusters: simulator.clusters,
    folder,
    taskSeconds,
    ...(busyPort === undefined ? {} : { busyPort }),
  };
}

/** What DESIGN.md promises to scripts, and the approver's token: without it no script could play an approval. */
function jsonOf({ url, sse_url, token, read_only_token, approver_token, clusters }: Demo): object {
  return { url, sse_url, token, read_only_token, clusters: clusters.map(accessOf), approver_token };
}

/** Configuration as `init` writes it, so that other commands can be tried in that folder. Removed with the process. */
async function writeFolder(simulator: Simulator): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'proxmox-mcp-demo-'));
  // On exit and not in the drain, so that a second Ctrl-C leaves nothing behind either.
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  await writeFile(join(folder, 'clusters.json'), `${clustersFileOf(simulator.clusters)}\n`, { mode: 0o600 });
  const secret = randomBytes(48).toString('base64url');
  await writeFile(join(folder, '.env'), `MCP_JWT_SECRET=${secret}\n${FILES}`, { mode: 0o600 });
  return folder;
}

/** MCP_PORT; else for a person the usual one where it is free, and for a script always a free one. */
async function choosePort(
  wanted: string | undefined,
  anyFree: boolean,
): Promise<{ port: string; busyPort?: number }> {
  if (wanted) return { port: wanted };
  if (anyFree) return { port: '0' };
  return (await isFree(USUAL_PORT)) ? { port: String(USUAL_PORT) } : { port: '0', busyPort: USUAL_PORT };
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** As `token` issues one: `token list` in the folder of the demo shows it. */
async function demoToken({ auth, stateFile }: Config, subject: string, scope: string): Promise<string> {
  if (auth.mode !== 'shared-secret' || stateFile === undefined) {
    throw new Error('the demo is configured with a shared secret and a state file');
  }
  const { secret, audience, issuer } = auth;
  const [jti, issuedAt, lifetimeSeconds] = [randomUUID(), Math.floor(Date.now() / 1000), TOKEN_SECONDS];
  const state = openState(stateFile);
  try {
    await openCredentials(state).issued.add({
      jti,
      subject,
      scope,
      issuedAt,
      expiresAt: issuedAt + lifetimeSeconds,
    });
  } finally {
    await state.close();
  }
  return issueToken(secret, { subject, scope, lifetimeSeconds, audience, issuer, issuedAt, jti });
}
