import fc from 'fast-check';
import type { Tool } from '../../src/tools/define.ts';
import { inputOf } from './arbitrary-arguments.ts';

const nested = (open: string, close: string, levels: number) =>
  `${open.repeat(levels)}1${close.repeat(levels)}`;
const written = (text: string) => JSON.stringify(text);

/** JSON as no serialiser makes it, or nothing that JSON is. */
const VALUES = [
  ...[5, 60, 150, 10_000].flatMap((levels) => [nested('[', ']', levels), nested('{"a":', '}', levels)]),
  ...[
    '1e400',
    '-1e400',
    '1E-400',
    '-0',
    '9'.repeat(400),
    '0x10',
    '01',
    'NaN',
    'Infinity',
    'undefined',
    "'x'",
  ],
  ...['{"__proto__":{"polluted":1}}', '{"constructor":{"prototype":{"polluted":1}}}', '{"toString":1}'],
  ...['"\\ud800"', '"\\udfff\\ud800"', '"\\u0000"', '"\\', '"a\nb"', '{"a":1,"a":2}', '[', '{', '}', ''],
  `[${'1,'.repeat(9_999)}1]`,
  `{${Array.from({ length: 2_000 }, (_, number) => `"k${number}":${number}`).join()}}`,
];

const TEXTS = [
  ...[
    'a\r\nX-Evil: 1',
    'a\rb',
    '\u0000',
    '\u001b[2J',
    '\u0085',
    '\u2028',
    '\u202e\u2066',
    '\u200b',
    '\ufeff',
  ],
  ...[
    '../../access/users',
    '..\\..\\x',
    '%2e%2e%2f',
    '%252e%252e',
    '/etc/passwd',
    '//evil',
    'C:\\x',
    '.',
    '~',
  ],
  ...[
    'http://169.254.169.254/',
    'file:///etc/passwd',
    'local:../../x',
    'local:iso/../../x',
    'tank:0,file=/x',
  ],
  ...[
    '$(id)',
    '`id`',
    '; id',
    '| id',
    '&& id',
    '\u0024{x}',
    '{{7*7}}',
    '%s%n',
    "' OR 1=1 --",
    '-rf',
    '--help',
    '@x',
  ],
  ...['e\u0301', '\u1e9e', 'İ', '①', '１００', '٣', '𝟙', '👩‍👩‍👧', 'a'.repeat(300), 'ä'.repeat(70_000)],
  ...[
    '__proto__',
    'constructor',
    'prototype',
    'toString',
    'hasOwnProperty',
    'then',
    'toJSON',
    '__defineGetter__',
  ],
  ...[
    'true',
    'null',
    '[object Object]',
    '1e3',
    ' 100',
    '100 ',
    '+100',
    '0x64',
    '1_000',
    '1,2',
    '1;2',
    '=cmd()',
  ],
].map(written);

const value = fc.oneof(fc.constantFrom(...VALUES), fc.constantFrom(...TEXTS));
/** Put in place of all arguments. */
const WHOLE = ['null', '[]', '[{}]', '1', '"x"', 'true', '{"":1}', nested('[', ']', 300), 'NaN', '{', ''];
const NAMES = [
  '__proto__',
  'constructor',
  'cluster',
  'handle',
  'path',
  'data',
  'toString',
  '',
  'vmid ',
  'VMID',
];

/** The JSON text of arguments around a call that works, with one to three places in them that are hostile. */
export function hostileArguments(tool: Tool, base: Readonly<Record<string, unknown>>): fc.Arbitrary<string> {
  const { properties } = inputOf(tool);
  const own = Object.keys(properties).filter((name) => !WAITING.has(name));
  const name = fc.oneof(
    { weight: 4, arbitrary: own.length === 0 ? fc.constant('cluster') : fc.constantFrom(...own) },
    { weight: 1, arbitrary: fc.constantFrom(...NAMES) },
  );
  const waits = Object.fromEntries([...WAITING].filter((one) => one in properties).map((one) => [one, 0]));
  const kept = Object.entries({ ...base, ...waits }).map(([key, one]) => [key, JSON.stringify(one)] as const);
  const changed = fc.array(fc.tuple(name, value), { minLength: 1, maxLength: 3 }).map((others) => {
    // Sometimes a key stands twice: the later one counts, for whoever checks and whoever works.
    const members = [...kept, ...others].map(([key, text]) => `${JSON.stringify(key)}:${text}`);
    return `{${members.join()}}`;
  });
  return fc.oneof({ weight: 12, arbitrary: changed }, { weight: 1, arbitrary: fc.constantFrom(...WHOLE) });
}

/** Nothing of these may keep a test waiting. */
const WAITING: ReadonlySet<string> = new Set(['wait_seconds', 'timeout_seconds']);
