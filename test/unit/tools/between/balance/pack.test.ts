import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Item, pack, type Room } from '../../../../../src/tools/between/balance/pack.ts';

const estates = fc.record({
  rooms: fc
    .array(fc.record({ freeBytes: fc.integer({ min: 0, max: 20 }), cpus: fc.integer({ min: 2, max: 8 }) }), {
      minLength: 1,
      maxLength: 3,
    })
    .map((rooms) => rooms.map((room, index): Room => ({ node: `n${index}`, totalBytes: 24, ...room }))),
  items: fc
    .array(fc.record({ memBytes: fc.integer({ min: 0, max: 12 }), vcpus: fc.integer({ min: 1, max: 8 }) }), {
      maxLength: 5,
    })
    .map((items) => items.map((item, index): Item => ({ vmid: 100 + index, ...item }))),
  /** Pairs that may not be on one node. */
  apart: fc.array(fc.tuple(fc.integer({ min: 100, max: 104 }), fc.integer({ min: 100, max: 104 })), {
    maxLength: 2,
  }),
});

function isFine(
  rooms: readonly Room[],
  items: readonly Item[],
  apart: readonly (readonly [number, number])[],
  at: ReadonlyMap<number, string>,
) {
  const room = (vmid: number) => rooms.find(({ node }) => node === at.get(vmid));
  return (
    items.every(({ vmid, vcpus }) => vcpus <= (room(vmid)?.cpus ?? 0)) &&
    rooms.every(({ node, freeBytes }) => {
      const here = items.filter(({ vmid }) => at.get(vmid) === node);
      return here.reduce((sum, { memBytes }) => sum + memBytes, 0) <= freeBytes;
    }) &&
    apart.every(([a, b]) => a === b || at.get(a) === undefined || at.get(a) !== at.get(b))
  );
}

describe('pack', () => {
  it('finds a place for all where there is one, and says so where there is none', () => {
    fc.assert(
      fc.property(estates, ({ rooms, items, apart }) => {
        const placed = pack(items, rooms, (vmid, node, before) => ({
          isRefused: apart.some(
            ([a, b]) =>
              a !== b && ((a === vmid && before.get(b) === node) || (b === vmid && before.get(a) === node)),
          ),
          doubts: 0,
        }));
        const all = items.reduce<Map<number, string>[]>(
          (maps, { vmid }) => maps.flatMap((map) => rooms.map(({ node }) => new Map([...map, [vmid, node]]))),
          [new Map()],
        );
        const isPossible = all.some((at) => isFine(rooms, items, apart, at));
        expect(placed !== undefined).toBe(isPossible);
        if (placed !== undefined) expect(isFine(rooms, items, apart, placed)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('keeps away from what had better not be, as long as there is another place', () => {
    const rooms = ['a', 'b'].map(
      (node): Room => ({ node, freeBytes: node === 'a' ? 20 : 5, totalBytes: 24, cpus: 8 }),
    );
    const judge = (_vmid: number, node: string) => ({ isRefused: false, doubts: node === 'a' ? 1 : 0 });
    expect(pack([{ vmid: 1, memBytes: 4, vcpus: 1 }], rooms, judge)?.get(1)).toBe('b');
    expect(pack([{ vmid: 1, memBytes: 8, vcpus: 1 }], rooms, judge)?.get(1)).toBe('a');
  });
});
