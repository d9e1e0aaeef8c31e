import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/**
 * Starts the service once, up to its first answer, and keeps what V8 compiled on the way: for the image, whose later
 * starts then need not compile. V8 takes it for the same files at the same place, version, user and flags of Node alone,
 * so this is run with those of the image.
 *
 *   node [flags] make-compile-cache.ts dist/main.js .compile-cache
 */
const [entry, folder] = process.argv.slice(2);
if (entry === undefined || folder === undefined)
  throw new Error('name the entry and the folder of the cache');

const START_MS = 60_000;
const scratch = mkdtempSync(join(tmpdir(), 'proxmox-mcp-start-'));
mkdirSync(folder, { recursive: true });
try {
  await startOnce(resolve(entry), resolve(folder));
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

async function startOnce(main: string, cache: string): Promise<void> {
  const service = spawn(process.execPath, [...process.execArgv, main, 'serve'], {
    cwd: scratch,
    stdio: ['ignore', 'ignore', 'pipe'],
    env: {
      NODE_ENV: 'production',
      NODE_COMPILE_CACHE: cache,
      MCP_PORT: '0',
      MCP_TOOLSETS: 'all',
      MCP_JWT_SECRET: randomBytes(32).toString('hex'),
      STATE_FILE: 'state.db',
      AUDIT_FILE: 'audit.jsonl',
      CACHE_DIR: 'cache',
      // Nothing listens there: what is compiled is all that is wanted of it.
      PROXMOX_API_URL: '127.0.0.1:1',
      PROXMOX_TOKEN_ID: 'build@pve!build',
      PROXMOX_TOKEN_SECRET: 'none',
    },
  });
  const ended = new Promise<string>((done) =>
    service.once('exit', (code, signal) => done(`${code ?? signal}`)),
  );
  const timer = setTimeout(() => service.kill('SIGKILL'), START_MS);
  let said = '';
  let isAsked = false;
  service.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
    const url = /"mcp":"([^"]+)\/mcp"/.exec(said)?.[1];
    if (url === undefined || isAsked) return;
    isAsked = true;
    askOnce(url, () => service.kill('SIGTERM'));
  });
  const code = await ended;
  clearTimeout(timer);
  if (code !== '0') throw new Error(`the service ended with ${code}:\n${said}`);
}

/** Whether it is ready does not matter: it can't be without a cluster. */
function askOnce(url: string, then: () => void): void {
  get(`${url}/readyz`, (response) => response.resume().once('end', then)).once('error', then);
}
