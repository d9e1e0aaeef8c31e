import { describe, expect, test } from 'vitest';
import { checkSimulator } from '../../../scripts/schema-checks/simulator.ts';
import { Catalogue } from '../../../src/catalogue/catalogue.ts';
import { readMethods } from '../../../src/catalogue/schema.ts';
import { ApiError, failure } from '../../../src/simulator/errors.ts';
import { type Method, string } from '../../../src/simulator/methods/method.ts';
import { type ApiSchema, schemaFromCatalogue } from '../../../src/simulator/schema/api-schema.ts';

const READ = { check: ['perm', '/', ['Sys.Audit']] };
const INFO = {
  description: 'One thing.',
  permissions: READ,
  allowtoken: 1,
  parameters: {
    properties: { mode: { type: 'string', enum: ['a', 'b'], optional: 1 }, count: { type: 'integer' } },
  },
  returns: { type: 'object', properties: {} },
};

/** A schema of `GET /thing`, with changes to what it says of it. */
function schemaOf(changes: object = {}, more: object[] = []): ApiSchema {
  const tree = [{ path: '/thing', text: 'thing', info: { GET: { ...INFO, ...changes } } }, ...more];
  return schemaFromCatalogue(
    new Catalogue({ source: 'file', label: 'a small one', methods: readMethods(tree) }),
  );
}

function methodOf(changes: Partial<Method> = {}): Method {
  return {
    method: 'GET',
    path: '/thing',
    properties: { mode: { type: 'string', enum: ['b', 'a'], optional: 1 }, count: { type: 'integer' } },
    permissions: { check: ['perm', '/', ['Sys.Audit'], 'any', 1] },
    handler: () => ({ name: 'thing' }),
    ...changes,
  };
}

const differencesOf = (method: Partial<Method>, schema = schemaOf()): readonly string[] => {
  return checkSimulator(schema, [methodOf(method)], []).differences;
};

test('what is as the schema has it makes no difference', () => {
  const { figures, differences } = checkSimulator(schemaOf(), [methodOf()], []);
  expect(differences).toEqual([]);
  expect(figures[0]).toBe('1 methods: 1 with handlers of their own, 0 served generically, 0 answer 501');
  expect(figures[1]).toMatch(/: 1 answered, 0 refused in PVE's way, 0 wrong$/);
});

describe('what handlers declare differs by', () => {
  const kinds: [string, Partial<Method>, string][] = [
    ['a method', { path: '/other' }, 'GET /other: only the simulator has it'],
    ['a parameter', { properties: { more: string } }, 'GET /thing: more is invented'],
    ['a type', { properties: { count: string } }, 'GET /thing: count is of type integer, not string'],
    [
      'a need',
      { properties: { count: { type: 'integer', optional: 1 } } },
      'GET /thing: count is not optional',
    ],
    [
      'no need',
      { properties: { mode: { type: 'string', enum: ['a', 'b'] } } },
      'GET /thing: mode is optional',
    ],
    [
      'a choice',
      { properties: { mode: { type: 'string', enum: ['a'], optional: 1 } } },
      'GET /thing: mode may be a, b, not a',
    ],
    ['a privilege', { permissions: { user: 'all' } }, 'GET /thing: is for Sys.Audit on /, not for all'],
    ['a token', { allowtoken: 0 }, 'GET /thing: is for tokens too'],
  ];
  test.each(kinds)('%s', (_kind, method, line) => {
    expect(differencesOf(method)).toEqual([line]);
  });

  test('a privilege that root alone has', () => {
    expect(differencesOf({}, schemaOf({ permissions: undefined }))).toEqual([
      'GET /thing: is for root@pam alone, not for Sys.Audit on /',
    ]);
  });

  test('no permission, where a handler leaves it to the schema', () => {
    expect(differencesOf({ permissions: { check: ['or'] } })).toEqual([]);
  });
});

describe('a call is wrong that', () => {
  const handlers: [string, Method['handler'], RegExp][] = [
    ['crashes', () => (undefined as unknown as string[]).length, /^GET \/thing: crashes: TypeError/],
    [
      'is not implemented',
      () => {
        throw new ApiError(501, 'no');
      },
      /^GET \/thing: answers 501$/,
    ],
    [
      'answers with a status that PVE would not',
      () => {
        throw new ApiError(418, 'teapot');
      },
      /^GET \/thing: answers 418 teapot/,
    ],
    ['answers of another type', () => [], /^GET \/thing: answers array where the schema says object$/],
    ['shows where it is lost', () => ({ name: `${undefined}` }), /^GET \/thing: answers .*undefined/],
    [
      'is refused in words of JavaScript',
      () => {
        throw failure('x is not a function');
      },
      /^GET \/thing: answers 500 x is not a function/,
    ],
    [
      'crashes in its task',
      ({ state }) => {
        const end = () => void (undefined as unknown as string[]).length;
        state.tasks.start({ node: 'pve1', type: 'x', id: '', owner: 'root@pam' }, { end });
        return {};
      },
      /^GET \/thing: its task ends in: .*undefined/,
    ],
  ];
  test.each(handlers)('%s', (_what, handler, line) => {
    expect(differencesOf({ handler })).toEqual([expect.stringMatching(line)]);
  });

  test('leads to another method', () => {
    const two = ['{a}', '{b}'].map((name) => ({ path: `/x/${name}`, text: name, info: { GET: INFO } }));
    expect(differencesOf({}, schemaOf({}, two))).toEqual([
      expect.stringMatching(/^GET \/x\/\{a\}: \/x\/\w+ leads to \/x\/\{b\}$/),
    ]);
  });

  test('has no parameters that fit', () => {
    const parameters = { properties: { odd: { type: 'string', pattern: '[α-ω]{7}' } } };
    expect(differencesOf({ properties: {} }, schemaOf({ parameters }))).toEqual([
      expect.stringMatching(/^GET \/thing: no valid parameters were found: .*odd/),
    ]);
  });

  test("a refusal in PVE's way is not", () => {
    const handler = () => {
      throw failure('no such thing');
    };
    const { figures, differences } = checkSimulator(schemaOf(), [methodOf({ handler })], []);
    expect(differences).toEqual([]);
    expect(figures[1]).toContain('1 refused');
  });
});

describe('an exception', () => {
  const more = methodOf({ properties: { more: string } });

  test('excuses what it fits, and is counted', () => {
    const exceptions = [{ of: '8.x' as const, lines: /^GET \/thing: more is/ }];
    const { figures, differences } = checkSimulator(schemaOf(), [more], exceptions);
    expect(differences).toEqual([]);
    expect(figures.join('\n')).toContain('0 parameter invented (and 1 of another version)');
  });

  test('excuses nothing in a schema of the other version', () => {
    const exceptions = [{ of: '9.x' as const, lines: /more/ }];
    expect(checkSimulator(schemaOf(), [more], exceptions).differences).toEqual([
      'GET /thing: more is invented',
    ]);
  });

  test('that excuses nothing at all is a difference itself', () => {
    const exceptions = [{ of: 'any' as const, lines: /less/ }];
    expect(checkSimulator(schemaOf(), [methodOf()], exceptions).differences).toEqual([
      'the exception /less/ excuses nothing',
    ]);
  });
});
