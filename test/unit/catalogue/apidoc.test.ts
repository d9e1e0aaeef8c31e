import { describe, expect, it } from 'vitest';
import { ApidocError, extractSchema } from '../../../src/catalogue/apidoc.ts';

const script = (json: string, after = '\n;\n\nExt.onReady(() => { const a = [1, "]"]; });') =>
  `const apiSchema = ${json}${after}`;

describe('extractSchema', () => {
  it('takes the list out of the script and leaves the code behind it', () => {
    expect(extractSchema(script('[{"path":"/a"}]'))).toEqual([{ path: '/a' }]);
  });

  it('reads a file that holds the list alone', () => {
    expect(extractSchema(' \n[{"path":"/a"}]\n')).toEqual([{ path: '/a' }]);
  });

  it.each([
    ['brackets', 'a ] b [ c } d {'],
    ['quotes', 'say "no" ] now'],
    ['backslashes before the quote', 'ends with \\'],
    ['an escaped backslash and a bracket', '\\"]\\\\'],
    ['the declaration itself', 'const apiSchema = ['],
    ['line separators', 'a\u2028b\u2029c'],
  ])('is not misled by %s within a string', (_, text) => {
    expect(extractSchema(script(JSON.stringify([{ description: text }])))).toEqual([{ description: text }]);
  });

  it('finds nothing in another page', () => {
    expect(() => extractSchema('<!DOCTYPE html><title>501</title>')).toThrow(/no "apiSchema = \["/);
    expect(() => extractSchema('')).toThrow(ApidocError);
  });

  it('says when the text is cut off, within a string too', () => {
    expect(() => extractSchema(script('[{"path":"/a"}', ''))).toThrow(/cut off/);
    expect(() => extractSchema(script('[{"path":"/a', ''))).toThrow(/cut off/);
    expect(() => extractSchema(script('[{"path":"/a\\', ''))).toThrow(/cut off/);
  });

  it('refuses a text beyond the limit without reading it', () => {
    expect(() => extractSchema(script('[]'), 10)).toThrow(/more than the 10 allowed/);
  });

  it('refuses nesting that no schema has', () => {
    const deep = '['.repeat(50_000) + ']'.repeat(50_000);
    expect(() => extractSchema(script(deep))).toThrow(/nests more than 100 deep/);
  });

  it('never evaluates what it reads', () => {
    const global = globalThis as { caught?: boolean };
    for (const evil of [
      '[(globalThis.caught = true)]',
      '[{"a": globalThis.caught = true}]',
      '[`$' + '{globalThis.caught = true}`]',
      '[{get a() { globalThis.caught = true; }}]',
    ]) {
      expect(() => extractSchema(script(evil))).toThrow(/not plain JSON/);
    }
    expect(global.caught).toBeUndefined();
  });

  it('keeps the cause of what is not JSON', () => {
    try {
      extractSchema(script("[{'path': 1}]"));
      expect.unreachable();
    } catch (error) {
      expect((error as ApidocError).cause).toBeInstanceOf(SyntaxError);
    }
  });
});
