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

async function approve(url: string, token: string): Promise<number> {
  const headers = { authorization: `Bearer ${token}` };
  const { text } = await send(`${url}/approvals`, 'GET', headers);
  const [plan] = (JSON.parse(text) as { plans: { number: number }[] }).plans;
  if (plan === undefined) throw new Error(`no plan waits: ${text}`);
  const answer = await send(`${url}/approvals/${plan.number}/approve`, 'POST', headers);
  return answer.status;
}

async function readiness(url: string) {
  const { status, text } = await send(`${url}/readyz`, 'GET', {});
  return { code: status, ...(JSON.parse(text) as Record<string, unknown>) };
}

describe.skipIf(REASON)(`three replicas behind nginx, with Redis${REASON ? `: ${REASON}` : ''}`, () => {
  it('lose and double no write when one is killed, and go on', async () => {
    const { api, replicas, url, requests } = await site();
    const token = await tokenOf('alice');
    const clients = [...DOORS, ...DOORS].map((door, index) => new LoadClient(door, url, token, `w${index}`));
    for (const client of clients) await client.start();
    const [first] = clients;
    const owner = first?.session?.split('.')[0];
    const victim = replicas.find(({ name }) => name === owner);
    if (victim === undefined) throw new Error('no replica holds the session');
    const others = replicas.filter((replica) => replica !== victim);
    // A task that it follows, and that outlives it.
    const job = await once('stateless', victim.url, token, 'proxmox_api_call', start(800));
    const [upid = ''] = /UPID:[^"\\ ]+/.exec(job.text) ?? [];
    expect(upid).toContain('qmstart');
    await vi.waitFor(() => expect(clients.every(({ successes }) => successes >= 6)).toBe(true), {
      timeout: 15_000,
    });
    expect(clients.flatMap(({ failures }) => failures)).toEqual([]);

    await victim.child.stop('SIGKILL');
    for (const client of clients) client.successes = 0;
    await vi.waitFor(
      () => expect(clients.map(({ successes }) => successes >= 6)).toEqual(clients.map(() => true)),
      {
        timeout: 20_000,
        interval: 50,
      },
    );
    await Promise.all(clients.map((client) => client.stop()));

    // The one whose session was there had to begin anew.
    expect(first?.begun).toBeGreaterThan(1);
    const marks = requests
      .filter(({ method }) => method === 'PUT')
      .map(({ params }) => String(params.description));
    const told = new Map(clients.flatMap((client) => [...client.told]));
    const times = (mark: string) => marks.filter((other) => other === mark).length;
    expect(new Set(marks).size).toBe(marks.length);
    expect(marks.filter((mark) => !told.has(mark))).toEqual([]);
    for (const [mark, outcome] of told) {
      if (outcome === 'done') expect([mark, times(mark)]).toEqual([mark, 1]);
      if (outcome === 'session gone') expect([mark, times(mark)]).toEqual([mark, 0]);
    }
    const unknown = [...told.values()].filter((outcome) => outcome === 'unknown');
    // At most one of each client was under way.
    expect(unknown.length).toBeLessThanOrEqual(clients.length);

    api.pass(TASK_SECONDS);
    await vi.waitFor(() => expect(recorded(others, 'task')).toMatchObject([{ upid, task_status: 'OK' }]), {
      timeout: 30_000,
      interval: 200,
    });
    const jobs = await once('stateless', url, token, 'list_jobs', {});
    expect(jobs.text).toContain(upid);
    const starts = requests.filter(
      ({ method, path }) => method === 'POST' && path.endsWith('/800/status/start'),
    );
    expect(starts).toHaveLength(1);
  }, 90_000);

  it('share approvals, and without Redis serve reads and refuse what needs one', async () => {
    const { redis, replicas, url, arrived } = await site();
    const [a, b, c] = replicas as [Running, Running, Running];
    const alice = await tokenOf('alice');
    const approver = await tokenOf('bob', 'proxmox:approve');
    const call = (at: string, vmid: number, door: Door = 'stateless') =>
      once(door, at, alice, 'proxmox_api_call', start(vmid));

    expect((await call(a.url, 900)).text).toContain('APPROVAL_REQUIRED');
    expect(await approve(b.url, approver)).toBe(200);
    expect((await call(c.url, 900)).text).toContain('UPID:');
    expect((await call(a.url, 900)).text).toContain('APPROVAL_REQUIRED');
    expect(arrived('POST', '/900/status/start')).toHaveLength(1);

    expect((await call(a.url, 901)).text).toContain('APPROVAL_REQUIRED');
    await redis.stop();
    await vi.waitFor(async () => {
      for (const { url: at } of replicas) expect(await readiness(at)).toMatchObject({ redis: 'failing' });
    });
    for (const door of DOORS) {
      const read = await once(door, url, alice, 'list_nodes', {});
      expect([door, read.isError]).toEqual([door, false]);
      expect((await call(url, 901, door)).isError).toBe(true);
    }
    const refused = await send(`${b.url}/approvals`, 'GET', { authorization: `Bearer ${approver}` });
    expect(refused.status).not.toBe(401);
    expect(arrived('POST', '/901/status/start')).toEqual([]);

    await redis.restart();
    await vi.waitFor(
      async () => {
        for (const { url: at } of replicas)
          expect(await readiness(at)).toMatchObject({ code: 200, status: 'ready', redis: 'ok' });
      },
      { timeout: 15_000, interval: 100 },
    );
    expect((await call(b.url, 902)).text).toContain('APPROVAL_REQUIRED');
    const headers = { authorization: `Bearer ${approver}` };
    const { plans } = JSON.parse((await send(`${c.url}/approvals`, 'GET', headers)).text) as {
      plans: { number: number; text: string }[];
    };
    const number = plans.find(({ text }) => text.includes('902'))?.number;
    expect((await send(`${c.url}/approvals/${number}/approve`, 'POST', headers)).status).toBe(200);
    expect((await call(a.url, 902)).text).toContain('UPID:');
    expect(arrived('POST', '/902/status/start')).toHaveLength(1);
  }, 60_000);
});
