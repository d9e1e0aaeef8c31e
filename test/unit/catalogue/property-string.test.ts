import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadBuiltInCatalogue } from '../../../src/catalogue/builtin.ts';
import { encodePropertyString, parsePropertyString } from '../../../src/catalogue/property-string.ts';
import type { PropertyFormat, PropertySchema } from '../../../src/catalogue/types.ts';

const NET: PropertyFormat = {
  model: { type: 'string', enum: ['virtio', 'e1000'], defaultKey: true },
  macaddr: { type: 'string', format: 'mac-addr', optional: true },
  virtio: { alias: 'macaddr', keyAlias: 'model' },
  e1000: { alias: 'macaddr', keyAlias: 'model' },
  bridge: { type: 'string', optional: true },
  firewall: { type: 'boolean', optional: true },
  trunks: { type: 'string', pattern: '(?^:\\d+(?:;\\d+)*)', optional: true },
  tag: { type: 'integer', minimum: 1, maximum: 4094, optional: true },
};
const DISK: PropertyFormat = {
  file: { type: 'string', defaultKey: true },
  volume: { alias: 'file' },
  ssd: { type: 'boolean', optional: true },
};

const encode = (format: PropertyFormat, object: Record<string, unknown>) => {
  const result = encodePropertyString(format, object);
  return result.ok ? result.text : result.problems;
};
const values = (format: PropertyFormat, text: string) => {
  const { values: found, problems } = parsePropertyString(format, text);
  return problems.length > 0 ? problems : Object.fromEntries(found);
};

describe('encodePropertyString', () => {
  it.each([
    [NET, { model: 'virtio', bridge: 'vmbr0', firewall: true }, 'virtio,bridge=vmbr0,firewall=1'],
    [NET, { bridge: 'vmbr0', model: 'e1000' }, 'e1000,bridge=vmbr0'],
    [NET, { model: 'virtio', macaddr: 'BC:24:11:00:00:01' }, 'virtio=BC:24:11:00:00:01'],
    [NET, { virtio: 'BC:24:11:00:00:01', tag: 7 }, 'virtio=BC:24:11:00:00:01,tag=7'],
    [NET, { model: 'virtio', trunks: [2, 3] }, 'virtio,trunks=2;3'],
    [NET, { model: 'virtio', firewall: false, bridge: null, tag: undefined }, 'virtio,firewall=0'],
    [DISK, { file: 'local-lvm:32', ssd: 'yes' }, 'local-lvm:32,ssd=1'],
    [DISK, { volume: 'local-lvm:32' }, 'local-lvm:32'],
    [DISK, { file: 'a=b' }, 'file=a=b'],
  ])('writes %# as PVE wants it', (format, object, text) => {
    expect(encode(format, object)).toBe(text);
  });

  it('names every wrong key at once', () => {
    expect(encode(NET, { brigde: 'x', firewall: 'perhaps', tag: 5000, trunks: 'a,b' })).toEqual([
      { key: 'brigde', problem: 'is not a key of this property string', hint: 'did you mean bridge?' },
      { key: 'firewall', problem: 'expects true or false, got other text' },
      { key: 'tag', problem: 'must be at most 4094' },
      { key: 'trunks', problem: expect.stringMatching(/pattern/) },
      { key: 'model', problem: 'is missing' },
    ]);
  });

  it('refuses what a property string can not hold', () => {
    expect(encode(NET, { model: 'virtio', bridge: 'a,b' })).toMatchObject([
      { key: 'bridge', problem: 'must not hold a comma' },
    ]);
    expect(encode(NET, { model: 'virtio', bridge: {} })).toMatchObject([{ key: 'bridge' }]);
    expect(encode(NET, { model: 'virtio', bridge: [{}] })).toMatchObject([{ key: 'bridge' }]);
    expect(encode(NET, { model: 'virtio', bridge: '' })).toMatchObject([{ key: 'bridge' }]);
  });

  it('refuses one thing said twice', () => {
    expect(encode(NET, { model: 'virtio', e1000: 'BC:24:11:00:00:01' })).toMatchObject([{ key: 'e1000' }]);
    expect(encode(DISK, { file: 'a:1', volume: 'b:1' })).toMatchObject([{ key: 'volume' }]);
  });

  it('is not misled by names that JavaScript has a use for', () => {
    expect(encode(DISK, JSON.parse('{"file": "a:1", "__proto__": "x"}'))).toMatchObject([
      { key: '__proto__' },
    ]);
    expect(encode(DISK, { file: 'a:1', constructor: 'x' })).toMatchObject([{ key: 'constructor' }]);
    expect(encode(DISK, { file: 'constructor' })).toBe('constructor');
  });
});

describe('parsePropertyString', () => {
  it('reads bare values, pairs and aliases', () => {
    expect(values(NET, 'virtio=BC:24:11:00:00:01,bridge=vmbr0')).toEqual({
      model: 'virtio',
      macaddr: 'BC:24:11:00:00:01',
      bridge: 'vmbr0',
    });
    expect(values(NET, 'bridge=vmbr0,,model=virtio,firewall=on')).toEqual({
      bridge: 'vmbr0',
      model: 'virtio',
      firewall: '1',
    });
    expect(values(DISK, 'volume=local:1')).toEqual({ file: 'local:1' });
  });

  it.each([
    ['virtio,brige=vmbr0', 'brige'],
    ['virtio,bridge=a,bridge=b', 'bridge'],
    ['virtio,e1000', 'model'],
    ['bridge=vmbr0', 'model'],
    ['virtio,tag=many', 'tag'],
    ['virtio,macaddr=01:00:00:00:00:00', 'macaddr'],
  ])('finds what is wrong with %j', (text, key) => {
    expect(values(NET, text)).toMatchObject([{ key }]);
  });

  it('finds a part that is no pair', () => {
    expect(values(NET, 'virtio,bridge=')).toMatchObject([{ problem: expect.stringMatching(/KEY=VALUE/) }]);
    expect(values({ a: { type: 'string' } }, 'x')).toMatchObject([
      { problem: expect.stringMatching(/KEY=VALUE/) },
      { key: 'a' },
    ]);
  });
});

describe('the round trip', () => {
  const formats = [
    ...new Set(
      loadBuiltInCatalogue().methods.flatMap(({ parameters }) =>
        Object.values(parameters).map(({ format }) => format),
      ),
    ),
  ].filter((format): format is PropertyFormat => typeof format === 'object');

  function valueFor(schema: PropertySchema): fc.Arbitrary<unknown> | undefined {
    if (schema.enum) return fc.constantFrom(...schema.enum);
    if (schema.type === 'boolean') return fc.boolean();
    if (schema.type === 'integer' || schema.type === 'number') {
      return fc.integer({ min: schema.minimum ?? 0, max: Math.min(schema.maximum ?? 1000, 1_000_000) });
    }
    const free =
      schema.pattern === undefined && schema.format === undefined && schema.maxLength === undefined;
    return free ? fc.stringMatching(/^[\w:./+-][\w:./+=; -]{0,20}$/) : undefined;
  }

  it('gives back what was written, for every property string of the API', () => {
    expect(formats.length).toBeGreaterThan(30);
    const cases = fc.constantFrom(...formats).chain((format) => {
      // Keys whose values can't be made up (patterns, formats) are as if the format did not have them.
      const usable = Object.entries(format).filter(
        ([, schema]) => schema.alias === undefined && valueFor(schema),
      );
      const reduced: PropertyFormat = Object.fromEntries(
        usable.map(([key, { requires: _, ...schema }]) => [key, { ...schema, optional: true }]),
      );
      const arbitraries = Object.fromEntries(
        usable.map(([key, schema]) => [key, valueFor(schema) ?? fc.constant('')]),
      );
      return fc.tuple(fc.constant(reduced), fc.record(arbitraries, { requiredKeys: [] }));
    });
    fc.assert(
      fc.property(cases, ([format, object]) => {
        const text = encode(format, object);
        const expected = Object.entries(object).map(([key, value]) => [
          key,
          typeof value === 'boolean' ? (value ? '1' : '0') : String(value),
        ]);
        expect(values(format, String(text))).toEqual(Object.fromEntries(expected));
      }),
      { numRuns: 3000 },
    );
  });

  it('never fails on any text or object', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...formats),
        fc.oneof(fc.string(), fc.stringMatching(/^[a-z=,;]{0,30}$/)),
        (format, text) => {
          parsePropertyString(format, text);
        },
      ),
      { numRuns: 1000 },
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...formats),
        fc.dictionary(fc.string(), fc.anything()),
        (format, object) => {
          const result = encodePropertyString(format, object);
          if (result.ok) expect(result.text).not.toContain('[object');
        },
      ),
      { numRuns: 1000 },
    );
  });
});
