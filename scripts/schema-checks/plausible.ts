import type { ParameterSchema, PropertyFormat } from '../../src/catalogue/types.ts';
import type { Operation } from '../../src/simulator/generic/operation.ts';
import { isRequired } from '../../src/simulator/verify.ts';

/** Values that mean something in the demo's production cluster, by parameter. */
const KNOWN: Record<string, string> = {
  node: 'pve1',
  storage: 'local',
  snapname: 'installed',
  userid: 'mcp@pve',
  tokenid: 'mcp',
  realm: 'pve',
  roleid: 'Administrator',
  poolid: 'web',
  disk: '/dev/sda',
  iface: 'vmbr0',
  target: 'pve2',
  archive: 'local:backup/x.vma.zst',
  volume: 'local:iso/debian-13.1.0-amd64-netinst.iso',
  upid: 'UPID:pve1:00001000:00051000:65000000:qmstart:100:root@pam:',
  sid: 'vm:100',
  cidr: '192.0.2.0/24',
  subnet: '192.0.2.0/24',
  ip: '192.0.2.7',
  mac: 'BC:24:11:00:00:01',
  url: 'https://other.invalid/file.iso',
  password: 'correct horse battery',
  username: 'mcp@pve',
};

/** What a call that creates something is given instead: the estate has none of it yet. */
const NEW: Record<string, Record<string, string>> = {
  '/nodes/{node}/qemu': { vmid: '900' },
  '/nodes/{node}/lxc': { vmid: '900', ostemplate: 'local:vztmpl/debian-13-standard_13.1-2_amd64.tar.zst' },
  '/nodes/{node}/qemu/{vmid}/clone': { newid: '900' },
  '/nodes/{node}/network': { iface: 'vmbr9' },
  '/nodes/{node}/storage/{storage}/upload': { filename: 'x.iso' },
  '/nodes/{node}/storage/{storage}/download-url': { filename: 'x.iso' },
  '/cluster/firewall/rules': { action: 'ACCEPT' },
  '/access/users': { userid: 'ann@pve' },
  '/access/users/{userid}/token/{tokenid}': { tokenid: 'fresh' },
  '/access/roles': { roleid: 'Watcher' },
  '/access/domains': { realm: 'corp' },
  '/storage': { storage: 'fresh' },
  '/pools': { poolid: 'fresh' },
};

/** The shortest text of each named format whose parameters must be given somewhere. */
const FORMATS: Record<string, string> = {
  'pve-vmid': '100',
  'pve-node': 'pve1',
  'pve-configid': 'thing',
  'pve-storage-id': 'local',
  'pve-userid': 'someone@pve',
  'pve-volume-id': 'local:iso/x.iso',
  'pve-realm': 'pve',
  'dns-name': 'some.invalid',
  'mac-addr': 'BC:24:11:00:00:01',
  'disk-size': '8G',
  ip: '192.0.2.7',
  ipv4: '192.0.2.7',
  ipv6: '2001:db8::7',
  address: '192.0.2.7',
  CIDR: '192.0.2.0/24',
  CIDRv4: '192.0.2.0/24',
  CIDRv6: '2001:db8::/64',
};

/** Texts for patterns, tried in turn. */
const TEXTS = [
  ...['abc', 'thing', '1', '8G', '100-0', '20-21', '0000:00:1f.2', '192.0.2.0/24', 'a:b', 'vm:100', '+8G'],
  ...[
    '10',
    'abcdef0123456789',
    '10de:1234',
    '1-2',
    'pve4p-1234567890',
    'AB:'.repeat(31).concat('AB'),
    '/dev/sda',
    '2026-01-01',
    '0.0.0.0',
    'a@pve',
  ],
  ...['https://other.invalid/', 'pve1:10', 'key=value', '#ffffff', 'mon.1', 'a'.repeat(40)],
];

/** The least that a method must be given to pass its own schema; `undefined` where no value was found. */
export function plausibleParameters(operation: Operation): Record<string, string | string[]> {
  const required = Object.entries(operation.parameters).filter(([name, schema]) => {
    const inPath = operation.path.includes(`{${name}}`);
    return inPath || isRequired(name, schema, {});
  });
  const given = Object.fromEntries(
    required.map(([name, schema]) => {
      const fresh = operation.method === 'POST' ? NEW[operation.path]?.[name] : undefined;
      const value = fresh ?? plausible(name, schema, operation.path);
      const slashed = operation.path.includes(`{${name}}`) && !operation.openEnded;
      return [name, slashed ? String(value).replaceAll('/', '-') : value];
    }),
  );
  for (const [, schema] of required) if (schema.requires !== undefined) given[schema.requires] ??= 'thing';
  return given;
}

/** The concrete path, its parameters put in. */
export function plausiblePath(operation: Operation, given: Record<string, string | string[]>): string {
  return operation.path.replaceAll(/\{([^}]+)\}/g, (_match, name: string) => String(given[name]));
}

function plausible(name: string, schema: ParameterSchema, path: string): string | string[] {
  if (schema.type === 'array') return [String(plausible(name, schema.items ?? {}, path))];
  if (schema.oneOf) return plausible(name, schema.oneOf[0] ?? {}, path);
  if (schema.enum) return schema.enum[0] ?? '';
  if (name === 'vmid' && path.includes('/lxc')) return '110';
  if (name === 'snapname' && path.includes('/lxc')) return 'clean';
  if (schema.type === 'boolean') return '1';
  if (schema.type === 'integer' || schema.type === 'number') return String(schema.minimum ?? 0);
  if (typeof schema.format === 'object') return propertyString(schema.format);
  const candidates = [KNOWN[name], FORMATS[schema.format?.replace(/-(list|opt)$/, '') ?? ''], ...TEXTS];
  const text = candidates.find((candidate) => candidate !== undefined && fits(candidate, schema));
  return text ?? 'a'.repeat(schema.minLength ?? 3);
}

function fits(
  text: string,
  { pattern, minLength = 0, maxLength = Number.POSITIVE_INFINITY }: ParameterSchema,
) {
  if (text.length < minLength || text.length > maxLength) return false;
  const translated = pattern?.replaceAll('(?^:', '(?:').replaceAll(/\(\?\^([a-z]+):/g, '(?$1:');
  return translated === undefined || new RegExp(`^(?:${translated})$`).test(text);
}

function propertyString(format: PropertyFormat): string {
  return Object.entries(format)
    .filter(([, schema]) => !schema.optional)
    .map(([key, schema]) => `${key}=${String(plausible(key, schema, ''))}`)
    .join(',');
}
