import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Position } from '../../../src/tools/cursor.ts';
import { comparePositions } from '../../../src/tools/cursor.ts';
import { type Order, type Page, type Paging, pageOf, showing } from '../../../src/tools/paging.ts';

interface Row extends Position {
  row: { key: string };
}

const byValue = (descending: boolean): Order<Row> => ({
  value: ({ value }) => value,
  id: ({ id }) => id,
  descending,
});

type Shown = (row: Row) => Record<string, unknown>;

/** A page of rows that name their own clusters. */
function page(all: readonly Row[], paging: Paging, shown: Shown, descending = false): Page {
  const clusters = [...new Set(all.map(({ cluster }) => cluster))];
  const sources = clusters.map((cluster) => ({
    cluster,
    rows: all.filter((row) => row.cluster === cluster),
  }));
  return pageOf(sources, byValue(descending), paging, shown);
}

const values = fc.oneof(fc.constant(null), fc.integer({ min: 0, max: 5 }));

function rowOf(cluster: number, id: number, value: number | null): Row {
  const key = `${cluster}/${id}`;
  return { value, cluster: `c${cluster}`, id: `g${id}`, row: { key } };
}

const rows = (most = 60) =>
  fc
    .uniqueArray(fc.tuple(fc.nat(3), fc.nat(200), values), {
      maxLength: most,
      selector: ([cluster, id]) => `${cluster}/${id}`,
    })
    .map((made) => made.map(([cluster, id, value]) => rowOf(cluster, id, value)));

function turn(
  all: readonly Row[],
  args: { cursor?: string | undefined; limit: number; descending?: boolean },
) {
  const { descending = false } = args;
  return page(all, { args, isAll: true, beside: {} }, ({ row }) => row, descending);
}

describe('paging', () => {
  it('gives every row exactly once, in order, whatever the limit', () => {
    fc.assert(
      fc.property(rows(), fc.integer({ min: 1, max: 20 }), fc.boolean(), (all, limit, descending) => {
        const seen: unknown[] = [];
        let cursor: string | undefined;
        do {
          const turned = turn(all, { cursor, limit, descending });
          expect(turned.rows.length).toBeLessThanOrEqual(limit);
          seen.push(...turned.rows.map(({ key }) => key));
          cursor = turned.next_cursor;
        } while (cursor !== undefined);
        const sorted = [...all].sort((a, b) => comparePositions(a, b, descending));
        expect(seen).toEqual(sorted.map(({ row }) => row.key));
      }),
    );
  });

  it('gives every row that stays exactly once, while others come and go', () => {
    fc.assert(
      fc.property(
        rows(),
        rows(),
        fc.integer({ min: 1, max: 7 }),
        fc.infiniteStream(fc.boolean()),
        (stays, moving, limit, coin) => {
          const fixed = new Set(stays.map(({ row }) => row.key));
          const others = moving.filter(({ row }) => !fixed.has(row.key));
          const seen: unknown[] = [];
          let cursor: string | undefined;
          do {
            const present = [...stays, ...others.filter(() => coin.next().value === true)];
            const turned = turn(present, { cursor, limit });
            seen.push(...turned.rows.map(({ key }) => key));
            cursor = turned.next_cursor;
          } while (cursor !== undefined);
          expect(seen).toHaveLength(new Set(seen).size);
          for (const key of fixed) expect(seen).toContain(key);
        },
      ),
    );
  });

  it('goes on after a row that has vanished', () => {
    const all = [1, 2, 3, 4].map((id) => rowOf(0, id, id));
    const { next_cursor: cursor } = turn(all, { limit: 2 });
    const rest = turn(
      all.filter(({ id }) => id !== 'g2'),
      { cursor, limit: 5 },
    );
    expect(rest.rows.map(({ key }) => key)).toEqual(['0/3', '0/4']);
    expect(rest).not.toHaveProperty('next_cursor');
  });

  it('may change the limit and the fields on the way, but neither a filter nor the direction', () => {
    const all = [1, 2, 3].map((id) => rowOf(0, id, id));
    const base = { isAll: true, beside: {} };
    const shown = ({ row }: Row) => ({ ...row });
    const { next_cursor: cursor } = page(
      all,
      { ...base, args: { limit: 1, tag: 'web', fresh: true } },
      shown,
    );
    const other = { limit: 2, tag: 'web', fields: ['key'], cursor };
    expect(page(all, { ...base, args: other }, shown).rows).toHaveLength(2);
    for (const args of [
      { ...other, tag: 'db' },
      { ...other, cluster: 'c0' },
      { ...other, descending: true },
    ]) {
      expect(() => page(all, { ...base, args }, shown)).toThrow(/another query/);
    }
  });

  it('an answer that would be too long goes on with the next page', () => {
    const all = Array.from({ length: 500 }, (_none, id) => rowOf(0, id, id));
    const wide = (placed: Row) => ({ key: placed.row.key, text: 'x'.repeat(1000) });
    const seen: unknown[] = [];
    let cursor: string | undefined;
    do {
      const paging = { args: { limit: 500, cursor }, isAll: true, beside: {} };
      const turned = page(all, paging, wide);
      expect(JSON.stringify(turned.rows).length).toBeLessThan(51_000);
      seen.push(...turned.rows.map(({ key }) => key));
      cursor = turned.next_cursor;
    } while (cursor !== undefined);
    expect(seen).toEqual(all.map(({ row }) => row.key));
  });

  it('rows of several clusters keep the cluster, whatever fields were asked for', () => {
    const paging = { args: { limit: 1, fields: ['key'] }, beside: {} };
    const shown = ({ row }: Row) => ({ node: 'n', ...row });
    const all = [rowOf(0, 1, 1)];
    expect(page(all, { ...paging, isAll: true }, shown).rows).toEqual([{ cluster: 'c0', key: '0/1' }]);
    expect(page(all, { ...paging, isAll: false }, shown).rows).toEqual([{ key: '0/1' }]);
  });

  it('a field that no row has is named; one that is only absent here is not', () => {
    const paging = { isAll: true, beside: {}, columns: ['key', 'lock'] };
    const shown = ({ row }: Row) => ({ ...row });
    const all = [rowOf(0, 1, 1)];
    expect(page(all, { ...paging, args: { limit: 1, fields: ['kye'] } }, shown).note).toContain('kye');
    expect(page(all, { ...paging, args: { limit: 1, fields: ['key', 'lock'] } }, shown)).not.toHaveProperty(
      'note',
    );
  });

  it('a text tells how much of the list is shown, and how to go on', () => {
    expect(showing([1, 2], { total: 2 })).toBe('');
    expect(showing([1], { total: 2 })).toBe(', showing 1');
    expect(showing([1], { total: 2, next_cursor: 'c' })).toBe(', showing 1; go on with next_cursor');
  });

  it('20,000 rows are searched in one pass, not sorted', () => {
    const all = Array.from({ length: 20_000 }, (_none, id) => rowOf(id % 100, id, (id * 7919) % 20_000));
    let reads = 0;
    const counted = all.map((row) => ({
      cluster: row.cluster,
      id: row.id,
      row: row.row,
      get value() {
        reads++;
        return row.value;
      },
    }));
    expect(turn(counted, { limit: 50 }).rows).toHaveLength(50);
    expect(reads).toBeLessThan(20_000 * 3);
  });
});
