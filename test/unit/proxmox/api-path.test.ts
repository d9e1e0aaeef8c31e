import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ApiPath, apiPath, facadePath, parseApiPath } from '../../../src/proxmox/api-path.ts';
import { CallError } from '../../../src/proxmox/errors.ts';

/** The path that a server sees once the wire form has been through an URL parser, as undici and proxies do. */
function seenByServer(path: ApiPath): string[] {
  const { pathname, search, hash, host } = new URL(`https://pve1:8006/api2/json${path.wire}`);
  expect([search, hash, host]).toEqual(['', '', 'pve1:8006']);
  return pathname
    .split('/')
    .slice(3)
    .map(decodeURIComponent)
    .filter((segment) => segment !== '');
}

function expectSafe(path: ApiPath): void {
  for (const segment of path.segments) {
    expect(['', '.', '..']).not.toContain(segment);
    expect(segment).not.toMatch(/[/?#%\\\p{Cc}]/u);
  }
  expect(seenByServer(path)).toEqual(path.segments);
}

/** What a path makes of an input: the path, or undefined where it is refused with INVALID_PATH. */
function attempt(make: () => ApiPath): ApiPath | undefined {
  try {
    return make();
  } catch (error) {
    expect(error).toBeInstanceOf(CallError);
    expect((error as CallError).code).toBe('INVALID_PATH');
    return undefined;
  }
}

const TRAVERSALS = [
  '..',
  '.',
  '../access/users',
  '..%2faccess',
  '..%2Faccess',
  '%2e%2e',
  '%2E%2E',
  '.%2e',
  '%2e.',
  '%252e%252e',
  '%252e%252e%252faccess',
  '..%5caccess',
  '..\\access',
  '..;/access',
  'x/../../access',
  '%00',
  'x%00.y',
  'x%0d%0aHost: evil',
  'x\r\nHost: evil',
  'x?a=b',
  'x%3fa=b',
  'x#frag',
  'x%23frag',
  '%',
  '%zz',
  '%c0%ae%c0%ae',
  '%ff',
  'x%u002e',
  '\u2028',
  'x\u0085',
  'x\ud800',
  'x//y',
];

describe('paths that are refused', () => {
  test.each(TRAVERSALS)('%j: nothing that climbs or splits leaves', (payload) => {
    for (const path of [
      attempt(() => parseApiPath(`/nodes/${payload}/status`)),
      attempt(() => facadePath(`/nodes/${payload}/status`)),
      attempt(() => apiPath`/nodes/${payload}/status`),
    ]) {
      if (path !== undefined) expectSafe(path);
    }
    expect(attempt(() => apiPath`/nodes/${payload}/status`)).toBeUndefined();
  });

  test.each(TRAVERSALS.filter((payload) => payload !== '..;/access'))(
    '%j is refused by parseApiPath',
    (payload) => {
      expect(attempt(() => parseApiPath(`/nodes/${payload}/status`))).toBeUndefined();
    },
  );

  test.each([
    'https://evil/api2/json/nodes',
    'HTTP://evil/nodes',
    '//evil/nodes',
    '/%2Fevil/nodes',
    '\\\\evil\\nodes',
    '/api2/json//evil',
    '/nodes?x=1',
    `/${'x'.repeat(2048)}`,
    '/nodes//pve1',
  ])('%s', (raw) => {
    expect(attempt(() => parseApiPath(raw))).toBeUndefined();
  });
});

describe('paths that are accepted', () => {
  test.each([
    ['/nodes/pve1/qemu/100/status/current', '/nodes/pve1/qemu/100/status/current'],
    ['nodes/pve1/', '/nodes/pve1'],
    ['/api2/json/nodes', '/nodes'],
    ['api2/extjs/version', '/version'],
    ['/', '/'],
    ['/api2/json', '/'],
    [
      '/nodes/pve1/storage/local/content/local:iso%2Fx.iso',
      '/nodes/pve1/storage/local/content/local:iso/x.iso',
    ],
    ['/access/users/root@pam/token/mcp', '/access/users/root@pam/token/mcp'],
    ['/pools/a b', '/pools/a%20b'],
    ['/nodes/...', '/nodes/...'],
    ['/pools/größe', '/pools/gr%C3%B6%C3%9Fe'],
  ])('%s', (raw, wire) => {
    expect(parseApiPath(raw).wire).toBe(wire);
  });

  test('a template keeps each value in one segment', () => {
    expect(apiPath`/nodes/${'pve1'}/qemu/${100}/status`.segments).toEqual([
      'nodes',
      'pve1',
      'qemu',
      '100',
      'status',
    ]);
    expect(attempt(() => apiPath`/nodes/${''}/qemu`)).toBeUndefined();
  });

  test('toString shows the path as a person writes it', () => {
    expect(`${parseApiPath('/pools/a%20b')}`).toBe('/pools/a b');
  });
});

/** Text as an attacker would write it: the dangerous pieces among any characters, halves of surrogates included. */
const hostile = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '..',
        '.',
        '/',
        '%2e',
        '%2f',
        '%',
        '?',
        '#',
        '\\',
        '\0',
        ':',
        '@',
        '%25',
        'api2/json',
        ' ',
      ),
      fc.string({ unit: 'binary', maxLength: 4 }),
      fc.string({ maxLength: 6 }),
      fc.constantFrom('\ud800', '\udc00'),
    ),
    { maxLength: 8 },
  )
  .map((pieces) => pieces.join(''));

describe('whatever goes in', () => {
  test('parseApiPath: what leaves is what was judged', () => {
    fc.assert(
      fc.property(hostile, (raw) => {
        const path = attempt(() => parseApiPath(raw));
        if (path === undefined) return;
        expectSafe(path);
        expect(parseApiPath(path.wire).segments).toEqual(path.segments);
      }),
      { numRuns: 1500 },
    );
  });

  test('facadePath: each part stays one segment', () => {
    fc.assert(
      fc.property(fc.array(hostile, { minLength: 1, maxLength: 4 }), (parts) => {
        const built = `/${parts.map((part) => part.replaceAll('/', '%2F')).join('/')}`;
        const path = attempt(() => facadePath(built));
        if (path === undefined) return;
        expectSafe(path);
        expect(path.segments).toHaveLength(parts.length);
      }),
      { numRuns: 1000 },
    );
  });

  test('apiPath: a value never leaves its segment', () => {
    fc.assert(
      fc.property(hostile, (value) => {
        const path = attempt(() => apiPath`/nodes/${value}/status`);
        if (path === undefined) return;
        expectSafe(path);
        expect(path.segments).toEqual(['nodes', value, 'status']);
      }),
      { numRuns: 1000 },
    );
  });
});
