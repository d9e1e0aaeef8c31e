import { expect, it } from 'vitest';
import {
  configured,
  findObject,
  nameOf,
  sdnPath,
  shownObject,
} from '../../../../src/tools/network/sdn-kinds.ts';

it('finds a subnet by its network, also where Proxmox tells it in the name alone', () => {
  const rows = [
    { subnet: 'lab-10.0.0.0-24', state: 'new', pending: { gateway: '10.0.0.1' } },
    { subnet: 'lab-2001:db8::-64', cidr: '2001:db8::/64' },
  ];
  expect(findObject('subnet', rows, '10.0.0.0/24')).toBe(rows[0]);
  expect(findObject('subnet', rows, '2001:db8::/64')).toBe(rows[1]);
  expect(findObject('subnet', rows, '10.0.0.0/25')).toBeUndefined();
  expect(nameOf('subnet', rows[0] ?? {})).toBe('10.0.0.0/24');
});

it('reads an object as it is configured, whatever is beneath pending', () => {
  expect(configured({ vnet: 'web', state: 'new', pending: { zone: 'lab', tag: 7 } })).toEqual({
    vnet: 'web',
    state: 'new',
    zone: 'lab',
    tag: 7,
  });
  expect(configured({ vnet: 'web', alias: 'old', tag: 7, pending: { alias: 'deleted', tag: 8 } })).toEqual({
    vnet: 'web',
    tag: 8,
  });
});

it('shows no secret, and keeps a name in one segment of the path', () => {
  expect(shownObject({ dns: 'p', key: 'hidden', url: 'https://x', ttl: null })).toEqual({
    dns: 'p',
    key: 'set',
    url: 'https://x',
  });
  expect(sdnPath('subnet', 'web', 'lab-10.0.0.0-24').toString()).toBe(
    '/cluster/sdn/vnets/web/subnets/lab-10.0.0.0-24',
  );
  expect(() => sdnPath('subnet', '../zones')).toThrow('slash');
});
