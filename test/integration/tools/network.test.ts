import { describe, expect, it } from 'vitest';
import { defaultPolicy } from '../../../src/access/policy/policy.ts';
import { sectionOf } from '../../../src/simulator/state/sdn.ts';
import { networkClient as client } from '../../support/network-client.ts';

describe('list_networks', () => {
  it('lists the interfaces of all nodes, and what waits to be applied', async () => {
    const { call, text, settings, writes } = await client();
    const { interfaces, total } = await call('list_networks');
    expect(total).toBe(9);
    expect(interfaces[0]).toEqual({ node: 'pve1', iface: 'eno1', type: 'eth', active: true });
    expect((await call('list_networks', { node: 'pve2', type: 'bridge' })).interfaces).toEqual([
      {
        node: 'pve2',
        iface: 'vmbr0',
        type: 'bridge',
        active: true,
        autostart: true,
        ports: ['eno1'],
        vlan_aware: false,
        cidr: '192.0.2.12/24',
        gateway: '192.0.2.1',
      },
    ]);
    settings('pve2').pendingInterfaces = {
      ...settings('pve2').interfaces,
      vmbr9: { iface: 'vmbr9', type: 'bridge' },
    };
    const { pending } = await call('list_networks', { node: 'pve2' });
    expect(pending).toEqual([{ node: 'pve2', changes: expect.stringContaining('+iface vmbr9') }]);
    expect(await text('list_networks')).toContain('Not applied yet on pve2: apply_network or revert_network');
    expect(writes()).toEqual([]);
  });

  it('tells the rest where a node does not answer', async () => {
    const { call, refused, production } = await client();
    await production.faults.add({ kind: 'node-down', node: 'pve3' }).ready;
    const { total, unread } = await call('list_networks');
    expect(total).toBe(6);
    expect(unread).toEqual([{ node: 'pve3', problem: expect.any(String) }]);
    expect((await refused('list_networks', { node: 'pve9' })).hint).toContain('pve1');
  });
});

describe('save_network, apply_network and revert_network', () => {
  it('prepare a bridge, show the diff, and apply it as a task', async () => {
    const { call, text, settings, writes } = await client();
    const args = {
      node: 'pve1',
      iface: 'vmbr1',
      type: 'bridge',
      ports: ['eno2'],
      cidr: '10.1.0.1/24',
      vids: '2-100',
    };
    const made = await call('save_network', { ...args, comment: 'Storage' });
    expect(made).toMatchObject({ node: 'pve1', created: true });
    expect(made.pending).toContain('+\taddress 10.1.0.1/24');
    expect(settings('pve1').interfaces).not.toHaveProperty('vmbr1');
    expect(settings('pve1').pendingInterfaces?.vmbr1).toMatchObject({
      bridge_ports: 'eno2',
      bridge_vlan_aware: 1,
      bridge_vids: '2-100',
      autostart: 1,
      comments: 'Storage',
    });
    const applied = await call('apply_network', { node: 'pve1' });
    expect(applied).toMatchObject({ task: { status: 'ok' }, applied: expect.stringContaining('vmbr1') });
    expect(settings('pve1').interfaces.vmbr1).toMatchObject({ active: 1, cidr: '10.1.0.1/24' });
    expect(await text('apply_network', { node: 'pve1' })).toContain('Nothing waits');
    expect(writes().map(({ method }) => method)).toEqual(['POST', 'PUT']);
  });

  it('change what is given and keep the rest, also the address', async () => {
    const { call, settings } = await client();
    const answer = await call('save_network', { node: 'pve1', iface: 'vmbr0', vlan_aware: true, mtu: 9000 });
    expect(answer.note).toContain('cuts the node off');
    expect(settings('pve1').pendingInterfaces?.vmbr0).toMatchObject({
      cidr: '192.0.2.11/24',
      gateway: '192.0.2.1',
      bridge_ports: 'eno1',
      bridge_vlan_aware: 1,
      mtu: 9000,
      method: 'static',
    });
    await call('save_network', { node: 'pve1', iface: 'vmbr0', remove: ['cidr', 'mtu'] });
    const changed = settings('pve1').pendingInterfaces?.vmbr0;
    expect(changed).toMatchObject({ method: 'manual', bridge_ports: 'eno1' });
    for (const key of ['cidr', 'gateway', 'mtu', 'address']) expect(changed).not.toHaveProperty(key);
    const { dropped } = await call('revert_network', { node: 'pve1' });
    expect(dropped).toContain('bridge-vlan-aware');
    expect(settings('pve1').pendingInterfaces).toBeUndefined();
  });

  it('make bonds and VLANs', async () => {
    const { call, settings } = await client();
    await call('save_network', {
      node: 'pve3',
      iface: 'bond0',
      type: 'bond',
      ports: ['eno2'],
      bond_mode: '802.3ad',
    });
    await call('save_network', { node: 'pve3', iface: 'bond0.20', cidr: '10.20.0.3/24' });
    await call('save_network', {
      node: 'pve3',
      iface: 'storage',
      type: 'vlan',
      vlan_device: 'bond0',
      vlan_id: 30,
    });
    expect(settings('pve3').pendingInterfaces).toMatchObject({
      bond0: { slaves: 'eno2', bond_mode: '802.3ad' },
      'bond0.20': { type: 'vlan', cidr: '10.20.0.3/24' },
      storage: { 'vlan-raw-device': 'bond0', 'vlan-id': 30 },
    });
  });

  it('refuse what would cut off the node, or can not be, before anything leaves', async () => {
    const { refused, writes } = await client();
    const bridge = { node: 'pve1', iface: 'vmbr1', type: 'bridge' };
    const cases = [
      [{ ...bridge, cidr: '10.1.0.1' }, 'prefix length'],
      [{ ...bridge, cidr: '10.1.0.0/24' }, 'the network itself'],
      [{ ...bridge, cidr: '10.1.0.255/24' }, 'broadcast'],
      [{ ...bridge, cidr: '10.1.0.1/24', gateway: '10.2.0.1' }, 'is not in the network'],
      [{ ...bridge, cidr: '10.1.0.1/24', gateway: '10.1.0.254' }, 'vmbr0 has it'],
      [{ ...bridge, gateway: '10.1.0.254' }, 'gateway needs cidr'],
      [{ ...bridge, vids: '2-9\nup rm' }, 'vids'],
      [{ ...bridge, cidr: '192.0.2.11/24' }, 'has the address 192.0.2.11 already'],
      [{ ...bridge, ports: ['eno1'] }, 'is a port of vmbr0 already'],
      [{ ...bridge, ports: ['eno9'] }, 'no interface "eno9"'],
      [{ ...bridge, ports: ['vmbr0'] }, 'is a bridge'],
      [{ ...bridge, bond_mode: '802.3ad' }, 'has no bond_mode'],
      [{ ...bridge, iface: 'vmbr0', type: 'bond' }, "can't be changed"],
      [{ node: 'pve1', iface: 'vmbr5' }, 'say which type'],
      [{ node: 'pve1', iface: 'bond0', type: 'bond' }, 'needs `ports`'],
      [{ node: 'pve1', iface: 'eno9.5' }, 'for the VLAN'],
      [{ node: 'pve1', iface: 'x', type: 'vlan' }, 'vlan_device and vlan_id'],
      [{ ...bridge, cidr6: '2001:db8::1/200' }, 'prefix length'],
      [{ ...bridge, node: undefined }, 'Say which node'],
    ] as const;
    for (const [args, message] of cases) {
      const error = await refused('save_network', args);
      expect(error.code, message).toBe('INVALID_ARGUMENTS');
      expect(error.message).toContain(message);
    }
    expect((await refused('revert_network', { node: 'pve1' })).message).toContain('Nothing waits');
    expect(writes()).toEqual([]);
  });
});

describe('delete_network', () => {
  it('prepares the removal of what nothing uses', async () => {
    const { call, settings } = await client();
    settings('pve1').interfaces.vmbr1 = { iface: 'vmbr1', type: 'bridge', active: 1, cidr: '10.1.0.1/24' };
    const answer = await call('delete_network', { node: 'pve1', iface: 'vmbr1' });
    expect(answer.pending).toContain('-iface vmbr1');
    expect(answer.note).toContain('10.1.0.1/24');
    expect(settings('pve1').pendingInterfaces).not.toHaveProperty('vmbr1');
    expect(settings('pve1').interfaces).toHaveProperty('vmbr1');
  });

  it('refuses what carries others, what guests use, and what is not there', async () => {
    const { refused, writes } = await client();
    const port = await refused('delete_network', { node: 'pve1', iface: 'eno1' });
    expect(port.message).toContain('carries vmbr0');
    const bridge = await refused('delete_network', { node: 'pve1', iface: 'vmbr0' });
    expect(bridge).toMatchObject({ code: 'CONFLICT' });
    expect(bridge.message).toContain('VM 100 net0');
    expect((await refused('delete_network', { node: 'pve1', iface: 'vmbr7' })).code).toBe('NOT_FOUND');
    expect(writes()).toEqual([]);
  });
});

describe('trace_nic', () => {
  it('follows a NIC through bridge, VLAN, bond and ports, and finds nodes without the bridge', async () => {
    const { call, text, guest, settings, writes } = await client();
    guest(100).config.net1 = 'virtio=BC:24:11:00:00:01,bridge=vmbr1,tag=30,firewall=0,mtu=9000';
    Object.assign(settings('pve1').interfaces, {
      bond0: { iface: 'bond0', type: 'bond', slaves: 'eno2 eno3', bond_mode: '802.3ad', active: 1 },
      vmbr1: {
        iface: 'vmbr1',
        type: 'bridge',
        bridge_ports: 'bond0',
        bridge_vlan_aware: 1,
        bridge_vids: '2-20',
        active: 1,
      },
    });
    const { nics } = await call('trace_nic', { name: 'web-01' });
    expect(nics).toEqual([
      expect.objectContaining({
        nic: 'net0',
        path: 'vmbr0 → eno1',
        firewall: true,
        uplinks: ['eno1'],
        mtu: 1500,
        present_on: ['pve1', 'pve2', 'pve3'],
      }),
      {
        nic: 'net1',
        mac: 'BC:24:11:00:00:01',
        path: 'vmbr1 → VLAN 30 → bond bond0 → eno2 + eno3',
        bridge: 'vmbr1',
        vlan: 30,
        firewall: false,
        mtu: 9000,
        vlan_aware: true,
        uplinks: ['eno2', 'eno3'],
        bonds: ['bond0 (802.3ad)'],
        present_on: ['pve1'],
        missing_on: ['pve2', 'pve3'],
        problems: [
          'VLAN 30 is not among the VLANs of vmbr1 (2-20)',
          'its MTU 9000 is larger than 1500 of what carries it',
        ],
      },
    ]);
    expect(await text('trace_nic', { vmid: 100, nic: 'net1' })).toContain('not on pve2, pve3');
    expect(writes()).toEqual([]);
  });

  it('follows one into a VNet and its zone', async () => {
    const { call, refused, guest, production } = await client();
    const { running, config } = production.state.datacenter.sdn;
    for (const where of [running, config]) {
      sectionOf(where, 'zones').lab = {
        zone: 'lab',
        type: 'vlan',
        bridge: 'vmbr0',
        nodes: 'pve1,pve2',
        mtu: 1400,
      };
      sectionOf(where, 'vnets').web = { vnet: 'web', zone: 'lab', tag: 20 };
    }
    guest(110).config.net0 = 'name=eth0,bridge=web,hwaddr=BC:24:11:00:00:02,firewall=1';
    const { nics } = await call('trace_nic', { vmid: 110 });
    expect(nics).toEqual([
      {
        nic: 'net0',
        mac: 'BC:24:11:00:00:02',
        path: 'VNet web → VLAN 20 → vlan zone lab → vmbr0 → eno1',
        bridge: 'vmbr0',
        vnet: 'web',
        zone: 'lab',
        zone_type: 'vlan',
        vlan: 20,
        firewall: true,
        mtu: 1400,
        uplinks: ['eno1'],
        present_on: ['pve1', 'pve2'],
        missing_on: ['pve3'],
      },
    ]);
    expect((await refused('trace_nic', { vmid: 110, nic: 'net7' })).hint).toContain('net0');
  });
});

describe('save_network of an interface that gets its address by itself', () => {
  it('refuses what would leave it without an address: Proxmox writes each change as a fixed one', async () => {
    const { call, refused, settings, writes } = await client();
    const { vmbr0 } = settings('pve2').interfaces;
    const { cidr: _cidr, address: _address, netmask: _netmask, gateway: _gateway, ...rest } = vmbr0 ?? {};
    settings('pve2').interfaces.vmbr0 = { ...rest, method: 'dhcp' };
    const args = { node: 'pve2', iface: 'vmbr0', comment: 'uplink' };
    const error = await refused('save_network', args);
    expect(error).toMatchObject({ code: 'CONFLICT', message: expect.stringContaining('DHCP') });
    expect(writes()).toEqual([]);
    await call('save_network', { ...args, cidr: '192.0.2.12/24', gateway: '192.0.2.1' });
    expect(settings('pve2').pendingInterfaces?.vmbr0).toMatchObject({ method: 'static' });
    settings('pve3').interfaces.vmbr0 = { ...settings('pve3').interfaces.vmbr0, method6: 'auto' };
    expect((await refused('save_network', { node: 'pve3', iface: 'vmbr0', mtu: 9000 })).code).toBe(
      'CONFLICT',
    );
  });
});

describe('ports that are taken away', () => {
  it('are gone from the bridge, and nothing else is said to have changed', async () => {
    const { call, settings } = await client();
    const answer = await call('save_network', { node: 'pve2', iface: 'vmbr0', ports: [] });
    expect(answer.pending).toContain('bridge-ports');
    expect(settings('pve2').pendingInterfaces?.vmbr0).not.toHaveProperty('bridge_ports');
  });
});

describe('apply_network without a policy', () => {
  it('waits for a person: what is wrong cuts the node off', async () => {
    const { call, refused, writes } = await client({ gateOptions: { policy: defaultPolicy() } });
    await call('save_network', { node: 'pve1', iface: 'vmbr7', type: 'bridge' });
    expect((await refused('apply_network', { node: 'pve1' })).code).toBe('APPROVAL_REQUIRED');
    expect(writes()).toHaveLength(1);
  });
});

describe('delete_network of the bridge of an SDN zone', () => {
  it('is refused: the guests of its VNets reach the network by it', async () => {
    const { call, refused, production, writes } = await client();
    await call('save_network', { node: 'pve1', iface: 'vmbr7', type: 'bridge' });
    await call('apply_network', { node: 'pve1' });
    const { config } = production.state.datacenter.sdn;
    sectionOf(config, 'zones').lan = { zone: 'lan', type: 'vlan', bridge: 'vmbr7' };
    const sent = writes().length;
    const error = await refused('delete_network', { node: 'pve1', iface: 'vmbr7' });
    expect(error).toMatchObject({ code: 'CONFLICT', message: expect.stringContaining('lan') });
    sectionOf(config, 'zones').lan = { zone: 'lan', type: 'vlan', bridge: 'vmbr7', nodes: 'pve2' };
    expect(writes()).toHaveLength(sent);
    await call('delete_network', { node: 'pve1', iface: 'vmbr7' });
  });
});
