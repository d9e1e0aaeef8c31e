import { describe, expect, it } from 'vitest';
import { settledOptions } from '../../../../../src/tools/between/backup/restored-config.ts';

type Wanted = Parameters<typeof settledOptions>[0];

const settled = (options: Record<string, string>, more: Partial<Wanted> = {}) =>
  settledOptions({
    ...{
      type: 'qemu',
      saved: { options, description: '' },
      bridges: {},
      addresses: [],
      start: true,
      config: {},
    },
    ...more,
  });

describe('what is set behind a restore', () => {
  it('is nothing where nothing has another name', () => {
    expect(
      settled(
        { net0: 'virtio=BC:24:11:00:00:01,bridge=vmbr0', onboot: '1' },
        { bridges: { vmbr0: 'vmbr0' } },
      ),
    ).toEqual({});
  });

  it('is the bridge, with all else of the NIC but its MAC', () => {
    const bridges = { vmbr0: 'vmbr5', vmbr1: 'vmbr1' };
    expect(
      settled(
        {
          net0: 'virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1,tag=20,queues=4',
          net1: 'e1000=BC:24:11:00:00:02,bridge=vmbr1',
          net2: 'model=vmxnet3,macaddr=BC:24:11:00:00:03,bridge=vmbr0',
        },
        { bridges },
      ),
    ).toEqual({
      net0: 'virtio,bridge=vmbr5,firewall=1,tag=20,queues=4',
      net2: 'vmxnet3,bridge=vmbr5',
    });
    expect(
      settled(
        { net0: 'name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:01,ip=dhcp,type=veth' },
        { type: 'lxc', bridges },
      ),
    ).toEqual({ net0: 'name=eth0,bridge=vmbr5,ip=dhcp,type=veth' });
  });

  it('takes discs out, and leaves the drive of cloud-init in', () => {
    expect(
      settled({
        ide0: 'local-lvm:vm-100-cloudinit,media=cdrom',
        ide2: 'local:iso/debian.iso,media=cdrom,size=600M',
        sata0: 'none,media=cdrom',
        scsi0: 'local-lvm:vm-100-disk-0,size=4G',
      }),
    ).toEqual({ ide2: 'none,media=cdrom' });
  });

  it('keeps a copy that stays down from starting with its node', () => {
    expect(settled({ onboot: '1' }, { start: false })).toEqual({ onboot: 0 });
    expect(settled({ onboot: '0' }, { start: false })).toEqual({});
  });

  it('is an address, whose gateway does not stay from before', () => {
    const options = { net0: 'name=eth0,bridge=vmbr0,ip=192.0.2.5/24,gw=192.0.2.1,ip6=auto' };
    const addresses = [{ ip: '198.51.100.5/24' }];
    expect(settled(options, { type: 'lxc', addresses })).toEqual({
      net0: 'name=eth0,bridge=vmbr0,ip=198.51.100.5/24,ip6=auto',
    });
    const vm = { net0: 'virtio,bridge=vmbr0', ipconfig0: 'ip=192.0.2.5/24,gw=192.0.2.1' };
    expect(settled(vm, { addresses })).toEqual({ ipconfig0: 'ip=198.51.100.5/24' });
  });

  it('is an address and a bridge at once', () => {
    const options = { net0: 'name=eth0,bridge=vmbr0,ip=dhcp' };
    expect(
      settled(options, {
        type: 'lxc',
        bridges: { vmbr0: 'vmbr5' },
        addresses: [{ nic: 'net0', ip: '192.0.2.6/24' }],
      }),
    ).toEqual({ net0: 'name=eth0,bridge=vmbr5,ip=192.0.2.6/24' });
  });

  it.each([
    ['a NIC that is not there', [{ nic: 'net4', ip: 'dhcp' }], /no NIC net4; it has net0/],
    [
      'a NIC twice',
      [
        { nic: 'net0', ip: 'dhcp' },
        { nic: 'net0', ip: 'dhcp' },
      ],
      /twice/,
    ],
    ['no address', [{ nic: 'net0' }], /Nothing is said/],
  ])('refuses %s', (_what, addresses, words) => {
    expect(() => settled({ net0: 'name=eth0,bridge=vmbr0' }, { type: 'lxc', addresses })).toThrow(words);
  });

  it('ends with what is wanted besides', () => {
    expect(settled({ onboot: '1' }, { start: false, config: { onboot: 1, tags: 'a' } })).toEqual({
      onboot: 1,
      tags: 'a',
    });
  });
});
