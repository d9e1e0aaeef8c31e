import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { SignJWT } from 'jose';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { AuditError } from '../../src/audit/audit-error.ts';
import { type AuditLog, openAuditLog } from '../../src/audit/audit-log.ts';
import { verifyRecord } from '../../src/audit/verify.ts';
import { composeApp, composeCore } from '../../src/cli/compose.ts';
import { loadConfig } from '../../src/config/load.ts';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import {
  type Disk,
  failure,
  filesBeside,
  filesOn,
  freshRecord,
  linesIn,
  opened,
} from '../support/audit-record.ts';
import { folderWith } from '../support/config-folder.ts';
import { type Answer, answerOf, DOORS, GuardedService } from '../support/guarded-service.ts';
import { entryOf } from '../support/reloading-service.ts';
import { CliProcess, runCli } from './cli-process.ts';

const SECRET = 'audit-test-secret-of-more-than-32-bytes-01';
const NO_APPROVAL = { change: 'none', secret: 'none', destroy: 'none', execute: 'none', bulk: 'none' };
const OPEN_POLICY = { principals: [{ match: { subject: '*' }, roles: 'admin' }], approval: NO_APPROVAL };

type Line = Record<string, unknown>;

let simulator: Simulator;
beforeAll(async () => {
  simulator = await startSimulator({ taskSeconds: 0, authDelaySeconds: 0, resourcesLagSeconds: 0 });
});
afterAll(() => simulator.close());

function tokenFor(subject: string, scope = 'proxmox:admin', client?: string): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  return new SignJWT({ scope, ...(client === undefined ? {} : { client_id: client }) })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setSubject(subject)
    .setAudience('proxmox-mcp')
    .setJti(`jti-of-${subject}`)
    .setIssuedAt(now)
    .setExpirationTime(now + 600)
    .sign(Buffer.from(SECRET));
}

function siteFolder(lines = ''): string {
  const entry = entryOf(simulator.cluster('production'));
  return folderWith({
    '.env': `MCP_JWT_SECRET=${SECRET}\nMCP_PORT=0\nCACHE_DIR=cache\nAUDIT_FILE=audit.jsonl\n${lines}`,
    'clusters.json': { clusters: { production: entry } },
    'policy.json': OPEN_POLICY,
  });
}

interface Site {
  url: string;
  file: string;
  /** Everything recorded, oldest first; what is queued included. */
  record(): Promise<Line[]>;
  connect(token: string): Promise<AuditClient>;
  log: string[];
}

interface AuditClient {
  session: string;
  call(tool: string, args: Line): Promise<Answer>;
  api(line: string, data?: Line, more?: Line): Promise<Answer>;
}

/** The service as `serve` composes it, with a record that a test may hand it. */
async function site(lines = '', open?: (path: string) => Promise<AuditLog>): Promise<Site> {
  const cwd = siteFolder(lines);
  const file = join(cwd, 'audit.jsonl');
  const config = loadConfig({ env: {}, cwd });
  const log: string[] = [];
  const logger = pino({ level: 'trace' }, { write: (line: string) => void log.push(line) });
  const audit = await (open ?? ((path) => openAuditLog({ path })))(file);
  const core = await composeCore(config, { logger, audit });
  const app = await composeApp(config, core, logger);
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  onTestFinished(async () => {
    await app.close();
    await core.close();
  });
  return { url, file, log, record: async () => linesOf(file), connect: (token) => connect(url, token) };
}

function linesOf(file: string): Line[] {
  return filesBeside(file).flatMap((name) => {
    return linesIn(join(file, '..', name)).map((line) => JSON.parse(line) as Line);
  });
}

async function connect(url: string, token: string): Promise<AuditClient> {
  const client = new Client({ name: 'v1', version: '1' });
  const transport = new StreamableHTTPClientTransport(new URL('/mcp', url), {
    requestInit: { headers: { authorization: `Bearer ${token}` } },
  });
  await client.connect(transport as Parameters<Client['connect']>[0]);
  onTestFinished(() => client.close());
  const call = async (name: string, args: Line) => answerOf(await client.callTool({ name, arguments: args }));
  return {
    session: transport.sessionId ?? '',
    call,
    api: (line, data, more = {}) => {
      const [method, path] = line.split(' ');
      return call('proxmox_api_call', { method, path, ...(data === undefined ? {} : { data }), ...more });
    },
  };
}

/** The one call of this path: its begin, with its end and its task under their kinds. */
function callOf(record: readonly Line[], path: string, method = 'GET') {
  const begins = record.filter(
    (line) => line.kind === 'begin' && line.path === path && line.method === method,
  );
  expect(begins, `${method} ${path}`).toHaveLength(1);
  const [begin = {}] = begins;
  const of = (kind: string) => record.filter((line) => line.kind === kind && line.id === begin.id);
  expect(of('end')).toHaveLength(1);
  return { begin, end: of('end')[0] ?? {}, task: of('task') };
}

function writesSince(mark: number): string[] {
  return simulator
    .cluster('production')
    .requests.slice(mark)
    .filter(({ method }) => method !== 'GET')
    .map(({ method, path }) => `${method} ${path.replace('/api2/json', '')}`);
}
const markNow = () => simulator.cluster('production').requests.length;

describe('the record of a service', () => {
  it('says of each call who, through what, which, why it might, and what became of it', async () => {
    const { record, connect: enter, file } = await site();
    const alice = await enter(await tokenFor('alice', 'proxmox:admin', 'claude'));
    expect((await alice.api('GET /nodes/pve1/qemu/100/config')).isError).toBe(false);
    const started = await alice.api(
      'POST /nodes/pve2/qemu/103/status/start',
      {},
      { expect_name: 'build-01' },
    );
    const { upid } = started.data.task as { upid: string };
    await alice.call('wait_task', { upid, wait_seconds: 5 });
    await alice.call('find_guests', { fresh: true });
    await alice.api('POST /nodes/pve1/qemu/999/status/start');

    const lines = await record();
    const who = {
      subject: 'alice',
      client: 'claude',
      credential: 'jwt:jti-of-alice',
      session: createHash('sha256').update(alice.session).digest('hex').slice(0, 12),
      door: 'streamable-http',
      cluster: 'production',
      decision: 'allowed',
      rule: 'scopes of the token',
    };
    const read = callOf(lines, '/nodes/pve1/qemu/100/config');
    expect(read.begin).toMatchObject({
      ...who,
      tool: 'proxmox_api_call',
      write: false,
      selected_by: 'single',
      risks: ['read'],
      request_id: expect.stringMatching(/^[\da-f-]{36}$/),
    });
    expect(read.end).toMatchObject({
      outcome: 'ok',
      endpoint: expect.any(String),
      duration_ms: expect.any(Number),
    });

    const write = callOf(lines, '/nodes/pve2/qemu/103/status/start', 'POST');
    expect(write.begin).toMatchObject({ ...who, write: true, risks: ['change'], parameters: {} });
    expect(write.end).toMatchObject({ outcome: 'ok', upid });
    expect(write.task).toMatchObject([{ upid, task_status: 'OK' }]);

    const waited = callOf(lines, `/nodes/pve2/tasks/${upid}/status`);
    expect(waited.begin).toMatchObject({ ...who, tool: 'wait_task' });
    const found = lines.filter(({ tool, kind }) => tool === 'find_guests' && kind === 'begin');
    expect(found[0]).toMatchObject({ ...who, method: 'GET', path: '/cluster/resources', write: false });

    const failed = callOf(lines, '/nodes/pve1/qemu/999/status/start', 'POST');
    expect(failed.end.outcome).not.toBe('ok');
    expect(failed.end).toMatchObject({ status: expect.any(Number) });
    // Who reads the record can't go on with somebody's session.
    expect(alice.session).not.toBe('');
    expect(readFileSync(file, 'utf8')).not.toContain(alice.session);
  });

  it('tells sessions apart by a name that opens none, and has none for who needs none', async () => {
    const path = freshRecord();
    const audit = await opened({ path });
    const guarded = await GuardedService.start(simulator, { gateOptions: { audit } });
    onTestFinished(() => guarded.close());
    for (const door of DOORS) {
      const [one, two] = [await guarded.connect({ door }), await guarded.connect({ door })];
      for (const client of [one, one, two]) await client.api('GET /version');
    }
    const begins = linesOf(path).filter(({ kind }) => kind === 'begin');
    const sessions = (door: string) =>
      begins.filter((line) => line.door === door).map(({ session }) => session);
    for (const door of ['streamable-http', 'sse']) {
      const [first, again, second] = sessions(door);
      expect([first, second].every((name) => /^[\da-f]{12}$/.test(String(name)))).toBe(true);
      expect(again).toBe(first);
      expect(second).not.toBe(first);
    }
    expect(sessions('stateless')).toEqual([undefined, undefined, undefined]);
  });

  it('has what was refused, by the policy, by a person, for its name, and what waits', async () => {
    const { record, connect: enter, url } = await site();
    const reader = await enter(await tokenFor('rita', 'proxmox:read'));
    const alice = await enter(await tokenFor('alice'));
    const carol = { authorization: `Bearer ${await tokenFor('carol', 'proxmox:approve')}` };
    const decide = async (answer: Answer, verb: string) =>
      fetch(new URL(`/approvals/${answer.error?.plan?.number}/${verb}`, url), {
        method: 'POST',
        headers: { ...carol, 'content-type': 'application/json' },
        body: JSON.stringify({ reason: 'too late' }),
      });
    const mark = markNow();
    await reader.api('POST /nodes/pve1/qemu/100/status/stop');
    await alice.api('POST /nodes/pve1/qemu/100/status/reset', {}, { expect_name: 'other' });
    const input = { command: ['sh'], 'input-data': 'rm -rf /srv/shop' };
    const exec = () => alice.api('POST /nodes/pve1/qemu/100/agent/exec', input);
    const rollback = () => alice.api('POST /nodes/pve1/qemu/100/snapshot/installed/rollback');
    const asked = await rollback();
    await decide(asked, 'deny');
    await rollback();
    expect(writesSince(mark)).toEqual([]);
    const planned = await exec();
    expect(planned.error?.message).toContain('input-data="rm -rf /srv/shop"');
    await decide(planned, 'approve');
    expect((await exec()).isError).toBe(false);

    const lines = await record();
    const outcome = ({ begin, end }: ReturnType<typeof callOf>) => [
      begin.subject,
      begin.decision,
      end.outcome,
    ];
    expect(outcome(callOf(lines, '/nodes/pve1/qemu/100/status/stop', 'POST'))).toEqual([
      'rita',
      'denied',
      'POLICY_DENIED',
    ]);
    expect(outcome(callOf(lines, '/nodes/pve1/qemu/100/status/reset', 'POST'))).toEqual([
      'alice',
      'denied',
      'CONFLICT',
    ]);
    const of = (path: string) =>
      lines.filter((line) => line.kind === 'begin' && String(line.path).endsWith(path));
    const number = asked.error?.plan?.number;
    expect(of('/rollback')).toMatchObject([
      { decision: 'awaits approval', rule: `awaits approval: plan ${number}` },
      {
        tool: 'approvals',
        subject: 'carol',
        write: false,
        method: 'POST',
        cluster: 'production',
        decision: 'denied',
        door: 'http',
        rule: 'proxmox:approve',
        approval: `plan ${number} by carol: too late`,
        parameters: { plan: number, kind: 'person', tool: 'proxmox_api_call', asked_by: 'alice' },
      },
      { decision: 'denied', subject: 'alice', rule: `plan ${number} declined by carol` },
    ]);
    expect(of('/agent/exec')).toMatchObject([
      { decision: 'awaits approval', parameters: { command: ['sh'], 'input-data': '[16 characters]' } },
      { decision: 'approved', tool: 'approvals', subject: 'carol' },
      { decision: 'allowed', approval: expect.stringMatching(/^plan \d+ by carol$/) },
    ]);
    expect(JSON.stringify(lines)).not.toContain('/srv/shop');
  });

  it('is one that `audit verify` proves, and that names what was altered', async () => {
    const { file, connect: enter } = await site();
    const alice = await enter(await tokenFor('alice'));
    for (let index = 0; index < 20; index++) await alice.api('GET /version');
    expect((await runCli(['audit', 'verify', '--file', file])).code).toBe(0);
    const altered = `${file}.altered.jsonl`;
    writeFileSync(altered, readFileSync(file, 'utf8').replace('"subject":"alice"', '"subject":"bob"'));
    expect((await runCli(['audit', 'verify', '--file', altered])).code).not.toBe(0);
  });

  it('holds no secret that a call was made with, or that it answered', async () => {
    const { file, connect: enter } = await site('POLICY_FILE=policy.json\n');
    const alice = await enter(await tokenFor('alice'));
    const canary = (name: string) => `c4n4ry/${name}+0123456789 abcdef`;
    const asked: [string, Line][] = [
      ['PUT /access/password', { userid: 'mcp@pve', password: canary('password') }],
      ['POST /nodes/pve1/qemu/100/agent/set-user-password', { username: 'root', password: canary('agent') }],
      ['PUT /nodes/pve1/qemu/100/config', { cipassword: canary('ci') }],
      ['POST /nodes/pve1/qemu/100/agent/file-write', { file: '/etc/x', content: canary('content') }],
      ['POST /nodes/pve1/qemu/100/agent/exec', { command: ['mysql', '--password', canary('option')] }],
      ['POST /nodes/pve1/qemu/100/agent/exec', { command: ['cat'], 'input-data': canary('input') }],
      ['POST /access/users', { userid: 'new@pve', password: canary('user') }],
      ['POST /storage', { storage: 'x', type: 'cifs', server: 'a', share: 'b', password: canary('storage') }],
      ['POST /nodes/pve1/no/such/method', { 'api-key': canary('unknown') }],
    ];
    const mark = markNow();
    for (const [line, data] of asked) await alice.api(line, data);
    const left = writesSince(mark);
    expect(left.length).toBeGreaterThan(6);
    const made = await alice.api('POST /access/users/mcp@pve/token/canary');
    const { value } = made.data.data as { value: string };
    expect(value).toMatch(/^[\da-f-]{36}$/);
    const secrets = [value, SECRET, simulator.cluster('production').tokenSecret];
    for (const name of [
      'password',
      'agent',
      'ci',
      'content',
      'option',
      'input',
      'user',
      'storage',
      'unknown',
    ])
      secrets.push(canary(name));
    const text = readFileSync(file, 'utf8');
    for (const secret of secrets) {
      const forms = [secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret), btoa(secret)];
      for (const form of forms) expect(text.includes(form), form).toBe(false);
    }
    expect(text).not.toContain('c4n4ry');
    // And yet each call that left is there.
    const begins = linesOf(file).filter(({ kind }) => kind === 'begin');
    for (const line of left) {
      const [method, path] = line.split(' ');
      expect(
        begins.some((begin) => begin.method === method && begin.path === path),
        line,
      ).toBe(true);
    }
  });
});

describe('a record that can not be written', () => {
  const START = 'POST /nodes/pve2/qemu/103/status/start';

  it('keeps writes from leaving within a second, lets reads go on, and shows in /readyz', async () => {
    const disk: Disk = { done: [] };
    const made = await site('', (path) => openAuditLog({ path, files: filesOn(disk) }));
    const alice = await made.connect(await tokenFor('alice'));
    const ready = async () => {
      const answer = await fetch(new URL('/readyz', made.url));
      return { status: answer.status, body: (await answer.json()) as Line };
    };
    expect((await alice.api('GET /version')).isError).toBe(false);
    expect((await ready()).status).toBe(200);

    disk.append = async () => {
      throw failure('ENOSPC');
    };
    const mark = markNow();
    const begunAt = performance.now();
    const { error } = await alice.api(START);
    expect(performance.now() - begunAt).toBeLessThan(5000);
    expect(error).toMatchObject({
      code: 'INTERNAL',
      message: expect.stringContaining('nothing was sent'),
      hint: expect.stringContaining('audit'),
    });
    const many = await Promise.all(Array.from({ length: 20 }, () => alice.api(START)));
    expect(many.every(({ isError }) => isError)).toBe(true);
    expect(writesSince(mark)).toEqual([]);
    expect((await alice.api('GET /nodes/pve2/qemu/103/config')).isError).toBe(false);
    expect((await alice.call('find_guests', { fresh: true })).isError).toBe(false);
    expect(await ready()).toMatchObject({ status: 503, body: { audit: 'failing' } });
    expect(JSON.stringify((await ready()).body)).not.toContain('/secret/place');

    delete disk.append;
    await vi.waitFor(async () => expect((await ready()).status).toBe(200), { timeout: 5000 });
    expect((await alice.api(START)).error?.code).not.toBe('INTERNAL');
    expect(writesSince(mark)).toHaveLength(1);
    // The reads that went on meanwhile have been written since.
    await vi.waitFor(
      async () => {
        const paths = (await made.record()).map(({ path }) => path);
        expect(paths).toContain('/nodes/pve2/qemu/103/config');
      },
      { timeout: 5000 },
    );
    expect((await verifyRecord({ path: made.file })).finding).toBeUndefined();
  });

  it('a file that was taken away keeps writes from leaving, until it is back', async () => {
    const made = await site();
    const alice = await made.connect(await tokenFor('alice'));
    expect((await alice.api(START)).error?.code).not.toBe('INTERNAL');
    const mark = markNow();
    renameSync(made.file, `${made.file}.away`);
    const ready = async () => (await fetch(`${made.url}/readyz`)).status;
    await vi.waitFor(async () => expect(await ready()).toBe(503), { timeout: 1000, interval: 20 });
    const { error } = await alice.api(START);
    expect(error).toMatchObject({ code: 'INTERNAL', hint: expect.stringContaining('is it in its place') });
    expect(writesSince(mark)).toEqual([]);
    expect((await alice.call('find_guests', { fresh: true })).isError).toBe(false);
    expect(existsSync(made.file)).toBe(false);
    expect(made.log.join('')).toMatch(/moved, removed or replaced[^"]*Its last line was \d+:[0-9a-f]{64}/);

    renameSync(`${made.file}.away`, made.file);
    await vi.waitFor(async () => expect(await ready()).toBe(200), { timeout: 5000 });
    expect((await alice.api(START)).error?.code).not.toBe('INTERNAL');
    expect(writesSince(mark)).toHaveLength(1);
    expect((await verifyRecord({ path: made.file })).finding).toBeUndefined();
  });

  it('a disk that hangs keeps writes from leaving, too', async () => {
    const disk: Disk = { done: [] };
    const made = await site('', (path) => openAuditLog({ path, files: filesOn(disk), deadlineMs: 300 }));
    const alice = await made.connect(await tokenFor('alice'));
    const hangs = Promise.withResolvers<void>();
    disk.sync = () => hangs.promise;
    const mark = markNow();
    const answers = await Promise.all(Array.from({ length: 5 }, () => alice.api(START)));
    expect(answers.map(({ error }) => error?.code)).toEqual(Array(5).fill('INTERNAL'));
    expect(writesSince(mark)).toEqual([]);
    delete disk.sync;
    hangs.resolve();
  });

  it.each(['DELETE', 'PUT', 'POST'])('a record that refuses every begin lets no %s out', async (method) => {
    const none: AuditLog = {
      begin: async ({ write }) => {
        if (write) throw new AuditError('no room');
      },
      end: async () => undefined,
      task: async () => undefined,
      healthy: () => ({ ok: false, problem: 'no room' }),
      head: () => ({ seq: 0, hash: '' }),
      close: async () => undefined,
    };
    const made = await site('POLICY_FILE=policy.json\n', async () => none);
    const alice = await made.connect(await tokenFor('alice'));
    const mark = markNow();
    const path = '/nodes/pve1/qemu/100';
    const line = { DELETE: path, PUT: `${path}/config`, POST: `${path}/status/start` }[method];
    const { error } = await alice.api(`${method} ${line}`, method === 'PUT' ? { cores: 2 } : undefined);
    expect(error?.code).toBe('INTERNAL');
    expect(writesSince(mark)).toEqual([]);
    expect((await alice.api('GET /version')).isError).toBe(false);
  });
});

describe('kill -9 of a service under a load of writes', () => {
  it.each([1, 2])(
    'leaves no write unrecorded that was carried out, and no answer without its end (round %i)',
    async (round) => {
      const cwd = siteFolder();
      const file = join(cwd, 'audit.jsonl');
      const serve = new CliProcess(['serve'], { cwd });
      const [, url = ''] = await serve.shows('stderr', /"mcp":"([^"]+)"/);
      const clients = await Promise.all(
        [100, 101, 103].map(async (vmid) => ({
          vmid,
          client: await connect(url, await tokenFor(`user-${vmid}`)),
        })),
      );
      const node: Record<number, string> = { 100: 'pve1', 101: 'pve2', 103: 'pve2' };
      const mark = markNow();
      const answered: string[] = [];
      let isOver = false;
      let next = 0;
      const worker = async ({ vmid, client }: (typeof clients)[number]): Promise<void> => {
        while (!isOver) {
          const description = `write-${round}-${next++}`;
          const line = `PUT /nodes/${node[vmid]}/qemu/${vmid}/config`;
          const answer = await client.api(line, { description }).catch(() => undefined);
          if (answer === undefined) return;
          expect(answer.error).toBeUndefined();
          answered.push(description);
        }
      };
      const load = clients.flatMap((client) => [worker(client), worker(client)]);
      await vi.waitFor(() => expect(answered.length).toBeGreaterThan(60 * round), {
        timeout: 15_000,
        interval: 5,
      });
      await serve.stop('SIGKILL');
      isOver = true;
      const lines = linesOf(file);
      const begun = new Map(
        lines
          .filter(({ kind }) => kind === 'begin')
          .map(({ id, parameters }) => [(parameters as Line).description, id]),
      );
      const ended = new Set(lines.filter(({ kind }) => kind === 'end').map(({ id }) => id));
      const carriedOut = simulator
        .cluster('production')
        .requests.slice(mark)
        .filter(({ method }) => method === 'PUT')
        .map(({ params }) => String(params.description));
      expect(carriedOut.length).toBeGreaterThan(60 * round);
      expect(carriedOut.filter((one) => !begun.has(one))).toEqual([]);
      expect(answered.filter((one) => !ended.has(begun.get(one)))).toEqual([]);
      await Promise.race([Promise.allSettled(load), new Promise((done) => setTimeout(done, 500).unref())]);

      const log = await openAuditLog({ path: file });
      await log.close();
      expect((await verifyRecord({ path: file })).finding).toBeUndefined();
    },
  );
});
