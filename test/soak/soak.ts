import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { issueToken } from '../../src/access/tokens.ts';
import { clustersFileOf } from '../../src/cli/simulated.ts';
import { Secret } from '../../src/config/secret.ts';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { Child } from '../bench/child.ts';
import { type DoorName, openDoor } from './doors.ts';
import { beginMishaps, type Random } from './mishaps.ts';
import { Tally, Work } from './work.ts';

const ROOT = resolve(import.meta.dirname, '../..');
/** What each client does before it leaves and another one comes. */
const WORKS_OF_A_CLIENT = 25;
/** After a bout, until what clients left behind is over: keep-alive connections, tasks, deadlines. */
const SETTLE_MS = 4_000;

export interface SoakOptions {
  bouts: number;
  boutSeconds: number;
  /** Clients at work at a time, spread over the doors. */
  clients: number;
  seed: number;
  /** Faults that hold a call until its deadline are among them. */
  isPatient: boolean;
  say?: (line: string) => void;
}

/** What the service held after a bout, when everybody had left. */
export interface Reading {
  heapUsed: number;
  external: number;
  rss: number;
  /** Open file descriptors. */
  files: number;
  /** What keeps the loop busy, by kind: timers, sockets, requests. */
  resources: Record<string, number>;
  /** Rejections that nobody handled, since the start. */
  unhandled: number;
}

export interface SoakReport {
  seconds: number;
  seed: number;
  /** Before the first bout, then after each. */
  readings: Reading[];
  calls: { begun: number; ended: number };
  outcomes: Record<string, number>;
  faults: Record<string, number>;
  /** Names of snapshots that more than one POST wanted to make: none. */
  doubled: string[];
  /** Writes that reached the clusters. */
  writes: number;
  /** Lines of the service's log at the levels error and fatal. */
  errors: string[];
}

/**
 * Lets clients of every door work on the simulated estate through the service, bout after bout, while things go wrong at
 * random. Nothing here takes longer than it says: a call that is not answered within two minutes counts as lost.
 *
 * @throws Error where the service ends
 */
export async function soak(options: SoakOptions): Promise<SoakReport> {
  const { bouts, boutSeconds, clients, seed, isPatient, say = () => undefined } = options;
  const startedAt = performance.now();
  const random = randomFrom(seed);
  await using stack = new AsyncDisposableStack();
  const simulator = await startSimulator({ taskSeconds: 0.2, authDelaySeconds: 0.1, resourcesLagSeconds: 1 });
  stack.defer(() => simulator.close());
  const service = await startService(simulator, stack);
  const tally = new Tally();
  const faults = new Map<string, number>();
  const snapshots = new Map<string, number>();
  let writes = 0;
  const readings = [await service.read()];
  for (let bout = 1; bout <= bouts; bout++) {
    const until = performance.now() + boutSeconds * 1000;
    const mishaps = beginMishaps(simulator, random, isPatient);
    const work = new Work(simulator, random, tally, service.approve);
    await Promise.all(Array.from({ length: clients }, (_none, at) => client(at, until, work)));
    await mishaps.stop();
    for (const [kind, count] of mishaps.counts) faults.set(kind, (faults.get(kind) ?? 0) + count);
    writes += collectWrites(simulator, snapshots);
    await sleep(SETTLE_MS);
    const reading = await service.read();
    readings.push(reading);
    say(
      `bout ${bout} of ${bouts}: ${tally.ended} calls, heap ${mb(reading.heapUsed)} MB, rss ${mb(reading.rss)} MB, ${reading.files} files, ${JSON.stringify(reading.resources)}`,
    );
  }
  return {
    seconds: Math.round((performance.now() - startedAt) / 1000),
    seed,
    readings,
    calls: { begun: tally.begun, ended: tally.ended },
    outcomes: Object.fromEntries([...tally.outcomes].sort(([, a], [, b]) => b - a)),
    faults: Object.fromEntries(faults),
    doubled: [...snapshots].flatMap(([name, count]) => (count > 1 ? [name] : [])),
    writes,
    errors: service.errors,
  };

  async function client(at: number, until: number, work: Work): Promise<void> {
    const doors: readonly DoorName[] = ['session', 'stateless', 'sse'];
    const door = doors[at % doors.length] ?? 'session';
    while (performance.now() < until) {
      const opened = await openDoor(door, service.url, service.token);
      for (let done = 0; done < WORKS_OF_A_CLIENT && performance.now() < until; done++)
        await work.one(opened);
      await opened.close();
    }
  }
}

/** Counts the snapshots that were asked for by name, and forgets what has been counted. @returns all writes */
function collectWrites(simulator: Simulator, snapshots: Map<string, number>): number {
  let writes = 0;
  for (const { requests, name: cluster } of simulator.clusters) {
    for (const { method, path, params } of requests) {
      if (method === 'GET') continue;
      writes += 1;
      if (method !== 'POST' || !path.endsWith('/snapshot')) continue;
      const name = `${cluster} ${path} ${params.snapname}`;
      snapshots.set(name, (snapshots.get(name) ?? 0) + 1);
    }
    requests.length = 0;
  }
  return writes;
}

async function startService(simulator: Simulator, stack: AsyncDisposableStack) {
  const folder = await mkdtemp(join(tmpdir(), 'proxmox-mcp-soak-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, 'clusters.json'), clustersFileOf(simulator.clusters), { mode: 0o600 });
  const secret = new Secret(randomBytes(32).toString('hex'));
  const child = stack.use(
    new Child({
      args: [join(ROOT, 'src/main.ts'), 'serve'],
      cwd: folder,
      nodeFlags: ['--expose-gc', '--import', join(import.meta.dirname, 'probe.ts')],
      env: {
        MCP_PORT: '0',
        MCP_AUTH: 'jwt',
        MCP_JWT_SECRET: secret.reveal(),
        MCP_TOOLSETS: 'all',
        LOG_LEVEL: 'info',
        STATE_FILE: join(folder, 'state.db'),
        AUDIT_FILE: join(folder, 'audit.jsonl'),
        CACHE_DIR: join(folder, 'cache'),
        MCP_RATE_LIMIT_PER_ADDRESS: '0',
        MCP_RATE_LIMIT_PER_PRINCIPAL: '0',
      },
    }),
  );
  const errors: string[] = [];
  child.onLine((line) => {
    if (/"level":"(?:error|fatal)"|^\s+at |unhandled/i.test(line)) errors.push(line.slice(0, 500));
  });
  const [, address = ''] = await child.shows(/"mcp":"([^"]+)"/);
  const url = new URL(address).origin;
  const issue = (subject: string, scope: string) =>
    issueToken(secret, { subject, scope, lifetimeSeconds: 6 * 3600, audience: 'proxmox-mcp' });
  const approver = await issue('person', 'proxmox:approve');
  return {
    url,
    token: await issue('assistant', 'proxmox:admin'),
    errors,
    read: async () => (await child.ask({ ask: 'probe' })) as Reading,
    approve: async (number: number) => {
      const headers = { authorization: `Bearer ${approver}` };
      const response = await fetch(new URL(`/approvals/${number}/approve`, url), { method: 'POST', headers });
      await response.arrayBuffer();
    },
  };
}

/** The same numbers for the same seed (mulberry32). */
function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function mb(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
