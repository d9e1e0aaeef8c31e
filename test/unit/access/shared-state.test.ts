import { join } from 'node:path';
import pino from 'pino';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { Approvals } from '../../../src/access/approvals/approvals.ts';
import { Revocations } from '../../../src/access/revocations.ts';
import { RunBook } from '../../../src/access/runs/runs.ts';
import { openSharedState } from '../../../src/access/shared-state.ts';
import { openState, type State } from '../../../src/access/state.ts';
import { Redaction } from '../../../src/observability/redaction.ts';
import { asking, handleOf, planOf, principal } from '../../support/approvals.ts';
import { folderWith } from '../../support/config-folder.ts';
import { SILENT } from '../../support/engine-fixtures.ts';
import { MemoryLog, MemoryRedis } from '../../support/memory-log.ts';

const SETTLE_MS = 20;
const UNAVAILABLE = { code: 'INTERNAL', retryable: true, message: expect.stringContaining('Redis') };

async function replica(redis: MemoryRedis, name: string, path?: string, lines: string[] = []) {
  const log = new MemoryLog(redis, name);
  const logger = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) });
  const state = await openSharedState({ log, path, logger, settleMs: SETTLE_MS, patienceMs: 300 });
  onTestFinished(() => state.close());
  return { log, state, approvals: new Approvals({ state, logger: SILENT, redaction: new Redaction() }) };
}

function revoke(state: State, name: string): Promise<void> {
  return new Revocations(state).revoke({ credential: name });
}

function revoked({ database }: State): string[] {
  return database
    .prepare('SELECT value FROM revocations ORDER BY value')
    .all()
    .map(({ value }) => String(value));
}

describe('replicas that share a state', () => {
  it('write one after the other, and none sees a row that is not there for all', async () => {
    const redis = new MemoryRedis();
    const [a, b] = [await replica(redis, 'a'), await replica(redis, 'b')];
    a.log.beforeAppend = () => {
      // The work was tried, and taken back.
      expect(revoked(a.state)).toEqual([]);
      return revoke(b.state, 'faster');
    };
    await revoke(a.state, 'slower');
    expect(revoked(a.state)).toEqual(['faster', 'slower']);
    await b.state.refresh();
    expect(revoked(b.state)).toEqual(['faster', 'slower']);
  });

  it('show an approver at once what was planned through another', async () => {
    const redis = new MemoryRedis();
    const [a, b] = [await replica(redis, 'a'), await replica(redis, 'b')];
    const approver = principal('bob', ['proxmox:approve']);
    b.log.isDeaf = true;
    await planOf(a.approvals.require(asking({ kind: 'person' }), undefined));
    expect(await b.approvals.waiting(approver)).toMatchObject([{ number: 1 }]);
    await planOf(a.approvals.require(asking({ kind: 'person', cluster: 'staging' }), undefined));
    expect(await b.approvals.show(2, approver)).toMatchObject({ number: 2, cluster: 'staging' });
    redis.set(false);
    expect(await b.approvals.waiting(approver)).toHaveLength(2);
  });

  it('run the work of a write again on what another one wrote meanwhile', async () => {
    const redis = new MemoryRedis();
    const [a, b] = [await replica(redis, 'a'), await replica(redis, 'b')];
    const handle = await handleOf(a.approvals.require(asking(), undefined));
    let other: unknown;
    a.log.beforeAppend = async () => {
      other = await b.approvals.require(asking({ handle }), undefined);
    };
    await expect(a.approvals.require(asking({ handle }), undefined)).rejects.toMatchObject({
      code: 'APPROVAL_REQUIRED',
      message: expect.stringContaining('was used already'),
    });
    expect(other).toEqual({ by: 'self', number: 1 });
  });

  it('know of a plan that another one made a moment ago', async () => {
    const redis = new MemoryRedis();
    const [a, b] = [await replica(redis, 'a'), await replica(redis, 'b')];
    const handle = await handleOf(a.approvals.require(asking(), undefined));
    await expect(b.approvals.require(asking({ handle }), undefined)).resolves.toEqual({
      by: 'self',
      number: 1,
    });
  });

  it('append nothing for a write that changes nothing', async () => {
    const redis = new MemoryRedis();
    const { state } = await replica(redis, 'a');
    await revoke(state, 'x');
    const { appends } = redis;
    await state.write(() => state.database.exec("UPDATE revocations SET value = value WHERE value = 'x'"));
    await state.write(() => undefined);
    expect(redis.appends).toBe(appends);
  });

  it('leave all as it was where the work throws', async () => {
    const redis = new MemoryRedis();
    const { state } = await replica(redis, 'a');
    const work = state.write(() => {
      state.database.exec("INSERT INTO revocations VALUES ('credential', 'x', 0)");
      throw new Error('mine');
    });
    await expect(work).rejects.toThrow('mine');
    expect([revoked(state), redis.appends]).toEqual([[], 0]);
  });

  it('hear of the changes of others, and of many at once once', async () => {
    const redis = new MemoryRedis();
    const [a, b] = [await replica(redis, 'a'), await replica(redis, 'b')];
    const heard = vi.fn();
    new Revocations(b.state).onChange(heard);
    await a.state.write(() => a.state.database.exec("INSERT INTO revocations VALUES ('subject', 'bob', 9)"));
    await revoke(a.state, 'x');
    await vi.waitFor(() => expect(heard).toHaveBeenCalled());
    expect(new Revocations(b.state).isRevoked({ credential: 'x', subject: 'y' })).toBe(true);
    expect(heard.mock.calls.length).toBeLessThanOrEqual(2);
  });

  it('take over rows that a cascade removed, the order of steps and the numbers that were given out', async () => {
    const redis = new MemoryRedis();
    const [a, b] = [await replica(redis, 'a'), await replica(redis, 'b')];
    const runs = new RunBook(a.state).of('alice');
    const run = await runs.begin('k', {});
    for (const name of ['z', 'a', 'm']) await run.begin(name);
    const late = await replica(redis, 'late');
    await b.state.refresh();
    const steps = ({ state }: typeof b) =>
      new RunBook(state)
        .of('alice')
        .last('k')
        ?.steps()
        .map(({ name }) => name);
    expect([steps(b), steps(late)]).toEqual([
      ['z', 'a', 'm'],
      ['z', 'a', 'm'],
    ]);
    await a.state.write(() => a.state.database.exec('DELETE FROM runs'));
    await b.state.refresh();
    expect(b.state.database.prepare('SELECT * FROM run_steps').all()).toEqual([]);
    expect((await new RunBook(b.state).of('bob').begin('k', {})).id).toBe(2);
  });
});

describe('a write whose outcome nobody said', () => {
  it('has taken effect once where it did', async () => {
    const redis = new MemoryRedis();
    const { state, log } = await replica(redis, 'a');
    log.fates.push('unanswered');
    await revoke(state, 'x');
    expect(redis.appends).toBe(1);
    expect(revoked(state)).toEqual(['x']);
  });

  it('is made again where it did not', async () => {
    const redis = new MemoryRedis();
    const { state, log } = await replica(redis, 'a');
    log.fates.push('not sent');
    await revoke(state, 'x');
    expect(redis.appends).toBe(2);
    expect(revoked(state)).toEqual(['x']);
  });

  it('uses an approval up for the one call that made it', async () => {
    const redis = new MemoryRedis();
    const [a, b] = [await replica(redis, 'a'), await replica(redis, 'b')];
    const handle = await handleOf(a.approvals.require(asking(), undefined));
    a.log.fates.push('unanswered');
    const all = await Promise.allSettled(
      [a, b, a, b].map(({ approvals }) => approvals.require(asking({ handle }), undefined)),
    );
    expect(all.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });
});

describe('without Redis', () => {
  it('nothing is written, and reads go on; then it goes on by itself', async () => {
    const redis = new MemoryRedis();
    const { state, approvals } = await replica(redis, 'a');
    await revoke(state, 'x');
    redis.set(false);
    expect(state.isHealthy()).toBe(false);
    await expect(revoke(state, 'y')).rejects.toMatchObject(UNAVAILABLE);
    await expect(state.refresh()).rejects.toMatchObject(UNAVAILABLE);
    await expect(approvals.require(asking(), undefined)).rejects.toMatchObject(UNAVAILABLE);
    expect(revoked(state)).toEqual(['x']);
    redis.set(true);
    await vi.waitFor(() => expect(state.isHealthy()).toBe(true));
    await revoke(state, 'y');
    expect(revoked(state)).toEqual(['x', 'y']);
  });

  it('no replica starts', async () => {
    const redis = new MemoryRedis();
    redis.isUp = false;
    await expect(replica(redis, 'a')).rejects.toThrow(/REDIS_URL: Redis does not answer/);
  });
});

describe('a Redis that was started anew', () => {
  it.each<['all' | 'nothing' | number]>([['all'], ['nothing'], [2]])(
    'with %s of the entries has what the replica knows that knows most, and no open approval',
    async (keep) => {
      const redis = new MemoryRedis();
      const lines: string[] = [];
      const [a, b] = [await replica(redis, 'a', undefined, lines), await replica(redis, 'b')];
      const handle = await handleOf(a.approvals.require(asking(), undefined));
      await revoke(a.state, 'x');
      redis.restart(keep);
      for (const { state } of [a, b]) await vi.waitFor(() => expect(state.isHealthy()).toBe(true));
      expect(revoked(a.state)).toEqual(['x']);
      expect(revoked(b.state)).toEqual(['x']);
      await expect(b.approvals.require(asking({ handle }), undefined)).rejects.toMatchObject({
        code: 'APPROVAL_REQUIRED',
        message: expect.stringContaining('has expired'),
      });
      await revoke(b.state, 'y');
      await a.state.refresh();
      expect(revoked(a.state)).toEqual(['x', 'y']);
    },
  );

  it('is noticed also where it only forgot', async () => {
    const redis = new MemoryRedis();
    const { state } = await replica(redis, 'a');
    await revoke(state, 'x');
    redis.forget();
    await expect(revoke(state, 'y')).resolves.toBeUndefined();
    expect(revoked(state)).toEqual(['x', 'y']);
    expect(redis.head).toBeDefined();
  });
});

describe('a replica that starts', () => {
  it('begins with STATE_FILE where nobody has anything, and leaves the file as it is', async () => {
    const path = join(folderWith(), 'state.db');
    const file = openState(path);
    await revoke(file, 'of the file');
    await file.close();
    const redis = new MemoryRedis();
    const a = await replica(redis, 'a', path);
    await revoke(a.state, 'later');
    const b = await replica(redis, 'b', path);
    expect(revoked(b.state)).toEqual(['later', 'of the file']);
    const again = openState(path);
    expect(revoked(again)).toEqual(['of the file']);
    await again.close();
  });

  it('reads the snapshot and what came after it', async () => {
    const redis = new MemoryRedis();
    const a = await replica(redis, 'a');
    for (let index = 0; index < 1010; index += 1) await revoke(a.state, `x${index}`);
    await vi.waitFor(() => expect(redis.entries.length).toBeLessThan(50));
    const b = await replica(redis, 'b');
    expect(revoked(b.state)).toEqual(revoked(a.state));
  });

  it('reads all anew where it lagged behind what is kept', async () => {
    const redis = new MemoryRedis();
    const [a, b] = [await replica(redis, 'a'), await replica(redis, 'b')];
    vi.spyOn(b.log, 'wait').mockImplementation(() => new Promise((resolve) => setTimeout(resolve, 20, [])));
    for (let index = 0; index < 1010; index += 1) await revoke(a.state, `x${index}`);
    await vi.waitFor(() => expect(redis.entries.length).toBeLessThan(50));
    await vi.waitFor(async () => await b.state.refresh(), { timeout: 3000 });
    expect(revoked(b.state)).toEqual(revoked(a.state));
  });

  it('does not take part where others run another version, and does once they are gone', async () => {
    const redis = new MemoryRedis();
    const a = await replica(redis, 'a');
    await revoke(a.state, 'x');
    const other = () => {
      if (redis.head !== undefined) redis.head = { ...redis.head, schema: 'of another version' };
    };
    other();
    await expect(replica(redis, 'b')).rejects.toThrow(/REDIS_URL.*another version/);
    await a.state.close();
    other();
    redis.alive.clear();
    const c = await replica(redis, 'c');
    expect(revoked(c.state)).toEqual(['x']);
  });
});
