import { expect, it } from 'vitest';
import { isAddress } from '../../../../src/tools/firewall/rule-checks.ts';

it('knows addresses, networks and ranges', () => {
  const fine = ['192.0.2.1', '10.0.0.0/8', '0.0.0.0/0', '2001:db8::/32', '10.0.0.1-10.0.0.9', '::1-::2'];
  expect(fine.filter((text) => !isAddress(text))).toEqual([]);
  const wrong = [
    '',
    'office',
    '10.0.0.0/33',
    '10.0.0/8',
    '1.2.3.4-::1',
    '1.2.3.4/8/8',
    '1.2.3.4-',
    '10.0.0.1/x',
  ];
  expect(wrong.filter(isAddress)).toEqual([]);
});
