import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { StartedJob } from '../../../../src/access/jobs/job.ts';
import { Jobs } from '../../../../src/access/jobs/jobs.ts';
import { openState, type State } from '../../../../src/access/state.ts';
import type { AuditLog } from '../../../../src/audit/audit-log.ts';
import type { Cluster } from '../../../../src/clusters/cluster.ts';
import { Redaction } from '../../../../src/observability/redaction.ts';
import { CallError } from '../../../../src/proxmox/errors.ts';
import { RecordingCluster } from '../../../support/recording-cluster.ts';

const START = Date.parse('2026-11-21T08:00:00Z');
const DAY_MS = 24 * 60 * 60_000;

let state: State;
let lines: string[];
let tasks: { id: string; upid: string; taskStatus: string }[];
let clusters: Cluster[];
const open: Jobs[] = [];

beforeEach(() => {
  vi.useFakeTimers({ now: START });
  state = openState(undefined);
  [lines, tasks, clusters] = [[], [], []];
});

afterEach(async () => {
  for (const jobs of open.splice(0)) await jobs.close();
  state.close();
  vi.useRealTimers();
});

function process(changes: Partial<ConstructorParameters<typeof Jobs>[0]> = {}): Jobs {
  const audit: Partial<AuditLog> = { task: async (entry) => void tasks.push(entry) };
  const jobs = new Jobs({
    state,
    clusters: () => clusters,
    audit: audit as AuditLog,
    redaction: new Redaction(),
    logger: pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) }),
    random: () => 0.5,
    ...changes,
  });
  open.push(jobs);
  return jobs;
}

const upidOf = (number: number, node = 'pve1') =>
  `UPID:${node}:${number.toString(16).toUpperCase().padStart(8, '0')}:00112233:66112233:qmstart:100:root@pam:`;

function job(number = 1, changes: Partial<StartedJob> = {}): StartedJob {
  return {
    cluster: 'a',
    upid: upidOf(number),
    principalId: 'alice',
    subject: 'alice',
    tool: 'start_guest',
    requestId: `request-${number}`,
    auditId: `audit-${number}`,
    method: 'POST',
    path: '/nodes/pve1/qemu/100/status/start',
    guest: 100,
    startedAt: Date.now(),
    ...changes,
  };
}

function cluster(name: string, reply: RecordingCluster['reply']): RecordingCluster {
  const made = new RecordingCluster(name);
  made.reply = reply;
  clusters.push(made);
  return made;
}

const running = () => ({ status: 'running' });
const stopped = (exitstatus?: string) => () => ({ status: 'stopped', exitstatus });
const unreachable = (): never => {
  throw new CallError('CLUSTER_UNREACHABLE', 'Nobody answers.', { hint: 'Wait.' });
};
const all = (jobs: Jobs, principalId = 'alice') =>
  jobs.list({ principalId, own: ['a', 'b'], everybody: ['a', 'b'] });
const seconds = (count: number) => vi.advanceTimersByTimeAsync(count * 1000);

describe('a job that is followed', () => {
  it('comes to its end though nobody asks, once, and nothing but GET of its status leaves', async () => {
    const a = cluster('a', running);
    const jobs = process();
    jobs.follow();
    await jobs.started(job());
    await seconds(4);
    expect(all(jobs)).toMatchObject([{ state: 'running' }]);
    a.reply = stopped('OK');
    await seconds(20);
    expect(all(jobs)).toMatchObject([{ state: 'ok', exitStatus: 'OK', startedAt: START }]);
    expect(tasks).toEqual([{ id: 'audit-1', upid: upidOf(1), taskStatus: 'OK' }]);
    const asked = a.calls.length;
    await seconds(3600);
    expect(a.calls).toHaveLength(asked);
    expect(new Set(a.calls.map(({ method, path }) => `${method} ${path.toString()}`))).toEqual(
      new Set([`GET /nodes/pve1/tasks/${upidOf(1)}/status`]),
    );
  });

  it.each([
    ['well', 'OK', 'ok', 'OK'],
    ['with warnings', 'WARNINGS: 3', 'warnings', 'WARNINGS: 3'],
    [
      'with a text that holds more than is seen',
      'command failed\u001b[31m\u202e: no space\nsecond line',
      'failed',
      'command failed: no space',
    ],
    ['and does not say how', undefined, 'failed', 'unexpected status'],
    ['with the word for what has not ended', 'running', 'failed', 'running'],
    ['with a long text', 'x'.repeat(5000), 'failed', `${'x'.repeat(500)}…`],
  ])('that ends %s', async (_how, exitstatus, is, says) => {
    cluster('a', stopped(exitstatus));
    const jobs = process();
    jobs.follow();
    await jobs.started(job());
    await seconds(2);
    expect(all(jobs)).toMatchObject([{ state: is, exitStatus: says, endSeenAt: expect.any(Number) }]);
    expect(tasks).toMatchObject([{ taskStatus: says }]);
  });

  it('keeps secrets out of what is kept and recorded', async () => {
    const redaction = new Redaction();
    redaction.note(['canary-secret-0123456789']);
    cluster('a', stopped('login with canary-secret-0123456789 failed'));
    const jobs = process({ redaction });
    jobs.follow();
    await jobs.started(job());
    await seconds(2);
    expect(JSON.stringify([all(jobs), tasks, lines])).not.toContain('canary');
  });

  it('is asked about with growing pauses, fifteen seconds at most', async () => {
    const times: number[] = [];
    cluster('a', () => {
      times.push((Date.now() - START) / 1000);
      return running();
    });
    const jobs = process();
    jobs.follow();
    await jobs.started(job());
    await seconds(62);
    expect(times.map(Math.round)).toEqual([1, 3, 7, 15, 30, 45, 60]);
  });

  it('ends once where somebody else sees it first, and is left alone then', async () => {
    const a = cluster('a', running);
    const jobs = process();
    jobs.follow();
    await jobs.started(job());
    await seconds(1.5);
    await Promise.all([jobs.ended(job(), 'WARNINGS: 1'), jobs.ended(job(), 'WARNINGS: 1')]);
    await jobs.ended(job(), 'OK');
    a.reply = stopped('OK');
    const asked = a.calls.length;
    await seconds(100);
    expect(a.calls).toHaveLength(asked);
    expect(tasks).toEqual([{ id: 'audit-1', upid: upidOf(1), taskStatus: 'WARNINGS: 1' }]);
    expect(all(jobs)).toMatchObject([{ state: 'warnings' }]);
  });

  it('is of its cluster: the same UPID of another is another, and one that is not ours is none', async () => {
    const jobs = process();
    await jobs.started(job(1));
    await jobs.started(job(1, { cluster: 'b', auditId: 'of-b' }));
    await jobs.started(job(1, { principalId: 'mallory', subject: 'mallory' }));
    await jobs.ended({ cluster: 'b', upid: upidOf(1) }, 'OK');
    await jobs.ended({ cluster: 'c', upid: upidOf(1) }, 'OK');
    await jobs.ended({ cluster: 'a', upid: upidOf(2) }, 'OK');
    expect(tasks).toMatchObject([{ id: 'of-b' }]);
    expect(all(jobs).map(({ cluster: name, state: is, subject }) => [name, is, subject])).toEqual([
      ['b', 'ok', 'alice'],
      ['a', 'running', 'alice'],
    ]);
  });

  it('waits for a place: two questions to a cluster at once, and others do not wait for them', async () => {
    const waiting: (() => void)[] = [];
    const slow = cluster('a', () => new Promise((resolve) => waiting.push(() => resolve(running()))));
    const quick = cluster('b', stopped('OK'));
    const jobs = process();
    jobs.follow();
    for (let number = 1; number <= 5; number += 1) await jobs.started(job(number));
    await jobs.started(job(9, { cluster: 'b' }));
    await seconds(3);
    expect(slow.calls).toHaveLength(2);
    expect(quick.calls).toHaveLength(1);
    for (const answer of waiting.splice(0)) answer();
    await seconds(1);
    expect(slow.calls).toHaveLength(4);
    for (const answer of waiting.splice(0)) answer();
  });
});

describe('a cluster that does not answer', () => {
  it('keeps its jobs: they are asked about again, with longer pauses, and say why', async () => {
    const a = cluster('a', unreachable);
    const jobs = process();
    jobs.follow();
    await jobs.started(job());
    await seconds(600);
    // 1, 6, 16, 36, 76, 136, … each minute.
    expect(a.calls.length).toBeGreaterThan(9);
    expect(a.calls.length).toBeLessThan(16);
    expect(all(jobs)).toMatchObject([{ state: 'running', problem: 'Nobody answers.' }]);
    expect(tasks).toEqual([]);
    a.reply = stopped('OK');
    await seconds(61);
    expect(all(jobs)).toMatchObject([{ state: 'ok' }]);
    expect(all(jobs)[0]).not.toHaveProperty('problem');
  });

  it('has its jobs given up after 30 days', async () => {
    cluster('a', unreachable);
    const jobs = process();
    jobs.follow();
    await jobs.started(job(1, { startedAt: START - 30 * DAY_MS - 1000 }));
    await seconds(2);
    const reason = 'It could not be asked for 30 days. Nobody answers.';
    expect(all(jobs)).toMatchObject([{ state: 'unknown', exitStatus: reason }]);
    expect(tasks).toMatchObject([{ taskStatus: `unknown: ${reason}` }]);
  });

  it('or knows no such task: its end is unknown, and nobody asks again', async () => {
    const a = cluster('a', () => {
      throw new CallError('NOT_FOUND', 'Proxmox VE knows no such task.', { hint: 'Look.' });
    });
    const jobs = process();
    jobs.follow();
    await jobs.started(job());
    await seconds(300);
    expect(a.calls).toHaveLength(1);
    expect(all(jobs)).toMatchObject([{ state: 'unknown', exitStatus: 'Proxmox VE knows no such task.' }]);
    expect(tasks).toMatchObject([{ taskStatus: 'unknown: Proxmox VE knows no such task.' }]);
  });

  it('or answers nonsense: that ends nothing', async () => {
    const a = cluster('a', () => null);
    const jobs = process();
    jobs.follow();
    await jobs.started(job());
    await seconds(30);
    expect(all(jobs)).toMatchObject([{ state: 'running', problem: expect.stringContaining('no object') }]);
    a.reply = stopped('OK');
    await seconds(60);
    expect(tasks).toHaveLength(1);
  });

  it('that is not configured any more keeps its jobs, and goes on once it is back', async () => {
    const a = cluster('a', running);
    const jobs = process();
    jobs.follow();
    await jobs.started(job());
    await seconds(2);
    clusters = [];
    await seconds(60);
    const asked = a.calls.length;
    expect(asked).toBeLessThan(4);
    expect(all(jobs)).toMatchObject([
      { state: 'running', problem: 'The cluster a is not configured any more.' },
    ]);
    cluster('a', stopped('OK'));
    await seconds(20);
    expect(a.calls).toHaveLength(asked);
    expect(tasks).toMatchObject([{ taskStatus: 'OK' }]);
  });
});

describe('a restart', () => {
  it('follows again what ran, and leaves what has ended', async () => {
    const a = cluster('a', running);
    const before = process();
    before.follow();
    await before.started(job(1));
    await before.started(job(2));
    await before.ended(job(2), 'OK');
    await seconds(2);
    await before.close();
    const asked = a.calls.length;
    await seconds(600);
    expect(a.calls).toHaveLength(asked);

    a.reply = stopped('WARNINGS: 1');
    const after = process();
    after.follow();
    await seconds(2);
    expect(a.calls).toHaveLength(asked + 1);
    expect(a.calls.at(-1)?.method).toBe('GET');
    expect(tasks.map(({ id, taskStatus }) => [id, taskStatus])).toEqual([
      ['audit-2', 'OK'],
      ['audit-1', 'WARNINGS: 1'],
    ]);
  });

  it('after a crash takes over when the lease of the dead process is over', async () => {
    const a = cluster('a', running);
    const dead = process();
    dead.follow();
    await dead.started(job(1));
    // It dies: nothing is taken back, and its timer never runs again.
    vi.clearAllTimers();
    a.reply = stopped('OK');
    const after = process();
    after.follow();
    await seconds(8);
    expect(tasks).toEqual([]);
    await seconds(7);
    expect(tasks).toHaveLength(1);
  });

  it('of another process beside this one takes nothing from it', async () => {
    const a = cluster('a', running);
    const [one, two] = [process(), process()];
    one.follow();
    two.follow();
    await one.started(job(1));
    await seconds(120);
    const asked = a.calls.length;
    expect(asked).toBeLessThanOrEqual(11);
    await one.close();
    await seconds(10);
    a.reply = stopped('OK');
    await seconds(40);
    expect(tasks).toHaveLength(1);
    expect(a.calls.length).toBeGreaterThan(asked);
  });

  it('ends a question under way, and asks no more', async () => {
    const a = cluster(
      'a',
      ({ signal }) =>
        new Promise((_, reject) => {
          signal?.addEventListener('abort', () => reject(signal.reason));
        }),
    );
    const jobs = process();
    jobs.follow();
    await jobs.started(job());
    await seconds(2);
    await jobs.close();
    await jobs.started(job(2));
    jobs.follow();
    await seconds(600);
    expect(a.calls).toHaveLength(1);
    expect(a.calls[0]?.signal?.aborted).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('a state that takes nothing', () => {
  it('keeps no write from being answered, and its end is recorded all the same', async () => {
    cluster('a', stopped('OK'));
    const jobs = process();
    jobs.follow();
    state.database.exec('PRAGMA query_only = ON');
    await expect(jobs.started(job())).resolves.toBeUndefined();
    await seconds(2);
    expect(tasks).toMatchObject([{ id: 'audit-1', taskStatus: 'OK' }]);
    expect(lines.join('')).toContain('a job could not be remembered');
  });

  it('has the ends of 1,000 jobs wait, and of those that run rather than of those that have ended', async () => {
    const jobs = process();
    state.database.exec('PRAGMA query_only = ON');
    for (let index = 1; index <= 1_001; index += 1) {
      await jobs.started(job(index));
      if (index === 1) await jobs.ended(job(1), 'OK');
    }
    await jobs.started(job(1_002));
    for (const index of [1, 1_001, 1_002]) await jobs.ended(job(index), 'OK');
    expect(tasks.map(({ id }) => id)).toEqual(['audit-1', 'audit-1001']);
    state.database.exec('PRAGMA query_only = OFF');
    jobs.follow();
    await seconds(1);
    expect(all(jobs).filter((one) => one.state === 'ok')).toHaveLength(1);
  });

  it('has each of its jobs end once, and tells what of it could not be kept', async () => {
    const jobs = process();
    state.database.exec('PRAGMA query_only = ON');
    await jobs.started(job(1));
    await jobs.started(job(2));
    await jobs.ended(job(1), 'OK');
    await jobs.ended(job(1), 'OK').catch(() => undefined);
    await jobs.ended(job(2), 'WARNINGS: 1');
    expect(tasks.map(({ id, taskStatus }) => [id, taskStatus])).toEqual([
      ['audit-1', 'OK'],
      ['audit-2', 'WARNINGS: 1'],
    ]);
    const said = lines.map((line) => JSON.parse(line));
    const end = { msg: 'job ended', cluster: 'a' };
    expect(said).toMatchObject([
      { msg: 'a job could not be remembered', upid: upidOf(1), err: { message: expect.any(String) } },
      { msg: 'a job could not be remembered', upid: upidOf(2) },
      { ...end, upid: upidOf(1), request_id: 'request-1', outcome: 'ok' },
      { ...end, upid: upidOf(2), request_id: 'request-2', outcome: 'warnings' },
    ]);
  });

  it('forgets nothing, and keeps no later job from being remembered', async () => {
    const old = process();
    await old.started(job(1));
    await old.ended(job(1), 'OK');
    state.database.exec("CREATE TRIGGER no BEFORE DELETE ON jobs BEGIN SELECT RAISE(ABORT, 'no'); END");
    vi.setSystemTime(START + 31 * DAY_MS);
    await process().started(job(2));
    expect(all(old)).toHaveLength(2);
    expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({
      msg: 'old jobs could not be forgotten',
      err: { message: 'no' },
    });
  });

  it('for a while: the end is seen again when it does', async () => {
    cluster('a', stopped('OK'));
    const jobs = process();
    jobs.follow();
    await jobs.started(job());
    state.database.exec('PRAGMA query_only = ON');
    await jobs.ended(job(), 'OK');
    await seconds(12);
    expect(tasks).toEqual([]);
    state.database.exec('PRAGMA query_only = OFF');
    await seconds(12);
    expect(tasks).toHaveLength(1);
    expect(all(jobs)).toMatchObject([{ state: 'ok' }]);
  });
});

describe('what is kept', () => {
  it('is all that is known of a job, and no more', async () => {
    const jobs = process({ audit: undefined });
    const { guest: _guest, ...without } = job(2);
    await jobs.started(job(1));
    await jobs.started(without);
    expect(all(jobs)).toEqual([
      { ...without, state: 'running' },
      { ...job(1), state: 'running' },
    ]);
    await jobs.ended(job(1), 'OK');
    expect(all(jobs)[1]).toEqual({ ...job(1), state: 'ok', exitStatus: 'OK', endSeenAt: START });
    // One that is none of ours ends nothing, and that is no failure.
    await jobs.ended(job(3), 'OK');
    expect(lines.filter((line) => line.includes('could not'))).toEqual([]);
  });

  async function fill(jobs: Jobs, from: number, count: number, principalId: string): Promise<void> {
    for (let number = from; number < from + count; number += 1) {
      await jobs.started(job(number, { principalId, subject: principalId }));
      await jobs.ended(job(number), 'OK');
    }
  }

  it('of one principal is bounded, and takes nothing from another', async () => {
    const jobs = process({ audit: undefined });
    await fill(jobs, 1, 10, 'bob');
    await fill(jobs, 100, 2200, 'alice');
    const kept = all(jobs);
    const of = (name: string) => kept.filter(({ subject }) => subject === name);
    expect(of('alice').length).toBeGreaterThanOrEqual(2000);
    expect(of('alice').length).toBeLessThanOrEqual(2050);
    expect(of('alice')[0]?.upid).toBe(upidOf(2299));
    expect(of('bob')).toHaveLength(10);
  });

  it('is forgotten 30 days after its end, and never while it runs', async () => {
    const jobs = process();
    await fill(jobs, 1, 3, 'alice');
    await jobs.started(job(4));
    vi.setSystemTime(START + 30 * DAY_MS + 1000);
    await fill(jobs, 100, 60, 'bob');
    const old = all(jobs).filter(({ subject }) => subject === 'alice');
    expect(old.map(({ upid }) => upid)).toEqual([upidOf(4)]);
  });

  it('and still runs is bounded, too: the oldest are no longer followed, and the record says so', async () => {
    const a = cluster('a', running);
    const jobs = process();
    for (let number = 1; number <= 1051; number += 1) await jobs.started(job(number));
    await seconds(0);
    const kept = all(jobs);
    expect(kept.filter(({ state: is }) => is === 'running')).toHaveLength(1000);
    expect(kept.at(-1)).toMatchObject({ upid: upidOf(1), state: 'unknown' });
    expect(tasks).toHaveLength(51);
    expect(tasks[0]?.taskStatus).toMatch(/^unknown: Too many tasks/);
    expect(a.calls).toEqual([]);
    jobs.follow();
    await seconds(1);
    expect(a.calls.length).toBeGreaterThan(1);
    expect(a.calls.filter(({ path }) => path.toString().includes(upidOf(1)))).toEqual([]);
    await jobs.close();
  });
});
