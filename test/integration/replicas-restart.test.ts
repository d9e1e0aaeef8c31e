import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { folderWith } from '../support/config-folder.ts';
import { NO_NGINX, startNginx } from '../support/nginx.ts';
import { NO_REDIS, startRedis } from '../support/redis.ts';
import { entryOf } from '../support/reloading-service.ts';
import { connectDoor, type Door, LoadClient } from '../support/replica-load.ts';
import { SECRET, send, tokenOf } from '../support/replica-site.ts';
import { SimulatedApi } from '../support/simulated-api.ts';
import { CliProcess } from './cli-process.ts';

const REASON = NO_REDIS ?? NO_NGINX;
const DOORS: Door[] = ['sessions', 'sse', 'stateless'];
/** Of the simulator's clock, which the test moves. */
const TASK_SECONDS = 600;
const start = (vmid: number) => ({ method: 'POST', path: `/nodes/n1/qemu/${vmid}/status/start` });

interface Running {
  child: CliProcess;
  url: string;
  name: string;
  folder: string;
}

type Site = Awaited<ReturnType<typeof site>>;

async function site() {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const api = await SimulatedApi.start({
    clusters: [
      {
        name: 'one',
        nodes: [{ name: 'n1' }],
        guests: [100, 800, 900, 901, 902].map((vmid) => ({
          ...{ vmid, type: 'qemu' as const, name: `one-${vmid}`, node: 'n1', diskGib: 4, memoryMib: 512 },
        })),
      },
    ],
    taskSeconds: TASK_SECONDS,
    resourcesLagSeconds: 0,
  });
  onTestFinished(() => api.close());
  const replicas = await Promise.all([0, 1, 2].map(() => serve(api, redis.url)));
  const nginx = await startNginx(replicas.map(({ url }) => new URL(url).host));
  onTestFinished(() => nginx.close());
  const { requests } = api.simulator.cluster('one');
  const arrived = (method: string, part: string) =>
    requests.filter((one) => one.method === method && one.path.includes(part));
  return { redis, api, replicas, url: nginx.url, requests, arrived };
}

async function serve(api: SimulatedApi, redisUrl: string): Promise<Running> {
  const folder = folderWith({
    '.env': `MCP_JWT_SECRET=${SECRET}\nMCP_PORT=0\nCACHE_DIR=cache\nAUDIT_FILE=audit.jsonl\nPOLICY_FILE=policy.json\nREDIS_URL=${redisUrl}\nCLUSTER_VALIDATION=false\nALERT_INTERVAL_SECONDS=0\nMCP_RATE_LIMIT_PER_PRINCIPAL=0\nMCP_RATE_LIMIT_PER_ADDRESS=0\n`,
    'clusters.json': { clusters: { one: entryOf(api.simulator.cluster('one')) } },
    'policy.json': {
      roles: {
        all: { grants: [{ allow: '*' }, { allow: '*', guests: { vmids: ['900-909'] }, approval: 'second' }] },
      },
      principals: [{ match: { subject: '*' }, roles: 'all' }],
    },
  });
  const child = new CliProcess(['serve'], { cwd: folder, env: { LOG_LEVEL: 'info' } });
  const [, name = ''] = await child.shows('stderr', /"replica":"([0-9a-f]{12})"/);
  const [, url = ''] = await child.shows('stderr', /"mcp":"([^"]+)\/mcp"/);
  return { child, url, name, folder };
}

/** Lines of a kind in the records of these replicas. */
function recorded(replicas: readonly Running[], kind: string): Record<string, unknown>[] {
  return replicas.flatMap(({ folder }) =>
    readFileSync(join(folder, 'audit.jsonl'), 'utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter((line) => line.kind === kind),
  );
}

/** One call through one door. */
async function once(door: Door, url: string, token: string, name: string, args: Record<string, unknown>) {
  const client = await connectDoor(door, url, token);
  try {
    return await client.call(name, args);
  } finally {
    await client.close();
  }
}

/** Approves the plan that waits for the start of a guest. @returns the status of HTTP */
async function approve(url: string, vmid: number): Promise<number> {
  const headers = { authorization: `Bearer ${await tokenOf('bob', 'proxmox:approve')}` };
  const { text } = await send(`${url}/approvals`, 'GET', headers);
  const { plans } = JSON.parse(text) as { plans: { number: number; state: string; text: string }[] };
  const plan = plans.find((one) => one.state === 'pending' && one.text.includes(String(vmid)));
  if (plan === undefined) throw new Error(`no plan waits: ${text}`);
  return (await send(`${url}/approvals/${plan.number}/approve`, 'POST', headers)).status;
}

async function readiness(url: string) {
  const { status, text } = await send(`${url}/readyz`, 'GET', {});
  return { code: status, ...(JSON.parse(text) as Record<string, unknown>) };
}

describe.skipIf(REASON)(`three replicas behind nginx, with Redis${REASON ? `: ${REASON}` : ''}`, () => {
  // One run, as it is the start of the processes that costs.
  it('share approvals; lose and double no write when one is killed; and do without Redis what they can', async () => {
    const made = await site();
    await approvedThroughOneAppliedThroughAnother(made);
    await askedToReloadByAnother(made.replicas);
    const left = await killedUnderLoad(made);
    await withoutRedis(made, left);
  }, 150_000);
});

const call = async (at: string, vmid: number, door: Door = 'stateless') =>
  once(door, at, await tokenOf('alice'), 'proxmox_api_call', start(vmid));

async function approvedThroughOneAppliedThroughAnother({ replicas, arrived }: Site): Promise<void> {
  const [a, b, c] = replicas as [Running, Running, Running];
  expect((await call(a.url, 900)).text).toContain('APPROVAL_REQUIRED');
  expect(arrived('POST', '/900/status/start')).toEqual([]);
  expect(await approve(b.url, 900)).toBe(200);
  expect((await call(c.url, 900)).text).toContain('UPID:');
  expect((await call(a.url, 900)).text).toContain('APPROVAL_REQUIRED');
  expect(arrived('POST', '/900/status/start')).toHaveLength(1);
}

/** Where files are on a network, nobody tells of their changes; and who sends a SIGHUP sends it to one. */
async function askedToReloadByAnother([a, ...others]: readonly Running[]): Promise<void> {
  a?.child.child.kill('SIGHUP');
  for (const { child } of others) await child.shows('stderr', /configuration reloaded: nothing changed/);
}

/** @returns the replicas that are left */
async function killedUnderLoad({ api, replicas, url, requests, arrived }: Site): Promise<Running[]> {
  const token = await tokenOf('alice');
  const clients = [...DOORS, ...DOORS].map((door, index) => new LoadClient(door, url, token, `w${index}`));
  for (const client of clients) await client.start();
  const [first] = clients;
  const owner = first?.session?.split('.')[0];
  const victim = replicas.find(({ name }) => name === owner);
  if (victim === undefined) throw new Error('no replica holds the session');
  const left = replicas.filter((replica) => replica !== victim);
  // A task that it follows, and that outlives it.
  const [upid = ''] = /UPID:[^"\\ ]+/.exec((await call(victim.url, 800)).text) ?? [];
  expect(upid).toContain('qmstart');
  await haveAllSucceeded(clients);
  expect(clients.flatMap(({ failures }) => failures)).toEqual([]);

  await victim.child.stop('SIGKILL');
  for (const client of clients) client.successes = 0;
  await haveAllSucceeded(clients);
  await Promise.all(clients.map((client) => client.stop()));

  // The one whose session was there had to begin anew.
  expect(first?.begun).toBeGreaterThan(1);
  const puts = requests.filter(({ method }) => method === 'PUT');
  expectEachWriteAtMostOnce(
    clients,
    puts.map(({ params }) => String(params.description)),
  );

  api.pass(TASK_SECONDS);
  const ends = () => recorded(left, 'task').filter((line) => line.upid === upid);
  await vi.waitFor(() => expect(ends()).toMatchObject([{ task_status: 'OK' }]), {
    timeout: 30_000,
    interval: 200,
  });
  expect((await once('stateless', url, token, 'list_jobs', {})).text).toContain(upid);
  expect(arrived('POST', '/800/status/start')).toHaveLength(1);
  return left;
}

async function haveAllSucceeded(clients: readonly LoadClient[]): Promise<void> {
  const enough = () => clients.map(({ successes }) => successes >= 6);
  await vi.waitFor(() => expect(enough()).toEqual(clients.map(() => true)), {
    timeout: 25_000,
    interval: 50,
  });
}

/** @param arrived the marks of the writes that arrived */
function expectEachWriteAtMostOnce(clients: readonly LoadClient[], arrived: readonly string[]): void {
  const told = new Map(clients.flatMap((client) => [...client.told]));
  expect(new Set(arrived).size).toBe(arrived.length);
  expect(arrived.filter((mark) => !told.has(mark))).toEqual([]);
  const isThere = new Set(arrived);
  for (const [mark, outcome] of told) {
    if (outcome !== 'unknown') expect([mark, isThere.has(mark)]).toEqual([mark, outcome === 'done']);
  }
  // Those that were under way, and no more for long.
  const unknown = [...told.values()].filter((outcome) => outcome === 'unknown');
  expect(unknown.length).toBeLessThanOrEqual(2 * clients.length);
}

async function withoutRedis({ redis, url, arrived }: Site, left: readonly Running[]): Promise<void> {
  const [b, c] = left as [Running, Running];
  expect((await call(b.url, 901)).text).toContain('APPROVAL_REQUIRED');
  await redis.stop();
  await vi.waitFor(async () => {
    for (const { url: at } of left) expect(await readiness(at)).toMatchObject({ redis: 'failing' });
  });
  const alice = await tokenOf('alice');
  for (const door of DOORS) {
    const read = await once(door, url, alice, 'list_nodes', {});
    expect([door, read.isError]).toEqual([door, false]);
    expect((await call(url, 901, door)).isError).toBe(true);
  }
  expect(await approve(c.url, 901).catch(() => 0)).not.toBe(200);
  expect(arrived('POST', '/901/status/start')).toEqual([]);

  await redis.restart();
  await vi.waitFor(
    async () => {
      for (const { url: at } of left)
        expect(await readiness(at)).toMatchObject({ code: 200, status: 'ready', redis: 'ok' });
    },
    { timeout: 15_000, interval: 100 },
  );
  expect((await call(b.url, 902)).text).toContain('APPROVAL_REQUIRED');
  expect(await approve(c.url, 902)).toBe(200);
  expect((await call(b.url, 902)).text).toContain('UPID:');
  expect(arrived('POST', '/902/status/start')).toHaveLength(1);
}
