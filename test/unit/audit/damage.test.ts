import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { AuditKey, EMPTY, fragmentOf, hashOf, nextLine } from '../../../src/audit/chain.ts';
import { beginFragment, endFragment } from '../../../src/audit/entry.ts';
import { type Damage, verifyRecord } from '../../../src/audit/verify.ts';
import { call, freshRecord, putLines } from '../../support/audit-record.ts';

const KEY = new AuditKey(Buffer.from('k'.repeat(32)));
const START = 1_700_000_000_000;

/** Twelve lines: six calls, each with its end. */
function chain(count = 12, key?: AuditKey, fragments?: readonly string[]): string[] {
  let head = EMPTY;
  return Array.from({ length: count }, (_, index) => {
    const id = `c${index >> 1}`;
    const own = index % 2 === 0 ? beginFragment(call(id)) : endFragment({ id, outcome: 'ok', durationMs: 1 });
    const next = nextLine(head, START + index, fragments?.[index] ?? own, key);
    head = next.head;
    return next.text.trimEnd();
  });
}

/** The same line with something changed and a hash that fits its new text. */
function forged(line: string | undefined, change: (text: string) => string): string {
  const text = line ?? '';
  const body = `${change(text.slice(0, text.lastIndexOf(',"hash"')))}}`;
  return `${body.slice(0, -1)},"hash":"${hashOf(Buffer.from(body), undefined)}"}`;
}

const rename = (text: string): string => text.replace('"alice"', '"mallory"').replace('"ok"', '"no"');
const renumber = (seq: number) => (text: string) => rename(text).replace(/"seq":\d+/, `"seq":${seq}`);
const relink = (text: string): string => text.replace(/"prev":"[^"]+"/, `"prev":"${'b'.repeat(64)}"`);
const hashIn = (line: string | undefined): string => (JSON.parse(line ?? '') as { hash: string }).hash;

/** Lines over two files, four in the full one. */
async function verified(
  lines: readonly string[],
  options: Omit<Parameters<typeof verifyRecord>[0], 'path'> = {},
) {
  const path = freshRecord();
  const full = join(dirname(path), 'audit-000000000001.jsonl');
  putLines(full, lines.slice(0, 4));
  putLines(path, lines.slice(4));
  const report = await verifyRecord({ path, ...options });
  const { finding } = report;
  const place = (text: string) => text.replaceAll(full, 'full').replaceAll(path, 'current');
  return {
    ...report,
    found: finding && [finding.damage, `${place(finding.file)}:${finding.line}`, place(finding.message)],
  };
}

describe('what was done to a record is said at the place, in words', () => {
  const NOT_OURS = 'This line is not part of the chain, which goes on behind it.';
  const NO_FIT = 'The text of this line does not fit its hash: it was altered.';
  const NO_LINE = 'This is no line of an audit record: it was altered, or put here.';
  const SIBLING =
    'This line stands in the place of another, and its hash was made to fit: the chain does not go on from it.';
  const REMADE = 'This line was altered and its hash made to fit: the next line knows another one.';
  const REMADE_HERE = 'This line does not follow the one before: it was altered, and its hash made to fit.';

  it.each<[string, (lines: string[]) => unknown, Damage, string, string]>([
    [
      'an altered line',
      (lines) => lines.splice(5, 1, rename(lines[5] ?? '')),
      'altered',
      'current:2',
      NO_FIT,
    ],
    ['an emptied line', (lines) => lines.splice(2, 1, ''), 'altered', 'full:3', NO_LINE],
    ['a text between', (lines) => lines.splice(5, 0, 'x'), 'inserted', 'current:2', NOT_OURS],
    ['a text at the end', (lines) => lines.push('x'), 'altered', 'current:9', NO_LINE],
    [
      'a line of its own between',
      (lines) =>
        lines.splice(
          5,
          0,
          forged(lines[5], (text) => relink(rename(text))),
        ),
      'inserted',
      'current:2',
      NOT_OURS,
    ],
    [
      'a remade line',
      (lines) => lines.splice(5, 1, forged(lines[5], rename)),
      'altered',
      'current:2',
      REMADE,
    ],
    [
      'a remade link',
      (lines) => lines.splice(5, 1, forged(lines[5], relink)),
      'altered',
      'current:2',
      REMADE_HERE,
    ],
    [
      'a remade link at the end',
      (lines) => lines.splice(11, 1, forged(lines[11], relink)),
      'altered',
      'current:7',
      REMADE,
    ],
    [
      'a remade number',
      (lines) => lines.splice(5, 1, forged(lines[5], renumber(99))),
      'altered',
      'current:2',
      'This line follows number 5 and calls itself number 99.',
    ],
    [
      'one removed line',
      (lines) => lines.splice(5, 1),
      'missing',
      'current:2',
      'Before this line, number 7, number 6 is missing.',
    ],
    [
      'three removed lines',
      (lines) => lines.splice(5, 3),
      'missing',
      'current:2',
      'Before this line, number 9, the numbers 6 to 8 are missing.',
    ],
    [
      'neighbours swapped',
      (lines) => lines.splice(5, 2, lines[6] ?? '', lines[5] ?? ''),
      'moved',
      'current:2',
      'Number 7 stands here, where number 6 belongs, which stands at current:3.',
    ],
    [
      'a line moved over a change of file',
      (lines) => lines.splice(2, 0, ...lines.splice(7, 1)),
      'moved',
      'full:3',
      'Number 8 stands here, where number 3 belongs, which stands at full:4.',
    ],
    [
      'a line twice',
      (lines) => lines.splice(5, 0, lines[5] ?? ''),
      'duplicated',
      'current:3',
      'This is number 6 again, which also stands at current:2.',
    ],
    [
      'an old line again',
      (lines) => lines.splice(9, 0, lines[1] ?? ''),
      'duplicated',
      'current:6',
      'This is number 2 again, which also stands at full:2.',
    ],
    [
      'a line in the place of another',
      (lines) => lines.splice(5, 0, forged(lines[5], rename)),
      'inserted',
      'current:2',
      SIBLING,
    ],
    [
      'a line in the place of another, behind it',
      (lines) => lines.splice(6, 0, forged(lines[5], rename)),
      'inserted',
      'current:3',
      SIBLING,
    ],
    [
      'a line with an old number',
      (lines) => lines.splice(7, 0, forged(lines[7], renumber(3))),
      'inserted',
      'current:4',
      NOT_OURS,
    ],
    [
      'a line with an old number at the end',
      (lines) => lines.push(forged(lines[11], (text) => relink(renumber(3)(text)))),
      'inserted',
      'current:9',
      'This line calls itself number 3, which stands before it already.',
    ],
  ])('%s', async (_what, tamper, ...found) => {
    const lines = chain();
    tamper(lines);
    expect((await verified(lines)).found).toEqual(found);
  });

  it('a line without the key, behind keyed ones', async () => {
    const lines = chain(12, KEY).slice(0, 6);
    const head = { seq: 6, hash: hashIn(lines.at(-1)) };
    lines.push(nextLine(head, 0, fragmentOf('end', { id: 'x' }), undefined).text.trimEnd());
    expect((await verified(lines, { keys: [KEY] })).found).toEqual([
      'altered',
      'current:3',
      'This line is not keyed, and those before it are: it was altered, or put here by someone without the key.',
    ]);
  });
});

describe('what is wrong with the end', () => {
  it.each<[string, () => string[], Parameters<typeof verified>[1], string, string]>([
    ['no line', () => [], {}, 'current:0', 'The record holds no line.'],
    [
      'no keyed line',
      () => chain(),
      { keys: [KEY] },
      'current:8',
      'A key was given, and the last line is not keyed: the keyed lines were cut off, or all of it was rewritten.',
    ],
    [
      'a cut',
      () => chain().slice(0, -2),
      { anchor: { hash: hashIn(chain().at(-1)) } },
      'current:6',
      'The record ends with number 10 and does not hold the line of the given hash: its end was cut off, or it was rewritten.',
    ],
    [
      'a cut behind a known number',
      () => chain().slice(0, -2),
      { anchor: { seq: 12, hash: hashIn(chain().at(-1)) } },
      'current:6',
      'The record ends with number 10 and does not hold line number 12 with the given hash: its end was cut off, or it was rewritten.',
    ],
  ])('%s', async (_what, lines, options, place, message) => {
    expect((await verified(lines(), options)).found).toEqual(['cut', place, message]);
  });

  it('is that nobody can tell without the key', async () => {
    const { found, keyedLines } = await verified(chain(12, KEY));
    expect(found).toEqual([
      'unverifiable',
      'current:8',
      `The lines are keyed with ${KEY.id}, and that key was not given: only their order was checked.`,
    ]);
    expect(keyedLines).toBe(12);
    const other = new AuditKey(Buffer.from('x'.repeat(32)));
    expect((await verified(chain(12, KEY), { keys: [other] })).found?.[0]).toBe('unverifiable');
    expect((await verified(chain(12, KEY), { keys: [other, KEY] })).found).toBeUndefined();
  });

  it('is nothing where the anchor is there, whatever the place', async () => {
    const hash = hashIn(chain()[4]);
    expect((await verified(chain(), { anchor: { hash } })).found).toBeUndefined();
    expect((await verified(chain(), { anchor: { hash, seq: 5 } })).found).toBeUndefined();
    expect((await verified(chain(), { anchor: { hash, seq: 6 } })).found?.[0]).toBe('cut');
  });
});

describe('the report', () => {
  it('counts files, lines, calls, and names the last line', async () => {
    const lines = chain();
    expect(await verified(lines)).toMatchObject({
      finding: undefined,
      files: 2,
      lines: 12,
      calls: 6,
      keyedLines: 0,
      head: { seq: 12, hash: hashIn(lines.at(-1)) },
      headTime: new Date(START + 11).toISOString(),
      unfinished: { total: 0, calls: [] },
      torn: [],
      unfinishedBytes: 0,
      lostLines: 0,
    });
  });

  it('names calls without an end, cut lines and lost ones', async () => {
    const fragments = [
      fragmentOf('open', { torn_bytes: 7 }),
      beginFragment(call('a')),
      fragmentOf('open', { torn_bytes: 'x' }),
      beginFragment(call('b', { subject: 'bob' })),
      fragmentOf('gap', { lost_lines: 3 }),
      fragmentOf('gap', { lost_lines: 'x' }),
      fragmentOf('task', { lost_lines: 100, torn_bytes: 100 }),
      fragmentOf('gap', { lost_lines: 2 }),
    ];
    const { torn, lostLines, unfinished, found } = await verified(chain(8, undefined, fragments));
    expect(found).toBeUndefined();
    expect(torn).toMatchObject([{ line: 1, bytes: 7 }]);
    expect(lostLines).toBe(5);
    const known = {
      cluster: 'production',
      tool: 'stop_guest',
      method: 'POST',
      path: '/nodes/pve1/qemu/100/status/stop',
    };
    expect(unfinished).toEqual({
      total: 2,
      calls: [
        { ...known, id: 'a', seq: 2, time: new Date(START + 1).toISOString(), subject: 'alice' },
        { ...known, id: 'b', seq: 4, time: new Date(START + 3).toISOString(), subject: 'bob' },
      ],
    });
  });

  it('says nothing of a record whose first lines were removed on purpose', async () => {
    const rest = chain().slice(4);
    expect((await verified(rest, { firstSeq: 5 })).found).toBeUndefined();
    expect((await verified(rest, { firstSeq: 4 })).found?.[0]).toBe('missing');
    expect((await verified(rest)).found?.[2]).toBe(
      'Before this line, number 5, the numbers 1 to 4 are missing.',
    );
    const cut = [...rest];
    cut.splice(1, 1);
    expect((await verified(cut, { firstSeq: 5 })).found?.[0]).toBe('missing');
  });
});
