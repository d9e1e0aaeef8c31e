import { describe, expect, it } from 'vitest';
import { type ToolClient, toolClient } from '../../support/tool-client.ts';

const ONE = { clusters: ['production'] };

const guestOf = ({ production }: ToolClient, vmid: number) => {
  const guest = production.state.guests.get(vmid);
  if (!guest) throw new Error(`no guest ${vmid}`);
  return guest;
};

describe('update_guest', () => {
  it('changes a stopped VM: settings, NICs, disks, devices, boot order', async () => {
    const client = await toolClient(ONE);
    const { config } = guestOf(client, 103);
    const mac = /virtio=([0-9A-F:]+)/.exec(String(config.net0))?.[1];
    const answer = await client.call('update_guest', {
      name: 'build-01',
      new_name: 'build-02',
      cores: 8,
      sockets: 2,
      memory: '12G',
      balloon: '4096M',
      cpu: 'host',
      agent: true,
      onboot: true,
      protection: true,
      tags: ['ci', 'fast'],
      notes: 'Builds.',
      disks: [
        { size: '64G', ssd: true, discard: true },
        { id: 'ide2', iso: 'local:iso/debian-13.iso' },
      ],
      nics: [
        { id: 'net0', vlan: 20, firewall: true },
        { bridge: 'vmbr0', model: 'e1000' },
      ],
      pci: ['gpu'],
      usb: ['dongle'],
      efi_storage: 'local-lvm',
      tpm_storage: 'local-lvm',
      boot_order: ['scsi0', 'net0'],
      set: { affinity: '0-3', numa: true, startup: 'order=2,up=30' },
    });
    expect(answer.task.status).toBe('ok');
    expect(answer.pending).toBeUndefined();
    const now = guestOf(client, 103).config;
    expect(now).toMatchObject({
      ...{ name: 'build-02', cores: 8, sockets: 2, balloon: 4096, cpu: 'host', onboot: 1, protection: 1 },
      ...{ tags: 'ci;fast', description: 'Builds.', bios: 'ovmf', boot: 'order=scsi0;net0', affinity: '0-3' },
      ...{ numa: 1, startup: 'order=2,up=30', hostpci0: 'mapping=gpu', usb0: 'mapping=dongle' },
    });
    expect(String(now.memory)).toBe('12288');
    expect(String(now.agent)).toBe('1');
    expect(now.scsi1).toMatch(/^local-lvm:vm-103-disk-\d+,ssd=1,discard=on,size=64G$/);
    expect(now.ide2).toBe('local:iso/debian-13.iso,media=cdrom');
    // The VLAN changes, the card stays the one it was.
    expect(now.net0).toContain(`virtio=${mac}`);
    expect(now.net0).toContain('tag=20');
    expect(now.net1).toMatch(/^e1000=.*bridge=vmbr0,firewall=1$/);
    expect(now.efidisk0).toContain('efitype=4m');
    expect(now.tpmstate0).toContain('version=v2.0');
    const [write] = client.writes();
    expect(write?.method).toBe('POST');
    expect(write?.params.digest).toMatch(/^[0-9a-f]{40}$/);
  });

  it('says what waits for a restart, reverts it, and writes nothing where all is so already', async () => {
    const client = await toolClient(ONE);
    const { call, text, writes } = client;
    const answer = await call('update_guest', { vmid: 100, cores: 6, onboot: true });
    expect(answer.changed).toEqual(['cores', 'onboot']);
    expect(answer.pending).toEqual([{ key: 'cores', now: 4, next: 6 }]);
    expect(guestOf(client, 100)).toMatchObject({ pending: { cores: 6 }, config: { cores: 4, onboot: 1 } });
    const again = await text('update_guest', { vmid: 100, cores: 6, onboot: true });
    expect(again).toContain('as wanted already; nothing was sent');
    expect(writes()).toHaveLength(1);
    await call('update_guest', { vmid: 100, revert: ['cores'] });
    expect(guestOf(client, 100).pending).toEqual({});
    await call('update_guest', { vmid: 100, delete: ['onboot'] });
    expect(guestOf(client, 100).config.onboot).toBeUndefined();
  });

  it('changes a container, and a disk that it has', async () => {
    const client = await toolClient(ONE);
    await client.call('update_guest', {
      vmid: 112,
      new_name: 'mail',
      memory: '4G',
      set: { swap: 1024 },
      nics: [{ id: 'net0', ip: '192.0.2.10/24', gw: '192.0.2.1', vlan: 7 }],
      disks: [{ size: '5G', path: '/srv', backup: true }],
    });
    const { config } = guestOf(client, 112);
    expect(config).toMatchObject({ hostname: 'mail', memory: 4096, swap: 1024 });
    expect(config.net0).toMatch(/name=eth0.*ip=192\.0\.2\.10\/24/);
    expect(config.net0).toContain('gw=192.0.2.1');
    expect(config.mp0).toMatch(/^local-lvm:vm-112-disk-\d+,mp=\/srv,backup=1,size=5G$/);
    await client.call('update_guest', { vmid: 112, disks: [{ id: 'mp0', backup: false }] });
    expect(guestOf(client, 112).config.mp0).toMatch(/,mp=\/srv,backup=0,size=5G$/);
    await client.call('update_guest', { vmid: 112, nics: [{ id: 'net0', ip: 'dhcp', vlan: 0 }] });
    expect(guestOf(client, 112).config.net0).not.toMatch(/gw=|tag=/);
  });

  it('a change meanwhile is a conflict', async () => {
    const client = await toolClient(ONE);
    const { digest } = (await client.call('get_guest', { vmid: 103 })).config;
    guestOf(client, 103).config.description = 'somebody was faster';
    const error = await client.refused('update_guest', { vmid: 103, cores: 2, digest });
    expect(error.code).toBe('CONFLICT');
    expect(client.writes()).toEqual([]);
    // Between this call's own read and its write.
    client.production.faults.add({
      kind: 'slow',
      ms: 0,
      match: (call) => {
        if (call.startsWith('PUT ')) guestOf(client, 103).config.description = 'and faster again';
        return false;
      },
    });
    expect((await client.refused('update_guest', { vmid: 103, cores: 2 })).code).toBe('CONFLICT');
    expect(guestOf(client, 103).config.cores).toBe(16);
  });

  it('refuses what does not fit before anything is sent', async () => {
    const { refused, writes } = await toolClient(ONE);
    const wrong: [Record<string, unknown>, string][] = [
      [{ vmid: 103 }, 'nothing to change'],
      [{ vmid: 103, delete: ['scsi0'] }, 'detach_disk'],
      [{ vmid: 103, set: { force: true } }, 'set.force'],
      [{ vmid: 103, set: { digest: 'x' } }, 'set.digest'],
      [{ vmid: 103, cores: 2, set: { cores: 3 } }, 'given twice'],
      [{ vmid: 103, set: { nonsense: 1 } }, 'nonsense'],
      [{ vmid: 103, memory: '8' }, 'size'],
      [{ vmid: 103, nics: [{ bridge: 'vmbr0,tag=2' }] }, 'without a comma'],
      [{ vmid: 103, nics: [{ brigde: 'vmbr0' }] }, 'brigde'],
      [{ vmid: 103, nics: [{ ip: 'dhcp' }] }, 'cloud-init'],
      [{ vmid: 103, disks: [{ size: '8G', storage: 'local-lvm:1,backup' }] }, 'without a comma'],
      [{ vmid: 103, disks: [{ volume: '/dev/sda' }] }, 'no volume'],
      [{ vmid: 103, disks: [{ id: 'scsi0', size: '200G' }] }, 'resize_disk'],
      [{ vmid: 103, disks: [{ id: 'scsi0', iso: 'none' }] }, 'no CD drive'],
      [{ vmid: 103, disks: [{ id: 'mp0', size: '1G' }] }, 'no disk of a VM'],
      [{ vmid: 103, disks: [{ ssd: true }] }, 'needs a size'],
      [{ vmid: 103, pci: ['a,b=c'] }, 'no name'],
      [{ vmid: 112, cpu: 'host' }, 'VMs alone'],
      [{ vmid: 112, disks: [{ size: '1G' }] }, 'needs a path'],
    ];
    for (const [args, says] of wrong) {
      const error = await refused('update_guest', args);
      expect(error.code, says).toBe('INVALID_ARGUMENTS');
      expect(`${error.message} ${error.hint}`).toContain(says);
    }
    expect(writes()).toEqual([]);
  });
});
