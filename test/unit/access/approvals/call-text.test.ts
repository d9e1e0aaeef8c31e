import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { callText } from '../../../../src/access/approvals/call-text.ts';
import { excerpt, LONGEST_VALUE } from '../../../../src/access/approvals/excerpt.ts';
import type { PlannedCall } from '../../../../src/access/approvals/plan.ts';

const CALL: PlannedCall = { method: 'DELETE', path: '/nodes/pve1/qemu/100', parameters: {} };

function rows(parameters: PlannedCall['parameters']): string[] {
  return callText({ ...CALL, parameters });
}

/** What stands behind the path, on the one line there is. */
function shown(parameters: PlannedCall['parameters']): string {
  const [row = '', ...more] = rows(parameters);
  expect(more).toEqual([]);
  return row.replace('  DELETE /nodes/pve1/qemu/100 ', '');
}

const sha = (text: string) => createHash('sha256').update(text).digest('hex');

describe('values of parameters', () => {
  it('can not pretend to be other parameters, and hide nothing', () => {
    expect(shown({ a: 'x b=y' })).toBe('a="x b=y"');
    expect(shown({ a: 'x" b="y' })).toBe('a="x\\" b=\\"y"');
    expect(shown({ a: 'ls\nrm -rf /' })).toBe('a="ls\\nrm -rf /"');
    expect(shown({ a: 'ls\u200b\u202e' })).toBe('a="ls\\u{200b}\\u{202e}"');
    expect(shown({ 'a b': 1 })).toBe('"a b"=1');
    expect(shown({ a: ['x', 'y z'] })).toBe('a=["x","y z"]');
    expect(shown({ a: ['x","y', 1, null, { b: 1 }] })).toBe('a=["x\\",\\"y",1,null,"{\\"b\\":1}"]');
    expect(shown({ a: '' })).toBe('a=""');
    expect(shown({ a: '["x"]', b: '<text 1>' })).toBe('a="[\\"x\\"]" b="<text 1>"');
  });

  it.each([
    ['tab\tand\rreturn', '"tab\\tand\\rreturn"'],
    ['a\\b', '"a\\\\b"'],
    ['über', '"über"'],
    ['a.b,c:d;e/f=g@h+i!j~k-l_m', 'a.b,c:d;e/f=g@h+i!j~k-l_m'],
    [undefined, '""'],
    [null, 'null'],
    [[], '[]'],
    [{ a: 1 }, '"{\\"a\\":1}"'],
    ['\u2028\ue000', '"\\u{2028}\\u{e000}"'],
    ['x'.repeat(2000), 'x'.repeat(2000)],
  ])('%j is shown as %s', (value, text) => {
    expect(shown({ a: value })).toBe(`a=${text}`);
  });

  it('say what of them is not shown, and show their end', () => {
    const value = `${'x'.repeat(5000)};rm -rf /`;
    const row = shown({ a: value });
    expect(row).toContain(`[… 3209 OF 5009 CHARACTERS NOT SHOWN, SHA-256 OF ALL ${sha(value)} …]`);
    expect(row).toContain(';rm -rf /"');
    expect(row.length).toBeLessThan(2100);
  });

  it('are bounded as a list, too', () => {
    const row = shown({ a: ['first', ...Array(50).fill('y'.repeat(1000)), 'last'] });
    expect(row).toMatch(/^a=\["first",.* \[… \d+ CHARACTERS NOT SHOWN …\] .*,"last"\]$/);
    expect(row.length).toBeLessThan(8100);
  });
});

describe('a text of many lines', () => {
  const SCRIPT = '#!/bin/sh\nset -e\n\trm "$1" \\\n  /tmp/x';

  it('stands line by line below its call, as it is', () => {
    expect(rows({ file: '/root/a.sh', content: SCRIPT })).toEqual([
      '  DELETE /nodes/pve1/qemu/100 file=/root/a.sh content=<text 1>',
      '    text 1, 4 lines:',
      '    | #!/bin/sh',
      '    | set -e',
      '    | ⇥ rm "$1" \\',
      '    |   /tmp/x',
    ]);
  });

  it('is found within a command, and each is named', () => {
    expect(rows({ command: ['bash', '-c', 'a\nb\nc'], 'input-data': 'd\ne\nf' })).toEqual([
      '  DELETE /nodes/pve1/qemu/100 command=["bash","-c",<text 1>] input-data=<text 2>',
      '    text 1, 3 lines:',
      '    | a',
      '    | b',
      '    | c',
      '    text 2, 3 lines:',
      '    | d',
      '    | e',
      '    | f',
    ]);
  });

  it('can not leave its place, nor hide anything', () => {
    const text = 'a\nUndo: nothing is lost\r\nb\u2028Lost: nothing\u0085c\u000bd\u001b[2Je\u202ef\u200b\n';
    const all = rows({ a: text });
    expect(all.slice(2).every((row) => row.startsWith('    | '))).toBe(true);
    expect(all.join('\n')).not.toMatch(/[^\P{C}\n]|\u2028/u);
    expect(all).toContain('    | b‹U+2028›Lost: nothing‹U+85›c‹U+B›d‹U+1B›[2Je‹U+202E›f‹U+200B›');
    expect(all).toContain('    | Undo: nothing is lost‹U+D›');
  });

  it('is cut where it is long, with its digest', () => {
    const text = `begin\n${'echo x\n'.repeat(2000)}end`;
    const all = rows({ content: text }).join('\n');
    expect(all).toContain(`CHARACTERS NOT SHOWN, SHA-256 OF ALL ${sha(text)} …]`);
    expect(all).toContain('    | begin');
    expect(all).toMatch(/\n {4}\| end$/);
    expect(all.length).toBeLessThan(4500);
  });
});

describe('an excerpt', () => {
  it('is the text up to its bound, and never longer than that', () => {
    const most = 'x'.repeat(LONGEST_VALUE);
    expect(excerpt(most)).toBe(most);
    for (const length of [LONGEST_VALUE + 1, 1_000_000]) {
      const cut = excerpt('x'.repeat(length));
      expect(cut.length).toBeLessThanOrEqual(LONGEST_VALUE);
      expect(excerpt(cut)).toBe(cut);
    }
  });

  it('breaks no pair of characters, and has the digest of what it stands for', () => {
    const text = `${'\u{1f600}'.repeat(2000)}`;
    expect(excerpt(`x${text}`).isWellFormed()).toBe(true);
    expect(excerpt(text, 'other')).toContain(sha('other'));
  });
});
