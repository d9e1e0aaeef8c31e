import {
  copyFileSync,
  existsSync,
  readFileSync,
  renameSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { describe, expect, it } from 'vitest';
import { AuditError } from '../../../src/audit/audit-error.ts';
import { type AuditLogOptions, openAuditLog } from '../../../src/audit/audit-log.ts';
import { verifyRecord } from '../../../src/audit/verify.ts';
import {
  call,
  type Disk,
  failure,
  filesBeside,
  filesOn,
  freshRecord,
  opened,
  parsed,
} from '../../support/audit-record.ts';

const END = { outcome: 'ok', durationMs: 1 };

async function serving(more: Partial<AuditLogOptions> = {}) {
  const path = freshRecord();
  const problems: string[] = [];
  const log = await opened({ path, onProblem: (problem) => problems.push(problem), ...more });
  await log.begin(call('before'));
  await log.end({ id: 'before', ...END });
  await log.begin(call('on-disk'));
  return { path, problems, log };
}

const HARM: Record<string, { harm(path: string): void; says: RegExp }> = {
  'that was removed': { harm: unlinkSync, says: /moved, removed or replaced/ },
  'that was renamed': { harm: (path) => renameSync(path, `${path}.1`), says: /moved, removed or replaced/ },
  'that was replaced by an empty one': {
    harm: (path) => {
      unlinkSync(path);
      writeFileSync(path, '');
    },
    says: /moved, removed or replaced/,
  },
  'that was replaced by its copy': {
    harm: (path) => {
      copyFileSync(path, `${path}.copy`);
      renameSync(`${path}.copy`, path);
    },
    says: /moved, removed or replaced/,
  },
  'that was emptied': { harm: (path) => truncateSync(path), says: /was cut by another program/ },
  'whose last byte was cut off': {
    harm: (path) => truncateSync(path, readFileSync(path).length - 1),
    says: /was cut by another program/,
  },
};

describe.each(Object.entries(HARM))('a file %s while the service runs', (what, { harm, says }) => {
  it('stops the very next write, and says what to do', async () => {
    const { path, problems, log } = await serving();
    harm(path);
    const left = existsSync(path) ? readFileSync(path, 'utf8') : undefined;
    const error = await log.begin(call('refused')).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(AuditError);
    expect(String(error)).toMatch(says);
    expect(String(error)).toMatch(/[Rr]estart the service/);
    expect(String(error)).not.toContain(path);
    expect(log.healthy()).toEqual({ ok: false, problem: expect.stringMatching(says) });
    for (let again = 0; again < 3; again++) {
      await expect(log.begin(call(`refused-${again}`))).rejects.toThrow(AuditError);
    }
    expect(problems).toEqual([expect.stringMatching(says)]);
    // Neither is a new file begun, nor what another program put there written to.
    expect(existsSync(path) ? readFileSync(path, 'utf8') : undefined).toBe(left);
  });

  it('shows within a second where nobody calls', async () => {
    const { path, problems, log } = await serving();
    harm(path);
    await expect
      .poll(() => log.healthy(), { timeout: 1000, interval: 20 })
      .toEqual({
        ok: false,
        problem: expect.stringMatching(says),
      });
    expect(problems).toHaveLength(1);
  });

  it('serves reads, whose lines wait', async () => {
    const { path, log } = await serving({ mostWaiting: 4 });
    harm(path);
    await log.begin(call('r1', { write: false }));
    await log.end({ id: 'r1', ...END });
    await log.begin(call('r2', { write: false }));
    await log.end({ id: 'r2', ...END });
    await expect(log.begin(call('r3', { write: false }))).rejects.toThrow(AuditError);
  });

  it('lets the service end, and the next one begins where the record ends', async () => {
    const { path, log } = await serving();
    const head = log.head();
    harm(path);
    await expect(log.begin(call('refused'))).rejects.toThrow(AuditError);
    await log.close();
    const next = await openAuditLog({ path });
    await next.begin(call('after'));
    await next.close();
    expect(parsed(path).at(-1)).toMatchObject({ kind: 'begin', id: 'after' });
    // The line that the service named proves that lines are gone; a copy has them all.
    const { finding } = await verifyRecord({ path, anchor: head });
    expect(finding?.damage).toBe(what.includes('copy') ? undefined : 'cut');
  });
});

describe('a file that comes back', () => {
  it('is gone on with, and nothing stands twice or is missing', async () => {
    const { path, problems, log } = await serving();
    await log.begin(call('r', { write: false }));
    await log.end({ id: 'r', ...END });
    renameSync(path, `${path}.away`);
    await expect(log.begin(call('refused'))).rejects.toThrow(AuditError);
    await log.begin(call('r2', { write: false }));
    await log.end({ id: 'r2', ...END });
    renameSync(`${path}.away`, path);
    await expect.poll(() => log.healthy().ok, { timeout: 2000 }).toBe(true);
    await log.begin(call('after'));
    expect(parsed(path).map(({ kind, id }) => `${kind} ${id ?? ''}`.trim())).toEqual([
      'open',
      'begin before',
      'end before',
      'begin on-disk',
      'begin r',
      'end r',
      'begin r2',
      'end r2',
      'begin after',
    ]);
    expect((await verifyRecord({ path })).finding).toBeUndefined();
    expect(problems).toHaveLength(1);
  });
});

it('takes its own rotation for no loss', async () => {
  const { path, problems, log } = await serving({ maxBytes: 2000 });
  for (let index = 0; index < 40; index++) {
    await log.begin(call(`w${index}`));
    await log.end({ id: `w${index}`, ...END });
    if (index % 10 === 0) await new Promise((done) => setTimeout(done, 450));
  }
  expect(filesBeside(path).length).toBeGreaterThan(3);
  expect(problems).toEqual([]);
  expect(log.healthy()).toEqual({ ok: true });
  expect((await verifyRecord({ path })).finding).toBeUndefined();
});

it('does not take a full disk for well again only because the file is in its place', async () => {
  const disk: Disk = { done: [] };
  const { log } = await serving({ files: filesOn(disk) });
  disk.append = () => Promise.reject(failure('ENOSPC'));
  await expect(log.begin(call('w'))).rejects.toThrow('the disk is full');
  await new Promise((done) => setTimeout(done, 1000));
  expect(log.healthy()).toMatchObject({ ok: false });
});
