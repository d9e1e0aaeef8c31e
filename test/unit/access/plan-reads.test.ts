import { describe, expect, it } from 'vitest';
import { guestDigestOf } from '../../../src/access/plan-reads.ts';
import type { GuestRow } from '../../../src/clusters/inventory.ts';
import { CallError } from '../../../src/proxmox/errors.ts';
import { RecordingCluster } from '../../support/recording-cluster.ts';

const { signal } = new AbortController();

function row(vmid: number, changes: Partial<GuestRow> = {}): GuestRow {
  const rest = { type: 'qemu', node: 'pve1', status: 'running', template: false, tags: [] } as const;
  return { ...rest, id: `qemu/${vmid}`, vmid, ...changes };
}

/** The digest of guests by their numbers, with what was asked for it. */
async function digest(
  vmids: readonly number[],
  guests: readonly GuestRow[],
  reply: RecordingCluster['reply'] = () => ({ cores: 2 }),
) {
  const cluster = new RecordingCluster('a');
  cluster.reply = reply;
  const named = vmids.map((vmid) => ({ vmid, tags: [] }));
  const value = await guestDigestOf(named, guests, cluster, signal);
  return { value, asked: cluster.calls.map(({ path }) => path.toString()) };
}

describe('what the guests of a call are', () => {
  it('is nothing where it names none', async () => {
    expect(await digest([], [row(100)])).toEqual({ value: undefined, asked: [] });
  });

  it('is their number, node and configuration, and of no others', async () => {
    const one = await digest([101], [row(100), row(101)]);
    expect(one.value).toMatch(/^[0-9a-f]{64}$/);
    expect(one.asked).toEqual(['/nodes/pve1/qemu/101/config']);
    expect((await digest([101], [row(101, { status: 'stopped' })])).value).toBe(one.value);
    const others = [
      await digest([100], [row(100), row(101)]),
      await digest([101], [row(101, { node: 'pve2' })]),
      await digest([101], [row(101)], () => ({ cores: 4 })),
      await digest([101], []),
      await digest([102], []),
      await digest([100, 101], [row(100), row(101)]),
    ];
    expect(new Set([one, ...others].map(({ value }) => value)).size).toBe(7);
  });

  it('is known of one that is just gone, and of no other that can not be read', async () => {
    const failing = (code: 'NOT_FOUND' | 'UPSTREAM_ERROR') => () => {
      throw new CallError(code, 'no', { hint: '' });
    };
    const gone = await digest([100], [row(100)], failing('NOT_FOUND'));
    expect(gone.value).not.toBe((await digest([100], [row(100)])).value);
    await expect(digest([100], [row(100)], failing('UPSTREAM_ERROR'))).rejects.toThrow('no');
  });

  it('is of the first twenty their configuration, and of more what the list says', async () => {
    const vmids = Array.from({ length: 21 }, (_, index) => 100 + index);
    const guests = (last: Partial<GuestRow> = {}) => vmids.map((vmid) => row(vmid, vmid === 120 ? last : {}));
    const all = await digest(vmids, guests());
    expect(all.asked).toHaveLength(20);
    for (const change of [
      { node: 'pve2' },
      { type: 'lxc' as const },
      { name: 'x' },
      { tags: ['x'] },
      { pool: 'x' },
    ]) {
      expect((await digest(vmids, guests(change))).value).not.toBe(all.value);
    }
  });
});
