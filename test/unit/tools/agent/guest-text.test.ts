import { describe, expect, it } from 'vitest';
import { bytesOf, shownOutput, shownPart } from '../../../../src/tools/agent/guest-text.ts';

const mojibake = (text: string): string => Buffer.from(text).toString('latin1');

describe('bytesOf', () => {
  it.each([
    ['plain', 'plain', 'plain'],
    ['UTF-8 that came as one character per byte', mojibake('Grüße ✓'), 'Grüße ✓'],
    ['text that came as text', 'Grüße ✓', 'Grüße ✓'],
    ['a Latin-1 letter alone, which is no UTF-8', 'é', 'é'],
    ['nothing', '', ''],
  ])('%s', (_what, given, expected) => {
    expect(bytesOf(given).toString('utf8')).toBe(expected);
  });
});

describe('shownOutput', () => {
  it('leaves short output as it is', () => {
    expect(shownOutput('a\nb')).toEqual({ text: 'a\nb', characters: 3, isCut: false });
  });

  it('keeps both ends of long output, and breaks no character', () => {
    const { text, characters, isCut } = shownOutput(`a${'😀'.repeat(15_000)}`);
    expect({ characters, isCut }).toEqual({ characters: 30_001, isCut: true });
    expect(text.isWellFormed()).toBe(true);
    expect(text).toContain('[… 10001 characters left out …]');
    expect(text.length).toBeLessThan(20_100);
  });
});

describe('shownPart', () => {
  const check = Buffer.from('a✓');

  it('leaves a character that is cut for the next part, where there is one', () => {
    expect(shownPart(check.subarray(0, 3), true)).toEqual({ content: 'a', encoding: 'utf-8', bytes: 1 });
    expect(shownPart(check, true)).toMatchObject({ content: 'a✓', bytes: 4 });
  });

  it('takes what is no text as Base64', () => {
    expect(shownPart(check.subarray(0, 3), false)).toMatchObject({ encoding: 'base64', bytes: 3 });
    expect(shownPart(Buffer.from([0, 1, 2]), false)).toEqual({
      content: 'AAEC',
      encoding: 'base64',
      bytes: 3,
    });
    expect(shownPart(Buffer.from([0xff, 0xfe, 0xff, 0xff]), true)).toMatchObject({
      encoding: 'base64',
      bytes: 4,
    });
  });

  it('takes an empty file as empty text', () => {
    expect(shownPart(Buffer.alloc(0), false)).toEqual({ content: '', encoding: 'utf-8', bytes: 0 });
  });

  it('always gets on', () => {
    for (let length = 1; length <= 4; length += 1) {
      expect(shownPart(Buffer.from('✓✓').subarray(0, length), true).bytes).toBeGreaterThan(0);
    }
  });
});
