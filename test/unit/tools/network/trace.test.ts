import { expect, it } from 'vitest';
import { type Paths, tracedNic } from '../../../../src/tools/network/trace.ts';

const eth = (iface: string) => ({ iface, type: 'eth', active: 1 });

function paths(change: Partial<Paths> = {}): Paths {
  const one = [
    eth('eno1'),
    { iface: 'eno1.20', type: 'vlan', active: 1 },
    { iface: 'vmbr20', type: 'bridge', bridge_ports: 'eno1.20', active: 1 },
    { iface: 'vmbr1', type: 'bridge', bridge_ports: '' },
  ];
  const networks = new Map([
    ['a', one],
    ['b', [eth('eno1')]],
  ]);
  return { networks, nodes: ['a', 'b', 'c'], vnets: [], zones: [], problems: [], ...change };
}

it('goes through a VLAN interface to the port, and leaves out nodes that were not asked', () => {
  const nic = tracedNic('net0', 'virtio=BC:24:11:00:00:01,bridge=vmbr20', 'a', paths());
  expect(nic).toMatchObject({
    path: 'vmbr20 → eno1.20 → eno1',
    uplinks: ['eno1'],
    present_on: ['a'],
    missing_on: ['b'],
    firewall: false,
  });
});

it('names a bridge that is down, without a port, or not there', () => {
  expect(tracedNic('net0', 'virtio,bridge=vmbr1', 'a', paths()).problems).toEqual([
    'vmbr1 is not active on a',
    'vmbr1 has no port: it reaches no other machine',
  ]);
  expect(tracedNic('net0', 'virtio,bridge=vmbr20', 'b', paths()).problems).toEqual([
    'b has no vmbr20: the guest does not start there',
  ]);
  expect(tracedNic('net0', 'virtio=BC:24:11:00:00:01', 'a', paths()).path).toBe('no bridge: NAT of QEMU');
});

it('tells a VNet that is not applied, and a zone that is not on the node', () => {
  const zones = [{ zone: 'lab', type: 'vxlan', nodes: 'a,b' }];
  const vnets = [{ vnet: 'web', zone: 'lab', tag: 4000, state: 'new' }];
  const nic = tracedNic('net0', 'virtio,bridge=web,tag=7', 'c', paths({ zones, vnets }));
  expect(nic).toMatchObject({
    path: 'VLAN 7 in → VNet web → VNI 4000 → vxlan zone lab',
    zone: 'lab',
    missing_on: ['c'],
    problems: ['the zone lab is not on c', 'the VNet web is not applied yet (apply_sdn)'],
  });
});

it('ends where ports go in circles', () => {
  const loop = [
    { iface: 'bond0', type: 'bond', slaves: 'bond1' },
    { iface: 'bond1', type: 'bond', slaves: 'bond0' },
    { iface: 'vmbr0', type: 'bridge', bridge_ports: 'bond0', active: 1 },
  ];
  const nic = tracedNic('net0', 'virtio,bridge=vmbr0', 'a', paths({ networks: new Map([['a', loop]]) }));
  expect(nic.uplinks).toEqual([]);
});
