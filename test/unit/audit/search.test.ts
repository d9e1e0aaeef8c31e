import { appendFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { openAuditLog } from '../../../src/audit/audit-log.ts';
import { tailOfRecord } from '../../../src/audit/follow.ts';
import { type CallFilter, searchRecord } from '../../../src/audit/search.ts';
import { call, freshRecord, opened } from '../../support/audit-record.ts';

const START = Date.UTC(2026, 10, 21, 8);

/** Five calls, a minute apart; the first ends last, and the fifth never. */
async function record(): Promise<string> {
  const path = freshRecord();
  let now = START - 60_000;
  const log = await openAuditLog({ path, maxBytes: 1500, clock: () => (now += 30_000) });
  const end = (id: string, outcome = 'ok') => log.end({ id, outcome, durationMs: 5 });
  now = START - 30_000;
  await log.begin(
    call('a', {
      subject: 'alice',
      cluster: 'production',
      risks: ['destroy'],
      method: 'DELETE',
      path: '/nodes/pve1/qemu/100',
    }),
  );
  now = START + 30_000;
  await log.begin(
    call('b', {
      subject: 'bob',
      cluster: 'staging',
      tool: 'list_nodes',
      write: false,
      method: 'GET',
      path: '/nodes',
    }),
  );
  await end('b');
  now = START + 90_000;
  await log.begin(call('c', { subject: 'alice', parameters: { nested: { note: 'Find ME' } } }));
  await end('c', 'TIMEOUT');
  now = START + 150_000;
  await log.begin(call('d', { subject: 'bob', requestId: 'shared' }));
  await end('d');
  now = START + 210_000;
  await log.begin(call('e', { requestId: 'shared' }));
  await log.end({ id: 'a', outcome: 'ok', upid: 'UPID:pve1:1:', durationMs: 5 });
  await log.task({ id: 'a', upid: 'UPID:pve1:1:', taskStatus: 'OK' });
  await log.close();
  return path;
}

async function ids(
  path: string,
  filter: CallFilter,
  changes: { limit?: number; newestFirst?: boolean } = {},
) {
  const { calls } = await searchRecord({ path, filter, limit: 100, newestFirst: false, ...changes });
  return calls.map(({ id }) => id).join('');
}

describe('search', () => {
  it('makes one call of begin, end and task, over all files', async () => {
    const path = await record();
    const { total, calls, unreadable } = await searchRecord({
      path,
      filter: { id: 'a' },
      limit: 5,
      newestFirst: true,
    });
    expect({ total, unreadable }).toEqual({ total: 1, unreadable: 0 });
    expect(calls[0]).toMatchObject({
      id: 'a',
      time: '2026-11-21T08:00:00.000Z',
      subject: 'alice',
      outcome: 'ok',
      upid: 'UPID:pve1:1:',
      task_status: 'OK',
      begin: { rule: 'role operator' },
      end: { duration_ms: 5 },
    });
    expect(calls[0]?.begin).not.toHaveProperty('hash');
  });

  it.each<[CallFilter, string]>([
    [{}, 'abcde'],
    [{ subject: 'alice' }, 'ace'],
    [{ subject: 'ALICE' }, ''],
    [{ cluster: 'staging' }, 'b'],
    [{ tool: 'list_nodes' }, 'b'],
    [{ method: 'delete' }, 'a'],
    [{ risk: 'destroy' }, 'a'],
    [{ risk: 'destr' }, ''],
    [{ outcome: 'ok' }, 'abd'],
    [{ outcome: 'TIMEOUT' }, 'c'],
    [{ outcome: 'none' }, 'e'],
    [{ id: 'shared' }, 'de'],
    [{ text: 'find me' }, 'c'],
    [{ text: 'upid:PVE1' }, 'a'],
    [{ path: (path) => path === '/nodes' }, 'b'],
    [{ since: START + 60_000 }, 'bcde'],
    [{ since: START + 60_001 }, 'cde'],
    [{ until: START + 60_000 }, 'a'],
    [{ since: START, until: START + 200_000, subject: 'bob' }, 'bd'],
  ])('finds by %j', async (filter, expected) => {
    expect(await ids(await record(), filter)).toBe(expected);
  });

  it('orders by begin, newest first or oldest first, and counts what it leaves out', async () => {
    const path = await record();
    expect(await ids(path, {}, { newestFirst: true, limit: 2 })).toBe('ed');
    expect(await ids(path, {}, { newestFirst: false, limit: 2 })).toBe('ab');
    expect((await searchRecord({ path, filter: {}, limit: 2, newestFirst: true })).total).toBe(5);
  });

  it('keeps the right ones where many fit', async () => {
    const path = freshRecord();
    const log = await openAuditLog({ path });
    for (let index = 0; index < 1000; index++) {
      void log.begin(call(`${index}`, { write: false }));
      void log.end({ id: `${index}`, outcome: 'ok', durationMs: 1 });
    }
    await log.close();
    expect(await ids(path, {}, { newestFirst: true, limit: 2 })).toBe('999998');
    expect(await ids(path, {}, { newestFirst: false, limit: 2 })).toBe('01');
  });

  it('counts what it can’t read', async () => {
    const path = await record();
    appendFileSync(path, 'x\ny\n{"unfinished"');
    expect(await searchRecord({ path, filter: {}, limit: 1, newestFirst: true })).toMatchObject({
      total: 5,
      unreadable: 2,
    });
    await expect(
      searchRecord({ path: freshRecord(), filter: {}, limit: 1, newestFirst: true }),
    ).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

describe('tail', () => {
  it('gives the last lines as they stand', async () => {
    const path = freshRecord();
    const log = await opened({ path });
    for (const id of ['a', 'b', 'c']) await log.begin(call(id));
    const seen: string[] = [];
    for await (const line of tailOfRecord(path, 2, undefined)) seen.push(line);
    expect(seen.map((line) => (JSON.parse(line) as { id: string }).id)).toEqual(['b', 'c']);
  });

  it('follows over many changes of file, and leaves no line out', async () => {
    const path = freshRecord();
    const log = await opened({ path, maxBytes: 1200 });
    const stop = new AbortController();
    const seen: number[] = [];
    const following = (async () => {
      for await (const line of tailOfRecord(path, 1000, stop.signal))
        seen.push((JSON.parse(line) as { seq: number }).seq);
    })();
    for (let index = 0; index < 40; index++) {
      await log.begin(call(`${index}`));
      if (index % 10 === 0) await sleep(50);
    }
    const last = log.head().seq;
    await expect.poll(() => seen.at(-1), { timeout: 15_000 }).toBe(last);
    stop.abort();
    await following;
    const first = seen[0] ?? 0;
    expect(seen).toEqual(Array.from({ length: last - first + 1 }, (_, index) => first + index));
  });
});
