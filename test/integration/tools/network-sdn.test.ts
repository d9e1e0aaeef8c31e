import { describe, expect, it } from 'vitest';
import { loadBuiltInCatalogue } from '../../../src/catalogue/builtin.ts';
import { Catalogue } from '../../../src/catalogue/catalogue.ts';
import { sectionOf } from '../../../src/simulator/state/sdn.ts';
import { networkClient as client } from '../../support/network-client.ts';
import type { Answer } from '../../support/tool-client.ts';

describe('SDN', () => {
  it('is prepared, listed as pending, applied as a task, and then runs', async () => {
    const { call, text, production } = await client();
    const { sdn } = production.state.datacenter;
    await call('save_sdn', {
      kind: 'zone',
      id: 'lab',
      type: 'vlan',
      settings: { bridge: 'vmbr0', mtu: 1500 },
    });
    await call('save_sdn', { kind: 'vnet', id: 'web', settings: { zone: 'lab', tag: 20, vlanaware: true } });
    const subnet = await call('save_sdn', {
      kind: 'subnet',
      id: '10.20.0.0/24',
      parent: 'web',
      settings: { gateway: '10.20.0.1', snat: true },
    });
    expect(subnet).toMatchObject({ created: true, changed: ['gateway', 'snat'] });
    const zones = await call('list_sdn', { kind: 'zone' });
    expect(zones).toMatchObject({ total: 1, pending: 1 });
    expect(zones.objects[0]).toMatchObject({ zone: 'lab', state: 'new', node_states: { pve1: 'pending' } });
    expect((await call('list_sdn', { kind: 'subnet' })).objects).toHaveLength(1);
    expect(sectionOf(sdn.running, 'zones')).toEqual({});
    const { applied, task } = await call('apply_sdn');
    expect(task.status).toBe('ok');
    expect(applied.map(({ kind, id, state }: Answer) => [kind, id, state])).toEqual([
      ['zone', 'lab', 'new'],
      ['vnet', 'web', 'new'],
      ['subnet', '10.20.0.0/24', 'new'],
    ]);
    expect(sectionOf(sdn.running, 'vnets').web).toMatchObject({ zone: 'lab', tag: 20 });
    expect(await text('apply_sdn')).toContain('Nothing waits');
    const changed = await call('save_sdn', {
      kind: 'vnet',
      id: 'web',
      settings: { alias: 'Sites' },
      reset: ['vlanaware'],
    });
    expect(changed).toMatchObject({ created: false, changed: ['alias', 'vlanaware'] });
    const { dropped } = await call('revert_network', { sdn: true });
    expect(dropped).toEqual([
      { kind: 'vnet', id: 'web', state: 'changed', changes: { alias: 'Sites', vlanaware: 'deleted' } },
    ]);
    expect(sectionOf(sdn.config, 'vnets').web).toMatchObject({ vlanaware: 1 });
  });

  it('has controllers, fabrics with nodes, and IPAMs and DNS whose secrets stay inside', async () => {
    const { call, production } = await client();
    const { sdn } = production.state.datacenter;
    await call('save_sdn', {
      kind: 'controller',
      id: 'ctl',
      type: 'evpn',
      settings: { asn: 65000, peers: '192.0.2.11' },
    });
    await call('save_sdn', {
      kind: 'zone',
      id: 'ev',
      type: 'evpn',
      settings: { controller: 'ctl', vrf_vxlan: 100 },
    });
    await call('save_sdn', {
      kind: 'fabric',
      id: 'under',
      type: 'openfabric',
      settings: { ip_prefix: '10.9.0.0/24' },
    });
    await call('save_sdn', {
      kind: 'fabric_node',
      parent: 'under',
      id: 'pve1',
      type: 'openfabric',
      settings: { ip: '10.9.0.1', interfaces: ['name=eno2'] },
    });
    expect((await call('list_sdn', { kind: 'fabric_node' })).objects[0]).toMatchObject({ node_id: 'pve1' });
    expect((await call('list_sdn', { kind: 'fabric' })).objects[0]).toMatchObject({
      id: 'under',
      state: 'new',
    });
    expect(Object.keys(sectionOf(sdn.config, 'controllers'))).toEqual(['ctl']);
    const settings = { url: 'https://netbox.example/api', token: 'S3cr3t-of-netbox' };
    await call('save_sdn', { kind: 'ipam', id: 'nb', type: 'netbox', settings });
    const answer = JSON.stringify(await call('list_sdn', { kind: 'ipam' }));
    expect(answer).toContain('netbox.example');
    expect(answer).not.toContain('S3cr3t-of-netbox');
    await call('save_sdn', {
      kind: 'dns',
      id: 'pdns',
      type: 'powerdns',
      settings: { url: 'https://pdns.example', key: 'k' },
    });
    await call('delete_sdn', { kind: 'fabric_node', parent: 'under', id: 'pve1' });
    await call('delete_sdn', { kind: 'dns', id: 'pdns' });
    expect(sectionOf(sdn.config, 'fabricNodes')).toEqual({});
    expect((await call('list_sdn', { kind: 'dns' })).total).toBe(0);
  });

  it('is read without the right to secrets, but for IPAMs and DNS, which hold some', async () => {
    const { call, refused } = await client({ scope: 'proxmox:read' });
    expect((await call('list_sdn', { kind: 'vnet' })).total).toBe(0);
    expect(await refused('list_sdn', { kind: 'ipam' })).toMatchObject({ code: 'POLICY_DENIED' });
    expect((await refused('apply_sdn')).code).not.toBe('INTERNAL');
  });

  it('shows what an IPAM has given out', async () => {
    const { call, production } = await client();
    production.state.datacenter.sdn.addresses.push({ zone: 'lab', vnet: 'web', ip: '10.20.0.7', vmid: 100 });
    const { objects, total } = await call('list_sdn', { kind: 'address' });
    expect({ objects, total }).toEqual({
      objects: [{ zone: 'lab', vnet: 'web', ip: '10.20.0.7', vmid: 100 }],
      total: 1,
    });
  });

  it('is deleted only where nothing uses it', async () => {
    const { call, refused, guest, production, writes } = await client();
    const { config } = production.state.datacenter.sdn;
    sectionOf(config, 'zones').lab = { zone: 'lab', type: 'simple' };
    sectionOf(config, 'vnets').web = { vnet: 'web', zone: 'lab' };
    guest(110).config.net0 = 'name=eth0,bridge=web,ip=dhcp';
    expect((await refused('delete_sdn', { kind: 'zone', id: 'lab' })).message).toContain('used by VNet web');
    const used = await refused('delete_sdn', { kind: 'vnet', id: 'web' });
    expect(used.message).toContain('container 110 net0');
    expect((await refused('delete_sdn', { kind: 'zone', id: 'lub' })).code).toBe('NOT_FOUND');
    expect(writes()).toEqual([]);
    guest(110).config.net0 = 'name=eth0,bridge=vmbr0,ip=dhcp';
    await call('delete_sdn', { kind: 'vnet', id: 'web' });
    await call('delete_sdn', { kind: 'zone', id: 'lab' });
    expect(config).toMatchObject({ zones: {}, vnets: {} });
  });

  it('refuses wrong types and settings before anything leaves', async () => {
    const { refused, production, writes } = await client();
    const { config } = production.state.datacenter.sdn;
    sectionOf(config, 'zones').lab = { zone: 'lab', type: 'simple' };
    sectionOf(config, 'vnets').web = { vnet: 'web', zone: 'lab' };
    const cases = [
      [{ kind: 'zone', id: 'z1' }, 'Say which type'],
      [{ kind: 'zone', id: 'z1', type: 'vlna' }, 'Did you mean "vlan"?'],
      [{ kind: 'zone', id: 'z1', type: 'vlan' }, 'needs bridge'],
      [{ kind: 'zone', id: 'z1', type: 'simple', settings: { peers: 'x' } }, 'has no setting "peers"'],
      [{ kind: 'zone', id: 'z1', type: 'vxlan' }, 'peers or fabric'],
      [{ kind: 'zone', id: 'lab', type: 'vlan', settings: { bridge: 'vmbr0' } }, "can't be changed"],
      [{ kind: 'zone', id: 'toolongname', type: 'simple' }, 'is no name'],
      [{ kind: 'vnet', id: 'v1', settings: { zone: 'lab', tag: 5 } }, 'has no tag'],
      [{ kind: 'subnet', id: '10.0.0.0/24' }, 'needs `parent`'],
      [{ kind: 'subnet', id: '10.0.0.0/24', parent: 'web', settings: { gateway: '10.1.0.1' } }, 'is not in'],
      [{ kind: 'subnet', id: 'ten', parent: 'web' }, 'is no network'],
      [{ kind: 'zone', id: 'lab' }, 'Nothing to change'],
    ] as const;
    for (const [args, message] of cases) {
      const error = await refused('save_sdn', args);
      expect(error.code, message).toBe('INVALID_ARGUMENTS');
      expect(error.message).toContain(message);
    }
    expect(writes()).toEqual([]);
  });
});

describe('an older cluster', () => {
  it('is told what its version lacks, and nothing leaves', async () => {
    const older = loadBuiltInCatalogue();
    const schema = new Catalogue({
      ...older,
      label: older.label,
      source: 'cluster',
      version: '8.2',
      methods: older.methods,
    });
    const { refused, call, writes } = await client({ simulator: { schema } });
    const cases = [
      ['list_sdn', { kind: 'fabric' }, 'Fabrics of SDN need Proxmox VE 9.0; production has 8.2'],
      ['save_sdn', { kind: 'fabric', id: 'f1', type: 'openfabric' }, 'need Proxmox VE 9.0'],
      ['delete_sdn', { kind: 'fabric_node', parent: 'f1', id: 'pve1' }, 'need Proxmox VE 9.0'],
      ['revert_network', { sdn: true }, 'Rollbacks of SDN need Proxmox VE 9.0'],
      ['get_firewall', { vnet: 'web' }, 'Firewalls of vnets need Proxmox VE 8.3'],
      ['save_firewall_rule', { type: 'forward', action: 'DROP' }, 'need Proxmox VE 8.3'],
      ['set_firewall_options', { options: { policy_forward: 'DROP' } }, 'no option "policy_forward"'],
      ['save_network', { node: 'pve1', iface: 'vmbr1', type: 'bridge', vids: '2-9' }, 'need Proxmox VE 8.3'],
    ] as const;
    for (const [tool, args, message] of cases) {
      const error = await refused(tool, args);
      expect(`${tool}: ${error.code}`).toBe(`${tool}: INVALID_ARGUMENTS`);
      expect(error.message).toContain(message);
    }
    expect(writes()).toEqual([]);
    await call('save_sdn', { kind: 'zone', id: 'lab', type: 'simple' });
    expect((await call('apply_sdn')).task.status).toBe('ok');
  });
});
