import { expect, it } from 'vitest';
import { addressProblem } from '../../../../src/tools/network/addresses.ts';

it('takes addresses that an interface can have', () => {
  const fine = [
    ['192.0.2.10/24', '192.0.2.1', 'ipv4'],
    ['192.0.2.0/31', undefined, 'ipv4'],
    ['203.0.113.7/32', '198.51.100.1', 'ipv4'],
    [undefined, undefined, 'ipv4'],
    ['2001:db8::10/64', '2001:db8::1', 'ipv6'],
    ['2001:db8::10/64', 'fe80::1', 'ipv6'],
  ] as const;
  for (const [cidr, gateway, family] of fine) expect(addressProblem(cidr, gateway, family)).toBeUndefined();
});

it('says what is wrong with all others', () => {
  const wrong = [
    ['192.0.2.10', undefined, 'ipv4', 'prefix length'],
    ['192.0.2.10/33', undefined, 'ipv4', 'prefix length'],
    ['192.0.2.10/0', undefined, 'ipv4', 'prefix length'],
    ['192.0.2.300/24', undefined, 'ipv4', 'prefix length'],
    ['2001:db8::1/64', undefined, 'ipv4', 'prefix length'],
    ['192.0.2.0/24', undefined, 'ipv4', 'the network itself'],
    ['10.255.255.255/8', undefined, 'ipv4', 'broadcast'],
    ['192.0.2.10/24', '192.0.3.1', 'ipv4', 'is not in the network'],
    ['192.0.2.10/24', '192.0.2.10', 'ipv4', 'the interface itself'],
    ['192.0.2.10/24', 'router', 'ipv4', 'no address'],
    [undefined, '192.0.2.1', 'ipv4', 'needs cidr'],
    ['2001:db8::10/64', '2001:db9::1', 'ipv6', 'is not in the network'],
  ] as const;
  for (const [cidr, gateway, family, problem] of wrong) {
    expect(addressProblem(cidr, gateway, family), `${cidr} ${gateway}`).toContain(problem);
  }
});
