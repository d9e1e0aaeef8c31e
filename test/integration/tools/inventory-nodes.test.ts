import { describe, expect, it } from 'vitest';
import { loadBuiltInCatalogue } from '../../../src/catalogue/builtin.ts';
import { Catalogue } from '../../../src/catalogue/catalogue.ts';
import { toolClient } from '../../support/tool-client.ts';

describe('get_node', () => {
  it('tells all of a node in one answer, with units and without its keys', async () => {
    const { call, text, production, writes } = await toolClient({ clusters: ['production'] });
    const { node, unread } = await call('get_node', { node: 'pve2' });
    expect(unread).toBeUndefined();
    expect(node.name).toBe('pve2');
    expect(node.status).toMatchObject({ cpus: 32, boot_mode: 'efi', kernel: expect.stringContaining('pve') });
    expect(node.status.mem_used_bytes).toBeLessThan(node.status.mem_total_bytes);
    expect(node.status.load_average).toHaveLength(3);
    expect(node.version).toMatchObject({ version: expect.stringMatching(/^9\./) });
    expect(node.services.running).toContain('pveproxy');
    expect(node.services.not_running).toEqual([
      { service: 'ksmtuned', description: 'Merging of equal memory pages', state: 'inactive' },
    ]);
    expect(node.subscription).toEqual({ active: false });
    expect(node.updates.total).toBe(3);
    expect(node.updates.packages[0]).toEqual({
      package: 'pve-manager',
      from: '9.2.11',
      to: '9.2.12',
      origin: 'Proxmox',
    });
    expect(node.time.timezone).toBe('Europe/Vienna');
    expect(Math.abs(node.time.ahead_seconds)).toBeLessThanOrEqual(2);
    expect(node.dns).toEqual({ search_domain: 'example.com', servers: ['192.0.2.1'] });
    expect(await text('get_node', { node: 'pve2' })).toBe(
      'Node pve2 of production: Proxmox VE 9.2.11, 1 service not running, 3 updates to install, no active subscription.',
    );
    const paths = production.requests.map(({ path }) => path);
    expect(paths.every((path) => !path.includes('/nodes/pve1/'))).toBe(true);
    expect(writes()).toEqual([]);
  });

  it('shows the level of a subscription, and asks for no key', async () => {
    const { call, production } = await toolClient({ clusters: ['production'] });
    await call('get_node', { node: 'pve1', include: ['dns'] });
    const settings = production.state.datacenter.nodes.pve1;
    if (!settings) throw new Error('pve1 has no settings');
    settings.subscriptionKey = 'pve2s-0123456789';
    await call('list_nodes', { fresh: true });
    const answer = await call('get_node', { node: 'pve1', include: ['subscription'] });
    expect(answer.node.subscription).toEqual({ active: true, level: 'standard' });
    expect(production.requests.filter(({ path }) => path.endsWith('/subscription'))).toEqual([]);
  });

  it('asks only for what is included', async () => {
    const { call, production } = await toolClient({ clusters: ['production'] });
    const { node } = await call('get_node', { node: 'pve1', include: ['time', 'dns'] });
    expect(Object.keys(node).sort()).toEqual(['dns', 'name', 'time']);
    const asked = production.requests
      .filter(({ path }) => path.includes('/nodes/pve1/'))
      .map(({ path }) => path);
    expect(asked.map((path) => path.split('/').at(-1)).sort()).toEqual(['dns', 'time']);
  });

  it('loses only the part that the token may not read, and names it', async () => {
    const { call, text, production } = await toolClient({ clusters: ['production'] });
    production.faults.add({
      kind: 'status',
      code: 403,
      message: 'Permission check failed (/nodes/pve1, Sys.Modify)\n',
      match: /apt\/update$/,
    });
    const { node, unread } = await call('get_node', { node: 'pve1' });
    expect(node).not.toHaveProperty('updates');
    expect(node.status).toBeDefined();
    expect(unread).toEqual([
      { part: 'updates', problem: expect.stringMatching(/^PERMISSION_DENIED: .*Sys\.Modify/) },
    ]);
    expect(await text('get_node', { node: 'pve1' })).toContain('Without updates (PERMISSION_DENIED).');
  });

  it('names the nodes where the one is not, or none was given, and says of one that it is off', async () => {
    const { refused, production, call } = await toolClient({ clusters: ['production'] });
    const unknown = await refused('get_node', { node: 'pve9' });
    expect(unknown).toMatchObject({ code: 'NOT_FOUND', hint: 'It has pve1, pve2, pve3.' });
    expect((await refused('get_node', {})).message).toContain('pve1, pve2, pve3');
    const host = production.state.nodes.find(({ name }) => name === 'pve3');
    if (!host) throw new Error('there is no pve3');
    host.online = false;
    await call('list_nodes', { fresh: true });
    expect((await refused('get_node', { node: 'pve3' })).code).toBe('CLUSTER_UNREACHABLE');
    expect(production.requests.filter(({ path }) => /\/nodes\/pve[39]\//.test(path))).toEqual([]);
  });

  it('takes the default node', async () => {
    const { call } = await toolClient({ clusters: ['production'], config: { defaultNode: 'pve3' } });
    expect((await call('get_node', { include: ['version'] })).node.name).toBe('pve3');
  });
});

describe('list_node_disks', () => {
  it('shows health and wear with units', async () => {
    const { call, text, writes } = await toolClient({ clusters: ['production'] });
    const { disks, total, node } = await call('list_node_disks', { node: 'pve1' });
    expect(node).toBe('pve1');
    expect(total).toBe(disks.length);
    expect(disks.find(({ device }: { device: string }) => device === '/dev/nvme0n1')).toEqual({
      device: '/dev/nvme0n1',
      type: 'nvme',
      size_bytes: 953 * 1024 ** 3,
      model: 'Simulated NVMe 1T',
      vendor: 'unknown',
      serial: expect.stringMatching(/^SIM/),
      used_for: 'BIOS boot',
      health: 'PASSED',
      life_left_percent: 97,
    });
    const osd = disks.find((disk: { ceph_osds?: number[] }) => disk.ceph_osds);
    expect(osd.ceph_osds).toHaveLength(1);
    expect(await text('list_node_disks', { node: 'pve1' })).toBe(`pve1 of production has ${total} disks.`);
    expect(writes()).toEqual([]);
  });

  it('gives the SMART values of one disk', async () => {
    const { call, text, production } = await toolClient({ clusters: ['production'] });
    const sata = await call('list_node_disks', { node: 'pve1', smart: '/dev/sda' });
    expect(sata.disks.map(({ device }: { device: string }) => device)).toEqual(['/dev/sda']);
    expect(sata.smart).toMatchObject({ health: 'PASSED', type: 'ata' });
    expect(sata.smart.attributes[0]).toEqual({
      id: 5,
      name: 'Reallocated_Sector_Ct',
      value: 100,
      worst: 100,
      threshold: 0,
      raw: '0',
    });
    const nvme = await call('list_node_disks', { node: 'pve1', smart: '/dev/nvme0n1' });
    expect(nvme.smart.text).toContain('Percentage Used: 3%');
    expect(await text('list_node_disks', { node: 'pve1', smart: '/dev/sda' })).toBe(
      'SMART says of "/dev/sda" of pve1 of production: PASSED.',
    );
    const asked = production.requests.filter(({ path }) => path.endsWith('/disks/smart'));
    expect(asked[0]?.params).toMatchObject({ disk: '/dev/sda' });
  });

  it('names the disks where the one is not, and asks no SMART of it', async () => {
    const { refused, production } = await toolClient({ clusters: ['production'] });
    const error = await refused('list_node_disks', { node: 'pve1', smart: '/dev/sdz' });
    expect(error.code).toBe('NOT_FOUND');
    expect(error.hint).toContain('/dev/sda');
    expect(production.requests.filter(({ path }) => path.endsWith('/disks/smart'))).toEqual([]);
  });
});

describe('list_node_devices', () => {
  it('shows what can be passed through, its group, and the mapping that names it', async () => {
    const { call, text } = await toolClient({ clusters: ['production'] });
    await call('proxmox_api_call', {
      method: 'POST',
      path: '/cluster/mapping/pci',
      data: { id: 'gpu', map: ['node=pve1,path=0000:01:00.0,id=11de:21b4,iommugroup=12'] },
    });
    const { pci, usb, mappings, unread } = await call('list_node_devices', { node: 'pve1' });
    expect(unread).toBeUndefined();
    const gpu = pci.find(({ id }: { id: string }) => id === '0000:01:00.0');
    expect(gpu).toEqual({
      id: '0000:01:00.0',
      class: 'display',
      vendor: 'Example Accelerators',
      device: 'GPU 24G',
      iommu_group: 12,
      mediated: true,
      mapping: 'gpu',
    });
    expect(usb.map(({ id }: { id: string }) => id)).toEqual(['1050:0407']);
    expect(mappings).toEqual([{ mapping: 'gpu', kind: 'pci', nodes: ['pve1'] }]);
    const other = await call('list_node_devices', { node: 'pve2' });
    expect(other.pci.some((device: { mapping?: string }) => device.mapping)).toBe(false);
    expect(await text('list_node_devices', { node: 'pve1' })).toBe(
      `pve1 of production shows ${pci.length} PCI devices and 1 USB device.`,
    );
  });

  it('says that an older version has no mappings, and asks for none', async () => {
    const { methods } = loadBuiltInCatalogue();
    const schema = new Catalogue({
      source: 'file',
      version: '7.4.1',
      label: 'Proxmox VE 7.4',
      methods: methods.filter(({ path }) => !path.startsWith('/cluster/mapping')),
    });
    const { call, production } = await toolClient({ clusters: ['production'], simulator: { schema } });
    const { pci, mappings, unread } = await call('list_node_devices', { node: 'pve1' });
    expect(pci.length).toBeGreaterThan(0);
    expect(mappings).toBeUndefined();
    expect(unread.map(({ part }: { part: string }) => part)).toEqual(['pci_mappings', 'usb_mappings']);
    expect(unread[0].problem).toContain('need Proxmox VE 8');
    expect(production.requests.filter(({ path }) => path.includes('/mapping/'))).toEqual([]);
  });
});
