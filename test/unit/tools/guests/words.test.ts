import { describe, expect, it } from 'vitest';
import { diskOptions, gibibytes, mebibytes } from '../../../../src/tools/guests/disks.ts';
import { nicOptions } from '../../../../src/tools/guests/nics.ts';

const MAC = 'BC:24:11:00:00:01';
const vm = { type: 'qemu' as const, present: {}, bridge: 'vmbr0' };
const container = { ...vm, type: 'lxc' as const };

describe('NICs in words', () => {
  it.each([
    [[{}], vm, { net0: 'virtio,bridge=vmbr0,firewall=1' }],
    [
      [{ mac: MAC.toLowerCase(), firewall: false, vlan: 7 }],
      vm,
      { net0: `virtio=${MAC},bridge=vmbr0,firewall=0,tag=7` },
    ],
    [
      [{}, { bridge: 'vmbr1' }],
      vm,
      { net0: 'virtio,bridge=vmbr0,firewall=1', net1: 'virtio,bridge=vmbr1,firewall=1' },
    ],
    [[{ vlan: 0 }], { ...vm, present: { net0: 'x' } }, { net1: 'virtio,bridge=vmbr0,firewall=1' }],
    [[{}], container, { net0: 'name=eth0,bridge=vmbr0,firewall=1,ip=dhcp' }],
    [[{ id: 'net2', ip: 'manual' }], container, { net2: 'name=eth2,bridge=vmbr0,firewall=1,ip=manual' }],
  ])('%j', (nics, context, made) => expect(nicOptions(nics, context)).toEqual(made));

  it.each([
    // What is not named stays, above all the MAC: the guest would find another card.
    [{ vlan: 9 }, `virtio=${MAC},bridge=vmbr0,tag=3,rate=5`, `virtio=${MAC},bridge=vmbr0,tag=9,rate=5`],
    [{ vlan: 0 }, `virtio=${MAC},bridge=vmbr0,tag=3`, `virtio=${MAC},bridge=vmbr0`],
    [{ model: 'e1000' as const }, `virtio=${MAC},bridge=vmbr0`, `e1000=${MAC},bridge=vmbr0`],
    [{ bridge: 'vmbr2' }, `model=virtio,macaddr=${MAC},bridge=vmbr0`, `virtio=${MAC},bridge=vmbr2`],
    [{ link_down: true }, `virtio=${MAC},bridge=vmbr0`, `virtio=${MAC},bridge=vmbr0,link_down=1`],
  ])('%j changes %s', (words, now, then) => {
    const made = nicOptions([{ id: 'net0', ...words }], { ...vm, present: { net0: now } });
    expect(made).toEqual({ net0: then });
  });

  it('names one twice: refused', () => {
    expect(() => nicOptions([{ id: 'net0' }, { id: 'net0' }], vm)).toThrow('twice');
  });
});

describe('disks in words', () => {
  const storage = async () => 'local-lvm';
  const make = (disks: Parameters<typeof diskOptions>[0], present = {}, type: 'qemu' | 'lxc' = 'qemu') =>
    diskOptions(disks, { type, present, storage });

  it.each([
    [{ size: '32G' }, {}, { scsi0: 'local-lvm:32' }],
    [{ size: '512M' }, { scsi0: 'a:b' }, { scsi1: 'local-lvm:0.5' }],
    [
      { size: '1T', bus: 'virtio' as const, storage: 'nas', format: 'qcow2' as const },
      {},
      { virtio0: 'nas:1024,format=qcow2' },
    ],
    [{ import_from: 'nas:import/x.qcow2' }, {}, { scsi0: 'local-lvm:0,import-from=nas:import/x.qcow2' }],
    [{ volume: 'nas:9/vm-9-disk-0.raw', discard: true }, {}, { scsi0: 'nas:9/vm-9-disk-0.raw,discard=on' }],
    [{ iso: 'local:iso/a.iso' }, {}, { ide0: 'local:iso/a.iso,media=cdrom' }],
    [
      { id: 'ide2', iso: 'none' as const },
      { ide2: 'local:iso/a.iso,media=cdrom' },
      { ide2: 'none,media=cdrom' },
    ],
    [
      { id: 'scsi0', ssd: true },
      { scsi0: 'a:b,discard=on,size=4G' },
      { scsi0: 'a:b,discard=on,size=4G,ssd=1' },
    ],
    [
      { id: 'scsi0', discard: false },
      { scsi0: 'a:b,discard=on,size=4G' },
      { scsi0: 'a:b,discard=ignore,size=4G' },
    ],
  ])('%j beside %j', async (words, present, made) => expect(await make([words], present)).toEqual(made));

  it('mount points of a container', async () => {
    expect(await make([{ size: '8G', path: '/srv', read_only: true }], { mp0: 'a:b,mp=/x' }, 'lxc')).toEqual({
      mp1: 'local-lvm:8,mp=/srv,ro=1',
    });
  });
});

it('sizes become what Proxmox counts in', () => {
  expect(gibibytes('1.5T')).toBe(1536);
  expect(mebibytes('1.5G')).toBe(1536);
  expect(() => mebibytes('1M')).toThrow('too little');
});
