import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { matchesWildcard } from '../../../src/config/wildcard.ts';

describe('matchesWildcard', () => {
  it.each([
    ['web*', 'web-01', true],
    ['*db*', 'main-DB-2', true],
    ['web-??', 'web-01', true],
    ['web-??', 'web-1', false],
    ['', '', true],
    ['*', '', true],
    ['?', '', false],
    ['a.c', 'abc', false],
    ['a*b*c', 'axxbyyc', true],
    ['a*b*c', 'axxbyy', false],
  ])('%j against %j is %s', (pattern, text, expected) => {
    expect(matchesWildcard(pattern, text)).toBe(expected);
  });

  it('agrees with the regular expression of the same meaning', () => {
    const alphabet = fc.constantFrom('a', 'b', '*', '?');
    fc.assert(
      fc.property(
        fc.string({ unit: alphabet, maxLength: 6 }),
        fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 8 }),
        (pattern, text) => {
          const same = new RegExp(`^${pattern.replaceAll('*', '.*').replaceAll('?', '.')}$`).test(text);
          expect(matchesWildcard(pattern, text)).toBe(same);
        },
      ),
    );
  });

  it('ends on a pattern that would make a regular expression run for ever', () => {
    expect(matchesWildcard(`${'*a'.repeat(500)}b`, 'a'.repeat(5000))).toBe(false);
  });
});
