import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Inventory, NodeRow, StorageRow } from '../../../../../src/clusters/inventory.ts';
import { isOverfull, type Need, Room } from '../../../../../src/tools/between/recovery/capacity.ts';

const GIB = 1024 ** 3;

const node = (name: string, more: Partial<NodeRow> = {}): NodeRow => ({
  ...{ node: name, status: 'online', cpus: 8, cpuFraction: 0, memBytes: 2 * GIB, maxMemBytes: 16 * GIB },
  ...more,
});
const storage = (name: string, on: string, more: Partial<StorageRow> = {}): StorageRow => ({
  ...{ id: `storage/${on}/${name}`, storage: name, node: on, status: 'available', pluginType: 'dir' },
  ...{ shared: false, content: ['images', 'rootdir'], usedBytes: 0, totalBytes: 100 * GIB },
  ...more,
});
const inventory = (nodes: NodeRow[], storages: StorageRow[]): Inventory => ({
  ...{ guests: [], nodes, storages, rows: [], asOf: 0 },
});
const need = (more: Partial<Need> = {}): Need => ({
  ...{
    vmid: 100,
    type: 'qemu',
    cores: 2,
    memBytes: 4 * GIB,
    diskBytes: 10 * GIB,
    wereOn: [],
    nodes: ['a', 'b'],
  },
  ...more,
});
const two = () => inventory([node('a'), node('b')], [storage('disk', 'a'), storage('disk', 'b')]);

describe('Room', () => {
  it('spreads guests over the nodes, and ends with what does not fit', () => {
    const room = new Room(two(), {});
    const places = [1, 2, 3, 4, 5, 6, 7].map(() => room.place(need()));
    expect(places.slice(0, 6).map((place) => ('node' in place ? place.node : place))).toEqual([
      'a',
      'b',
      'a',
      'b',
      'a',
      'b',
    ]);
    expect(places[6]).toEqual({ why: 'it takes 4 GiB of memory, and no node has more than 2 GiB left' });
    expect(room.nodes.map(({ vcpus }) => vcpus)).toEqual([6, 6]);
  });

  it.each<[string, Partial<Need>, object, RegExp]>([
    ['more vCPUs than a node has', { cores: 9 }, {}, /9 vCPUs, and no node so many CPUs/],
    ['a backup that no node can read', { nodes: [] }, {}, /can read its backup/],
    ['a node that is not there', {}, { node: 'c' }, /the node c is not online/],
    ['a storage that is not there', {}, { storage: 'tape' }, /no storage tape takes images/],
    ['disks that fit nowhere', { diskBytes: 200 * GIB }, {}, /have 200 GiB, and no storage for images/],
  ])('refuses %s', (_what, more, limits, why) => {
    expect(new Room(two(), limits).place(need(more))).toEqual({ why: expect.stringMatching(why) });
  });

  it('counts a shared storage once for all nodes', () => {
    const shared = { shared: true, totalBytes: 15 * GIB };
    const room = new Room(
      inventory([node('a'), node('b')], [storage('nas', 'a', shared), storage('nas', 'b', shared)]),
      {},
    );
    expect(room.place(need())).toEqual({ node: 'a', storage: 'nas' });
    expect(room.place(need())).toHaveProperty('why');
    expect(room.storages).toMatchObject([{ storage: 'nas', freeBytes: 5 * GIB, freeBytesBefore: 15 * GIB }]);
  });

  it('lets a thin storage be filled beyond its size only where nothing else has room, and says so', () => {
    const thin = storage('thin', 'a', { pluginType: 'lvmthin', totalBytes: 5 * GIB });
    const both = new Room(inventory([node('a')], [thin, storage('disk', 'a')]), { defaultStorage: 'thin' });
    expect(both.place(need({ nodes: ['a'] }))).toEqual({ node: 'a', storage: 'disk' });
    const alone = new Room(inventory([node('a')], [thin]), {});
    expect(alone.place(need({ nodes: ['a'] }))).toEqual({ node: 'a', storage: 'thin' });
    expect(alone.storages.some(isOverfull)).toBe(true);
  });

  it('never promises more memory than there is, whatever comes', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 12 }), { maxLength: 20 }), (sizes) => {
        const room = new Room(two(), {});
        for (const size of sizes) room.place(need({ memBytes: size * GIB, diskBytes: 0 }));
        expect(room.nodes.every(({ freeBytes = 0 }) => freeBytes >= 0)).toBe(true);
      }),
    );
  });
});
