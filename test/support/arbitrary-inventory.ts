import fc from 'fast-check';
import type { GuestRow, Inventory, NodeRow, StorageRow } from '../../src/clusters/inventory.ts';

export const GIB = 1024 ** 3;

const NODES = ['pve1', 'pve2', 'pve10'];

const bytes = (most: number) => fc.integer({ min: 0, max: most }).map((gib) => gib * GIB);

const node = (name: string): fc.Arbitrary<NodeRow> =>
  fc.oneof(
    { weight: 1, arbitrary: fc.constant({ node: name, status: 'offline' }) },
    { weight: 1, arbitrary: fc.constant({ node: name, status: 'online' }) },
    {
      weight: 6,
      arbitrary: fc
        .record({
          cpus: fc.integer({ min: 1, max: 64 }),
          cpuFraction: fc.float({ min: 0, max: 1, noNaN: true }),
          used: bytes(128),
          free: bytes(128),
        })
        .map(({ cpus, cpuFraction, used, free }) => ({
          node: name,
          status: 'online',
          cpus,
          cpuFraction,
          memBytes: used,
          maxMemBytes: used + free + GIB,
        })),
    },
  );

const guest = (vmid: number): fc.Arbitrary<GuestRow> =>
  fc
    .record({
      type: fc.constantFrom('qemu' as const, 'lxc' as const),
      // One that the list of nodes does not have, as seen while a node joins.
      on: fc.constantFrom(...NODES, 'pve99'),
      status: fc.constantFrom('running', 'stopped', 'unknown'),
      template: fc.boolean(),
      cpus: fc.integer({ min: 1, max: 16 }),
      maxMemBytes: bytes(64),
      maxDiskBytes: bytes(500),
    })
    .map(({ on, type, ...row }) => ({ ...row, type, node: on, vmid, id: `${type}/${vmid}`, tags: [] }));

const storage = (on: string, name: string, shared: boolean): fc.Arbitrary<StorageRow> =>
  fc
    .record({
      status: fc.constantFrom('available', 'available', 'unknown'),
      content: fc.subarray(['images', 'rootdir', 'backup']),
      used: bytes(500),
      free: bytes(500),
    })
    .map(({ status, content, used, free }) => ({
      id: `storage/${on}/${name}`,
      storage: name,
      node: on,
      status,
      shared,
      content,
      usedBytes: used,
      totalBytes: used + free,
    }));

/** A cluster of three nodes, any of which may be offline or mute, with up to eight guests. */
export const inventories: fc.Arbitrary<Inventory> = fc
  .tuple(
    fc.tuple(...NODES.map(node)),
    fc
      .integer({ min: 0, max: 8 })
      .chain((count) => fc.tuple(...Array.from({ length: count }, (_, at) => guest(100 + at)))),
    fc.tuple(
      ...NODES.map((on) => storage(on, 'local', false)),
      ...NODES.map((on) => storage(on, 'nas', true)),
    ),
  )
  .map(([nodes, guests, storages]) => ({ nodes, guests, storages, rows: [], asOf: 0 }));
