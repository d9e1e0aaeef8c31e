import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { Approvals } from '../../../src/access/approvals/approvals.ts';
import { Jobs } from '../../../src/access/jobs/jobs.ts';
import { Revocations } from '../../../src/access/revocations.ts';
import { RunBook } from '../../../src/access/runs/runs.ts';
import { openSharedState } from '../../../src/access/shared-state.ts';
import type { State } from '../../../src/access/state.ts';
import type { AuditLog } from '../../../src/audit/audit-log.ts';
import { Redaction } from '../../../src/observability/redaction.ts';
import { RedisChangeLog } from '../../../src/replicas/change-log.ts';
import { connectRedis } from '../../../src/replicas/redis.ts';
import { asking, handleOf } from '../../support/approvals.ts';
import { SILENT } from '../../support/engine-fixtures.ts';
import { RecordingCluster } from '../../support/recording-cluster.ts';
import { NO_REDIS, type RedisServer, startRedis } from '../../support/redis.ts';

const SETTLE_MS = 300;
const UPID = 'UPID:n1:00000001:00112233:66112233:qmstart:100:root@pam:';

let server: RedisServer | undefined;

beforeAll(async () => {
  if (NO_REDIS === undefined) server = await startRedis();
});
beforeEach(({ skip }) => skip(NO_REDIS !== undefined, NO_REDIS));
afterAll(() => server?.close());

function redis(): RedisServer {
  if (server === undefined) throw new Error('redis was not started');
  return server;
}

async function replica() {
  const connection = connectRedis(redis().url, SILENT);
  const log = new RedisChangeLog(connection);
  const state = await openSharedState({ log, logger: SILENT, settleMs: SETTLE_MS });
  const close = async () => {
    await state.close();
    connection.close();
  };
  onTestFinished(close);
  const approvals = new Approvals({ state, logger: SILENT, redaction: new Redaction() });
  return { state, approvals, connection, revocations: new Revocations(state), close };
}

/** From here on nothing of other tests is there. */
async function fresh(count: number) {
  await redis().restart({ keepData: false });
  return Promise.all(Array.from({ length: count }, replica));
}

async function healthy(...states: { state: State }[]): Promise<void> {
  const areHealthy = () => expect(states.map(({ state }) => state.isHealthy())).not.toContain(false);
  await vi.waitFor(areHealthy, { timeout: 10_000 });
}

function revoked({ state }: { state: State }): string[] {
  const rows = state.database.prepare('SELECT value FROM revocations ORDER BY value').all();
  return rows.map(({ value }) => String(value));
}

describe('replicas that share a Redis', () => {
  it('use an approval up once, however many ask for it at once', async () => {
    const three = await fresh(3);
    const [first] = three;
    const handle = await handleOf(first?.approvals.require(asking(), undefined) ?? Promise.reject());
    const asked = Array.from({ length: 200 }, (_, index) => three[index % 3]);
    const all = await Promise.allSettled(
      asked.map((one) => one?.approvals.require(asking({ handle }), undefined)),
    );
    expect(all.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    // All others got a plan of their own, or were told that too many wait.
    const codes = new Set(all.map((one) => (one.status === 'rejected' ? one.reason.code : 'used')));
    expect([...codes].sort()).toEqual(['APPROVAL_REQUIRED', 'RATE_LIMITED', 'used']);
  });

  it('lose no write and make none twice, and see the same rows in the same order', async () => {
    const three = await fresh(3);
    const runs = three.map(({ state }) => new RunBook(state).of('alice'));
    const count = 30;
    await Promise.all(
      three.flatMap(({ state }) =>
        Array.from({ length: count }, () =>
          state.write(() =>
            state.database.exec(
              "INSERT INTO revocations VALUES ('subject', 'counter', 1) ON CONFLICT DO UPDATE SET before_seconds = before_seconds + 1",
            ),
          ),
        ),
      ),
    );
    const begun = await Promise.all(runs.map((own) => own.begin('one key', {})));
    expect(new Set(begun.map(({ id }) => id)).size).toBe(1);
    for (const { state } of three) {
      await state.refresh();
      const row = state.database.prepare('SELECT before_seconds FROM revocations').get();
      expect(row).toEqual({ before_seconds: 3 * count });
    }
  });

  it('see a revocation of another one in less than a second', async () => {
    const [a, b] = await fresh(2);
    const heard = vi.fn();
    b?.revocations.onChange(heard);
    await a?.revocations.revoke({ credential: 'jwt:gone' });
    await vi.waitFor(() => expect(heard).toHaveBeenCalled(), { timeout: 1000, interval: 10 });
    expect(b?.revocations.isRevoked({ credential: 'jwt:gone', subject: 'x' })).toBe(true);
  });

  it('have all that a replica had been told was taken when it was killed', async () => {
    const [a, late] = await fresh(2);
    const script = fileURLToPath(new URL('../../support/state-writer.ts', import.meta.url));
    const child = spawn(process.execPath, [script, redis().url, 'theirs'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const said: string[] = [];
    const lines = createInterface(child.stdout);
    lines.on('line', (line) => said.push(line));
    const mine = (async () => {
      for (let index = 0; index < 40; index += 1)
        await a?.revocations.revoke({ credential: `mine-${index}` });
    })();
    await vi.waitFor(() => expect(said.length).toBeGreaterThan(20), { timeout: 15_000 });
    const closed = once(lines, 'close');
    child.kill('SIGKILL');
    await Promise.all([closed, mine]);
    await late?.state.refresh();
    const known = new Set(late && revoked(late));
    expect(said.filter((name) => !known.has(name))).toEqual([]);
    expect([...known].filter((name) => name.startsWith('mine-'))).toHaveLength(40);
    // What was under way when it died is there or not; nothing behind it can be.
    const theirs = [...known].filter((name) => name.startsWith('theirs-')).length;
    expect(theirs - said.length).toBeLessThanOrEqual(1);
  });

  it('follow the job of a replica that died, and record its end once', async () => {
    const [a, b, c] = await fresh(3);
    const cluster = new RecordingCluster('a');
    cluster.reply = () => ({ status: 'stopped', exitstatus: 'OK' });
    const ends: unknown[] = [];
    const audit: Partial<AuditLog> = { task: async (entry) => void ends.push(entry) };
    // Those who take over look from a time at which its lease has run out.
    const jobs = ({ state }: { state: State }, ahead: number) =>
      new Jobs({
        state,
        clusters: () => [cluster],
        audit: audit as AuditLog,
        redaction: new Redaction(),
        logger: SILENT,
        clock: () => Date.now() + ahead,
      });
    if (a === undefined || b === undefined || c === undefined) throw new Error('three replicas were started');
    await jobs(a, 0).started({
      ...{ cluster: 'a', upid: UPID, principalId: 'p', subject: 'alice', tool: 'start_guest' },
      ...{ requestId: 'r', auditId: 'audit-1', method: 'POST', path: '/x', startedAt: Date.now() },
    });
    a.connection.close();
    await Promise.all([b.state.refresh(), c.state.refresh()]);
    const others = [jobs(b, 20_000), jobs(c, 20_000)];
    for (const other of others) other.follow();
    await vi.waitFor(() => expect(ends).toMatchObject([{ id: 'audit-1', taskStatus: 'OK' }]), {
      timeout: 8000,
    });
    for (const other of others) await other.close();
    expect(ends).toHaveLength(1);
  });

  it.each([true, false])('go on once Redis is back, with its data: %s', async (keepData) => {
    const [a, b] = await fresh(2);
    if (a === undefined || b === undefined) throw new Error('two replicas were started');
    await a.revocations.revoke({ credential: 'before' });
    const handle = await handleOf(a.approvals.require(asking(), undefined));
    await redis().kill();
    await vi.waitFor(() => expect(a.state.isHealthy()).toBe(false));
    const refused = { code: 'INTERNAL', retryable: true };
    await expect(a.revocations.revoke({ credential: 'meanwhile' })).rejects.toMatchObject(refused);
    await expect(b.approvals.require(asking({ handle }), undefined)).rejects.toMatchObject(refused);
    expect(revoked(a)).toEqual(['before']);
    await redis().restart({ keepData });
    await healthy(a, b);
    // Nobody knows whether it was used by what Redis may have lost.
    await expect(b.approvals.require(asking({ handle }), undefined)).rejects.toMatchObject({
      code: 'APPROVAL_REQUIRED',
    });
    await b.revocations.revoke({ credential: 'later' });
    await a.state.refresh();
    const late = await replica();
    for (const one of [a, b, late]) expect(revoked(one)).toEqual(['before', 'later']);
  });

  it('notice a Redis that was emptied, and one that hangs', async () => {
    const [a, b] = await fresh(2);
    if (a === undefined || b === undefined) throw new Error('two replicas were started');
    await a.revocations.revoke({ credential: 'x' });
    await a.connection.client.flushall();
    await vi.waitFor(() => expect(a.state.isHealthy()).toBe(false), { timeout: 5000 });
    await healthy(a, b);
    redis().pause();
    try {
      const writes = [a.revocations.revoke({ credential: 'y' }), b.revocations.revoke({ credential: 'z' })];
      const all = await Promise.allSettled(writes);
      expect(all.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
      expect([a, b].map(({ state }) => state.isHealthy())).toEqual([false, false]);
      expect(revoked(b)).toEqual(['x']);
    } finally {
      redis().resume();
    }
    await healthy(a, b);
    await a.revocations.revoke({ credential: 'w' });
    await b.state.refresh();
    await a.state.refresh();
    expect(revoked(a)).toEqual(revoked(b));
    expect(revoked(a)).toEqual(expect.arrayContaining(['w', 'x']));
  });

  it('leave all of it for who comes later, the last of them in a form that a later version reads', async () => {
    const [a, b] = await fresh(2);
    if (a === undefined || b === undefined) throw new Error('two replicas were started');
    const place = (part: string) =>
      b.connection.client.hget(b.connection.key(`{state}:${part}`), 'position').then(Number);
    await a.revocations.revoke({ credential: 'x' });
    await a.close();
    await b.revocations.revoke({ credential: 'y' });
    await b.state.close();
    const [head, snapshot] = [await place('head'), await place('snapshot')];
    expect([head, snapshot]).toEqual([3, 3]);
    const later = await replica();
    expect(revoked(later)).toEqual(['x', 'y']);
  });
});

describe('the log in Redis', () => {
  it('takes an entry only behind the last one, and gives up what a snapshot stands for', async () => {
    await redis().restart({ keepData: false });
    const connection = connectRedis(redis().url, SILENT);
    onTestFinished(() => connection.close());
    const log = new RedisChangeLog(connection);
    await vi.waitFor(() => expect(connection.isUp()).toBe(true));
    const { server, head } = await log.status();
    expect(head).toBeUndefined();
    const begun = { epoch: 'e', position: 7, last: 'id-7', schema: 's', server };
    expect(await log.begin(begun, Buffer.from('all'), undefined)).toBe(true);
    expect(await log.begin({ ...begun, epoch: 'other' }, Buffer.from('all'), undefined)).toBe(false);
    const bytes = Buffer.from([0, 255, 10, 13]);
    expect(await log.append({ ...begun, epoch: 'other' }, 'x', bytes)).toBe('lost');
    expect(await log.append({ ...begun, last: 'id-6' }, 'x', bytes)).toBe('behind');
    for (let position = 8; position <= 220; position += 1) {
      const before = { epoch: 'e', position: position - 1, last: `id-${position - 1}` };
      expect(await log.append(before, `id-${position}`, bytes)).toBe('taken');
    }
    expect(await log.place()).toEqual({ epoch: 'e', position: 220, last: 'id-220' });
    expect(await log.read(219)).toEqual([{ position: 220, id: 'id-220', previous: 'id-219', bytes }]);
    expect(await log.wait(219)).toHaveLength(1);
    const kept = { epoch: 'e', position: 215, last: 'id-215', bytes: Buffer.from('rows') };
    await log.keep(kept);
    await log.keep({ ...kept, position: 214, last: 'id-214' });
    await log.keep({ ...kept, epoch: 'other', position: 999 });
    expect(await log.snapshot()).toEqual(kept);
    expect((await log.read(0))[0]?.position).toBe(15);
    expect(await log.leads(220)).toBe(true);
    await log.leave();
  });
});
