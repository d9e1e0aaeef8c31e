import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect as connectTcp, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Why tests with a real Redis are skipped on this machine; undefined where they run. Put it into the test's name. */
export const NO_REDIS = reasonAgainst();

export interface RedisServer {
  /** `redis://:password@127.0.0.1:port` */
  readonly url: string;
  readonly port: number;
  /** As an operator would: what is in memory is on disk. */
  stop(): Promise<void>;
  /** `kill -9`. */
  kill(): Promise<void>;
  /** Starts it again on the same port, after `stop` or `kill`. @param keepData false: with an empty database */
  restart(options?: { keepData?: boolean }): Promise<void>;
  /** It answers nobody, and keeps all connections, until `resume`. */
  pause(): void;
  resume(): void;
  /** Ends it for good and removes its folder. */
  close(): Promise<void>;
}

const PASSWORD = 'redis-canary-password';
const START_MS = 10_000;

/** Starts a redis-server of one's own on a free port of the loopback, with a password; every write is on disk. */
export async function startRedis(): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), 'proxmox-mcp-redis-'));
  const port = await freePort();
  let child = await started(port, folder);
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  };
  return {
    url: `redis://:${PASSWORD}@127.0.0.1:${port}`,
    port,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    restart: async ({ keepData = true } = {}) => {
      await end('SIGKILL');
      if (!keepData) {
        for (const name of ['appendonlydir', 'dump.rdb'])
          rmSync(join(folder, name), { recursive: true, force: true });
      }
      child = await started(port, folder);
    },
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    close: async () => {
      // A stopped process takes no signal but this one.
      await end('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function started(port: number, folder: string): Promise<ChildProcess> {
  const settings = {
    port,
    bind: '127.0.0.1',
    dir: folder,
    requirepass: PASSWORD,
    appendonly: 'yes',
    appendfsync: 'always',
    save: '',
    daemonize: 'no',
  };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const child = spawn('redis-server', args, { stdio: 'ignore' });
  // A test run that is ended itself leaves no server behind.
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  child.once('exit', () => process.off('exit', kill));
  for (const until = Date.now() + START_MS; Date.now() < until; await sleep(20)) {
    if (child.exitCode !== null) throw new Error(`redis-server ended with code ${child.exitCode}`);
    if (await answers(port)) return child;
  }
  child.kill('SIGKILL');
  throw new Error(`redis-server did not answer on port ${port}`);
}

/** Also while it loads its data it would take a connection: asked is whether it serves. */
async function answers(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connectTcp({ port, host: '127.0.0.1' }, () =>
      socket.write(`AUTH ${PASSWORD}\r\nPING\r\n`),
    );
    let text = '';
    socket.setTimeout(500, () => socket.destroy());
    socket.on('data', (bytes) => {
      text += String(bytes);
      if (text.includes('+PONG') || text.includes('-LOADING')) socket.destroy();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(text.includes('+PONG')));
  });
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port is free');
  return address.port;
}

function reasonAgainst(): string | undefined {
  try {
    execFileSync('redis-server', ['--version'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'no redis-server on this machine';
  }
}
