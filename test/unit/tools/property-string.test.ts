import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { propertyString, readProperties } from '../../../src/tools/property-string.ts';

describe('propertyString', () => {
  it('puts the lead first, flags as 1 and 0, and leaves out what is undefined', () => {
    expect(propertyString('local-lvm:32', { ssd: true, backup: false, cache: undefined, rate: 1.5 })).toBe(
      'local-lvm:32,ssd=1,backup=0,rate=1.5',
    );
    expect(propertyString(undefined, { mapping: 'gpu' })).toBe('mapping=gpu');
  });

  it('keeps the other options of what is there', () => {
    expect(propertyString('a:b', { ssd: false }, 'ssd=1,serial=x=y,size=4G')).toBe(
      'a:b,ssd=0,serial=x=y,size=4G',
    );
  });

  it('a value never becomes an option', () => {
    fc.assert(
      fc.property(fc.string(), (value) => {
        let text: string;
        try {
          text = propertyString('lead', { bridge: value, firewall: true });
        } catch {
          return;
        }
        expect([...readProperties(text).options]).toEqual([
          ['bridge', value],
          ['firewall', '1'],
        ]);
      }),
    );
    for (const bad of ['a,b=1', 'a=b', '', 'a b', 'a\nb', 'a\0']) {
      expect(() => propertyString(undefined, { bridge: bad })).toThrow(/one word/);
      expect(() => propertyString(bad, {})).toThrow(/one word/);
    }
  });
});
