import { BlockList, isIPv4, isIPv6 } from 'node:net';
import { inQuotes } from '../../proxmox/text.ts';

const BITS = { ipv4: 32, ipv6: 128 } as const;
type Family = keyof typeof BITS;

interface Network {
  address: string;
  bits: number;
}

function readCidr(cidr: string, family: Family): Network | undefined {
  const [, address = '', bits = ''] = /^([^/]+)\/(\d{1,3})$/.exec(cidr) ?? [];
  const fits = family === 'ipv4' ? isIPv4(address) : isIPv6(address);
  return fits && Number(bits) <= BITS[family] && Number(bits) > 0
    ? { address, bits: Number(bits) }
    : undefined;
}

/** An address as a whole number. */
function numberOf(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}

/**
 * Checks the address of an interface, and that its gateway can be reached by it.
 *
 * @returns what is wrong, as the rest of a sentence; undefined where nothing is
 */
export function addressProblem(
  cidr: string | undefined,
  gateway: string | undefined,
  family: Family,
): string | undefined {
  const [name, wanted] = family === 'ipv4' ? ['cidr', 'gateway'] : ['cidr6', 'gateway6'];
  const network = cidr === undefined ? undefined : readCidr(cidr, family);
  if (cidr !== undefined && network === undefined) {
    const example = family === 'ipv4' ? '192.0.2.10/24' : '2001:db8::10/64';
    return `${name} is ${inQuotes(cidr)}: it must be an address with its prefix length, such as ${example}`;
  }
  if (network !== undefined && family === 'ipv4' && network.bits < 31) {
    const size = 2 ** (32 - network.bits);
    const host = numberOf(network.address) % size;
    if (host === 0) return `${name} ${cidr} is the network itself and no address in it`;
    if (host === size - 1) return `${name} ${cidr} is the broadcast address of its network`;
  }
  if (gateway === undefined) return undefined;
  if (!(family === 'ipv4' ? isIPv4(gateway) : isIPv6(gateway)))
    return `${wanted} is ${inQuotes(gateway)}: no address`;
  if (network === undefined) return `${wanted} needs ${name}: without an address it is of no use`;
  if (gateway === network.address) return `${wanted} ${gateway} is the address of the interface itself`;
  // Providers route by a gateway outside the network of a /32; a link-local one is on every link.
  if (network.bits === BITS[family] || /^fe80:/i.test(gateway)) return undefined;
  const list = new BlockList();
  list.addSubnet(network.address, network.bits, family);
  return list.check(gateway, family) ? undefined : `${wanted} ${gateway} is not in the network of ${cidr}`;
}
