import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Inventory } from '../../../../src/clusters/inventory.ts';
import { capacityOf } from '../../../../src/tools/inventory/capacity.ts';
import {
  fits,
  type Place,
  rankPlaces,
  type Site,
  type Wanted,
} from '../../../../src/tools/inventory/placement.ts';
import { GIB, inventories } from '../../../support/arbitrary-inventory.ts';

function siteOf(inventory: Inventory, settings: Partial<Site['settings']> = {}): Site {
  return {
    cluster: 'c',
    settings: { readOnly: false, ...settings },
    capacity: capacityOf(inventory),
    storages: inventory.storages,
  };
}

const wanted: fc.Arbitrary<Wanted> = fc.record({
  type: fc.constantFrom('qemu' as const, 'lxc' as const),
  cpus: fc.option(fc.integer({ min: 1, max: 24 }), { nil: undefined }),
  memBytes: fc.option(
    fc.integer({ min: 1, max: 100 }).map((gib) => gib * GIB),
    { nil: undefined },
  ),
  diskBytes: fc.option(
    fc.integer({ min: 1, max: 400 }).map((gib) => gib * GIB),
    { nil: undefined },
  ),
  storage: fc.option(fc.constantFrom('nas', 'local', 'none'), { nil: undefined }),
});

const key = ({ cluster, node, storage }: Place) => `${cluster}/${node}/${storage ?? ''}`;

describe('rankPlaces', () => {
  it('never lets a guest fit where it does not', () => {
    fc.assert(
      fc.property(inventories, wanted, (inventory, guest) => {
        for (const place of rankPlaces([siteOf(inventory)], guest).filter(fits)) {
          const node = inventory.nodes.find((row) => row.node === place.node);
          expect(node?.status).toBe('online');
          if (guest.memBytes !== undefined) {
            expect((node?.maxMemBytes ?? 0) - (node?.memBytes ?? 0)).toBeGreaterThanOrEqual(guest.memBytes);
          }
          if (guest.cpus !== undefined) expect(node?.cpus).toBeGreaterThanOrEqual(guest.cpus);
          if (guest.diskBytes === undefined && guest.storage === undefined) continue;
          const row = inventory.storages.find(
            (one) => one.node === place.node && one.storage === place.storage,
          );
          expect(row?.status).toBe('available');
          expect(row?.content).toContain(guest.type === 'qemu' ? 'images' : 'rootdir');
          expect((row?.totalBytes ?? 0) - (row?.usedBytes ?? 0)).toBeGreaterThanOrEqual(guest.diskBytes ?? 0);
          if (guest.storage !== undefined) expect(place.storage).toBe(guest.storage);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('leaves no node out: each fits somewhere or says what it lacks', () => {
    fc.assert(
      fc.property(inventories, wanted, (inventory, guest) => {
        const places = rankPlaces([siteOf(inventory)], guest);
        for (const { node } of inventory.nodes)
          expect(places.some((place) => place.node === node)).toBe(true);
        for (const place of places.filter((one) => !fits(one))) expect(place.lacks.join()).not.toBe('');
      }),
    );
  });

  it('ranks a node no worse for memory that becomes free, or is added', () => {
    const which = fc.constantFrom('pve1', 'pve2', 'pve10');
    fc.assert(
      fc.property(
        inventories,
        wanted,
        which,
        fc.boolean(),
        fc.integer({ min: 1, max: 64 }),
        (before, guest, node, freed, gib) => {
          const after = {
            ...before,
            nodes: before.nodes.map((row) => {
              if (row.node !== node || row.memBytes === undefined || row.maxMemBytes === undefined)
                return row;
              return freed
                ? { ...row, memBytes: Math.max(0, row.memBytes - gib * GIB) }
                : { ...row, maxMemBytes: row.maxMemBytes + gib * GIB };
            }),
          };
          const [old, fresh] = [rankPlaces([siteOf(before)], guest), rankPlaces([siteOf(after)], guest)];
          for (const place of old.filter((one) => one.node === node)) {
            const others = (places: Place[]) => {
              const at = places.findIndex((one) => key(one) === key(place));
              return places.slice(0, at).filter((one) => one.node !== node).length;
            };
            expect(others(fresh)).toBeLessThanOrEqual(others(old));
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it('depends on figures and names alone, not on the order in which they came', () => {
    fc.assert(
      fc.property(inventories, inventories, wanted, (one, two, guest) => {
        const sites = [siteOf(one), { ...siteOf(two), cluster: 'd' }];
        const mirrored = sites.map((site) => ({
          ...site,
          capacity: { ...site.capacity, nodes: [...site.capacity.nodes].reverse() },
          storages: [...site.storages].reverse(),
        }));
        expect(rankPlaces(mirrored.reverse(), guest).map(key)).toEqual(rankPlaces(sites, guest).map(key));
      }),
    );
  });

  it('proposes nothing in a cluster that is read-only', () => {
    fc.assert(
      fc.property(inventories, wanted, (inventory, guest) => {
        expect(rankPlaces([siteOf(inventory, { readOnly: true })], guest).filter(fits)).toEqual([]);
      }),
    );
  });
});

const online = (node: string, free = 32) => ({
  node,
  status: 'online',
  cpus: 8,
  cpuFraction: 0.5,
  memBytes: (64 - free) * GIB,
  maxMemBytes: 64 * GIB,
});
const disk = (node: string, storage: string, shared: boolean, free = 100) => ({
  id: `storage/${node}/${storage}`,
  storage,
  node,
  status: 'available',
  shared,
  content: ['images'],
  usedBytes: (200 - free) * GIB,
  totalBytes: 200 * GIB,
});
const estate = (part: Partial<Inventory>): Inventory => ({
  nodes: [online('a'), online('b')],
  guests: [],
  storages: [],
  rows: [],
  asOf: 0,
  ...part,
});

describe('the reasons of a place', () => {
  it('are in words, for and against', () => {
    const storages = [disk('a', 'local-lvm', false), disk('a', 'nas', true, 15)];
    const [first, second] = rankPlaces([siteOf(estate({ nodes: [online('a')], storages }))], {
      type: 'qemu',
      cpus: 2,
      memBytes: 28 * GIB,
      diskBytes: 10 * GIB,
    });
    expect(first).toMatchObject({
      storage: 'local-lvm',
      for: [
        '4 GiB of 64 GiB memory stay free',
        'CPU load 50%, 0.25 running vCPUs for each CPU with this guest',
        '90 GiB of 200 GiB stay free on local-lvm',
      ],
      against: [
        'less than 10% of its memory stays free',
        'the disk is tied to a, as local-lvm is not shared',
      ],
      lacks: [],
    });
    expect(second?.against).toContain('less than 10% of nas stays free');
    expect(second?.for).toContain('nas is shared: the guest can move without its disk being copied');
  });

  it('name the defaults, which outweigh a little more room elsewhere', () => {
    const inventory = estate({ nodes: [online('a', 40), online('b', 32)] });
    const guest = { type: 'qemu' as const, memBytes: GIB };
    expect(rankPlaces([siteOf(inventory)], guest)[0]?.node).toBe('a');
    const [first] = rankPlaces([siteOf(inventory, { defaultNode: 'b' })], guest);
    expect(first?.node).toBe('b');
    expect(first?.for[0]).toBe('it is the default node of the cluster');
  });

  it('never make a default node fit', () => {
    const inventory = estate({ nodes: [online('a', 40), online('b', 0)] });
    const places = rankPlaces([siteOf(inventory, { defaultNode: 'b' })], { type: 'qemu', memBytes: GIB });
    expect(places.filter(fits).map(({ node }) => node)).toEqual(['a']);
    expect(places[1]?.lacks).toEqual(['1 GiB of memory: 0 bytes free, 1 GiB wanted']);
  });

  it('warn of a quorum that may be gone', () => {
    const inventory = estate({ nodes: [online('a'), { node: 'b', status: 'offline' }] });
    const [first, second] = rankPlaces([siteOf(inventory)], { type: 'qemu', memBytes: GIB });
    expect(first?.against).toEqual(['only 1 of 2 nodes are online: there may be no quorum']);
    expect(second?.lacks).toEqual(['the node is offline']);
  });

  it('put what lacks room before what can never take it, and the nearest first', () => {
    const nodes = [online('a', 10), online('b', 20), { node: 'c', status: 'offline' }];
    const places = rankPlaces([siteOf(estate({ nodes }))], { type: 'qemu', memBytes: 40 * GIB });
    expect(places.map(({ node }) => node)).toEqual(['b', 'a', 'c']);
    expect(places[0]?.lacks).toEqual(['20 GiB of memory: 20 GiB free, 40 GiB wanted']);
  });

  it('say what a storage lacks: room, or that it is there', () => {
    const nodes = [online('a')];
    const guest = { type: 'qemu' as const, diskBytes: 101 * GIB };
    const [small] = rankPlaces([siteOf(estate({ nodes, storages: [disk('a', 'nas', true)] }))], guest);
    expect(small?.lacks).toEqual(['1 GiB on nas: 100 GiB free, 101 GiB wanted']);
    const away = { ...disk('a', 'nas', true, 200), status: 'unknown' };
    const [place] = rankPlaces([siteOf(estate({ nodes, storages: [away] }))], guest);
    expect(place?.lacks).toEqual(['the storage nas is unknown on it']);
  });

  it('say that a node has too few CPUs', () => {
    const [place] = rankPlaces([siteOf(estate({}))], { type: 'qemu', cpus: 9 });
    expect(place?.lacks).toEqual(['1 CPU: the node has 8, 9 wanted']);
  });

  it('say that a storage is missing', () => {
    const [place] = rankPlaces([siteOf(estate({}))], { type: 'lxc', diskBytes: GIB });
    expect(place?.lacks).toEqual(['a storage for rootdir']);
  });
});
