import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addUp, capacityOf } from '../../../../src/tools/inventory/capacity.ts';
import { topConsumers } from '../../../../src/tools/inventory/top-consumers.ts';
import { GIB, inventories } from '../../../support/arbitrary-inventory.ts';

const FIELDS = [
  'guests',
  'guests_running',
  'vcpus',
  'vcpus_running',
  'mem_allocated_bytes',
  'mem_allocated_running_bytes',
  'boot_disk_bytes',
  'cpus',
  'mem_bytes',
  'max_mem_bytes',
  'free_mem_bytes',
] as const;

describe('capacityOf', () => {
  it('sums up to what the nodes have and what the guests may claim', () => {
    fc.assert(
      fc.property(inventories, (inventory) => {
        const { nodes, storages, sums } = capacityOf(inventory);
        for (const field of FIELDS) {
          expect(sums[field], field).toBe(nodes.reduce((total, node) => total + (node[field] ?? 0), 0));
        }
        const guests = inventory.guests.filter(({ template }) => !template);
        expect(sums.guests).toBe(guests.length);
        expect(sums.mem_allocated_bytes).toBe(
          guests.reduce((total, row) => total + (row.maxMemBytes ?? 0), 0),
        );
        expect(sums.boot_disk_bytes).toBe(
          inventory.guests.reduce((total, row) => total + (row.maxDiskBytes ?? 0), 0),
        );
        expect(sums.storage_used_bytes + sums.storage_free_bytes).toBe(sums.storage_total_bytes);
        expect(storages.filter(({ storage }) => storage === 'nas')).toHaveLength(1);
        expect(storages.filter(({ storage }) => storage === 'local')).toHaveLength(3);
      }),
    );
  });

  it('tells no figure that it was not told, and no ratio that leaves a node out', () => {
    fc.assert(
      fc.property(inventories, (inventory) => {
        const { nodes, sums } = capacityOf(inventory);
        for (const node of nodes) {
          const told = inventory.nodes.find((row) => row.node === node.node);
          expect('free_mem_bytes' in node).toBe(told?.memBytes !== undefined);
          if (told?.cpus === undefined) expect(node).not.toHaveProperty('cpu_overcommit');
        }
        const mute = nodes.some((node) => node.vcpus_running > 0 && node.cpus === undefined);
        if (mute) expect(sums).not.toHaveProperty('cpu_overcommit');
      }),
    );
  });

  it('says how far a node is overcommitted by what runs, templates and stopped guests left out', () => {
    const guest = {
      type: 'qemu' as const,
      node: 'pve1',
      tags: [],
      cpus: 4,
      maxMemBytes: 8 * GIB,
      maxDiskBytes: GIB,
    };
    const { nodes, sums } = capacityOf({
      nodes: [
        {
          node: 'pve1',
          status: 'online',
          cpus: 4,
          cpuFraction: 0.25,
          memBytes: 4 * GIB,
          maxMemBytes: 10 * GIB,
        },
      ],
      guests: [
        { ...guest, id: 'qemu/100', vmid: 100, status: 'running', template: false },
        { ...guest, id: 'qemu/101', vmid: 101, status: 'running', template: false },
        { ...guest, id: 'qemu/102', vmid: 102, status: 'stopped', template: false },
        { ...guest, id: 'qemu/900', vmid: 900, status: 'stopped', template: true },
      ],
      storages: [],
      rows: [],
      asOf: 0,
    });
    expect(nodes).toEqual([
      {
        node: 'pve1',
        status: 'online',
        cpu_fraction: 0.25,
        cpus: 4,
        cpu_overcommit: 2,
        mem_bytes: 4 * GIB,
        max_mem_bytes: 10 * GIB,
        free_mem_bytes: 6 * GIB,
        mem_overcommit: 1.6,
        guests: 3,
        guests_running: 2,
        vcpus: 12,
        vcpus_running: 8,
        mem_allocated_bytes: 24 * GIB,
        mem_allocated_running_bytes: 16 * GIB,
        boot_disk_bytes: 4 * GIB,
      },
    ]);
    expect(sums).toMatchObject({ cpus_busy: 1, cpu_overcommit: 2, mem_overcommit: 1.6, nodes_offline: 0 });
  });

  it('counts nothing of a node that is offline, whatever Proxmox still tells of it', () => {
    const node = (name: string, status: string, memBytes?: number) => ({
      node: name,
      status,
      cpus: 8,
      maxMemBytes: 32 * GIB,
      ...(memBytes === undefined ? {} : { memBytes, cpuFraction: 0.5 }),
    });
    const guest = { type: 'qemu' as const, node: 'pve1', tags: [], cpus: 8, maxMemBytes: 32 * GIB };
    const { sums } = capacityOf({
      nodes: [node('pve1', 'online', 8 * GIB), node('pve2', 'offline')],
      guests: [{ ...guest, id: 'qemu/100', vmid: 100, status: 'running', template: false }],
      storages: [],
      rows: [],
      asOf: 0,
    });
    expect(sums).toMatchObject({ nodes: 2, nodes_offline: 1, cpus: 8, cpu_overcommit: 1, mem_overcommit: 1 });
    expect(sums).toMatchObject({ max_mem_bytes: 32 * GIB, free_mem_bytes: 24 * GIB });
  });

  it('lets the node that sees a shared storage speak for it', () => {
    const row = { storage: 'nas', shared: true, content: ['images'] };
    const { storages } = capacityOf({
      nodes: [],
      guests: [],
      storages: [
        { ...row, id: 'storage/a/nas', node: 'a', status: 'unknown', usedBytes: 0, totalBytes: 0 },
        { ...row, id: 'storage/b/nas', node: 'b', status: 'available', usedBytes: 3, totalBytes: 10 },
      ],
      rows: [],
      asOf: 0,
    });
    expect(storages).toMatchObject([{ storage: 'nas', status: 'available', free_bytes: 7 }]);
    expect(storages[0]).not.toHaveProperty('node');
  });
});

describe('addUp', () => {
  it('of several clusters is the sum of each', () => {
    fc.assert(
      fc.property(fc.array(inventories, { maxLength: 4 }), (estate) => {
        const parts = estate.map((inventory) => capacityOf(inventory).sums);
        const total = addUp(parts);
        for (const field of [...FIELDS, 'nodes', 'nodes_offline', 'storage_total_bytes'] as const) {
          expect(total[field], field).toBe(parts.reduce((sum, part) => sum + part[field], 0));
        }
      }),
    );
  });
});

describe('topConsumers', () => {
  it('gives the largest, never more than asked for, none that takes nothing, in an order that is always the same', () => {
    fc.assert(
      fc.property(inventories, fc.integer({ min: 1, max: 5 }), (inventory, most) => {
        const guests = inventory.guests.map((guest) => ({ cluster: 'c', guest }));
        const { disk, cpu } = topConsumers(guests, most);
        const sizes = disk.map(({ boot_disk_bytes: size = 0 }) => size);
        const sorted = inventory.guests
          .map(({ maxDiskBytes = 0 }) => maxDiskBytes)
          .filter(Boolean)
          .sort((a, b) => b - a);
        expect(sizes).toEqual(sorted.slice(0, most));
        expect(cpu).toEqual([]);
        expect(topConsumers([...guests].reverse(), most).disk).toEqual(disk);
      }),
    );
  });
});
