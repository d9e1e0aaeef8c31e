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

describe('a refusal', () => {
  test.each([
    ['//evil/nodes', 'it names a host'],
    ['https://evil/api2/json/nodes', 'it names a host'],
    ['HTTP://evil/nodes', 'it names a host'],
    ['x-a+b.1://evil', 'it names a host'],
    ['/nodes/%2E%2e/status', 'it holds an encoded dot'],
    ['/nodes?x=1', 'it holds a query: put parameters into `data`'],
    ['api2/json/api2/json', 'it has /api2/json twice'],
    ['/api2/json/api2/extjs/nodes', 'it has /api2/json twice'],
    ['/nodes/%zz', 'its percent-encoding is broken'],
    ['/nodes//pve1', 'it has an empty segment'],
    ['/nodes/../access', 'it climbs with "." or ".."'],
    ['/nodes/./access', 'it climbs with "." or ".."'],
    ['/nodes/x%0a', 'it holds a control character'],
    ['/nodes/x\ud800', 'it holds text that is not valid Unicode'],
    ['/nodes/x#frag', 'it holds "#"'],
    ['/nodes/x%3f', 'it holds "?"'],
    ['/nodes/x\\y', 'it holds "\\\\"'],
    ['/nodes/%252e', 'it holds "%"'],
    [`/${'x'.repeat(2048)}`, 'it is longer than 2048 characters'],
  ])('of %j says why, and what to give instead', (raw, problem) => {
    expect(() => parseApiPath(raw)).toThrow(
      expect.objectContaining({
        code: 'INVALID_PATH',
        message: `The path was refused: ${problem}.`,
        hint: expect.stringContaining('/nodes/pve1/qemu/100/status/current'),
      }),
    );
  });

  test.each([
    [() => apiPath`/nodes/${'a/b'}`, 'a value holds a slash'],
    [() => apiPath`/nodes/${'x\ud800'}`, 'it holds text that is not valid Unicode'],
    [() => apiPath`/nodes/${'x'.repeat(2042)}`, 'it is longer than 2048 characters'],
    [() => facadePath('/nodes/%2e'), 'it holds an encoded dot'],
    [() => facadePath('/nodes/a%2Fb'), 'a value holds a slash'],
  ])('of %s says why', (make, problem) => {
    expect(make).toThrow(`The path was refused: ${problem}.`);
  });
});

describe('paths that are accepted', () => {
  test('may be 2048 characters long', () => {
    const longest = `/nodes/${'x'.repeat(2041)}`;
    expect(`${parseApiPath(longest)}`).toBe(longest);
    expect(`${apiPath`/nodes/${'x'.repeat(2041)}`}`).toBe(longest);
    expect(() => parseApiPath('x'.repeat(2049))).toThrow('longer than 2048');
  });

  test('may hold what only looks like a host', () => {
    expect(parseApiPath('/storage/a:').wire).toBe('/storage/a:');
    expect(attempt(() => parseApiPath('/nodes/http://x'))).toBeUndefined();
  });

  test.each([
    ['/nodes/pve1/qemu', ['nodes', 'pve1', 'qemu']],
    ['/api2/json/nodes/pve1', ['nodes', 'pve1']],
    ['/storage/local/content/local:iso%2Fx', undefined],
    ['/pools/a%20b', ['pools', 'a b']],
  ])('the facade built %s', (built, segments) => {
    expect(attempt(() => facadePath(built))?.segments).toEqual(segments);
  });

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
