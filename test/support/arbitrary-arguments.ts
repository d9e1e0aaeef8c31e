import fc from 'fast-check';
import { z } from 'zod';
import type { Tool } from '../../src/tools/define.ts';

/** As much of JSON Schema as the inputs of tools use. */
export interface Schema {
  type?: string;
  enum?: unknown[];
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  anyOf?: Schema[];
}

export function inputOf(tool: Tool): Required<Pick<Schema, 'properties' | 'required'>> {
  const { properties = {}, required = [] } = z.toJSONSchema(tool.input, {
    io: 'input',
    unrepresentable: 'any',
  }) as Schema;
  return { properties, required };
}

/** Names that are somewhere in the estate, and what has broken readers of text before. */
const TEXTS = [
  ...[
    'pve1',
    'pve2',
    'stg1',
    'nas',
    'local',
    'local-lvm',
    'tank',
    'spare',
    'web-01',
    'web-*',
    'cloud-01',
    'nightly',
  ],
  ...[
    'ann@pve',
    'ann@pve!ci',
    'ops',
    'corp',
    'phone',
    'home',
    'office',
    'vmbr0',
    'net0',
    'scsi0',
    'rootfs',
    'lab',
  ],
  ...[
    '8G',
    '+4G',
    '0',
    '-1',
    '1e9',
    '999999999T',
    '2026-01-01T00:00:00Z',
    'never',
    '02:00',
    'keep-last=1',
    '*/15',
  ],
  ...['local:iso/debian-13.1.0-amd64-netinst.iso', 'nas:backup/vzdump-qemu-100-2025_01_14-02_00_00.vma.zst'],
  ...[
    '192.0.2.1',
    '192.0.2.0/24',
    'dhcp',
    'https://example.org/a.iso',
    'file:///etc/passwd',
    '/vms/100',
    '/',
  ],
  ...[
    '',
    ' ',
    '..',
    '../../access/users',
    '%2e%2e%2f',
    'a/b',
    'a\u0000b',
    'a\nb',
    '\u202Eabc',
    '🦆',
    '__proto__',
    'null',
  ],
  ...['UPID:pve2:00000F02:0004BFA2:6787A340:qmstart:101:root@pam:', 'UPID:', '-', 'a,b=c', 'x'.repeat(5000)],
];
const NUMBERS = [
  0,
  1,
  2,
  100,
  101,
  102,
  103,
  110,
  181,
  9000,
  -1,
  0.5,
  4096,
  999_999_999,
  2 ** 31,
  2 ** 53,
  1e300,
];

const text = fc.oneof(fc.constantFrom(...TEXTS), fc.string({ maxLength: 30, unit: 'binary' }));
const number = fc.oneof(fc.constantFrom(...NUMBERS), fc.integer(), fc.double());
const junk = fc.oneof(text, number, fc.boolean(), fc.constant(null), fc.jsonValue({ maxDepth: 3 }));

function arbitraryOf(schema: Schema): fc.Arbitrary<unknown> {
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  if (schema.anyOf !== undefined) return fc.oneof(...schema.anyOf.map(arbitraryOf));
  switch (schema.type) {
    case 'string':
      return text;
    case 'integer':
    case 'number':
      return number;
    case 'boolean':
      return fc.boolean();
    case 'array':
      return fc.array(arbitraryOf(schema.items ?? {}), { maxLength: 4 });
    case 'object':
      return fc.dictionary(text, junk, { maxKeys: 4 });
    default:
      return junk;
  }
}

/** Nothing of these may keep a test waiting; that they are waited for is tested elsewhere. */
const WAITING = ['wait_seconds', 'timeout_seconds'];

/** Arguments around a call that works: up to three of them left out, null, of the right type, or of none. */
export function argumentsAround(tool: Tool, base: Readonly<Record<string, unknown>>): fc.Arbitrary<object> {
  const { properties } = inputOf(tool);
  // Where the cluster is another one, little is seen of the tool.
  const names = Object.keys(properties).filter((name) => name !== 'cluster' || !('cluster' in base));
  const waits = Object.fromEntries(WAITING.filter((name) => name in properties).map((name) => [name, 0]));
  const changed =
    names.length === 0 ? fc.constant([]) : fc.subarray(names, { maxLength: Math.min(3, names.length) });
  return changed
    .chain((chosen) =>
      fc.record(Object.fromEntries(chosen.map((name) => [name, otherFor(name, properties[name])]))),
    )
    .map((others) => ({ ...base, ...waits, ...others }))
    .map((made) => Object.fromEntries(Object.entries(made).filter(([, value]) => value !== undefined)));
}

function otherFor(name: string, schema: Schema = {}): fc.Arbitrary<unknown> {
  if (WAITING.includes(name)) return fc.constantFrom(0, 'x', -1, {});
  return fc.oneof(
    { weight: 1, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.constant(null) },
    { weight: 8, arbitrary: arbitraryOf(schema) },
    { weight: 1, arbitrary: junk },
  );
}
