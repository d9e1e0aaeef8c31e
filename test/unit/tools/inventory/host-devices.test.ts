import { describe, expect, it } from 'vitest';
import { hostDevices, mappingsOf } from '../../../../src/tools/inventory/host-devices.ts';

const pci = (id: string, more: Record<string, unknown> = {}) => ({
  id,
  class: '0x030000',
  iommugroup: 12,
  ...more,
});
const usb = (more: Record<string, unknown> = {}) => {
  return { vendid: '1050', prodid: '0407', busnum: 1, usbpath: '1.2', class: 0, ...more };
};

describe('the devices of a host', () => {
  it('have their class in words, and a group only where there is one', () => {
    const rows = [
      pci('0000:01:00.0', { vendor_name: 'V', device_name: 'D', mdev: 1 }),
      pci('0000:02:00.0', { iommugroup: -1, class: '0xff0000', vendor: '0x10de' }),
    ];
    expect(hostDevices('pve1', { pci: rows }, [])).toEqual({
      pci: [
        { id: '0000:01:00.0', class: 'display', vendor: 'V', device: 'D', iommu_group: 12, mediated: true },
        { id: '0000:02:00.0', class: '0xff0000', vendor: '0x10de' },
      ],
      usb: undefined,
    });
  });

  it('know the mapping that stands for them on their node, of one function or all', () => {
    const mappings = mappingsOf('pci', [
      { id: 'whole', map: ['node=pve1,path=0000:01:00,id=10de:1b06'] },
      {
        id: 'parts',
        map: ['node=pve1,path=0000:02:00.0;0000:02:00.1,id=a:b', 'node=pve2,path=0000:09:00.0'],
      },
    ]);
    const rows = [
      '0000:01:00.0',
      '0000:01:00.1',
      '0000:02:00.1',
      '0000:02:00.2',
      '0000:09:00.0',
      '0000:01:00',
    ].map((id) => pci(id));
    const found = hostDevices('pve1', { pci: rows }, mappings).pci?.map(({ mapping }) => mapping);
    expect(found).toEqual(['whole', 'whole', 'parts', undefined, undefined, 'whole']);
    expect(mappings[1]?.nodes).toEqual(['pve1', 'pve2']);
  });

  it('of USB are known by vendor and product, and by their port where the mapping says one', () => {
    const mappings = mappingsOf('usb', [
      { id: 'key', map: ['node=pve1,id=1050:0407,path=1-1.2'] },
      { id: 'any', map: ['node=pve2,id=1050:0407'] },
    ]);
    expect(hostDevices('pve1', { usb: [usb(), usb({ usbpath: '3' })] }, mappings).usb).toMatchObject([
      { id: '1050:0407', port: '1-1.2', mapping: 'key' },
      { id: '1050:0407', port: '1-3' },
    ]);
    expect(hostDevices('pve2', { usb: [usb()] }, mappings).usb?.[0]?.mapping).toBe('any');
  });

  it('leave out USB hubs, and stand nonsense', () => {
    expect(
      hostDevices('pve1', { usb: [usb({ class: 9 })], pci: [{}] }, mappingsOf('pci', [{ map: 'x' }])),
    ).toEqual({
      usb: [],
      pci: [{ id: '' }],
    });
  });
});
