import { describe, expect, it } from 'vitest';
import { type ToolClient, toolClient } from '../../support/tool-client.ts';

const ONE = { clusters: ['production'], config: { defaultNode: 'pve2', defaultStorage: 'local-lvm' } };

const guestOf = ({ production }: ToolClient, vmid: number) => {
  const guest = production.state.guests.get(vmid);
  if (!guest) throw new Error(`no guest ${vmid}`);
  return guest;
};

const TEMPLATE = 'local:vztmpl/debian-13-standard_13.1-2_amd64.tar.zst';

describe('create_vm', () => {
  it('needs no more than a name', async () => {
    const client = await toolClient(ONE);
    const answer = await client.call('create_vm', { name: 'fresh' });
    const { vmid } = answer.guest;
    expect(answer).toMatchObject({
      guest: { name: 'fresh', type: 'qemu', node: 'pve2' },
      task: { status: 'ok' },
    });
    const guest = guestOf(client, vmid);
    expect(guest).toMatchObject({
      node: 'pve2',
      status: 'stopped',
      config: {
        ...{ name: 'fresh', cores: 2, cpu: 'x86-64-v2-AES', ostype: 'l26' },
        ...{ scsihw: 'virtio-scsi-single', boot: 'order=scsi0;net0' },
      },
    });
    expect(String(guest.config.memory)).toBe('2048');
    expect(guest.config.scsi0).toMatch(/^local-lvm:vm-\d+-disk-0,iothread=1,size=32G$/);
    expect(guest.config.net0).toMatch(/^virtio=[0-9A-F:]+,bridge=vmbr0,firewall=1$/);
  });

  it('as it is told: place, size, firmware, ISO, network, pool, start', async () => {
    const client = await toolClient(ONE);
    const answer = await client.call('create_vm', {
      ...{ name: 'win', vmid: 555, node: 'pve1', storage: 'nas', cores: 4, memory: '8G', ostype: 'win11' },
      ...{ uefi: true, tpm: true, iso: 'local:iso/win.iso', pool: 'web', tags: ['windows'], start: true },
      disks: [{ size: '64G', bus: 'sata', cache: 'writeback' }],
      nics: [{ vlan: 30, model: 'e1000' }],
      set: { vga: 'qxl' },
    });
    expect(answer.guest.vmid).toBe(555);
    const { config, status, node } = guestOf(client, 555);
    expect({ status, node }).toEqual({ status: 'running', node: 'pve1' });
    expect(config).toMatchObject({
      ...{ ostype: 'win11', machine: 'q35', bios: 'ovmf', vga: 'qxl', tags: 'windows' },
      ...{ ide2: 'local:iso/win.iso,media=cdrom', boot: 'order=sata0;ide2;net0' },
    });
    expect(config.sata0).toMatch(/^nas:.*cache=writeback.*size=64G$/);
    expect(config.efidisk0).toMatch(/^nas:.*efitype=4m/);
    expect(config.tpmstate0).toMatch(/^nas:.*version=v2\.0/);
    expect(config.net0).toMatch(/^e1000=.*tag=30/);
    expect(client.production.state.pools.find(({ poolid }) => poolid === 'web')?.vmids.has(555)).toBe(true);
  });

  it('refuses a name or a VMID that is taken, and what does not fit', async () => {
    const { refused, writes } = await toolClient(ONE);
    expect(await refused('create_vm', { name: 'Web-01' })).toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('guest 100'),
    });
    expect((await refused('create_vm', { name: 'new', vmid: 110 })).code).toBe('CONFLICT');
    for (const args of [
      { name: 'with space' },
      { name: 'new', memory: 'much' },
      { name: 'new', iso: '/etc/passwd' },
      { name: 'new', vmid: 5 },
      { name: 'new', set: { archive: 'x' } },
      { name: 'new', pool: 'web', set: { force: 1 } },
      {},
    ]) {
      expect((await refused('create_vm', args)).code).toBe('INVALID_ARGUMENTS');
    }
    expect(writes()).toEqual([]);
  });

  it('asks which node where nothing says it', async () => {
    const { refused } = await toolClient({ clusters: ['production'] });
    const error = await refused('create_vm', { name: 'fresh' });
    expect(error).toMatchObject({
      code: 'INVALID_ARGUMENTS',
      message: expect.stringContaining('pve1, pve2, pve3'),
    });
  });
});

describe('create_container', () => {
  const addTemplate = ({ production }: ToolClient): void => {
    for (const node of ['pve1', 'pve2']) {
      if (production.state.volumes.some((one) => one.volid === TEMPLATE && one.node === node)) continue;
      production.state.volumes.push({
        ...{
          volid: TEMPLATE,
          storage: 'local',
          node,
          content: 'vztmpl',
          format: 'tzst',
          size: 1e8,
          ctime: 0,
        },
      });
    }
  };

  it('with defaults, and as it is told', async () => {
    const client = await toolClient(ONE);
    addTemplate(client);
    const answer = await client.call('create_container', { name: 'small', template: TEMPLATE });
    const { config } = guestOf(client, answer.guest.vmid);
    expect(config).toMatchObject({
      hostname: 'small',
      cores: 1,
      memory: 512,
      unprivileged: 1,
      features: 'nesting=1',
    });
    expect(config.rootfs).toMatch(/^local-lvm:.*size=8G$/);
    expect(config.net0).toMatch(/^name=eth0,bridge=vmbr0,firewall=1,ip=dhcp,hwaddr=/);
    const password = 'correct horse battery';
    const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB alice@example';
    const second = await client.call('create_container', {
      ...{ name: 'proxy', template: TEMPLATE, vmid: 600, node: 'pve1', disk: '20G', memory: '1G', cores: 2 },
      ...{ password, ssh_keys: [key], start: true, onboot: true, tags: ['edge'] },
      nics: [{ vlan: 5, ip: '192.0.2.20/24', gw: '192.0.2.1' }],
      set: { swap: 0, nameserver: '192.0.2.53' },
    });
    expect(JSON.stringify(second)).not.toContain(password);
    const guest = guestOf(client, 600);
    expect(guest).toMatchObject({
      ...{ node: 'pve1', status: 'running' },
      config: { memory: 1024, swap: 0, nameserver: '192.0.2.53', onboot: 1, tags: 'edge' },
    });
    expect(guest.config.net0).toMatch(/ip=192\.0\.2\.20\/24.*gw=192\.0\.2\.1/);
    const sent = client.writes().at(-1)?.params;
    expect(sent?.['ssh-public-keys']).toBe(key);
    expect(sent?.password).toBe('[redacted]');
  });

  it('refuses what does not fit, without the password in the error', async () => {
    const client = await toolClient(ONE);
    const { refused, writes } = client;
    const short = await refused('create_container', { name: 'x', template: TEMPLATE, password: 'abcd' });
    expect(JSON.stringify(short)).not.toContain('abcd');
    for (const args of [
      { name: 'x' },
      { name: 'x', template: 'debian' },
      { name: 'x', template: TEMPLATE, ssh_keys: ['not a key'] },
      { name: 'x', template: TEMPLATE, nics: [{ model: 'virtio' }] },
      { name: 'x', template: TEMPLATE, set: { password: 'y' } },
    ]) {
      expect((await refused('create_container', args)).code).toBe('INVALID_ARGUMENTS');
    }
    expect(writes()).toEqual([]);
  });
});
