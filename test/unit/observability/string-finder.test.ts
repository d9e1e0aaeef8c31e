import fc from 'fast-check';
import { expect, it } from 'vitest';
import { SHORTEST, StringFinder } from '../../../src/observability/string-finder.ts';

it('finds nothing where nothing is wanted', () => {
  expect(new StringFinder([]).replace('anything at all', '#')).toBe('anything at all');
  expect(new StringFinder(['short']).isIn('a short text')).toBe(false);
});

it('finds texts at the start, in the middle, at the end and next to each other', () => {
  const finder = new StringFinder(['secret-one', 'secret-two-is-long']);
  expect(finder.replace('secret-one x secret-two-is-long', '#')).toBe('# x #');
  expect(finder.replace('secret-onesecret-one', '#')).toBe('#');
  expect(finder.replace('secret-on secret-two-is-lon', '#')).toBe('secret-on secret-two-is-lon');
});

it('takes texts that overlap out as one, the longest of those that begin alike', () => {
  expect(new StringFinder(['abcdef', 'abcdefghi', 'defghijkl']).replace('-abcdefghijkl-', '#')).toBe('-#-');
});

const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c', '日'), minLength: 0, maxLength: 60 });
const wanted = fc.string({ unit: fc.constantFrom('a', 'b', 'c', '日'), minLength: SHORTEST, maxLength: 12 });

it('agrees with a search for each text by itself', () => {
  fc.assert(
    fc.property(letters, fc.array(wanted, { minLength: 1, maxLength: 5 }), (text, texts) => {
      const whole = texts[0] === undefined ? text : `${text}${texts[0]}${text}`;
      const hidden = new Set<number>();
      for (const one of texts) {
        for (let at = whole.indexOf(one); at >= 0; at = whole.indexOf(one, at + 1)) {
          for (let index = at; index < at + one.length; index++) hidden.add(index);
        }
      }
      const expected = [...Array(whole.length).keys()].filter((index) => !hidden.has(index));
      const found = new Set(
        [...new StringFinder(texts).places(whole)].flatMap(([from, to]) =>
          Array.from({ length: to - from }, (_, index) => from + index),
        ),
      );
      expect([...Array(whole.length).keys()].filter((index) => !found.has(index))).toEqual(expected);
    }),
  );
});
