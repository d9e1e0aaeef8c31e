import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatVmids, parseVmids } from '../../../src/config/vmids.ts';

describe('parseVmids', () => {
  it.each([
    [100, '100'],
    ['100', '100'],
    ['100-199', '100-199'],
    [' 100 - 199 , 300 ', '100-199, 300'],
    [[300, '100-199'], '100-199, 300'],
    [['100-150', '140-199', '200'], '100-200'],
    [['100-100'], '100'],
    ['999999999', '999999999'],
  ])('%j', (value, expected) => {
    expect(formatVmids(parseVmids(value))).toBe(expected);
  });

  it.each([
    [[], 'is empty'],
    ['', 'no VMID'],
    ['100,', 'no VMID'],
    [99, 'from 100 to 999999999'],
    ['0-200', 'from 100 to 999999999'],
    [-5, 'no VMID'],
    [100.5, 'no VMID'],
    [1e21, 'no VMID'],
    ['1000000000', 'no VMID'],
    ['200-100', 'before its beginning'],
    ['100..200', 'no VMID'],
    ['0x64', 'no VMID'],
    ['all', 'no VMID'],
  ])('refuses %j', (value, message) => {
    expect(() => parseVmids(value)).toThrow(message);
  });

  it('holds exactly the VMIDs that were given, in ranges that neither overlap nor touch', () => {
    const range = fc
      .tuple(fc.integer({ min: 100, max: 160 }), fc.integer({ min: 0, max: 20 }))
      .map(([from, length]) => [from, from + length] as const);
    fc.assert(
      fc.property(fc.array(range, { minLength: 1, maxLength: 8 }), (given) => {
        const ranges = parseVmids(given.map(([from, to]) => `${from}-${to}`));
        for (let vmid = 95; vmid < 190; vmid++) {
          const isGiven = given.some(([from, to]) => vmid >= from && vmid <= to);
          expect(ranges.some(({ from, to }) => vmid >= from && vmid <= to)).toBe(isGiven);
        }
        for (const [index, { from }] of ranges.entries()) {
          const before = ranges[index - 1];
          if (before) expect(from).toBeGreaterThan(before.to + 1);
        }
        expect(parseVmids(formatVmids(ranges))).toEqual(ranges);
      }),
    );
  });
});
