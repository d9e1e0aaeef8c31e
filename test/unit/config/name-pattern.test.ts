import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseNamePattern } from '../../../src/config/name-pattern.ts';

const fits = (pattern: string, name: string) => parseNamePattern(pattern).matches(name);

describe('parseNamePattern', () => {
  it.each([
    ['prod-', 'prod-web', true],
    ['prod-', 'PROD-web', true],
    ['Prod-', 'prod-web', true],
    ['prod-', 'my-prod-web', false],
    ['prod.', 'prod-web', false],
    ['web-*-prod', 'web-01-prod', true],
    ['web-*-prod', 'web-01-prod-2', false],
    ['web-*-prod', 'x-web-01-prod', false],
    ['web-??', 'WEB-01', true],
    ['web-??', 'web-001', false],
    ['*.example.org', 'a.b.example.org', true],
    ['/^(web|db)-[0-9]+$/', 'db-7', true],
    ['/^(web|db)-[0-9]+$/', 'db-x', false],
    ['/-prod/', 'web-prod-1', true],
    ['/^PROD/', 'prod-1', true],
    ['/^prod/', 'PROD-1', true],
    ['/^prod/i', 'PROD-1', true],
    ['/a/b/', 'a/b', true],
  ])('%s against %s is %s', (pattern, name, expected) => {
    expect(fits(pattern, name)).toBe(expected);
  });

  it('keeps the text as it was written', () => {
    expect(parseNamePattern('Web-*').text).toBe('Web-*');
  });

  it.each([
    ['', 'is empty'],
    ['  ', 'is empty'],
    ['*', 'default_cluster'],
    ['**?', 'default_cluster'],
    ['//', 'default_cluster'],
    ['/.*/', 'default_cluster'],
    ['/a?/', 'default_cluster'],
    ['/prod|/', 'default_cluster'],
    ['/./', 'default_cluster'],
    ['/^[a-z0-9.-]+$/i', 'default_cluster'],
    ['/', 'must end with one'],
    ['/prod', 'must end with one'],
    ['/prod/g', 'no flag but i'],
    ['/(/', 'missing closing'],
    ['/(?=a)b/', 'is no regular expression of RE2'],
    ['/(a)\\1/', 'is no regular expression of RE2'],
    ['/x(a{1,30}){1,30}/', 'too large'],
    ['^prod-', 'between slashes'],
    ['prod-|stg-', 'between slashes'],
    ['prod web', 'no name of a guest has'],
  ])('refuses %j', (pattern, message) => {
    expect(() => parseNamePattern(pattern)).toThrow(message);
  });

  it('refuses a pattern of more than 256 characters', () => {
    for (const text of ['x'.repeat(257), `/${'x'.repeat(255)}/`]) {
      expect(() => parseNamePattern(text)).toThrow('longer than 256');
    }
  });

  it.each(['a', 'a*', '/a/'])('%s: a name of more than 256 characters fits nothing', (pattern) => {
    expect(fits(pattern, 'a'.repeat(256))).toBe(true);
    expect(fits(pattern, 'a'.repeat(257))).toBe(false);
  });

  it.each(['/(a+)+$/', '/(x+x+)+y/', '/^(a|a)*$b/', '/(.*a){20}b/', '/(?:a?){60}a{60}b/', '*a*a*a*a*a*a*b'])(
    '%s takes no more than linear time',
    (pattern) => {
      const name = `${'a'.repeat(127)}${'x'.repeat(128)}!`;
      const cost = (parsed: ReturnType<typeof parseNamePattern>) => {
        for (let round = 0; round < 5; round++) parsed.matches(name);
        const began = performance.now();
        for (let round = 0; round < 10; round++) parsed.matches(name);
        return performance.now() - began;
      };
      // One that backtracks takes 2^127 steps and never comes here; the bound only has to be finite.
      expect(cost(parseNamePattern(pattern))).toBeLessThan(50 + 5000 * cost(parseNamePattern('/zzz/')));
    },
  );

  it('reads whatever text it is given, or says why not', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 40 }), fc.string({ maxLength: 300 }), (text, name) => {
        try {
          parseNamePattern(text).matches(name);
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
          expect((error as Error).message).not.toBe('');
        }
      }),
    );
  });
});
