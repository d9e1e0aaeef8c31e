import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadBuiltInCatalogue } from '../../../src/catalogue/builtin.ts';
import type { Catalogue } from '../../../src/catalogue/catalogue.ts';
import type { HttpMethod } from '../../../src/catalogue/types.ts';
import { verifyCall } from '../../../src/catalogue/verify.ts';
import { thingTaking } from './schemas.ts';

const builtIn = loadBuiltInCatalogue();

function encode(
  method: HttpMethod,
  path: string,
  params: Record<string, unknown>,
  catalogue: Catalogue = builtIn,
) {
  const result = verifyCall(catalogue, method, path, params);
  return result.ok ? result.encoded : result.problems;
}

/** What POST /thing makes of `value` for a parameter of this schema. */
function one(schema: Record<string, unknown>, value: unknown, more: Record<string, unknown> = {}) {
  const result = verifyCall(thingTaking({ value: schema, ...more }), 'POST', '/thing', { value });
  return result.ok
    ? result.encoded.value
    : result.problems.map(({ parameter, problem }) => `${parameter} ${problem}`);
}

function manyKeys(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`unheard-of-${index}`, 'x']));
}

describe('verifyCall', () => {
  it('writes a whole call as PVE wants it', () => {
    expect(
      encode('PUT', '/nodes/pve/qemu/100/config', {
        net0: { model: 'virtio', bridge: 'vmbr0', firewall: true },
        scsi0: 'local-lvm:32,ssd=1',
        cores: '4',
        memory: 2048,
        onboot: true,
        kvm: 'off',
        agent: true,
        delete: ['net1', 'net2'],
        ipconfig0: { ip: 'dhcp' },
        boot: { order: ['scsi0', 'net0'] },
        sshkeys: 'ssh-ed25519 AAAA me@here',
        cpu: { cputype: 'host', flags: ['+aes', '-pcid'] },
        description: null,
        name: undefined,
      }),
    ).toEqual({
      net0: 'virtio,bridge=vmbr0,firewall=1',
      scsi0: 'local-lvm:32,ssd=1',
      cores: '4',
      memory: '2048',
      onboot: '1',
      kvm: '0',
      agent: '1',
      delete: 'net1,net2',
      ipconfig0: 'ip=dhcp',
      boot: 'order=scsi0;net0',
      sshkeys: 'ssh-ed25519%20AAAA%20me%40here',
      cpu: 'host,flags=+aes;-pcid',
    });
  });

  it('hands out the method and the values of the path', () => {
    expect(verifyCall(builtIn, 'POST', '/nodes/pve/qemu/100/status/start', {})).toMatchObject({
      ok: true,
      method: { path: '/nodes/{node}/qemu/{vmid}/status/start' },
      pathParameters: { node: 'pve', vmid: '100' },
      encoded: {},
    });
  });

  it('sends a list as repeated keys where PVE takes an array', () => {
    const exec = (command: unknown) => encode('POST', '/nodes/pve/qemu/100/agent/exec', { command });
    expect(exec(['ls', '-l', 'a,b c'])).toEqual({ command: ['ls', '-l', 'a,b c'] });
    expect(exec('ls')).toEqual({ command: ['ls'] });
  });

  it('finds everything wrong at once', () => {
    const problems = encode('PUT', '/nodes/-pve/qemu/50/config', {
      nett0: 'virtio',
      cores: 'many',
      scsi31: 'local:1',
      net0: { model: 'virtioo', brige: 'x' },
      ostype: 'linux',
      description: { a: 1 },
    });
    expect(problems).toMatchObject([
      { parameter: 'node', path: '/nodes/-pve/qemu/50/config' },
      { parameter: 'vmid', path: '/nodes/-pve/qemu/50/config' },
      { parameter: 'nett0', hint: 'did you mean net0?' },
      { parameter: 'cores' },
      { parameter: 'scsi31' },
      { parameter: 'net0.model' },
      { parameter: 'net0.brige', hint: 'did you mean bridge?' },
      { parameter: 'ostype' },
      { parameter: 'description' },
    ]);
  });

  it('names what is missing, and what it is for', () => {
    expect(encode('POST', '/nodes/pve/qemu/100/clone', {})).toEqual([
      { parameter: 'newid', problem: 'is missing', hint: expect.stringMatching(/VMID/) },
    ]);
  });

  it('offers the nearest paths for one that leads nowhere, and the verbs of one that does', () => {
    expect(encode('GET', '/nodes/pve/qemuu/100/config', {})).toMatchObject([
      {
        path: '/nodes/pve/qemuu/100/config',
        hint: expect.stringContaining('GET /nodes/{node}/qemu/{vmid}/config'),
      },
    ]);
    expect(encode('DELETE', '/nodes/pve/qemu/100/config', {})).toMatchObject([
      { problem: 'does not take DELETE', hint: 'it takes GET, POST, PUT' },
    ]);
    expect(encode('GET', '/zzz/yyy', {})).toMatchObject([{ hint: 'find one with search_api' }]);
  });

  it('lets a parameter repeat the path, not contradict it', () => {
    const create = (params: Record<string, unknown>) =>
      encode('POST', '/nodes/pve/qemu', { vmid: 100, ...params });
    expect(create({ node: 'pve' })).toEqual({ vmid: '100' });
    expect(create({ node: 'other' })).toMatchObject([
      { parameter: 'node', problem: 'has another value in the path' },
    ]);
    expect(create({ node: ['pve'] })).toMatchObject([{ parameter: 'node' }]);
  });

  it('says when a method takes no parameters at all', () => {
    expect(encode('GET', '/version', { verbose: true })).toMatchObject([
      { parameter: 'verbose', hint: 'it takes none' },
    ]);
  });
});

describe('numbered parameters', () => {
  const disks = {
    'disk[n]': { type: 'string', optional: 1, description: 'A disk (n is 0 to 3).' },
    'net[n]': { type: 'string', optional: 1 },
  };

  it('are taken by their number, up to the highest the description names', () => {
    expect(encode('POST', '/thing', { disk0: 'a', disk3: 'b', net31: 'c' }, thingTaking(disks))).toEqual({
      disk0: 'a',
      disk3: 'b',
      net31: 'c',
    });
    expect(encode('POST', '/thing', { disk4: 'a' }, thingTaking(disks))).toMatchObject([
      { parameter: 'disk4', hint: 'did you mean disk3?' },
    ]);
  });

  it.each(['disk', 'disk00', 'disk[n]', 'disk-1', 'disk1.5'])('are not taken as %s', (name) => {
    expect(encode('POST', '/thing', { [name]: 'a' }, thingTaking(disks))).toMatchObject([
      { parameter: name },
    ]);
  });
});

describe('values', () => {
  it.each([
    [{ type: 'boolean' }, true, '1'],
    [{ type: 'boolean' }, 0, '0'],
    [{ type: 'boolean' }, 'yes', '1'],
    [{ type: 'boolean' }, 'False', '0'],
    [{ type: 'integer' }, 5, '5'],
    [{ type: 'integer' }, '-5', '-5'],
    [{ type: 'integer', minimum: 0, maximum: 9 }, 9, '9'],
    [{ type: 'number' }, 0.5, '0.5'],
    [{ type: 'number' }, '1.5', '1.5'],
    [{ type: 'string' }, 'text', 'text'],
    [{ type: 'string' }, '', ''],
    [{ type: 'string' }, 100, '100'],
    [{ type: 'string', enum: ['0', '1'] }, true, '1'],
    [{ type: 'string', maxLength: 2 }, '🙂🙂', '🙂🙂'],
    [{ type: 'string', pattern: '(?^i:[a-f]+)' }, 'ABC', 'ABC'],
    [{ type: 'string', format: 'pve-configid-list' }, ['net0', 'net1'], 'net0,net1'],
    [{ type: 'string', format: 'pve-configid-list' }, 'net0;net1', 'net0;net1'],
    [{ type: 'string', format: 'email-opt' }, '', ''],
    [{ type: 'string', format: 'made-up' }, 'anything', 'anything'],
    [{ type: 'array', items: { type: 'integer' } }, [1, '2'], ['1', '2']],
    [
      { type: 'array', items: { type: 'string', format: { a: { type: 'boolean' } } } },
      [{ a: true }],
      ['a=1'],
    ],
    [{ type: 'string', format: { a: { type: 'integer', default_key: 1 } } }, 5, '5'],
    [{ type: 'string', format: 'urlencoded' }, 'a b', 'a%20b'],
    [{ type: 'string', format: 'urlencoded' }, 'a%20b', 'a%20b'],
    [{}, 'x', 'x'],
  ])('of %j: %j is sent as %j', (schema, value, expected) => {
    expect(one(schema, value)).toEqual(expected);
  });

  it.each([
    [{ type: 'boolean' }, 2],
    [{ type: 'boolean' }, 'maybe'],
    [{ type: 'integer' }, 1.5],
    [{ type: 'integer' }, '1e3'],
    [{ type: 'integer' }, 1e21],
    [{ type: 'integer' }, ''],
    [{ type: 'integer' }, true],
    [{ type: 'integer', minimum: 0 }, -1],
    [{ type: 'integer', maximum: 9 }, '10'],
    [{ type: 'number' }, Number.NaN],
    [{ type: 'number' }, Number.POSITIVE_INFINITY],
    [{ type: 'string' }, { a: 1 }],
    [{ type: 'string' }, ['a']],
    [{ type: 'string' }, true],
    [{ type: 'string', enum: ['a'] }, 'A'],
    [{ type: 'string', minLength: 2 }, 'a'],
    [{ type: 'string', maxLength: 2 }, 'abc'],
    [{ type: 'string', pattern: '[a-f]+' }, 'xyz'],
    [{ type: 'string', format: 'pve-configid-list' }, ['net0', '0net']],
    [{ type: 'string', format: 'pve-configid-list' }, [{}]],
    [{ type: 'array', items: { type: 'integer' } }, [1, 'x']],
    [{ type: 'array', items: { type: 'string' } }, [['a']]],
    [{ type: 'array' }, []],
    [{ type: 'string', format: { a: { type: 'string' } } }, 5],
    [{ type: 'string', format: { a: { type: 'string' } } }, ['a=1']],
    [{ type: 'string', format: { a: { type: 'string', optional: 1 } } }, 'b=1'],
  ])('of %j: %j is refused', (schema, value) => {
    expect(one(schema, value)).toEqual([expect.stringMatching(/^value/)]);
  });

  it('names what is expected, never the value', () => {
    const secret = 'hunter2-hunter2';
    for (const schema of [
      { type: 'integer' },
      { type: 'string', maxLength: 3 },
      { type: 'string', enum: ['a'] },
      { type: 'string', format: 'ipv4' },
    ]) {
      expect(JSON.stringify(one(schema, secret))).not.toContain(secret);
    }
  });

  it('leaves out an empty list that is optional', () => {
    const catalogue = thingTaking({ value: { type: 'array', optional: 1 } });
    expect(encode('POST', '/thing', { value: [] }, catalogue)).toEqual({});
  });

  it.each([
    ['a text of a million letters', { type: 'string', format: 'dns-name' }, 'a'.repeat(1_000_000)],
    ['a node name that never ends', { type: 'string', format: 'pve-node-list' }, `${'a'.repeat(500_000)}!`],
    ['a long value and a pattern', { type: 'string', pattern: '(a+)+b' }, `${'a'.repeat(5000)}c`],
    [
      'a property string of a million keys',
      { type: 'string', format: { a: { type: 'string' } } },
      'x=1,'.repeat(250_000),
    ],
    ['an object of many keys', { type: 'string', format: { a: { type: 'string' } } }, manyKeys(20_000)],
    ['a list of many wrong items', { type: 'array', items: { type: 'integer' } }, Array(100_000).fill('x')],
  ])('judges %s in a moment', (_, schema, value) => {
    const began = performance.now();
    one(schema, value);
    expect(performance.now() - began).toBeLessThan(1000);
  });

  it('judges a call of many unknown parameters in a moment', () => {
    const began = performance.now();
    const problems = encode('PUT', '/nodes/pve/qemu/100/config', manyKeys(20_000));
    expect(problems).toHaveLength(50);
    expect(performance.now() - began).toBeLessThan(1000);
  });

  it('still judges by patterns that repeat groups', () => {
    const reference = { type: 'string', pattern: '[a-z]+(?:(?:[._]|-*)[a-z]+)*' };
    expect(one(reference, 'a-b.c')).toBe('a-b.c');
    expect(one(reference, 'a..b')).toEqual([expect.stringMatching(/must match/)]);
    expect(one(reference, `${'a'.repeat(60)}!`)).toBe(`${'a'.repeat(60)}!`);
  });

  it('never writes an object as text', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('boolean', 'integer', 'number', 'string', 'array', undefined),
        fc.anything(),
        (type, value) => {
          const result = verifyCall(thingTaking({ value: { type, optional: 1 } }), 'POST', '/thing', {
            value,
          });
          const texts = result.ok ? [result.encoded.value ?? ''].flat() : [];
          for (const text of texts) if (text !== value) expect(text).not.toMatch(/^\[object/);
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe('formats', () => {
  it.each([
    ['pve-vmid', ['100', '999999999'], ['99', '1000000000', '0100', 'a']],
    ['pve-node', ['pve', 'pve-1', 'A'], ['-pve', 'pve-', 'a.b', '']],
    ['pve-configid', ['ab', 'a-_9'], ['a', '1a', 'a b']],
    ['pve-storage-id', ['local-lvm', 'a.b'], ['a', 'a-', '1a']],
    ['pve-poolid', ['a', 'a/b/c'], ['a/b/c/d', '/a', 'a b']],
    ['pve-userid', ['root@pam', 'a.b@ldap-1'], ['root', 'a b@pam', 'a@1']],
    ['ipv4', ['192.0.2.1'], ['192.0.2', '192.0.2.256', '::1']],
    ['ipv6', ['2001:db8::1', '::'], ['192.0.2.1', 'fe80::1%eth0', ':::']],
    ['ip', ['192.0.2.1', '::1'], ['host']],
    ['address', ['192.0.2.1', '::1', 'host.example'], ['a b', '']],
    [
      'CIDR',
      ['192.0.2.0/24', '2001:db8::/64', '10.0.0.0/8'],
      ['192.0.2.0', '10.0.0.0/7', '10.0.0.0/33', '10.0.0.0/8/8'],
    ],
    ['CIDRv4', ['192.0.2.0/24'], ['2001:db8::/64']],
    ['CIDRv6', ['2001:db8::/64'], ['192.0.2.0/24', '::/129']],
    [
      'mac-addr',
      ['BC:24:11:00:00:01', '02:00:00:00:00:00'],
      ['01:00:00:00:00:00', 'BC-24-11-00-00-01', 'BC:24:11:00:00'],
    ],
    ['disk-size', ['32G', '1.5T', '512', '4GiB'], ['G', '32GB', '-1G']],
    ['dns-name', ['a', 'a-b.c'], ['-a', 'a_b', 'a..b']],
    ['pve-ipv4-config', ['dhcp', 'manual', '192.0.2.1/24'], ['auto', '192.0.2.1']],
    ['pve-ipv6-config', ['auto', '2001:db8::1/64'], ['2001:db8::1']],
    ['pve-volume-id', ['local:iso/a.iso'], ['a.iso', 'local:']],
    ['pve-vmid-list', ['100,101', '100; 101', ''], ['100,x']],
  ])('%s', (format, good, bad) => {
    for (const value of good) expect(one({ type: 'string', format }, value)).toBe(value);
    for (const value of bad)
      expect(one({ type: 'string', format }, value)).toEqual([expect.stringMatching(/^value must be/)]);
  });
});

describe('parameters that depend on others', () => {
  it('need what they require', () => {
    const catalogue = thingTaking({
      a: { type: 'string', optional: 1, requires: 'b' },
      b: { type: 'string', optional: 1 },
    });
    expect(encode('POST', '/thing', { a: 'x' }, catalogue)).toEqual([
      { parameter: 'a', problem: 'needs b too' },
    ]);
    expect(encode('POST', '/thing', { a: 'x', b: 'y' }, catalogue)).toEqual({ a: 'x', b: 'y' });
  });

  it('take the alternative of their kind', () => {
    const catalogue = thingTaking({
      kind: { type: 'string', optional: 1 },
      size: {
        'type-property': 'kind',
        optional: 1,
        oneOf: [
          { type: 'integer', 'instance-types': ['number'] },
          { type: 'string', enum: ['big'], 'instance-types': ['word'] },
        ],
      },
    });
    const send = (params: Record<string, unknown>) => encode('POST', '/thing', params, catalogue);
    expect(send({ kind: 'number', size: 3 })).toEqual({ kind: 'number', size: '3' });
    expect(send({ kind: 'word', size: 'big' })).toEqual({ kind: 'word', size: 'big' });
    expect(send({ size: 'big' })).toEqual({ size: 'big' });
    expect(send({ kind: 'number', size: 'big' })).toMatchObject([{ parameter: 'size' }]);
    expect(send({ kind: 'other', size: 3 })).toMatchObject([{ parameter: 'size' }]);
  });

  it('are required only of the kind they are for', () => {
    const catalogue = thingTaking({
      kind: { type: 'string' },
      only: { type: 'string', 'type-property': 'kind', 'instance-types': ['one'] },
      either: {
        'type-property': 'kind',
        oneOf: [
          { type: 'string', 'instance-types': ['one'] },
          { type: 'string', 'instance-types': ['two'], optional: 1 },
        ],
      },
    });
    expect(encode('POST', '/thing', { kind: 'two' }, catalogue)).toEqual({ kind: 'two' });
    expect(encode('POST', '/thing', { kind: 'one' }, catalogue)).toMatchObject([
      { parameter: 'only', problem: 'is missing' },
    ]);
  });

  it('are let through unread where the method says so', () => {
    const catalogue = thingTaking({}, { parameters: { additionalProperties: 1, properties: {} } });
    expect(encode('POST', '/thing', { any: 1 }, catalogue)).toEqual({ any: '1' });
    expect(encode('POST', '/thing', { any: { a: 1 } }, catalogue)).toMatchObject([{ parameter: 'any' }]);
  });
});

describe('property strings that only a typetext describes', () => {
  const watchdog = {
    type: 'string',
    format: 'made-up-dog',
    typetext: '[[model=]<a|b>] [,action=<enum>] [,hard=<1|0>]',
  };

  it('can be given as objects', () => {
    expect(one(watchdog, { model: 'a', action: 'reset', hard: true })).toBe('a,action=reset,hard=1');
    expect(one(watchdog, { modle: 'a' })).toEqual(['value.modle is not a key of this property string']);
    expect(one({ ...watchdog, typetext: '[type=]<kind> [,x=<integer>]' }, { x: 1 })).toEqual([
      'value.type is missing',
    ]);
  });

  it('are left for PVE to judge as text', () => {
    expect(one(watchdog, 'whatever,alias=1')).toBe('whatever,alias=1');
  });

  it('are refused as objects where nothing describes them', () => {
    expect(one({ type: 'string', format: 'made-up-dog' }, { a: 1 })).toEqual([
      expect.stringMatching(/got an object/),
    ]);
  });
});
