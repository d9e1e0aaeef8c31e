import { isIPv4, isIPv6 } from 'node:net';

interface NamedFormat {
  fits: (value: string) => boolean;
  message: (value: string) => string;
}

const like = (pattern: RegExp, what: string): NamedFormat => {
  return {
    fits: (value) => pattern.test(value),
    message: () => `value does not look like a valid ${what}`,
  };
};
const network = (fits: (host: string) => boolean, bits: number, what: string): NamedFormat => ({
  fits: (value) => {
    const [host = '', prefix = '', ...rest] = value.split('/');
    return rest.length === 0 && fits(host) && /^\d{1,3}$/.test(prefix) && Number(prefix) <= bits;
  },
  message: () => `value does not look like a valid ${what}`,
});
const isAddress = (value: string): boolean => isIPv4(value) || isIPv6(value);
const DNS_NAME = /^(?!.*\.\.)[a-z0-9](?:[a-z0-9.-]{0,253}[a-z0-9])?$/i;
const cidr4 = network(isIPv4, 32, 'IPv4 network');
const cidr6 = network(isIPv6, 128, 'IPv6 network');

/** The formats that are simple and certain; every other one passes, as it may in PVE too. */
const FORMATS: Record<string, NamedFormat> = {
  'pve-vmid': like(/^[1-9]\d{2,8}$/, 'VM ID'),
  'pve-node': like(/^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/i, 'node name'),
  'pve-configid': {
    fits: (value) => /^[a-z][\w-]+$/i.test(value),
    message: (value) => `invalid configuration ID '${value}'`,
  },
  'pve-storage-id': {
    fits: (value) => /^[a-z][\w.-]*[a-z0-9]$/i.test(value),
    message: (value) => `storage ID '${value}' contains illegal characters`,
  },
  'pve-userid': {
    fits: (value) => /^[^\s:/]+@[a-z][\w.-]+$/i.test(value),
    message: (value) => `value '${value}' does not look like a valid user name`,
  },
  'pve-realm': like(/^[a-z][\w.-]+$/i, 'realm'),
  'pve-volume-id': {
    fits: (value) => /^[a-z][\w.-]*[a-z0-9]:.+$/i.test(value),
    message: (value) => `unable to parse volume ID '${value}'`,
  },
  'dns-name': like(DNS_NAME, 'DNS name'),
  'mac-addr': like(/^[a-f0-9][02468ace](?::[a-f0-9]{2}){5}$/i, 'unicast MAC address'),
  'disk-size': like(/^\d+(?:\.\d+)?(?:[KMGT](?:iB)?)?$/, 'disk size'),
  ipv4: { fits: isIPv4, message: () => 'value does not look like a valid IPv4 address' },
  ipv6: { fits: isIPv6, message: () => 'value does not look like a valid IPv6 address' },
  ip: { fits: isAddress, message: () => 'value does not look like a valid IP address' },
  address: {
    fits: (value) => isAddress(value) || DNS_NAME.test(value),
    message: () => 'value does not look like a valid address',
  },
  CIDRv4: cidr4,
  CIDRv6: cidr6,
  CIDR: {
    fits: (value) => cidr4.fits(value) || cidr6.fits(value),
    message: () => 'value does not look like a valid CIDR network',
  },
};

/** @returns what PVE says of a text that does not fit the format of this name; undefined when it does, or may */
export function formatComplaint(name: string, value: string): string | undefined {
  const list = name.endsWith('-list');
  if (name.endsWith('-opt') && value === '') return undefined;
  const plain = name.replace(/-(list|opt)$/, '');
  const format = Object.hasOwn(FORMATS, plain) ? FORMATS[plain] : undefined;
  const items = list ? value.split(/[,;\s\0]+/).filter((item) => item !== '') : [value];
  const wrong = format && items.find((item) => !format.fits(item));
  return wrong === undefined ? undefined : format?.message(wrong);
}
