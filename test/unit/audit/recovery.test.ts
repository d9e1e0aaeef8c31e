import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { AuditKey, EMPTY, fragmentOf, type LineKind, nextLine } from '../../../src/audit/chain.ts';
import { beginFragment } from '../../../src/audit/entry.ts';
import { archivePath } from '../../../src/audit/files.ts';
import { recover } from '../../../src/audit/recovery.ts';
import { searchRecord } from '../../../src/audit/search.ts';
import { call, freshRecord } from '../../support/audit-record.ts';

const KEY = new AuditKey(Buffer.from('k'.repeat(32)));
const OTHER = new AuditKey(Buffer.from('x'.repeat(32)));

/** Lines of a chain with their breaks, and their heads. */
function chain(fragments: readonly string[], key?: AuditKey) {
  let head = EMPTY;
  return fragments.map((fragment, index) => {
    const next = nextLine(head, index * 1000, fragment, key);
    head = next.head;
    return next;
  });
}

const says = (kind: LineKind, fields: Record<string, unknown> = {}) => fragmentOf(kind, fields);
const FOUR = ['a', 'b', 'c', 'd'].map((id) => says('end', { id }));
const textOf = (lines: readonly { text: string }[]) => lines.map(({ text }) => text).join('');

describe('where a record goes on', () => {
  it('is at its beginning where there is none', async () => {
    expect(await recover(freshRecord(), undefined)).toEqual({
      head: EMPTY,
      size: 0,
      firstSeq: undefined,
      previous: undefined,
      torn: undefined,
      problem: undefined,
    });
  });

  it('is behind its last finished line', async () => {
    const path = freshRecord();
    const lines = chain(FOUR);
    const text = textOf(lines.slice(1));
    writeFileSync(path, text);
    const whole = { head: lines[3]?.head, size: text.length, firstSeq: 2, previous: undefined };
    expect(await recover(path, undefined)).toEqual({ ...whole, torn: undefined, problem: undefined });
    writeFileSync(path, `${text}{"seq":`);
    expect(await recover(path, undefined)).toMatchObject({ ...whole, torn: Buffer.from('{"seq":') });
  });

  it('is behind finished lines that are none of a record, too', async () => {
    const path = freshRecord();
    const lines = chain(FOUR);
    for (const [before, behind] of [
      ['', 'x\n\ny\n'],
      ['\n', '\n'],
    ]) {
      const text = `${before}${textOf(lines)}${behind}`;
      writeFileSync(path, text);
      expect(await recover(path, undefined)).toMatchObject({ head: lines[3]?.head, size: text.length });
    }
    writeFileSync(path, '\n');
    expect(await recover(path, undefined)).toMatchObject({ head: EMPTY, size: 1, firstSeq: undefined });
    writeFileSync(path, 'torn');
    expect(await recover(path, undefined)).toMatchObject({ head: EMPTY, size: 0, torn: Buffer.from('torn') });
  });

  it('is found behind lines that are longer than what is read at once', async () => {
    const path = freshRecord();
    const long = says('end', { id: 'x'.repeat(700_000) });
    for (const fragments of [[long], [...FOUR, long], [long, ...FOUR], [...FOUR, long, ...FOUR]]) {
      const lines = chain(fragments);
      writeFileSync(path, textOf(lines));
      const { head, size, firstSeq } = await recover(path, undefined);
      expect({ head, size }).toEqual({ head: lines.at(-1)?.head, size: textOf(lines).length });
      expect(firstSeq).toBe(fragments[0] === long ? undefined : 1);
    }
  });

  it('is behind the newest full file where the current one has no line', async () => {
    const path = freshRecord();
    const lines = chain(FOUR);
    writeFileSync(archivePath(path, 1), textOf(lines.slice(0, 2)));
    writeFileSync(archivePath(path, 3), textOf(lines.slice(2, 3)));
    const previous = archivePath(path, 3);
    expect(await recover(path, undefined)).toMatchObject({ head: lines[2]?.head, size: 0, previous });
    writeFileSync(previous, 'nothing that is a line\n');
    expect(await recover(path, undefined)).toMatchObject({ head: lines[1]?.head, size: 0, previous });
    writeFileSync(path, textOf(lines.slice(3)));
    expect(await recover(path, undefined)).toMatchObject({ head: lines[3]?.head, previous: undefined });
  });

  it.each<[string, AuditKey | undefined, AuditKey | undefined, boolean, boolean]>([
    ['as it was', undefined, undefined, false, false],
    ['altered', undefined, undefined, true, true],
    ['altered, now with a key', undefined, KEY, true, true],
    ['as it was, now with a key', undefined, KEY, false, false],
    ['keyed', KEY, KEY, false, false],
    ['keyed and altered', KEY, KEY, true, true],
    ['keyed and altered, without the key', KEY, undefined, true, false],
    ['keyed and altered, with another key', KEY, OTHER, true, false],
  ])('says whether the last line is %s', async (_what, key, given, isAltered, isSaid) => {
    const path = freshRecord();
    const text = textOf(chain(FOUR, key));
    writeFileSync(path, isAltered ? text.replace('"id":"d"', '"id":"e"') : text);
    expect((await recover(path, given)).problem).toBe(
      isSaid
        ? 'The last line of the audit record, number 4, was altered while the service did not run: see `audit verify`.'
        : undefined,
    );
  });
});

describe('the search in a record that is not as it should be', () => {
  async function found(fragments: readonly string[], limit = 100) {
    const path = freshRecord();
    writeFileSync(path, textOf(chain(fragments)));
    return searchRecord({ path, filter: {}, limit, newestFirst: false });
  }

  it('takes no end for that of another call, and none behind a new start', async () => {
    const { total, calls } = await found([
      says('end', { id: 'nobody', outcome: 'ok' }),
      beginFragment(call('a')),
      says('gap', { id: 'a', outcome: 'gap' }),
      beginFragment(call('b')),
      says('end', { id: 'b', outcome: 'ok', duration_ms: 'x', upid: 'U', task_status: 'OK' }),
      says('open'),
      says('end', { id: 'a', outcome: 'ok' }),
      beginFragment(call('c')),
      says('end', { id: 'c', outcome: 'TIMEOUT', duration_ms: 7 }),
    ]);
    expect(total).toBe(3);
    expect(calls).toMatchObject([
      { id: 'a', outcome: undefined, end: undefined },
      { id: 'b', outcome: 'ok', duration_ms: undefined, upid: 'U', task_status: 'OK' },
      { id: 'c', outcome: 'TIMEOUT', duration_ms: 7, upid: undefined, task_status: undefined },
    ]);
    expect(calls[0]?.begin).not.toHaveProperty('seq');
    expect(calls[0]?.begin).not.toHaveProperty('kind');
    expect(calls[1]?.end).toEqual({
      time: '1970-01-01T00:00:04.000Z',
      id: 'b',
      outcome: 'ok',
      duration_ms: 'x',
      upid: 'U',
      task_status: 'OK',
    });
  });

  it('takes the end of a task for that of its call, however late, and of no other', async () => {
    const { calls } = await found([
      beginFragment(call('a')),
      says('end', { id: 'a', outcome: 'ok', upid: 'U1' }),
      beginFragment(call('b')),
      says('end', { id: 'b', outcome: 'ok' }),
      says('open'),
      says('task', { id: 'a', upid: 'U2', task_status: 'OK' }),
      says('task', { id: 'b', upid: 'U3', task_status: 'bad' }),
      says('task', { id: 'nobody', upid: 'U4', task_status: 'OK' }),
    ]);
    expect(calls).toMatchObject([
      { id: 'a', upid: 'U1', task_status: 'OK' },
      { id: 'b', upid: 'U3', task_status: 'bad' },
    ]);
  });
});
