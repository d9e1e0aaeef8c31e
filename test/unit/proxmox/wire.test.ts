import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { apiPath } from '../../../src/proxmox/api-path.ts';
import type { Parameters } from '../../../src/proxmox/call.ts';
import { describeForeign, encodeCall, encodeParameters, parseEnvelope } from '../../../src/proxmox/wire.ts';

const PATH = apiPath`/nodes/${'pve1'}/qemu`;

describe('encodeCall', () => {
  test.each(['GET', 'DELETE'] as const)('%s puts parameters into the query', (method) => {
    expect(encodeCall({ method, path: PATH, parameters: { full: true } })).toEqual({
      method,
      target: '/api2/json/nodes/pve1/qemu?full=1',
      headers: { accept: 'application/json' },
    });
  });

  test.each(['POST', 'PUT'] as const)('%s puts them into a form', (method) => {
    expect(encodeCall({ method, path: PATH, parameters: { name: 'a b' } })).toMatchObject({
      target: '/api2/json/nodes/pve1/qemu',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: 'name=a%20b',
    });
  });

  test('the root', () => {
    expect(encodeCall({ method: 'GET', path: apiPath`/`, parameters: {} }).target).toBe('/api2/json');
  });

  test('more than PVE reads is refused before it is sent', () => {
    const parameters = { content: 'x'.repeat(512 * 1024) };
    expect(() => encodeCall({ method: 'POST', path: PATH, parameters })).toThrow('512 KiB');
  });
});

describe('encodeParameters', () => {
  test.each<[Parameters, string]>([
    [{}, ''],
    [{ a: true, b: false }, 'a=1&b=0'],
    [{ command: ['sh', '-c', 'a&b=c'] }, 'command=sh&command=-c&command=a%26b%3Dc'],
    [{ flags: [true, 2, 'x'] }, 'flags=1&flags=2&flags=x'],
    [{ none: [] }, ''],
    [{ net0: 'virtio,bridge=vmbr0' }, 'net0=virtio%2Cbridge%3Dvmbr0'],
    [{ text: '+ %é\n' }, 'text=%2B%20%25%C3%A9%0A'],
    [{ empty: '', zero: 0 }, 'empty=&zero=0'],
  ])('%j', (parameters, form) => {
    expect(encodeParameters(parameters)).toBe(form);
  });

  test.each<Parameters>([
    { a: Number.NaN },
    { a: Number.POSITIVE_INFINITY },
    { a: 'x\ud800' },
    { 'k\udc00': 1 },
  ])('%j has no wire form', (parameters) => {
    expect(() => encodeParameters(parameters)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENTS' }),
    );
  });

  test('a server that decodes the form gets what went in', () => {
    const scalar = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.boolean(),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
    );
    const parameters = fc.dictionary(
      fc.string({ unit: 'binary', minLength: 1 }),
      fc.oneof(scalar, fc.array(scalar, { maxLength: 4 })),
      { maxKeys: 6 },
    );
    fc.assert(
      fc.property(parameters, (input) => {
        const wanted = Object.entries(input).flatMap(([key, value]) =>
          [value]
            .flat()
            .map((item) => [key, typeof item === 'boolean' ? String(Number(item)) : String(item)]),
        );
        const form = encodeParameters(input);
        expect(form).toMatch(/^[\x21-\x7e]*$/);
        expect([...new URLSearchParams(form)]).toEqual(wanted);
      }),
      { numRuns: 1500 },
    );
  });
});

describe('parseEnvelope', () => {
  test.each([
    ['{"data":[1],"total":3}', { data: [1], total: 3 }],
    ['{"data":null,"total":"12"}', { data: null, total: 12 }],
    ['{"data":1,"total":"x","success":1}', { data: 1 }],
    [
      '{"data":null,"message":"m\\n","errors":{"a":"b","c":4}}',
      { data: null, message: 'm\n', errors: { a: 'b', c: '4' } },
    ],
  ])('%s', (body, envelope) => {
    expect(parseEnvelope(body)).toEqual(envelope);
  });

  test.each(['', '{"data":', '[]', 'null', '{"x":1}', '<html>'])('%j is none', (body) => {
    expect(parseEnvelope(body)).toBeUndefined();
  });
});

test.each([
  [200, 'text/html', '<!doctype html>', 'HTML'],
  [200, 'application/json', ' <html>', 'HTML'],
  [200, 'application/json', '{"data":[', 'cut off'],
  [200, 'application/json', '{"x":1}', 'not as the Proxmox API'],
  [200, 'text/plain', 'hello', 'not JSON'],
  [200, '', '', 'nothing'],
  [302, 'text/html', '<html>', 'redirect'],
])('describeForeign: %s %s %j', (status, contentType, body, words) => {
  expect(describeForeign({ status, reason: '', contentType, body })).toContain(words);
});
