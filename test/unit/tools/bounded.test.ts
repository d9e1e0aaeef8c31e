import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bound } from '../../../src/tools/bounded.ts';

describe('bound', () => {
  it.each([null, 1, 'text', true, [], {}, [{ a: 1 }], { data: [1, 2] }])('leaves %j unchanged', (data) => {
    expect(bound(data)).toEqual({ data });
  });

  it('cuts a long list by rows and says how to go on', () => {
    const rows = Array.from({ length: 1000 }, (_, n) => ({ n, text: 'x'.repeat(100) }));
    const { data, truncated } = bound(rows, {}, 5000);
    expect(data).toEqual(rows.slice(0, truncated?.returned));
    expect(truncated).toMatchObject({ total: 1000, unit: 'rows', next_offset: truncated?.returned });
    expect(truncated?.how_to_get_the_rest).toContain(`offset: ${truncated?.next_offset}`);
  });

  it('says so when a single row is too large', () => {
    const { data, truncated } = bound([{ text: 'x'.repeat(100) }], {}, 50);
    expect(data).toEqual([]);
    expect(truncated?.how_to_get_the_rest).toContain('fields');
  });

  it('names the fields it leaves out of an object', () => {
    const { data, truncated } = bound({ a: 1, big: 'x'.repeat(100), c: 3 }, {}, 60);
    expect(data).toEqual({ a: 1, c: 3 });
    expect(truncated).toMatchObject({ unit: 'fields', omitted_fields: ['big'] });
  });

  it('keeps the fields that were asked for', () => {
    expect(bound([{ a: 1, b: 2 }], { fields: ['b', 'zz'] })).toEqual({ data: [{ b: 2 }] });
    expect(bound({ a: 1, b: 2 }, { fields: ['a'] })).toEqual({ data: { a: 1 } });
  });

  it('gives every row of any list exactly once when a reader follows next_offset', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ maxLength: 20 }), { maxLength: 200 }),
        fc.integer({ min: 40, max: 400 }),
        (rows, most) => {
          const seen: unknown[] = [];
          let offset: number | undefined = 0;
          for (let round = 0; offset !== undefined && round < 500; round++) {
            const { data, truncated }: ReturnType<typeof bound> = bound(rows, { offset }, most);
            seen.push(...(data as unknown[]));
            offset = truncated?.next_offset;
          }
          expect(seen).toEqual(rows);
        },
      ),
    );
  });

  it('gives every character of any text exactly once', () => {
    const text = Array.from({ length: 1000 }, (_, n) => String(n)).join('');
    let seen = '';
    let offset: number | undefined = 0;
    while (offset !== undefined) {
      const { data, truncated }: ReturnType<typeof bound> = bound(text, { offset }, 100);
      seen += String(data);
      offset = truncated?.next_offset;
    }
    expect(seen).toBe(text);
  });
});
