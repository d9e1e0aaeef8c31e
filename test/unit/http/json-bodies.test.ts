import fc from 'fast-check';
import { expect, it } from 'vitest';
import { isDeep } from '../../../src/http/json-bodies.ts';

const nested = (open: string, close: string, levels: number) =>
  `${' '.repeat(300)}${open.repeat(levels)}1${close.repeat(levels)}`;

function levelsOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(levelsOf));
}

it.each([
  ['[', ']'],
  ['{"a":', '}'],
])('takes 100 levels of %s and no more', (open, close) => {
  expect(isDeep(nested(open, close, 100))).toBe(false);
  expect(isDeep(nested(open, close, 101))).toBe(true);
});

it('sees nothing in texts, whatever is escaped in them', () => {
  const brackets = '[{'.repeat(200);
  for (const before of ['', '\\"', '\\\\', '\\\\\\"', '\\u0022'])
    expect(isDeep(`["${before}${brackets}",1]`)).toBe(false);
  expect(isDeep(`["\\\\",${'['.repeat(100)}`.padEnd(300))).toBe(true);
});

it('counts what is open, not what was opened', () => {
  expect(isDeep(`[${'[],'.repeat(1000)}1]`)).toBe(false);
});

it('finds no JSON deep that is not', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 8 }), (value) => {
      const text = JSON.stringify(value).padEnd(300);
      expect(isDeep(text)).toBe(levelsOf(value) > 100);
    }),
  );
});
