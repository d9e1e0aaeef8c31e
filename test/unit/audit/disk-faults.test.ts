import { describe, expect, it } from 'vitest';
import { AuditError } from '../../../src/audit/audit-error.ts';
import { openAuditLog } from '../../../src/audit/audit-log.ts';
import { verifyRecord } from '../../../src/audit/verify.ts';
import {
  call,
  type Disk,
  failure,
  filesOn,
  freshRecord,
  linesIn,
  opened,
  parsed,
} from '../../support/audit-record.ts';

const END = { outcome: 'ok', durationMs: 1 };

async function onDisk(disk: Disk, options: { deadlineMs?: number; mostWaiting?: number } = {}) {
  const path = freshRecord();
  const problems: string[] = [];
  const log = await opened({
    path,
    files: filesOn(disk),
    onProblem: (text) => problems.push(text),
    ...options,
  });
  return { path, problems, log };
}

/** Writes the first half, as a disk does that has room for no more. */
function fill(disk: Disk): void {
  disk.append = async (bytes, file) => {
    await file.append(bytes.subarray(0, bytes.length / 2));
    throw failure('ENOSPC');
  };
}

describe('a disk that is full', () => {
  it('stops writes at once, leaves no half line, and heals', async () => {
    const disk: Disk = { done: [] };
    const { path, problems, log } = await onDisk(disk);
    await log.begin(call('before'));
    fill(disk);
    const error = await log.begin(call('refused')).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(AuditError);
    expect(String(error)).toMatch(/the disk is full \(ENOSPC\)/);
    expect(String(error)).not.toContain('/secret/place');
    expect(log.healthy()).toEqual({ ok: false, problem: expect.stringContaining('ENOSPC') });
    await log.end({ id: 'before', ...END });
    expect(problems).toEqual([expect.stringContaining('the disk is full')]);

    delete disk.append;
    await log.begin(call('after'));
    expect(log.healthy()).toEqual({ ok: true });
    expect(parsed(path).map(({ kind, id }) => [kind, id])).toEqual([
      ['open', undefined],
      ['begin', 'before'],
      ['end', 'before'],
      ['begin', 'after'],
    ]);
    expect((await verifyRecord({ path })).finding).toBeUndefined();
  });

  it('heals by itself, without a write to try', async () => {
    const disk: Disk = { done: [] };
    const { path, log } = await onDisk(disk);
    fill(disk);
    await log.begin(call('r', { write: false }));
    await expect.poll(() => log.healthy().ok).toBe(false);
    delete disk.append;
    await expect.poll(() => log.healthy().ok, { timeout: 5000 }).toBe(true);
    expect(parsed(path).at(-1)).toMatchObject({ kind: 'begin', id: 'r' });
  });

  it('is verifiable while it is full, and after the process ended so', async () => {
    const disk: Disk = { done: [] };
    const { path, log } = await onDisk(disk);
    fill(disk);
    disk.truncate = () => Promise.reject(failure('EIO'));
    await expect(log.begin(call('refused'))).rejects.toThrow(AuditError);
    expect(await verifyRecord({ path })).toMatchObject({ finding: undefined, lines: 1 });
    await log.close();
    const again = await openAuditLog({ path });
    await again.begin(call('later'));
    await again.close();
    expect(await verifyRecord({ path })).toMatchObject({ finding: undefined, lines: 3, torn: [{ line: 2 }] });
  });

  it('serves reads as long as their lines find room, and then no more', async () => {
    const disk: Disk = { done: [] };
    const { path, log } = await onDisk(disk, { mostWaiting: 20 });
    await log.begin(call('before'));
    fill(disk);
    for (let index = 0; index < 20; index++) await log.begin(call(`r${index}`, { write: false }));
    await expect(log.begin(call('r20', { write: false }))).rejects.toThrow(AuditError);
    // Ends of what was let through still find room; what is beyond all bounds is counted.
    for (let index = 0; index < 30; index++) await log.end({ id: `r${index}`, ...END });
    expect(log.healthy()).toMatchObject({ ok: false });
    delete disk.append;
    await expect.poll(() => parsed(path).at(-1)?.kind, { timeout: 5000 }).toBe('gap');
    expect(log.healthy()).toEqual({ ok: true });
    const report = await verifyRecord({ path });
    expect(report).toMatchObject({ finding: undefined, calls: 21, lostLines: 10 });
  });

  it('lets the service start, and refuses writes', async () => {
    const disk: Disk = { done: [] };
    fill(disk);
    const { path, log } = await onDisk(disk);
    expect(log.healthy()).toMatchObject({ ok: false });
    await expect(log.begin(call('a'))).rejects.toThrow('the disk is full');
    delete disk.append;
    await log.begin(call('b'));
    expect(parsed(path).map(({ kind, id }) => [kind, id])).toEqual([
      ['open', undefined],
      ['begin', 'b'],
    ]);
  });
});

describe('a new file that can’t be made', () => {
  it('stops writes, and makes it later', async () => {
    const disk: Disk = { done: [] };
    const path = freshRecord();
    const files = filesOn(disk);
    let isFull = false;
    const log = await opened({
      path,
      maxBytes: 1,
      files: { ...files, open: (name) => (isFull ? Promise.reject(failure('ENOSPC')) : files.open(name)) },
    });
    await log.begin(call('before'));
    isFull = true;
    await expect(log.begin(call('refused'))).rejects.toThrow('the disk is full');
    isFull = false;
    await log.begin(call('after'));
    const report = await verifyRecord({ path });
    expect(report).toMatchObject({ finding: undefined, calls: 2, lines: 4 });
  });
});

describe('a disk that loses what it was given', () => {
  it('writes again what was not known to be on disk when the sync failed', async () => {
    const disk: Disk = { done: [] };
    const { path, log } = await onDisk(disk);
    await log.begin(call('r', { write: false }));
    await log.end({ id: 'r', ...END });
    disk.sync = () => Promise.reject(failure('EIO'));
    await expect(log.begin(call('w'))).rejects.toThrow('the disk reports an error (EIO)');
    delete disk.sync;
    await log.begin(call('after'));
    expect(disk.done).toContain('truncate');
    expect(parsed(path).map(({ kind, id }) => [kind, id])).toEqual([
      ['open', undefined],
      ['begin', 'r'],
      ['end', 'r'],
      ['begin', 'after'],
    ]);
    expect((await verifyRecord({ path })).finding).toBeUndefined();
  });

  it('stays unhealthy while lines can be written and not synced', async () => {
    const disk: Disk = { done: [] };
    const { log } = await onDisk(disk);
    disk.sync = () => Promise.reject(failure('EIO'));
    await expect(log.begin(call('w'))).rejects.toThrow(AuditError);
    await log.begin(call('r', { write: false }));
    await log.end({ id: 'r', ...END });
    expect(log.healthy()).toMatchObject({ ok: false });
  });
});

describe('a disk that does not answer', () => {
  it('stops writes in time, at once while it lasts, and says that the call was not sent', async () => {
    const hang = Promise.withResolvers<void>();
    const disk: Disk = { done: [] };
    const { path, problems, log } = await onDisk(disk, { deadlineMs: 100 });
    disk.sync = async (file) => {
      await hang.promise;
      await file.sync();
    };
    await expect(log.begin(call('late'))).rejects.toThrow('the disk does not answer');
    expect(log.healthy()).toMatchObject({ ok: false });
    await expect(log.begin(call('at-once'))).rejects.toThrow('the disk does not answer');
    await log.begin(call('read', { write: false }));
    await log.end({ id: 'read', ...END });
    expect(problems).toHaveLength(1);

    hang.resolve();
    await expect.poll(() => log.healthy().ok, { timeout: 5000 }).toBe(true);
    await log.begin(call('after'));
    const lines = parsed(path).map(({ kind, id, outcome }) => [kind, id, outcome]);
    expect(lines).toContainEqual(['end', 'late', 'NOT_SENT']);
    expect(lines.filter(([, id]) => id === 'at-once')).toEqual([]);
    expect(await verifyRecord({ path })).toMatchObject({ finding: undefined, unfinished: { total: 1 } });
  });

  it('is told from a process that was busy itself', async () => {
    const disk: Disk = { done: [] };
    const { problems, log } = await onDisk(disk, { deadlineMs: 100 });
    disk.sync = async (file) => {
      const synced = file.sync();
      // The disk answers meanwhile, and nobody can read that.
      const until = performance.now() + 400;
      while (performance.now() < until);
      await synced;
    };
    await log.begin(call('begun'));
    expect(problems).toEqual([]);
  });

  it('leaves out a write that was refused before its turn came', async () => {
    const hang = Promise.withResolvers<void>();
    const disk: Disk = { done: [] };
    const { path, log } = await onDisk(disk, { deadlineMs: 100 });
    disk.sync = async (file) => {
      await hang.promise;
      await file.sync();
    };
    const both = [
      log.begin(call('first')),
      new Promise((done) => setTimeout(done, 20)).then(() => log.begin(call('second'))),
    ];
    expect((await Promise.allSettled(both)).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    hang.resolve();
    delete disk.sync;
    await expect.poll(() => log.healthy().ok, { timeout: 5000 }).toBe(true);
    await log.begin(call('after'));
    const ids = parsed(path).map(({ kind, id }) => `${kind} ${id}`);
    expect(ids.slice(1)).toEqual(['begin first', 'end first', 'begin after']);
  });

  it('does not keep the service from ending', async () => {
    const disk: Disk = { done: [] };
    const { path, log } = await onDisk(disk, { deadlineMs: 50 });
    disk.append = () => new Promise(() => undefined);
    await log.begin(call('r', { write: false }));
    await log.close();
    // What hangs may still come through, so nobody else may write.
    await expect(openAuditLog({ path })).rejects.toThrow('Another process');
    expect(linesIn(path)).toHaveLength(1);
  });
});
