import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadBuiltInCatalogue } from '../../../src/catalogue/builtin.ts';
import { pathParameterNames } from '../../../src/catalogue/types.ts';
import { catalogueOf, node, taking } from './schemas.ts';

const builtIn = loadBuiltInCatalogue();

describe('Catalogue.match', () => {
  it('finds the method and the values of its path', () => {
    expect(builtIn.match('PUT', '/nodes/pve/qemu/100/config')).toMatchObject({
      method: { method: 'PUT', path: '/nodes/{node}/qemu/{vmid}/config' },
      pathParameters: { node: 'pve', vmid: '100' },
    });
  });

  it('does not mind a slash at either end', () => {
    for (const path of ['version', '/version', '/version/', 'version/']) {
      expect(builtIn.match('GET', path)?.method.path).toBe('/version');
    }
  });

  it('prefers a literal segment to a parameter', () => {
    const catalogue = catalogueOf(
      node('/a/{b}', { GET: taking({}) }),
      node('/a/list', { GET: taking({}) }),
      node('/a/{b}/c', { GET: taking({}) }),
    );
    expect(catalogue.match('GET', '/a/list')?.method.path).toBe('/a/list');
    expect(catalogue.match('GET', '/a/list/c')?.pathParameters).toEqual({ b: 'list' });
  });

  it('decodes values', () => {
    expect(builtIn.match('GET', '/access/users/root%40pam')?.pathParameters).toEqual({ userid: 'root@pam' });
  });

  it.each([
    ['/nodes/pve/storage/local/content/local:iso/a.iso', { volume: 'local:iso/a.iso' }],
    ['/nodes/pve/storage/local/content/local%3Aiso%2Fa.iso', { volume: 'local:iso/a.iso' }],
    ['/cluster/firewall/ipset/web/192.0.2.0/24', { cidr: '192.0.2.0/24' }],
    ['/cluster/firewall/ipset/web/192.0.2.0%2F24', { cidr: '192.0.2.0/24' }],
  ])('lets the last parameter of %s hold slashes', (path, values) => {
    expect(builtIn.match('GET', path)?.pathParameters).toMatchObject(values);
  });

  it.each([
    '/',
    '',
    '//version',
    '/nodes//qemu',
    '/nodes/pve%2Fqemu',
    '/nodes/pve%2f..%2f..%2faccess/users',
    '/nodes/../access/users',
    '/nodes/%2e%2e/access/users',
    '/nodes/./qemu',
    '/nodes/pve/storage/local/content/local:iso/../../x',
    '/nodes/pve/storage/local/content/local:iso%2F..%2Fx',
    '/nodes/pve%00/qemu',
    '/nodes/pve%0a/qemu',
    '/nodes/pv e/qemu',
    '/nodes/pve/qemu?x=1',
    '/nodes/pve#x/qemu',
    '/nodes/pve\\x/qemu',
    '/nodes/%zz/qemu',
    '/nodes/%c0%ae%c0%ae/qemu',
  ])('leads nowhere for %j', (path) => {
    expect(builtIn.match('GET', path)).toBeUndefined();
    expect(builtIn.verbs(path)).toEqual([]);
  });

  it('finds every method again by any legal values', () => {
    const value = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._@:!~-]{0,20}$/);
    fc.assert(
      fc.property(
        fc.constantFrom(...builtIn.methods),
        fc.array(value, { minLength: 6, maxLength: 6 }),
        (method, values) => {
          const names = pathParameterNames(method.path);
          const expected = Object.fromEntries(names.map((name, index) => [name, values[index] ?? '']));
          const path = method.path.replaceAll(/\{([^}]+)\}/g, (_, name: string) =>
            encodeURIComponent(expected[name] ?? ''),
          );
          const match = builtIn.match(method.method, path);
          // A value may happen to be a literal of the template beside; then that one is right.
          if (match?.method.path === method.path) expect(match.pathParameters).toEqual(expected);
          else
            expect(values).toContain(
              match?.method.path.split('/').find((segment) => values.includes(segment)),
            );
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('hands out no value with a slash but where a rest is taken', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.constantFrom('..', '.', '%2e', '%2F', '/', 'nodes', 'pve', 'qemu', 'a', '%00', '\\', '?'),
          { maxLength: 12 },
        ),
        (parts) => {
          const match = builtIn.match('GET', `/${parts.join('')}`);
          for (const [name, value] of Object.entries(match?.pathParameters ?? {})) {
            expect(value.split('/')).not.toContain('..');
            if (name !== 'volume' && name !== 'cidr') expect(value).not.toContain('/');
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe('Catalogue.verbs and nearest', () => {
  it('knows the verbs of a path', () => {
    expect(builtIn.verbs('/nodes/pve/qemu/100/config')).toEqual(['GET', 'POST', 'PUT']);
  });

  it.each([
    ['GET', '/nodes/pve/qemuu/100/config', '/nodes/{node}/qemu/{vmid}/config'],
    ['POST', '/nodes/pve/qemu/100/start', '/nodes/{node}/qemu/{vmid}/status/start'],
    ['POST', '/nodes/pve/qemu/100/snapshots', '/nodes/{node}/qemu/{vmid}/snapshot'],
    ['GET', '/cluster/resource', '/cluster/resources'],
    ['GET', '/nodes/{node}/qemu/{vmid}/conf', '/nodes/{node}/qemu/{vmid}/config'],
  ] as const)('takes %s %s for %s', (method, path, expected) => {
    const [first] = builtIn.nearest(method, path, 3);
    expect(`${first?.method} ${first?.path}`).toBe(`${method} ${expected}`);
  });

  it('offers nothing for what is like nothing', () => {
    expect(builtIn.nearest('GET', '/zzzzzzzz/yyyyyyyyy/xxxxxxxx', 5)).toEqual([]);
  });

  it('stays quick for a path as long as a novel', () => {
    const path = `/${'a/'.repeat(20_000)}${'b'.repeat(100_000)}`;
    const began = performance.now();
    builtIn.nearest('GET', path, 5);
    expect(performance.now() - began).toBeLessThan(2000);
  });
});
