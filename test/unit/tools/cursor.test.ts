import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { comparePositions, type Position, readCursor, writeCursor } from '../../../src/tools/cursor.ts';

const position = (): fc.Arbitrary<Position> =>
  fc.record({
    value: fc.oneof(fc.constant(null), fc.string(), fc.double({ noNaN: true, noDefaultInfinity: true })),
    cluster: fc.string(),
    id: fc.string(),
  });

/** What the reader says of a cursor; it must be nothing else. */
function refusal(query: unknown, cursor: string): string {
  try {
    readCursor(query, cursor);
  } catch (error) {
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENTS', retryable: false });
    return (error as Error).message;
  }
  throw new Error('it was taken');
}

describe('a cursor', () => {
  it('leads back to its place, in the characters of base64url', () => {
    fc.assert(
      fc.property(position(), fc.jsonValue(), (place, query) => {
        const cursor = writeCursor(query, place);
        expect(cursor).toMatch(/^[\w-]+$/);
        // JSON knows no -0, and the order none either.
        const { value, ...rest } = readCursor(query, cursor);
        expect(rest).toEqual({ cluster: place.cluster, id: place.id });
        expect(value === place.value).toBe(true);
      }),
    );
  });

  it('of another query is refused, and says so', () => {
    const cursor = writeCursor({ name: 'web-*' }, { value: 'web-1', cluster: 'a', id: 'qemu/1' });
    expect(refusal({ name: 'db-*' }, cursor)).toContain('another query');
  });

  it('that was tampered with, cut or made up is refused', () => {
    const cursor = writeCursor({}, { value: 'web-1', cluster: 'production', id: 'qemu/100' });
    fc.assert(
      fc.property(fc.nat(cursor.length - 1), fc.constantFrom(...'Aa0-_=+/. é'), (at, character) => {
        fc.pre(cursor[at] !== character);
        refusal({}, cursor.slice(0, at) + character + cursor.slice(at + 1));
        refusal({}, cursor.slice(0, at));
      }),
    );
    fc.assert(fc.property(fc.string(), (text) => void refusal({}, text)));
  });

  it('of any JSON is refused', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        refusal({}, Buffer.from(JSON.stringify(value)).toString('base64url'));
      }),
    );
  });

  it('that is overlong is refused before it is read', () => {
    expect(refusal({}, 'A'.repeat(5_000_000))).toContain('not one that an answer gave');
  });

  it('holds what the answer held and nothing else', () => {
    const cursor = writeCursor({ tag: 'canary' }, { value: 'web-1', cluster: 'production', id: 'qemu/100' });
    const inside = Buffer.from(cursor, 'base64url').toString();
    expect(inside).toMatch(/^\["[\w-]{10}","[\w-]{10}","web-1","production","qemu\/100"\]$/);
  });
});

describe('the order', () => {
  it('is total, in both directions', () => {
    fc.assert(
      fc.property(position(), position(), position(), fc.boolean(), (a, b, c, descending) => {
        const compare = (left: Position, right: Position) =>
          Math.sign(comparePositions(left, right, descending));
        expect(compare(a, b) + compare(b, a)).toBe(0);
        expect(compare(a, a)).toBe(0);
        if (compare(a, b) <= 0 && compare(b, c) <= 0) expect(compare(a, c)).toBeLessThanOrEqual(0);
      }),
    );
  });

  it('puts rows without a value last, either way', () => {
    const [some, none] = [
      { value: 1, cluster: 'a', id: '1' },
      { value: null, cluster: 'a', id: '0' },
    ];
    expect(comparePositions(some, none, false)).toBeLessThan(0);
    expect(comparePositions(some, none, true)).toBeLessThan(0);
  });
});
