import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { inject, onTestFinished } from 'vitest';

const MAIN = resolve(import.meta.dirname, '../../src/main.ts');
/** Where they keep what Node made of the sources, which is a third of their start; Node knows what has changed. */
export const COMPILED = join(tmpdir(), 'proxmox-mcp-compiled');

export interface CliSetting {
  /** Run in place of `src/main.ts`. */
  entry?: string;
  env?: Record<string, string>;
  /** A folder without configuration unless it is given. */
  cwd?: string;
  /** Written to standard input, which is then closed. */
  input?: string;
  /** How many files and connections it may have open. */
  descriptors?: number;
}

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** One command as a child process, with nothing of this process's environment. Ended with the test at the latest. */
export class CliProcess {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  stdout = '';
  stderr = '';

  constructor(
    args: readonly string[],
    { entry = MAIN, env = {}, cwd = tmpdir(), input, descriptors }: CliSetting = {},
  ) {
    const command = [process.execPath, entry, ...args];
    const limited = ['sh', '-c', `ulimit -n ${descriptors} && exec "$@"`, 'sh', ...command];
    const [file = '', ...rest] = descriptors === undefined ? command : limited;
    const child = spawn(file, rest, {
      cwd,
      env: {
        PATH: process.env.PATH ?? '',
        TMPDIR: tmpdir(),
        NODE_COMPILE_CACHE: COMPILED,
        XDG_CACHE_HOME: inject('processCache'),
        LOG_LEVEL: 'trace',
        ...env,
      },
      stdio: 'pipe',
    });
    this.child = child;
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      this.stdout += chunk;
    });
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      this.stderr += chunk;
    });
    if (input !== undefined) child.stdin.end(input);
    this.ended = new Promise((done) => {
      child.once('close', (code) => done({ code, stdout: this.stdout, stderr: this.stderr }));
    });
    onTestFinished(async () => {
      child.kill('SIGKILL');
      await this.ended;
    });
  }

  /** Waits until a stream holds a match; fails when the process ends before. */
  async shows(stream: 'stdout' | 'stderr', pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this[stream]);
      if (match) return match;
      const ended = await Promise.race([this.ended, sleep(20, undefined)]);
      if (ended && !pattern.test(this[stream])) {
        throw new Error(`ended with ${ended.code} before ${pattern}:\n${ended.stdout}\n${ended.stderr}`);
      }
    }
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Ended> {
    this.child.kill(signal);
    return await this.ended;
  }
}

/** Runs a command to its end. */
export function runCli(args: readonly string[], setting: CliSetting = {}): Promise<Ended> {
  return new CliProcess(args, { input: '', ...setting }).ended;
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', () => listening()));
  const address = server.address();
  await new Promise((closed) => server.close(closed));
  return typeof address === 'object' && address ? address.port : 0;
}
