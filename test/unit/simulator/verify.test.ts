import { describe, expect, test } from 'vitest';
import { ApiError } from '../../../src/simulator/errors.ts';
import { type Properties, verifyParameters } from '../../../src/simulator/verify.ts';

const properties: Properties = {
  vmid: { type: 'integer', format: 'pve-vmid', minimum: 100, maximum: 999_999_999 },
  name: { type: 'string', format: 'dns-name', optional: 1 },
  note: { type: 'string', maxLength: 5, optional: 1, requires: 'name' },
  kind: { type: 'string', enum: ['vm', 'node'], optional: 1 },
  limit: { type: 'number', optional: 1 },
  on: { type: 'boolean', optional: 1 },
  command: { type: 'array', optional: 1 },
  'net[n]': { type: 'string', optional: 1 },
};

function errorsOf(given: Record<string, unknown>): Record<string, string> {
  try {
    verifyParameters(properties, given);
  } catch (error) {
    if (error instanceof ApiError && error.status === 400) return error.errors ?? {};
    throw error;
  }
  return {};
}

describe('what passes', () => {
  test('is converted to the type the schema names', () => {
    const given = { vmid: '100', on: 'yes', limit: '1.5', command: 'ls', net0: 'virtio', name: 'web-01' };
    expect(verifyParameters(properties, given)).toEqual({
      vmid: 100,
      on: 1,
      limit: 1.5,
      command: ['ls'],
      net0: 'virtio',
      name: 'web-01',
    });
  });

  test('JSON booleans and numbers count as their text', () => {
    expect(verifyParameters(properties, { vmid: 100, on: false })).toEqual({ vmid: 100, on: 0 });
  });
});

describe('what is refused', () => {
  test.each([
    [{}, { vmid: 'property is missing and it is not optional' }],
    [{ vmid: 'x' }, { vmid: "type check ('integer') failed - got 'x'" }],
    [{ vmid: 99 }, { vmid: 'value must have a minimum value of 100' }],
    [{ vmid: 100, on: 'maybe' }, { on: "type check ('boolean') failed - got 'maybe'" }],
    [{ vmid: 100, limit: '1x' }, { limit: "type check ('number') failed - got '1x'" }],
    [{ vmid: 100, name: ['a', 'b'] }, { name: "type check ('string') failed - got 'ARRAY'" }],
    [{ vmid: 100, kind: 'x' }, { kind: "value 'x' does not have a value in the enumeration 'vm, node'" }],
    [{ vmid: 100, name: 'a', note: '123456' }, { note: 'value may only be 5 characters long' }],
    [{ vmid: 100, note: '1' }, { name: "missing property - 'note' requires this property" }],
    [{ vmid: 100, name: 'a b' }, { name: 'invalid format - value does not look like a valid DNS name\n' }],
  ])('%j', (given, errors) => {
    expect(errorsOf(given)).toEqual(errors);
  });

  test('every wrong parameter is named at once', () => {
    expect(Object.keys(errorsOf({ nope: 1, net: 'x', on: 'x' })).sort()).toEqual([
      'net',
      'nope',
      'on',
      'vmid',
    ]);
  });

  test('names of the prototype are no parameters', () => {
    const given = JSON.parse('{"vmid":100,"constructor":"x","__proto__":"x"}');
    expect(Object.keys(errorsOf(given)).sort()).toEqual(['__proto__', 'constructor']);
  });
});
