import { describe, expect, it } from 'vitest';
import { ApiPath } from '../../../../src/proxmox/api-path.ts';
import { CallError } from '../../../../src/proxmox/errors.ts';
import type { GuestTarget } from '../../../../src/tools/guest-target.ts';
import {
  ifReadable,
  newSnapshotParam,
  readSnapshots,
  requireUnlocked,
} from '../../../../src/tools/snapshots/snapshots.ts';

/** A guest whose cluster answers this to every read. */
function target(data: unknown): GuestTarget {
  const cluster = { name: 'production', request: async () => ({ data, endpoint: 'pve' }) };
  return {
    cluster,
    guest: { vmid: 100 },
    at: (...below: string[]) => ApiPath.ofSegments(['nodes', 'pve1', 'qemu', '100', ...below]),
  } as unknown as GuestTarget;
}

describe('the snapshots of a guest', () => {
  it('are read without the row of the present state, and with what was broken off', async () => {
    const rows = [
      { name: 'a', snaptime: 1_700_000_000, description: 'Text\n', vmstate: 1 },
      { name: 'b', parent: 'a', snaptime: 1_700_000_100, snapstate: 'delete', description: '' },
      { name: 'current', parent: 'b', description: 'You are here!', running: 1 },
    ];
    expect(await readSnapshots(target(rows))).toEqual({
      all: [
        { name: 'a', takenAt: 1_700_000_000, description: 'Text', hasRam: true },
        { name: 'b', parent: 'a', takenAt: 1_700_000_100, unfinished: 'delete', hasRam: false },
      ],
      current: 'b',
    });
    expect(await readSnapshots(target(null))).toEqual({ all: [], current: undefined });
  });

  it('may be named as PVE allows, and no other way', () => {
    for (const name of ['ab', 'Before_2', 'a-b', 'z'.repeat(40)]) {
      expect(newSnapshotParam.safeParse(name).success, name).toBe(true);
    }
    for (const name of [
      'a',
      '1a',
      '_a',
      'a b',
      'a.b',
      'ä1',
      'a/b',
      'PENDING',
      'current',
      'z'.repeat(41),
      'ab\n',
    ]) {
      expect(newSnapshotParam.safeParse(name).success, name).toBe(false);
    }
  });

  it('are not touched while the guest is locked', () => {
    expect(() => requireUnlocked({ lock: undefined }, target([]))).not.toThrow();
    expect(() => requireUnlocked({ lock: 'backup' }, target([]))).toThrow(/locked \(backup\)/);
  });

  it('are checked in advance only where that may be asked', async () => {
    const denied = new CallError('PERMISSION_DENIED', 'No.', { hint: '' });
    const down = new CallError('CLUSTER_UNREACHABLE', 'Gone.', { hint: '' });
    expect(await ifReadable(Promise.reject(denied))).toBeUndefined();
    await expect(ifReadable(Promise.reject(down))).rejects.toBe(down);
  });
});
