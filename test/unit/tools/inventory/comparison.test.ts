import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareAspect, type Item, type Items, itemsOf } from '../../../../src/tools/inventory/comparison.ts';

const items = (entries: Record<string, string | Item>): Items =>
  itemsOf(
    Object.entries(entries).map(([name, item]) => [name, typeof item === 'string' ? { text: item } : item]),
  );

const compare = (byCluster: Record<string, Items>) =>
  compareAspect('storages', new Map(Object.entries(byCluster)));

describe('compareAspect', () => {
  it('tells what is alike, what differs and what only some have', () => {
    const { rows, count } = compare({
      a: items({ local: 'dir', nas: 'nfs', own: 'x' }),
      b: items({ local: 'dir', nas: 'cifs' }),
    });
    expect(rows).toEqual([
      { aspect: 'storages', item: 'local', status: 'alike', values: { a: 'dir', b: 'dir' } },
      { aspect: 'storages', item: 'nas', status: 'differs', values: { a: 'nfs', b: 'cifs' } },
      { aspect: 'storages', item: 'own', status: 'only_some', values: { a: 'x' }, missing: ['b'] },
    ]);
    expect(count).toEqual({ aspect: 'storages', clusters: 2, alike: 1, differ: 1, only_some: 1 });
  });

  it('names who lacks an item that differs between the others', () => {
    const { rows } = compare({ a: items({ x: '1' }), b: items({ x: '2' }), c: items({}) });
    expect(rows).toMatchObject([{ status: 'differs', missing: ['c'] }]);
  });

  it('compares nothing with one cluster alone, nor with none', () => {
    expect(compare({ a: items({ x: '1' }) })).toEqual({
      rows: [],
      count: { aspect: 'storages', clusters: 1, alike: 0, differ: 0, only_some: 0 },
    });
    expect(compare({}).count.clusters).toBe(0);
  });

  it('holds items alike by what they say they are, however they read', () => {
    const { rows } = compare({
      a: items({ base: { text: 'VM 9000', same: 'VM' } }),
      b: items({ base: { text: 'VM 800', same: 'VM' } }),
    });
    expect(rows).toMatchObject([{ status: 'alike', values: { a: 'VM 9000', b: 'VM 800' } }]);
  });

  it('tells of differing sets what each lacks', () => {
    const role = (...members: string[]): Item => ({ text: members.join(', '), members });
    const { rows } = compare({
      a: items({ Ops: role('VM.Audit', 'VM.Clone', 'VM.Console') }),
      b: items({ Ops: role('VM.Audit') }),
    });
    expect(rows[0]?.values).toEqual({ a: 'all 3', b: '1 of 3, without VM.Clone, VM.Console' });
  });

  it('bounds what one value takes', () => {
    const { rows } = compare({ a: items({ x: 'a'.repeat(5000) }), b: items({ x: 'b' }) });
    expect(rows[0]?.values.a?.length).toBeLessThan(700);
    expect(rows[0]?.values.a).toMatch(/…$/);
  });

  it('gives a row to every item, says alike only of what is, and counts every row once', () => {
    const some = fc
      .dictionary(fc.constantFrom('p', 'q', 'r', '__proto__', 'constructor'), fc.constantFrom('1', '2'))
      .map((entries) => new Map(Object.entries(entries).map(([name, text]) => [name, { text }])));
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd'), { minLength: 2 }),
        fc.array(some, { minLength: 4, maxLength: 4 }),
        (names, all) => {
          const byCluster = new Map(names.map((name, at) => [name, all[at] ?? new Map()]));
          const { rows, count } = compareAspect('roles', byCluster);
          const known = new Set([...byCluster.values()].flatMap((one) => [...one.keys()]));
          expect(new Set(rows.map(({ item }) => item))).toEqual(known);
          expect(count.alike + count.differ + count.only_some).toBe(rows.length);
          for (const { item, status, values, missing = [] } of rows) {
            expect([...Object.keys(values), ...missing].sort()).toEqual([...names].sort());
            const texts = new Set([...byCluster.values()].map((one) => one.get(item)?.text));
            expect(status === 'alike').toBe(texts.size === 1);
          }
        },
      ),
    );
  });
});

describe('itemsOf', () => {
  it('makes one item of two that have the same name, whichever comes first', () => {
    const twice = itemsOf([
      ['base', { text: 'VM 2', same: 'b' }],
      ['base', { text: 'VM 1', same: 'a' }],
    ]);
    expect(twice.get('base')).toEqual({ text: 'VM 1; VM 2', same: 'a; b' });
  });
});
