import { join } from 'node:path';
import pino from 'pino';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { Approvals } from '../../../../src/access/approvals/approvals.ts';
import { Jobs } from '../../../../src/access/jobs/jobs.ts';
import { Revocations } from '../../../../src/access/revocations.ts';
import { RunBook } from '../../../../src/access/runs/runs.ts';
import { openSharedState, type SharedStateOptions } from '../../../../src/access/shared-state.ts';
import { openState, type State } from '../../../../src/access/state.ts';
import type { AuditLog } from '../../../../src/audit/audit-log.ts';
import { Redaction } from '../../../../src/observability/redaction.ts';
import { asking, handleOf } from '../../../support/approvals.ts';
import { folderWith } from '../../../support/config-folder.ts';
import { SILENT } from '../../../support/engine-fixtures.ts';
import { MemoryLog, MemoryRedis } from '../../../support/memory-log.ts';
import { RecordingCluster } from '../../../support/recording-cluster.ts';

const UPID = 'UPID:n1:00000001:00112233:66112233:qmstart:100:root@pam:';

async function replica(
  redis: MemoryRedis,
  name: string,
  more: Partial<SharedStateOptions> & { lines?: string[]; log?: MemoryLog } = {},
) {
  const { lines = [], log = new MemoryLog(redis, name), ...options } = more;
  const logger = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) });
  const state = await openSharedState({ log, logger, settleMs: 20, patienceMs: 300, ...options });
  onTestFinished(() => state.close());
  return { log, state, approvals: new Approvals({ state, logger: SILENT, redaction: new Redaction() }) };
}

function revoke(state: State, name: string): Promise<void> {
  return new Revocations(state).revoke({ credential: name });
}

function revoked({ database }: State): string[] {
  const rows = database.prepare('SELECT value FROM revocations ORDER BY value').all();
  return rows.map(({ value }) => String(value));
}

const healthy = (state: State) => vi.waitFor(() => expect(state.isHealthy()).toBe(true));

describe('a copy of the shared state', () => {
  it('forgets no revocation where Redis is lost while it is read anew', async () => {
    const redis = new MemoryRedis();
    const log = new MemoryLog(redis, 'a');
    const { state } = await replica(redis, 'a', { log });
    await revoke(state, 'known');
    // As of another history: what is here has to be read anew, from a snapshot that is older.
    const [entry] = redis.entries;
    if (entry === undefined || redis.head === undefined) throw new Error('one entry was written');
    redis.entries = [{ ...entry, id: 'other' }];
    redis.head = { ...redis.head, last: 'other' };
    const { snapshot } = log;
    let isRead = false;
    log.snapshot = async () => {
      const found = await snapshot.call(log);
      isRead = true;
      redis.set(false);
      return found;
    };
    redis.set(false);
    redis.set(true);
    await vi.waitFor(() => expect(isRead).toBe(true));
    expect(revoked(state)).toEqual(['known']);
    log.snapshot = snapshot;
    redis.set(true);
    await healthy(state);
    expect(revoked(state)).toEqual(['known']);
  });

  it.each([
    ['no changes', Buffer.from('no changes at all')],
    ['nothing', Buffer.alloc(0)],
  ])('is neither lost nor the process ended by an entry that is %s', async (_, bytes) => {
    const redis = new MemoryRedis();
    const lines: string[] = [];
    const { state } = await replica(redis, 'a', { lines });
    await revoke(state, 'x');
    const { head } = redis;
    if (head === undefined) throw new Error('the log was begun');
    const position = head.position + 1;
    redis.entries.push({ position, id: 'bad', previous: head.last, bytes });
    redis.head = { ...head, position, last: 'bad' };
    redis.wake();
    if (bytes.length > 0) {
      await vi.waitFor(() => expect(state.isHealthy()).toBe(false));
      await vi.waitFor(() => expect(lines.join('')).toContain('the shared state is not that of Redis'));
      await expect(revoke(state, 'y')).rejects.toMatchObject({ code: 'INTERNAL' });
    }
    expect(revoked(state)).toEqual(['x']);
    // Whoever repairs it deletes the log: the replicas begin it anew.
    redis.forget();
    await healthy(state);
    await revoke(state, 'z');
    expect(revoked(state)).toEqual(['x', 'z']);
  });

  it('says why Redis takes no writes, once, and is not healthy', async () => {
    const redis = new MemoryRedis();
    const lines: string[] = [];
    const { state, log } = await replica(redis, 'a', { lines });
    const { status } = log;
    const full = async () => {
      throw Object.assign(new Error('OOM command not allowed'), { command: { args: ['canary-key'] } });
    };
    log.status = full;
    log.append = full;
    await expect(revoke(state, 'x')).rejects.toMatchObject({ code: 'INTERNAL', retryable: true });
    expect(state.isHealthy()).toBe(false);
    const said = lines.filter((line) => line.includes('OOM command not allowed'));
    expect(said).toHaveLength(1);
    expect(lines.join('')).not.toContain('canary-key');
    log.status = status;
    await healthy(state);
  });

  it('logs nothing of a snapshot that Redis refuses: it holds the keys that sign', async () => {
    const redis = new MemoryRedis();
    const lines: string[] = [];
    const { state, log } = await replica(redis, 'a', { lines, snapshotEach: 2 });
    log.keep = async () => {
      throw Object.assign(new Error('OOM'), { command: { name: 'eval', args: ['canary-key'] } });
    };
    await revoke(state, 'x');
    await vi.waitFor(() => expect(lines.join('')).toContain('no snapshot'));
    expect(lines.join('')).not.toContain('canary-key');
  });

  it('brings back no approval of STATE_FILE, which may have been used since', async () => {
    const path = join(folderWith(), 'state.db');
    const file = openState(path);
    const approvals = new Approvals({ state: file, logger: SILENT, redaction: new Redaction() });
    const handle = await handleOf(approvals.require(asking(), undefined));
    await file.close();
    const { approvals: shared } = await replica(new MemoryRedis(), 'a', { path });
    await expect(shared.require(asking({ handle }), undefined)).rejects.toMatchObject({
      code: 'APPROVAL_REQUIRED',
      message: expect.stringContaining('has expired'),
    });
  });
});

describe('clocks that differ', () => {
  it('give nobody a run that another one holds', async () => {
    const redis = new MemoryRedis();
    const [slow, fast] = [
      await replica(redis, 'slow', { clock: () => Date.now() - 3_600_000 }),
      await replica(redis, 'fast', { clock: () => Date.now() + 60_000 }),
    ];
    const run = await new RunBook(slow.state).of('alice').begin('k', {});
    const { promise, resolve } = Promise.withResolvers<void>();
    const signal = new AbortController().signal;
    const working = new RunBook(slow.state).of('alice').hold(run, signal, () => promise);
    await vi.waitFor(() =>
      expect(slow.state.database.prepare('SELECT holder FROM runs').get()?.holder).not.toBeNull(),
    );
    const [theirs] = new RunBook(fast.state).of('alice').list();
    if (theirs === undefined) throw new Error('the run is known');
    const impatient = AbortSignal.timeout(50);
    const taken = new RunBook(fast.state).of('alice').hold(theirs, impatient, async () => 'taken');
    await expect(taken).rejects.toThrow();
    resolve();
    await working;
  });

  it('are one: that of Redis, also while it is away', async () => {
    const redis = new MemoryRedis();
    redis.aheadMs = 120_000;
    const lines: string[] = [];
    const { state } = await replica(redis, 'a', { lines });
    expect(Math.abs(state.now() - Date.now() - 120_000)).toBeLessThan(1000);
    redis.set(false);
    expect(Math.abs(state.now() - Date.now() - 120_000)).toBeLessThan(1000);
    expect(lines.join('')).toContain('the clock of this machine');
  });
});

describe('a job that was started while Redis was away', () => {
  it.each([false, true])('is stored later; it had ended: %s', async (hadEnded) => {
    const redis = new MemoryRedis();
    const { state } = await replica(redis, 'a');
    const other = await replica(redis, 'b');
    const ends: unknown[] = [];
    const audit: Partial<AuditLog> = { task: async (entry) => void ends.push(entry) };
    const cluster = new RecordingCluster('a');
    let isOver = hadEnded;
    cluster.reply = () => (isOver ? { status: 'stopped', exitstatus: 'OK' } : { status: 'running' });
    const clusters = () => [cluster];
    const redaction = new Redaction();
    let ahead = 0;
    const jobs = new Jobs({
      ...{ state, clusters, audit: audit as AuditLog, redaction, logger: SILENT },
      clock: () => Date.now() + ahead,
    });
    onTestFinished(() => jobs.close());
    redis.set(false);
    await jobs.started({
      ...{ cluster: 'a', upid: UPID, principalId: 'p', subject: 'alice', tool: 'start_guest' },
      ...{ requestId: 'r', auditId: 'audit-1', method: 'POST', path: '/x', startedAt: Date.now() },
    });
    if (hadEnded) await jobs.ended({ cluster: 'a', upid: UPID }, 'OK');
    expect(ends).toHaveLength(hadEnded ? 1 : 0);
    redis.set(true);
    await healthy(state);
    jobs.follow();
    const query = { principalId: 'p', own: ['a'], everybody: [] };
    const seenByOther = async () => {
      await other.state.refresh();
      return other.state.database.prepare('SELECT upid, state FROM jobs').all();
    };
    const stored = [{ upid: UPID, state: hadEnded ? 'ok' : 'running' }];
    await vi.waitFor(async () => expect(await seenByOther()).toEqual(stored), { timeout: 5000 });
    if (!hadEnded) {
      isOver = true;
      ahead = 60_000;
      await vi.waitFor(() => expect(jobs.list(query)).toMatchObject([{ state: 'ok' }]), { timeout: 8000 });
    }
    expect(ends).toMatchObject([{ id: 'audit-1', taskStatus: 'OK' }]);
  });
});
