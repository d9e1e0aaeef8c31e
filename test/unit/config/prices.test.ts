import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatPrices, parsePrices } from '../../../src/config/prices.ts';

describe('prices', () => {
  test('one is enough, and a currency is written large', () => {
    expect(parsePrices({ currency: 'eur', storage_gib_hour: 0 })).toEqual({
      currency: 'EUR',
      storageGibHour: 0,
    });
  });

  test('everything that is wrong is said at once', () => {
    const read = () => parsePrices({ curency: 'EUR', vcpu_hour: Number.NaN, memory_gib_hour: '1' });
    expect(read).toThrow(
      'holds "curency", which is no key of it. Did you mean "currency"?; needs a currency of three letters, such as ' +
        'EUR; vcpu_hour must be a number from 0 to 1000000; memory_gib_hour must be a number from 0 to 1000000',
    );
  });

  test('what a variable holds says the same', () => {
    const price = fc.option(fc.double({ min: 0, max: 1e6, noNaN: true }), { nil: undefined });
    const given = fc.record({ vcpu_hour: price, memory_gib_hour: price, storage_gib_hour: price });
    fc.assert(
      fc.property(given, (parts) => {
        fc.pre(Object.values(parts).some((part) => part !== undefined));
        const prices = parsePrices({ currency: 'USD', ...parts });
        const pairs = formatPrices(prices)
          .split(',')
          .map((pair) => pair.split('='))
          .map(([key, value]) => [key, key === 'currency' ? value : Number(value)]);
        expect(formatPrices(parsePrices(Object.fromEntries(pairs)))).toBe(formatPrices(prices));
      }),
    );
  });
});
