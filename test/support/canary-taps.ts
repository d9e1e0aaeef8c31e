import childProcess, { ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import { ServerResponse } from 'node:http';
import { syncBuiltinESMExports } from 'node:module';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { format } from 'node:util';
import { watchConfiguration, watchSettings } from './canary-sources.ts';
import { canaryWatch } from './canary-watch.ts';

/** Any function with a receiver, as it hangs on a prototype or a module. */
type Method = (this: unknown, ...args: never[]) => unknown;
type Holder = Record<string, Method>;
type Around = (original: (...args: unknown[]) => unknown, receiver: unknown, args: unknown[]) => unknown;

/** Commands whose standard output is a credential, or has one in it. */
const ISSUING = /^(?:token|keys|demo|simulate)$/;
/** Larger files hold no text of ours. */
const MOST_BYTES = 16 * 1024 * 1024;
/** A record of TLS begins so. */
const TLS = new Set([0x14, 0x15, 0x16, 0x17]);

/** Looks at whatever leaves the processes under test: this one and its children. */
export function installTaps(): void {
  tapStreams();
  tapChildren();
  tapSockets();
  tapInjected();
  tapFiles();
  syncBuiltinESMExports();
}

function around(holder: unknown, name: string, wrap: Around): void {
  const methods = holder as Holder;
  const original = methods[name];
  if (original === undefined) throw new Error(`there is no ${name}`);
  methods[name] = function (this: unknown, ...args: never[]) {
    return wrap((...given) => original.apply(this, given as never[]), this, args);
  };
}

function textOf(chunk: unknown): string {
  return typeof chunk === 'string' ? chunk : Buffer.isBuffer(chunk) ? chunk.toString() : '';
}

function tapStreams(): void {
  for (const name of ['stdout', 'stderr'] as const) {
    around(process[name], 'write', (write, _stream, args) => {
      canaryWatch.output(name, textOf(args[0]), process[name]);
      return write(...args);
    });
  }
  for (const name of ['log', 'info', 'warn', 'error', 'debug', 'trace']) {
    around(console, name, (print, _console, args) => {
      canaryWatch.output('console', format(...args));
      return print(...args);
    });
  }
}

/** `server` is that which accepted it, `encrypted` that of TLS. */
type TappedSocket = Socket & { server?: unknown; encrypted?: boolean };

const outletOfStream = new WeakMap<Readable, string>();

function tapChildren(): void {
  around(ChildProcess.prototype, 'spawn', (spawn, child, args) => {
    const options = args[0] as { args?: string[]; envPairs?: string[] };
    watchSettings((options.envPairs ?? []).join('\n'));
    const result = spawn(...args);
    const { stdout, stderr } = child as ChildProcess;
    if (stdout) outletOfStream.set(stdout, 'stdout of a child process');
    if (stderr) outletOfStream.set(stderr, 'stderr of a child process');
    if (stdout && options.args?.some((arg) => ISSUING.test(arg))) {
      canaryWatch.issues('stdout of a child process', stdout);
    }
    return result;
  });
  around(childProcess, 'spawnSync', (spawn, _module, args) => {
    const options = args.find((arg) => typeof arg === 'object' && !Array.isArray(arg)) as SyncOptions;
    watchSettings(linesOf(options?.env));
    const result = spawn(...args) as { stdout?: unknown; stderr?: unknown };
    canaryWatch.output('a child process', textOf(result.stdout) + textOf(result.stderr));
    return result;
  });
  for (const name of ['execFileSync', 'execSync']) {
    around(childProcess, name, (run, _module, args) => {
      const result = run(...args);
      canaryWatch.output('a child process', textOf(result));
      return result;
    });
  }
}

type SyncOptions = { env?: Record<string, string | undefined> } | undefined;

function linesOf(env: Record<string, string | undefined> = {}): string {
  return Object.entries(env)
    .map(([name, value]) => `${name}=${value ?? ''}`)
    .join('\n');
}

/** Pipes of children, and what clients in this process receive over plain TCP: every HTTP response, streams too. */
function tapSockets(): void {
  around(Socket.prototype, 'push', (push, socket, args) => {
    const chunk = args[0];
    if (chunk !== null && chunk !== undefined) note(socket as TappedSocket, chunk);
    return push(...args);
  });
}

function note(socket: TappedSocket, chunk: unknown): void {
  // Behind TLS are the simulated clusters, which have to be told and to tell secrets.
  if (socket.server || socket.encrypted) return;
  const known = outletOfStream.get(socket);
  const first = Buffer.isBuffer(chunk) ? chunk[0] : undefined;
  if (known === undefined && first !== undefined && TLS.has(first)) outletOfStream.set(socket, '');
  const outlet = outletOfStream.get(socket) ?? 'HTTP';
  if (outlet !== '') canaryWatch.output(outlet, textOf(chunk), socket);
}

/** Responses that never see a socket: those of Fastify's `inject`. */
function tapInjected(): void {
  for (const name of ['write', 'end']) {
    around(ServerResponse.prototype, name, (original, response, args) => {
      const { isLightMyRequest, _header } = response as { isLightMyRequest?: boolean; _header?: unknown };
      if (isLightMyRequest) canaryWatch.output('HTTP', textOf(args[0]), response);
      const result = original(...args);
      if (isLightMyRequest && name === 'end') canaryWatch.output('HTTP', textOf(_header));
      return result;
    });
  }
}

/** What processes leave on disk: the record, the state, caches, read before a test takes its folder away. */
function tapFiles(): void {
  for (const holder of [fs, fs.promises]) {
    for (const name of holder === fs ? ['rmSync'] : ['rm']) {
      around(holder, name, (remove, _module, args) => {
        const path = String(args[0]);
        if (path.startsWith(tmpdir()) && canaryWatch.hasSecrets) readFolder(path);
        return remove(...args);
      });
    }
  }
  around(fs, 'writeFileSync', (write, _module, args) => {
    if (typeof args[0] === 'string') watchConfiguration(args[0], textOf(args[1]));
    return write(...args);
  });
}

function readFolder(folder: string): void {
  try {
    for (const entry of fs.readdirSync(folder, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (!entry.isFile() || !/\.jsonl$|\.sqlite|\.log$|\bcache\b/.test(path.slice(folder.length))) continue;
      if (fs.statSync(path).size < MOST_BYTES) canaryWatch.output('a file', fs.readFileSync(path, 'latin1'));
    }
  } catch {
    // No folder, or gone meanwhile.
  }
}
