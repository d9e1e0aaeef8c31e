import { describe, expect, it } from 'vitest';
import { parseVolid, volumePath } from '../../../../src/tools/backups/volid.ts';

describe('parseVolid', () => {
  it.each([
    [
      'local:backup/vzdump-qemu-100-2026_11_20-02_00_00.vma.zst',
      { storage: 'local', type: 'qemu', vmid: 100 },
    ],
    ['nas:backup/vzdump-lxc-110-2026_11_20-02_00_00.tar.zst', { storage: 'nas', type: 'lxc', vmid: 110 }],
    ['pbs:backup/vm/100/2026-11-20T02:00:00Z', { storage: 'pbs', type: 'qemu', vmid: 100 }],
    ['pbs:backup/ct/110/2026-11-20T02:00:00Z', { storage: 'pbs', type: 'lxc', vmid: 110 }],
    ['local:backup/renamed.vma.zst', { storage: 'local' }],
  ])('%s', (volid, told) => expect(parseVolid(volid)).toEqual(told));

  it.each(['', 'local', ':x', '/etc/passwd', '../x:y', 'local:'])('refuses %j', (volid) =>
    expect(() => parseVolid(volid)).toThrow(/is no volume ID/),
  );
});

it('a path takes the whole name for the volume, and nothing that climbs', () => {
  expect(volumePath('pve1', 'pbs:backup/vm/100/2026-11-20T02:00:00Z').toString()).toBe(
    '/nodes/pve1/storage/pbs/content/pbs:backup/vm/100/2026-11-20T02:00:00Z',
  );
  expect(() => volumePath('pve1', 'local:backup/../../../qemu/100')).toThrow(/climbs/);
});
