import { appendFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { AuditKey, EMPTY, fragmentOf, hashOf, nextLine } from '../../../src/audit/chain.ts';
import { beginFragment, endFragment } from '../../../src/audit/entry.ts';
import { type Damage, type VerifyReport, verifyRecord } from '../../../src/audit/verify.ts';
import { call, freshRecord, putLines } from '../../support/audit-record.ts';

const LINES = 10_000;
const ROUNDS = 3;
const KEY = new AuditKey(Buffer.from('k'.repeat(32)));

/** A record of calls as the service writes it, line by line. */
function chain(count: number, key?: AuditKey): string[] {
  let head = EMPTY;
  const lines: string[] = [];
  for (let index = 0; index < count; index++) {
    const id = `c${index >> 1}`;
    const fragment =
      index % 2 === 0 ? beginFragment(call(id)) : endFragment({ id, outcome: 'ok', durationMs: index });
    const next = nextLine(head, 1_700_000_000_000 + index, fragment, key);
    lines.push(next.text.trimEnd());
    head = next.head;
  }
  return lines;
}

/** The same line with something changed and a hash that fits its new text. */
function forged(line: string, change: (text: string) => string, key?: AuditKey): string {
  const body = `${change(line.slice(0, line.lastIndexOf(',"hash"')))}}`;
  return `${body.slice(0, -1)},"hash":"${hashOf(Buffer.from(body), key)}"}`;
}

const seqOf = (line: string): number => (JSON.parse(line) as { seq: number }).seq;
const hashIn = (line: string): string => (JSON.parse(line) as { hash: string }).hash;
const rename = (text: string): string => text.replace('"alice"', '"mallory"').replace('"ok"', '"no"');

let record: string[];
let keyed: string[];
beforeAll(() => {
  record = chain(LINES);
  keyed = chain(LINES, KEY);
});

/** Writes the lines over three files, as rotation does, and verifies. */
async function verified(
  lines: readonly string[],
  options: Omit<Parameters<typeof verifyRecord>[0], 'path'> = {},
): Promise<VerifyReport & { at: number | undefined }> {
  const path = freshRecord();
  const folder = dirname(path);
  const [second, third] = [3000, 7000];
  const files: [string, number, number][] = [
    ['audit-000000000001.jsonl', 0, second],
    ['audit-000000003001.jsonl', second, third],
    ['audit.jsonl', third, lines.length],
  ];
  for (const [name, from, to] of files) putLines(join(folder, name), lines.slice(from, to));
  const report = await verifyRecord({ path, ...options });
  rmSync(folder, { recursive: true });
  const start = files.find(([name]) => join(folder, name) === report.finding?.file)?.[1];
  return { ...report, at: start === undefined ? undefined : start + (report.finding?.line ?? 0) - 1 };
}

/** Random places, and the ends of files, where a slip by one would show. */
function places(least: number, most: number): number[] {
  const random = fc.sample(fc.integer({ min: least, max: most }), ROUNDS);
  return [...random, 2999, 3000, 6999, 7000].filter((at) => at >= least && at <= most);
}

type Tampering = [
  what: string,
  tamper: (lines: string[], at: number) => void,
  damage: Damage,
  found: (at: number) => number,
];

const TAMPERINGS: Tampering[] = [
  ['a changed byte', (lines, at) => lines.splice(at, 1, flipped(lines[at] ?? '')), 'altered', (at) => at],
  [
    'a changed line whose own hash was made to fit',
    (lines, at) => lines.splice(at, 1, forged(lines[at] ?? '', rename)),
    'altered',
    (at) => at,
  ],
  ['a line that is emptied', (lines, at) => lines.splice(at, 1, ''), 'altered', (at) => at],
  ['a line of zeros', (lines, at) => lines.splice(at, 1, '\0'.repeat(400)), 'altered', (at) => at],
  ['a removed line', (lines, at) => lines.splice(at, 1), 'missing', (at) => at],
  ['a hundred removed lines', (lines, at) => lines.splice(at, 100), 'missing', (at) => at],
  ['two neighbours swapped', (lines, at) => swap(lines, at, at + 1), 'moved', (at) => at],
  ['two distant lines swapped', (lines, at) => swap(lines, at, at + 50), 'moved', (at) => at],
  ['a line moved down', (lines, at) => lines.splice(at + 40, 0, ...lines.splice(at, 1)), 'moved', (at) => at],
  ['a line moved up', (lines, at) => lines.splice(at, 0, ...lines.splice(at + 40, 1)), 'moved', (at) => at],
  ['a duplicated line', (lines, at) => lines.splice(at, 0, lines[at] ?? ''), 'duplicated', (at) => at + 1],
  [
    'a line repeated later',
    (lines, at) => lines.splice(at + 30, 0, lines[at] ?? ''),
    'duplicated',
    (at) => at + 30,
  ],
  [
    'a line repeated earlier',
    (lines, at) => lines.splice(at, 0, lines[at + 30] ?? ''),
    'duplicated',
    (at) => at,
  ],
  [
    'an inserted line with a hash of its own',
    (lines, at) => lines.splice(at, 0, forged(lines[at] ?? '', rename)),
    'inserted',
    (at) => at,
  ],
  [
    'an inserted line with a link of its own',
    (lines, at) =>
      lines.splice(
        at,
        0,
        forged(lines[at] ?? '', (text) =>
          rename(text).replace(/"prev":"[^"]+"/, `"prev":"${'a'.repeat(64)}"`),
        ),
      ),
    'inserted',
    (at) => at,
  ],
  [
    'an inserted line with a number from before',
    (lines, at) =>
      lines.splice(
        at,
        0,
        forged(lines[at] ?? '', (text) => rename(text).replace(/"seq":\d+/, '"seq":3')),
      ),
    'inserted',
    (at) => at,
  ],
  ['an inserted line of another text', (lines, at) => lines.splice(at, 0, 'x'), 'inserted', (at) => at],
  [
    'a changed number whose hash was made to fit',
    (lines, at) =>
      lines.splice(
        at,
        1,
        forged(lines[at] ?? '', (text) => text.replace(/"seq":\d+/, '"seq":99999')),
      ),
    'altered',
    (at) => at,
  ],
  [
    'a changed link whose hash was made to fit',
    (lines, at) =>
      lines.splice(
        at,
        1,
        forged(lines[at] ?? '', (text) => text.replace(/"prev":"[^"]+"/, `"prev":"${'b'.repeat(64)}"`)),
      ),
    'altered',
    (at) => at,
  ],
];

function flipped(line: string): string {
  const [at] = fc.sample(fc.integer({ min: 0, max: line.length - 1 }), 1);
  const bytes = Buffer.from(line);
  bytes[at ?? 0] = (bytes[at ?? 0] ?? 0) ^ 1;
  return bytes.toString('latin1');
}

function swap(lines: string[], left: number, right: number): void {
  const kept = lines[left] ?? '';
  lines[left] = lines[right] ?? '';
  lines[right] = kept;
}

describe(`tampering with a record of ${LINES} lines`, () => {
  it('finds nothing where nothing was done', async () => {
    expect(await verified(record)).toMatchObject({
      finding: undefined,
      lines: LINES,
      files: 3,
      calls: 5000,
      keyedLines: 0,
    });
    expect(await verified(keyed, { keys: [KEY] })).toMatchObject({ finding: undefined, keyedLines: LINES });
  });

  it.each(TAMPERINGS)('names %s', async (_, tamper, damage, found) => {
    for (const at of places(2, LINES - 200)) {
      const lines = [...record];
      tamper(lines, at);
      const report = await verified(lines);
      expect({ at: report.at, damage: report.finding?.damage }, `at ${at}`).toEqual({
        at: found(at),
        damage,
      });
    }
  });

  it('names a removed first line, and takes files that were removed on purpose', async () => {
    const report = await verified(record.slice(3000));
    expect(report.finding).toMatchObject({
      damage: 'missing',
      line: 1,
      message: expect.stringContaining('the numbers 1 to 3000 are missing'),
    });
    expect(await verified(record.slice(3000), { firstSeq: 3001 })).toMatchObject({
      finding: undefined,
      lines: 7000,
    });
    expect((await verified(record.slice(3000), { firstSeq: 3000 })).finding?.damage).toBe('missing');
  });

  it('names the last line where that was changed', async () => {
    const lines = [...record.slice(0, -1), forged(record.at(-1) ?? '', (text) => text)];
    expect((await verified(lines)).finding).toBeUndefined();
    const changed = [...record.slice(0, -1), flipped(record.at(-1) ?? '')];
    expect(await verified(changed)).toMatchObject({ at: LINES - 1, finding: { damage: 'altered' } });
  });

  it('names a cut end by an anchor, and by nothing else', async () => {
    const cut = record.slice(0, -5);
    const hash = hashIn(record.at(-1) ?? '');
    expect((await verified(cut)).finding).toBeUndefined();
    for (const anchor of [{ hash }, { seq: LINES, hash }]) {
      expect((await verified(record, { anchor })).finding).toBeUndefined();
      expect((await verified(cut, { anchor })).finding).toMatchObject({ damage: 'cut', line: 2995 });
    }
    expect((await verified(record, { anchor: { seq: LINES - 1, hash } })).finding?.damage).toBe('cut');
  });

  it('finds a record that was made anew from a changed line on, by an anchor or by the key', async () => {
    const remade = (key?: AuditKey) => {
      let head = EMPTY;
      return record.map((line, index) => {
        const {
          seq: _seq,
          time,
          prev: _prev,
          hash: _hash,
          ...fields
        } = JSON.parse(line) as Record<string, unknown>;
        const { kind: _kind, ...rest } = fields;
        const said = index === 4000 ? { ...rest, subject: 'mallory' } : rest;
        const next = nextLine(
          head,
          Date.parse(String(time)),
          fragmentOf(index % 2 ? 'end' : 'begin', said),
          key,
        );
        head = next.head;
        return next.text.trimEnd();
      });
    };
    const anchor = { hash: hashIn(record.at(-1) ?? '') };
    expect((await verified(remade())).finding).toBeUndefined();
    expect((await verified(remade(), { anchor })).finding?.damage).toBe('cut');
    expect((await verified(remade(), { keys: [KEY] })).finding?.damage).toBe('cut');
    const other = new AuditKey(Buffer.from('x'.repeat(32)));
    expect((await verified(remade(other), { keys: [KEY] })).finding?.damage).toBe('unverifiable');
  });

  it('takes no unkeyed line behind keyed ones, and no hash made without the key', async () => {
    const at = 5000;
    const unkeyed = [...keyed];
    unkeyed.splice(at, 1, forged(unkeyed[at] ?? '', rename));
    expect(await verified(unkeyed, { keys: [KEY] })).toMatchObject({ at, finding: { damage: 'altered' } });
    const tail = keyed.slice(0, at);
    const head = { seq: at, hash: hashIn(tail.at(-1) ?? '') };
    tail.push(nextLine(head, 0, fragmentOf('end', { id: 'x' }), undefined).text.trimEnd());
    expect(await verified(tail, { keys: [KEY] })).toMatchObject({ at, finding: { damage: 'altered' } });
    const sameId = keyed.map((line, index) => (index === at ? rename(line) : line));
    expect(await verified(sameId, { keys: [KEY] })).toMatchObject({ at, finding: { damage: 'altered' } });
    expect((await verified(keyed)).finding?.damage).toBe('unverifiable');
  });

  it('numbers lines as they are numbered in the record', () => {
    expect(record.map(seqOf)).toEqual(Array.from({ length: LINES }, (_, index) => index + 1));
  });
});

describe('a record that is no record', () => {
  it('is an error where there is none', async () => {
    await expect(verifyRecord({ path: freshRecord() })).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('names a record that was emptied', async () => {
    const path = freshRecord();
    putLines(path, []);
    expect((await verifyRecord({ path })).finding).toMatchObject({ damage: 'cut', line: 0 });
  });

  it('names bytes that were put behind the last line of a full file', async () => {
    const path = freshRecord();
    const lines = chain(6);
    putLines(join(dirname(path), 'audit-000000000001.jsonl'), lines.slice(0, 4));
    appendFileSync(join(dirname(path), 'audit-000000000001.jsonl'), 'hidden');
    putLines(path, lines.slice(4));
    expect((await verifyRecord({ path })).finding).toMatchObject({ damage: 'inserted', line: 5 });
  });

  it('reads a line of many megabytes without keeping it', async () => {
    const path = freshRecord();
    putLines(path, [...chain(3), 'x'.repeat(20_000_000), ...chain(1)]);
    expect((await verifyRecord({ path })).finding).toMatchObject({ damage: 'altered', line: 4 });
  });

  it('takes no hash that stands twice, and no member behind it', async () => {
    const [line = ''] = chain(1);
    for (const text of [line.replace(/\}$/, ',"x":1}'), line.replace(/\}$/, ' }'), `${line} `, `[${line}]`]) {
      const path = freshRecord();
      putLines(path, [text]);
      expect((await verifyRecord({ path })).finding, text).toMatchObject({ damage: 'altered', line: 1 });
    }
  });
});
