import { isIPv4, isIPv6 } from 'node:net';

/** A named format that can be verified with certainty: the test, and what is expected in words. */
interface NamedFormat {
  readonly test: (value: string) => boolean;
  readonly expected: string;
}

const DNS_LABEL = '[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?';
const DNS_NAME = new RegExp(`^(?:${DNS_LABEL}\\.)*${DNS_LABEL}$`);
const URL_ENCODED = /^[-%a-zA-Z0-9_.!~*'()]*$/;

/**
 * The formats of PVE that are simple and certain, as PVE::JSONSchema and PVE::AccessControl verify them.
 * All others (calendar events, firewall addresses, e-mail, …) pass: refusing what PVE accepts would be worse
 * than letting PVE refuse.
 */
const FORMATS: Readonly<Record<string, NamedFormat>> = {
  'pve-vmid': regex(/^[1-9][0-9]{2,8}$/, 'a VMID from 100 to 999999999'),
  'pve-node': regex(
    /^[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?$/,
    'a node name (letters, digits, inner hyphens)',
  ),
  'pve-configid': regex(/^[a-z][a-z0-9_-]+$/i, 'a letter, then letters, digits, - or _ (at least 2 in all)'),
  'pve-storage-id': regex(/^[a-z][a-z0-9\-_.]*[a-z0-9]$/i, 'a storage name'),
  'pve-poolid': regex(
    /^[A-Za-z0-9.\-_]+(?:\/[A-Za-z0-9.\-_]+){0,2}$/,
    'a pool name, nested at most 3 deep with /',
  ),
  'pve-userid': regex(/^[^\s:/]+@[A-Za-z][A-Za-z0-9.\-_]+$/, 'a user as name@realm'),
  'pve-volume-id': regex(/^[a-z][a-z0-9\-_.]*[a-z0-9]:.+$/i, 'a volume as STORAGE:VOLUME'),
  'mac-addr': regex(/^[a-f0-9][02468ace](?::[a-f0-9]{2}){5}$/i, 'a unicast MAC address XX:XX:XX:XX:XX:XX'),
  'disk-size': regex(/^\d+(?:\.\d+)?(?:[KMGT](?:iB)?)?$/, 'a size such as 32G'),
  'dns-name': { test: isDnsName, expected: 'a DNS name' },
  urlencoded: regex(URL_ENCODED, 'URL-encoded text', Number.POSITIVE_INFINITY),
  ipv4: { test: isIPv4, expected: 'an IPv4 address' },
  ipv6: { test: plainIPv6, expected: 'an IPv6 address' },
  ip: { test: isAddress, expected: 'an IP address' },
  address: {
    test: (value) => isAddress(value) || DNS_NAME.test(value),
    expected: 'an IP address or DNS name',
  },
  CIDRv4: { test: isCidr4, expected: 'an IPv4 network such as 192.0.2.0/24' },
  CIDRv6: { test: isCidr6, expected: 'an IPv6 network such as 2001:db8::/64' },
  CIDR: { test: isCidr, expected: 'a network such as 192.0.2.0/24' },
  'pve-ipv4-config': {
    test: (value) => value === 'dhcp' || value === 'manual' || isCidr4(value),
    expected: 'dhcp, manual or an address such as 192.0.2.10/24',
  },
  'pve-ipv6-config': {
    test: (value) => ['auto', 'dhcp', 'manual'].includes(value) || isCidr6(value),
    expected: 'auto, dhcp, manual or an address such as 2001:db8::10/64',
  },
};

/**
 * Verifies text against a named format; `NAME-list` is a list of NAME, `NAME-opt` may be empty.
 *
 * @returns what is expected, in words, when the text is not that; undefined when it is, or can't be judged.
 */
export function formatMismatch(format: string, value: string): string | undefined {
  const list = format.endsWith('-list');
  const optional = format.endsWith('-opt');
  const name = list ? format.slice(0, -'-list'.length) : optional ? format.slice(0, -'-opt'.length) : format;
  const known = Object.hasOwn(FORMATS, name) ? FORMATS[name] : undefined;
  if (known === undefined || (optional && value === '')) return undefined;
  if (!list) return known.test(value) ? undefined : known.expected;
  const wrong = splitList(value).find((item) => !known.test(item));
  return wrong === undefined ? undefined : `a list in which each item is ${known.expected}`;
}

/** Splits a list as PVE does: at commas, semicolons and blanks (and NUL, which old clients sent). */
export function splitList(value: string): string[] {
  return value.split(/[,;\s\0]+/).filter((item) => item !== '');
}

/**
 * Text for a parameter of the format `urlencoded` (sshkeys), which PVE wants encoded before the form encodes
 * it once more. Text that is encoded already stays as it is.
 */
export function asUrlEncoded(value: string): string {
  return URL_ENCODED.test(value) ? value : encodeURIComponent(value);
}

// No name is longer; some of the expressions need time in the square of the length.
function regex(expression: RegExp, expected: string, longest = 1024): NamedFormat {
  return { test: (value) => value.length <= longest && expression.test(value), expected };
}

// PVE knows no zone index (fe80::1%eth0), node:net does.
function plainIPv6(value: string): boolean {
  return isIPv6(value) && !value.includes('%');
}

function isDnsName(value: string): boolean {
  return value.length <= 1024 && DNS_NAME.test(value);
}

function isAddress(value: string): boolean {
  return isIPv4(value) || plainIPv6(value);
}

function isCidr4(value: string): boolean {
  return hasPrefix(value, isIPv4, 32);
}

function isCidr6(value: string): boolean {
  return hasPrefix(value, plainIPv6, 128);
}

function isCidr(value: string): boolean {
  return isCidr4(value) || isCidr6(value);
}

// PVE refuses networks larger than /8 (PVE::JSONSchema, pve_verify_cidrv4).
function hasPrefix(value: string, isHost: (host: string) => boolean, longest: number): boolean {
  const [host = '', prefix = '', ...rest] = value.split('/');
  if (rest.length > 0 || !isHost(host) || !/^\d{1,3}$/.test(prefix)) return false;
  return Number(prefix) > 7 && Number(prefix) <= longest;
}
