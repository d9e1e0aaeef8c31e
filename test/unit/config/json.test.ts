import { describe, expect, test } from 'vitest';
import { parseStrictJson } from '../../../src/config/json.ts';

describe('parseStrictJson', () => {
  test('gives the value of sound JSON', () => {
    expect(parseStrictJson('{"a":[1,{"b":"}\\""}],"c":null}')).toEqual({
      value: { a: [1, { b: '}"' }], c: null },
    });
  });

  test('says line and column of a syntax error', () => {
    expect(parseStrictJson('{\n  "a": 1\n  "b": 2\n}')).toMatchObject({ problems: [{ line: 3, column: 3 }] });
  });

  test.each(['{"a":1,}', '{"a":1} // x', '', '{"a"', '{} {}', "{'a':1}"])('refuses %j', (text) => {
    expect(parseStrictJson(text)).toMatchObject({ problems: [{ message: expect.stringContaining('JSON') }] });
  });

  test.each([
    ['{"a":{"b":1}', 'a } is missing'],
    ['{"a":[1', 'a ] is missing'],
    ['{"a":1,}', 'a comma is one too many'],
    ['{"a" 1}', 'a : is missing'],
    ["{'a':1}", 'double quotes'],
  ])('says in words what is wrong with %s', (text, words) => {
    expect(parseStrictJson(text)).toMatchObject({ problems: [{ message: expect.stringContaining(words) }] });
  });

  test('finds keys that stand twice, also under an escape, and in every depth', () => {
    const text = '{"clusters":{\n"a":{"url":1,"u\\u0072l":2},\n"a":{}},"x":[{"k":1,"k":2}]}';
    expect(parseStrictJson(text)).toMatchObject({
      problems: [
        { path: ['clusters', 'a', 'url'], line: 2 },
        { path: ['clusters', 'a'], line: 3, column: 1 },
        { path: ['x', 'k'], line: 3 },
      ],
    });
  });

  test('finds a key that objects lose', () => {
    expect(parseStrictJson('{"clusters":{\n"b":{},"__proto__":{}}}')).toMatchObject({
      problems: [
        { path: ['clusters', '__proto__'], line: 2, message: expect.stringContaining('can’t be used') },
      ],
    });
    expect(parseStrictJson('{"constructor":{},"a":"__proto__"}')).toHaveProperty('value');
  });

  test('the same key in two objects is no duplicate', () => {
    expect(parseStrictJson('{"a":{"k":1},"b":{"k":1}}')).toHaveProperty('value');
  });
});
