import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inWords, sizeOf, sizeParam } from '../../../src/tools/size.ts';

describe('sizeOf', () => {
  it.each([
    ['512M', 512 * 1024 ** 2],
    ['8G', 8 * 1024 ** 3],
    ['8 GiB', 8 * 1024 ** 3],
    ['8gb', 8 * 1024 ** 3],
    ['1.5T', 1.5 * 1024 ** 4],
    ['528K', 528 * 1024],
  ])('reads %s', (text, bytes) => {
    expect(sizeOf(text)).toBe(bytes);
  });

  it.each(['8', '', 'G', '-8G', '0G', '8GG', '8e3G', '1,5G', '8 X', '999999999999P', '8G8G', 'InfinityG'])(
    'takes %j for no size',
    (text) => {
      expect(sizeOf(text)).toBeUndefined();
    },
  );

  it('never gives anything but a positive whole number of bytes', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const bytes = sizeOf(text);
        return bytes === undefined || (Number.isSafeInteger(bytes) && bytes > 0);
      }),
    );
  });
});

describe('sizeParam', () => {
  it.each([50, '50', '8 gigs'])('says of %j that a unit is missing', (value) => {
    const [issue] = sizeParam('its disk').safeParse(value).error?.issues ?? [];
    expect(issue?.message).toMatch(/unit, such as 512M, 8G or 1T$/);
  });
});

describe('inWords', () => {
  it.each([
    [0, '0 bytes'],
    [1023, '1023 bytes'],
    [1024, '1 KiB'],
    [1.5 * 1024 ** 4, '1.5 TiB'],
    [-3 * 1024 ** 3, '-3 GiB'],
  ])('%d reads %s', (bytes, words) => {
    expect(inWords(bytes)).toBe(words);
  });

  it('is read back as the same size, to a decimal', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1024, max: 2 ** 50 }), (bytes) => {
        const again = sizeOf(inWords(bytes)) ?? 0;
        expect(Math.abs(again - bytes) / bytes).toBeLessThan(0.051);
      }),
    );
  });
});
