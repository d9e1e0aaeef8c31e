import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openAuditLog } from '../../../src/audit/audit-log.ts';
import { AuditKey } from '../../../src/audit/chain.ts';
import { verifyRecord } from '../../../src/audit/verify.ts';
import {
  call,
  type Disk,
  filesBeside,
  filesOn,
  freshRecord,
  linesIn,
  opened,
  parsed,
} from '../../support/audit-record.ts';

const KEY = Buffer.from('k'.repeat(32));

describe('the audit record', () => {
  it('has a begin on disk when begin() resolves, and the end when end() does', async () => {
    const path = freshRecord();
    const log = await opened({ path, clock: () => Date.UTC(2026, 10, 21) });
    await log.begin(call('a', { client: 'claude', matched: 'prod-*', approval: '#1 by bob' }));
    expect(parsed(path).at(-1)).toMatchObject({
      seq: 2,
      time: '2026-11-21T00:00:00.000Z',
      kind: 'begin',
      id: 'a',
      request_id: 'request-of-a',
      subject: 'alice',
      client: 'claude',
      cluster: 'production',
      selected_by: 'name',
      matched: 'prod-*',
      parameters: { timeout: 30 },
      approval: '#1 by bob',
    });
    await log.end({ id: 'a', outcome: 'ok', status: 200, upid: 'UPID:x:', taskStatus: 'OK', durationMs: 7 });
    expect(parsed(path).at(-1)).toMatchObject({
      seq: 3,
      kind: 'end',
      id: 'a',
      task_status: 'OK',
      duration_ms: 7,
    });
    await log.task({ id: 'a', upid: 'UPID:x:', taskStatus: 'OK' });
    expect(parsed(path).at(-1)).toMatchObject({ kind: 'task', id: 'a', task_status: 'OK' });
    expect(log.healthy()).toEqual({ ok: true });
    const report = await verifyRecord({ path });
    expect(report).toMatchObject({ finding: undefined, lines: 4, calls: 1, unfinished: { total: 0 } });
  });

  it('can be read by its owner alone', async () => {
    const path = freshRecord();
    const log = await opened({ path, maxBytes: 1 });
    await log.begin(call('a'));
    for (const name of [...filesBeside(path), 'audit.jsonl.lock']) {
      expect(statSync(join(dirname(path), name)).mode & 0o777).toBe(0o600);
    }
  });

  it('lets writes that begin together share a sync', async () => {
    const disk: Disk = { done: [] };
    const log = await opened({ path: freshRecord(), files: filesOn(disk) });
    disk.done.length = 0;
    await Promise.all(Array.from({ length: 200 }, (_, index) => log.begin(call(`w${index}`))));
    expect(disk.done.filter((operation) => operation === 'sync').length).toBeLessThan(5);
  });

  it('writes a write to disk before begin() resolves, and a read without waiting', async () => {
    const gate = Promise.withResolvers<void>();
    const disk: Disk = { done: [] };
    const log = await opened({ path: freshRecord(), files: filesOn(disk), deadlineMs: 60_000 });
    disk.sync = async (file) => {
      await gate.promise;
      await file.sync();
    };
    await log.begin(call('r', { write: false }));
    let isBegun = false;
    const begun = log.begin(call('w')).then(() => {
      isBegun = true;
    });
    await new Promise((done) => setTimeout(done, 50));
    expect(isBegun).toBe(false);
    gate.resolve();
    await begun;
    expect(disk.done.at(-1)).toBe('sync');
  });

  it('takes a line at any moment, also when it has just run out of work', async () => {
    const log = await opened({ path: freshRecord(), deadlineMs: 5000 });
    for (let index = 0; index < 200; index++) {
      let begun = log.begin(call(`w${index}`));
      for (let turn = 0; turn < index % 8; turn++) begun = begun.then(() => undefined);
      const next = begun.then(() => log.begin(call(`x${index}`)));
      await next;
    }
    expect(log.healthy()).toEqual({ ok: true });
  });

  it('syncs reads within a second', async () => {
    const disk: Disk = { done: [] };
    const log = await opened({ path: freshRecord(), files: filesOn(disk) });
    await log.begin(call('w'));
    disk.done.length = 0;
    await log.begin(call('r', { write: false }));
    await expect.poll(() => disk.done, { timeout: 5000 }).toEqual(['append', 'sync']);
    // The sync has begun by then, and need not have ended.
    await expect.poll(() => log.head().seq).toBe(3);
  });

  it('goes on where an earlier process stopped', async () => {
    const path = freshRecord();
    const first = await openAuditLog({ path });
    await first.begin(call('a'));
    await first.close();
    const second = await opened({ path });
    await second.begin(call('b'));
    expect(parsed(path).map(({ seq, kind }) => [seq, kind])).toEqual([
      [1, 'open'],
      [2, 'begin'],
      [3, 'open'],
      [4, 'begin'],
    ]);
    expect((await verifyRecord({ path })).unfinished).toMatchObject({
      total: 2,
      calls: [{ id: 'a' }, { id: 'b' }],
    });
  });

  it('takes nothing after its end', async () => {
    const path = freshRecord();
    const log = await openAuditLog({ path });
    await log.close();
    await log.close();
    await expect(log.begin(call('a', { write: false }))).rejects.toThrow('closed');
    await log.end({ id: 'a', outcome: 'ok', durationMs: 1 });
    expect(log.healthy()).toMatchObject({ ok: false });
    expect(linesIn(path)).toHaveLength(1);
  });

  it('keeps what was queued when it is closed', async () => {
    const path = freshRecord();
    const log = await openAuditLog({ path });
    for (let index = 0; index < 500; index++) void log.begin(call(`r${index}`, { write: false }));
    await log.close();
    expect(linesIn(path)).toHaveLength(501);
  });
});

describe('a record that is full', () => {
  it('goes on in a new file that names the one before', async () => {
    const path = freshRecord();
    const log = await opened({ path, maxBytes: 2000 });
    for (let index = 0; index < 20; index++) await log.begin(call(`c${index}`));
    const files = filesBeside(path);
    expect(files.length).toBeGreaterThan(4);
    const [first, second] = files.map((name) => join(dirname(path), name));
    const end = parsed(first ?? '').at(-1);
    expect(parsed(second ?? '')[0]).toMatchObject({
      kind: 'rotate',
      seq: Number(end?.seq) + 1,
      prev: end?.hash,
      previous_file: 'audit-000000000001.jsonl',
    });
    const report = await verifyRecord({ path });
    expect(report).toMatchObject({ finding: undefined, files: files.length, calls: 20 });
  });

  it('keeps its chain under load, and for whoever reads meanwhile', async () => {
    const path = freshRecord();
    const log = await opened({ path, maxBytes: 20_000 });
    let isDone = false;
    const writers = Promise.all(
      Array.from({ length: 32 }, async (_, writer) => {
        for (let index = 0; index < 30; index++) {
          await log.begin(call(`${writer}.${index}`, { write: index % 3 > 0 }));
          await log.end({ id: `${writer}.${index}`, outcome: 'ok', durationMs: 1 });
        }
      }),
    ).then(() => {
      isDone = true;
    });
    let seen = 0;
    while (!isDone) {
      const report = await verifyRecord({ path });
      expect(report.finding).toBeUndefined();
      expect(report.lines).toBeGreaterThanOrEqual(seen);
      seen = report.lines;
    }
    await writers;
    const report = await verifyRecord({ path });
    expect(report).toMatchObject({ finding: undefined, calls: 960, unfinished: { total: 0 } });
    expect(report.files).toBeGreaterThan(10);
  });

  it('goes on in its file where it can’t be moved', async () => {
    const path = freshRecord();
    const problems: string[] = [];
    const disk: Disk = { done: [], rename: () => Promise.reject(new Error('no')) };
    const log = await opened({
      path,
      maxBytes: 3000,
      files: filesOn(disk),
      onProblem: (text) => problems.push(text),
    });
    for (let index = 0; index < 8; index++) await log.begin(call(`c${index}`));
    expect(problems).toEqual([expect.stringContaining('could not be moved')]);
    expect(log.healthy()).toEqual({ ok: true });
    delete disk.rename;
    for (let index = 0; index < 8; index++) await log.begin(call(`d${index}`));
    expect(filesBeside(path).length).toBeGreaterThan(1);
    expect((await verifyRecord({ path })).finding).toBeUndefined();
  });

  it('goes on after a crash between moving the file and making the new one', async () => {
    const path = freshRecord();
    const log = await openAuditLog({ path, maxBytes: 1 });
    await log.close();
    expect(existsSync(path)).toBe(false);
    const again = await opened({ path });
    await again.begin(call('a'));
    expect(parsed(path).map(({ seq, kind }) => [seq, kind])).toEqual([
      [2, 'rotate'],
      [3, 'open'],
      [4, 'begin'],
    ]);
    expect((await verifyRecord({ path })).finding).toBeUndefined();
  });

  it('never writes over a file that has the name', async () => {
    const path = freshRecord();
    const taken = join(dirname(path), 'audit-000000000001.jsonl');
    const log = await opened({ path, maxBytes: 1500 });
    writeFileSync(taken, 'mine\n');
    for (let index = 0; index < 4; index++) await log.begin(call(`c${index}`));
    expect(readFileSync(taken, 'utf8')).toBe('mine\n');
    expect(filesBeside(path)).toContain('audit-000000000001-1.jsonl');
  });
});

describe('opening a record', () => {
  it('cuts an unfinished line off, says so, and does not take it for tampering', async () => {
    const path = freshRecord();
    const log = await openAuditLog({ path });
    await log.begin(call('a'));
    await log.close();
    appendFileSync(path, '{"seq":3,"time":"20');
    expect(await verifyRecord({ path })).toMatchObject({ finding: undefined, unfinishedBytes: 19 });
    const again = await opened({ path });
    await again.begin(call('b'));
    expect(parsed(path)[2]).toMatchObject({
      seq: 3,
      kind: 'open',
      torn_bytes: 19,
      torn_text: '{"seq":3,"time":"20',
    });
    expect(await verifyRecord({ path })).toMatchObject({
      finding: undefined,
      unfinishedBytes: 0,
      torn: [{ file: path, line: 3, bytes: 19 }],
    });
  });

  it('cuts an unfinished first line off', async () => {
    const path = freshRecord();
    writeFileSync(path, '{"seq"');
    await opened({ path });
    expect(parsed(path)).toMatchObject([{ seq: 1, torn_bytes: 6 }]);
  });

  it('leaves finished lines that are none of a record where they are', async () => {
    const path = freshRecord();
    const log = await openAuditLog({ path });
    await log.begin(call('a'));
    await log.close();
    appendFileSync(path, 'what is this?\n');
    await opened({ path });
    expect(linesIn(path)[2]).toBe('what is this?');
    expect((await verifyRecord({ path })).finding).toMatchObject({ damage: 'inserted', file: path, line: 3 });
  });

  it('says that the last line was altered', async () => {
    const path = freshRecord();
    const log = await openAuditLog({ path });
    await log.begin(call('a'));
    await log.close();
    writeFileSync(path, readFileSync(path, 'utf8').replace('"alice"', '"mallo"'));
    const problems: string[] = [];
    await opened({ path, onProblem: (problem) => problems.push(problem) });
    expect(problems).toEqual([expect.stringMatching(/number 2, was altered/)]);
    expect((await verifyRecord({ path })).finding).toMatchObject({ damage: 'altered', line: 2 });
  });

  it('refuses a second writer, in this process too, and lets one in after the first', async () => {
    const path = freshRecord();
    const first = await openAuditLog({ path });
    for (let attempt = 0; attempt < 3; attempt++) {
      await expect(openAuditLog({ path })).rejects.toThrow(/^Another process writes this audit record/);
    }
    const link = join(dirname(path), 'link.jsonl');
    symlinkSync(path, link);
    await expect(openAuditLog({ path: link })).rejects.toThrow('Another process');
    await first.begin(call('a'));
    await first.close();
    await opened({ path });
    expect((await verifyRecord({ path })).finding).toBeUndefined();
  });

  it.each([
    ['a folder', (path: string) => mkdirSync(path), 'must be a regular file'],
    ['a device', (path: string) => symlinkSync('/dev/null', path), 'must be a regular file'],
    ['a path below a file', (path: string) => writeFileSync(dirname(path), ''), 'can.t be written'],
  ])('refuses %s', async (_, prepare, message) => {
    const path = join(freshRecord(), 'sub.jsonl');
    if (_ !== 'a path below a file') mkdirSync(dirname(path));
    prepare(path);
    const error = await openAuditLog({ path }).catch((thrown: unknown) => thrown);
    expect(String(error)).toMatch(new RegExp(`^AuditError: .*${message}`));
    expect(String(error)).not.toContain(path);
  });

  it('refuses to go on without the key, and goes on with a new one', async () => {
    const path = freshRecord();
    const plain = await openAuditLog({ path });
    await plain.close();
    const keyed = await openAuditLog({ path, key: KEY });
    await keyed.close();
    await expect(openAuditLog({ path })).rejects.toThrow(/is keyed with [0-9a-f]{8}, and no key is given/);
    const other = Buffer.from('o'.repeat(40));
    const rekeyed = await openAuditLog({ path, key: other });
    await rekeyed.close();
    const keys = [new AuditKey(KEY), new AuditKey(other)];
    expect(await verifyRecord({ path, keys })).toMatchObject({ finding: undefined, lines: 3, keyedLines: 2 });
    expect(readFileSync(path, 'utf8')).not.toMatch(/kkkk|oooo/);
    await expect(openAuditLog({ path: freshRecord(), key: Buffer.from('short') })).rejects.toThrow(
      RangeError,
    );
  });

  it('goes on behind what another program wrote into it', async () => {
    const path = freshRecord();
    const problems: string[] = [];
    const log = await opened({ path, onProblem: (problem) => problems.push(problem) });
    await log.begin(call('a'));
    appendFileSync(path, 'mine\n');
    await log.begin(call('b'));
    expect(problems).toEqual([expect.stringContaining('was changed by another program')]);
    expect((await verifyRecord({ path })).finding).toMatchObject({ damage: 'inserted', line: 3 });
  });
});
