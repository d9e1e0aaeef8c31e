import { beforeEach, describe, expect, test } from 'vitest';
import { backendOf } from '../../../src/simulator/state/backends.ts';
import { buildState } from '../../../src/simulator/state/build-state.ts';
import type { ClusterState, Storage } from '../../../src/simulator/state/cluster-state.ts';
import { allocateBytes, canSnapshot, makeBase } from '../../../src/simulator/state/disks.ts';
import { linkPeers } from '../../../src/simulator/state/peers.ts';
import { formatSize, GIB, parseSize } from '../../../src/simulator/state/sizes.ts';
import { findVolume, removeVolume, volumesOn } from '../../../src/simulator/state/volumes.ts';

describe('sizes', () => {
  test.each([
    ['32G', 32 * GIB],
    ['1.5G', 1.5 * GIB],
    ['528K', 528 * 1024],
    ['1T', 1024 * GIB],
    ['12', 12],
    ['much', 0],
  ])('%s', (text, bytes) => expect(parseSize(text)).toBe(bytes));

  test.each([
    [32 * GIB, '32G'],
    [1.5 * GIB, '1536M'],
    [2048 * GIB, '2048G'],
    [528 * 1024, '528K'],
    [7, '7'],
  ])('%d', (bytes, text) => expect(formatSize(bytes)).toBe(text));
});

const storage = (type: Storage['type'], options: Record<string, string> = {}): Storage => {
  return { storage: 's', type, content: ['images', 'rootdir'], shared: false, total: 100 * GIB, options };
};

describe('the names of volumes', () => {
  let state: ClusterState;
  beforeEach(() => {
    state = buildState(
      { name: 'c', nodes: [{ name: 'n' }], storages: [] },
      { clock: () => 0, taskSeconds: 0 },
    );
  });
  const owner = (type: 'qemu' | 'lxc') => ({ vmid: 100, type, node: 'n' });

  test.each([
    ['lvmthin', 'qemu', 's:vm-100-disk-0', 'raw'],
    ['lvm', 'lxc', 's:vm-100-disk-0', 'raw'],
    ['zfspool', 'lxc', 's:subvol-100-disk-0', 'subvol'],
    ['dir', 'qemu', 's:100/vm-100-disk-0.qcow2', 'qcow2'],
    ['nfs', 'lxc', 's:100/vm-100-disk-0.raw', 'raw'],
  ] as const)('on %s for %s', (type, guest, volid, format) => {
    state.storages = [storage(type)];
    expect(allocateBytes(state, owner(guest), 's', GIB)).toBe(volid);
    expect(findVolume(state, 'n', volid)).toMatchObject({ format, size: GIB });
  });

  test.each([
    ['zfspool', 's:base-100-disk-0', 's:base-100-disk-0/vm-100-disk-0'],
    ['dir', 's:100/base-100-disk-0.qcow2', 's:100/base-100-disk-0.qcow2/100/vm-100-disk-0.qcow2'],
    ['lvmthin', 's:base-100-disk-0', 's:vm-100-disk-0'],
  ] as const)('of a base and its clone on %s', (type, base, clone) => {
    state.storages = [storage(type)];
    const volume = findVolume(state, 'n', allocateBytes(state, owner('qemu'), 's', GIB));
    expect(volume && makeBase(volume)).toBe(base);
    expect(allocateBytes(state, owner('qemu'), 's', GIB, { parent: base })).toBe(clone);
  });

  test.each([
    ['lvm', 'raw', false],
    ['lvmthin', 'raw', true],
    ['dir', 'raw', false],
    ['dir', 'qcow2', true],
    ['zfspool', 'subvol', true],
  ] as const)('%s %s can be snapshotted: %s', (type, format, can) => {
    expect(canSnapshot(storage(type), { format })).toBe(can);
  });

  test('what does not fit is refused, a thin volume counts half', () => {
    state.storages = [storage('lvmthin')];
    allocateBytes(state, owner('qemu'), 's', 190 * GIB);
    expect(() => allocateBytes(state, owner('qemu'), 's', 20 * GIB)).toThrow('No space left on device');
    expect(state.volumes).toHaveLength(1);
  });
});

describe('one place that two clusters know', () => {
  const pbs = { server: 'p', datastore: 'd' };

  test('is told by where it is, not by its name', () => {
    expect(backendOf(storage('pbs', pbs))).toBe(backendOf({ ...storage('pbs', pbs), storage: 'other' }));
    expect(backendOf(storage('pbs', pbs))).not.toBe(backendOf(storage('pbs', { ...pbs, namespace: 'n' })));
    expect(backendOf(storage('dir', { path: '/p' }))).toBeUndefined();
  });

  test('shows the same volumes under both names, and forgets them for both', () => {
    const make = (name: string) => {
      const spec = {
        storage: `${name}-vault`,
        type: 'pbs' as const,
        content: ['backup'],
        shared: true,
        options: pbs,
      };
      return buildState(
        { name, nodes: [{ name: 'n' }], storages: [spec] },
        { clock: () => 0, taskSeconds: 0 },
      );
    };
    const [one, two] = [make('one'), make('two')];
    linkPeers([one, two].map((state) => ({ state, endpoints: [], fingerprint: '', isUp: () => true })));
    one.volumes.push({
      volid: 'one-vault:backup/vm/1/x',
      storage: 'one-vault',
      content: 'backup',
      format: 'pbs-vm',
      size: 1,
      ctime: 0,
    });
    const [seen] = volumesOn(two, 'n', 'two-vault');
    expect(seen?.volid).toBe('two-vault:backup/vm/1/x');
    if (seen) removeVolume(two, seen);
    expect(one.volumes).toEqual([]);
  });
});
