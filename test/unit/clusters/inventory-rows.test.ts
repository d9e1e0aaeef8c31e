import { describe, expect, it } from 'vitest';
import { InventoryRows } from '../../../src/clusters/inventory-rows.ts';

const COUNT = 2_000;
const guest = (vmid: number, cpu: number) => ({
  id: `qemu/${vmid}`,
  type: 'qemu',
  vmid,
  node: 'pve1',
  name: `Web-${vmid}`,
  status: 'running',
  cpu,
});
const guests = (cpu: (vmid: number) => number) =>
  Array.from({ length: COUNT }, (_none, vmid) => guest(vmid, cpu(vmid)));

describe('many rows', () => {
  it('are made in pieces, each as it is made alone, in their order', async () => {
    let turns = 0;
    const count = (): void => {
      turns += 1;
      next = setImmediate(count);
    };
    let next = setImmediate(count);
    const data = [...guests((vmid) => vmid / COUNT), { id: 'node/pve1', type: 'node', node: 'pve1' }];
    const { inventory, change } = await new InventoryRows().next(data, 7);
    clearImmediate(next);
    expect(turns).toBeGreaterThan(2);
    expect(change).toEqual({ added: COUNT + 1, changed: 0, removed: 0 });
    const alone = await Promise.all(data.map((row) => new InventoryRows().next([row], 7)));
    expect(inventory.guests).toEqual(alone.flatMap(({ inventory: { guests } }) => guests));
    expect(inventory.nodes).toEqual(alone.flatMap(({ inventory: { nodes } }) => nodes));
    expect(inventory.rows).toEqual(data);
    expect(inventory.asOf).toBe(7);
  });

  it('are the same objects where nothing of them changed', async () => {
    const rows = new InventoryRows();
    const { inventory: first } = await rows.next(
      guests(() => 0),
      1,
    );
    const halves = guests((vmid) => vmid % 2).slice(1);
    const { inventory: second, change } = await rows.next(halves, 2);
    expect(change).toEqual({ added: 0, changed: COUNT / 2, removed: 1 });
    expect(second.guests[1]).toBe(first.guests[2]);
    expect(second.guests[0]).not.toBe(first.guests[1]);
    expect(second.guests[0]).toMatchObject({ vmid: 1, cpuFraction: 1 });
  });

  it('that are made at the same time do not mix', async () => {
    const rows = new InventoryRows();
    const [older, newer] = await Promise.all([
      rows.next(
        guests(() => 0.25),
        1,
      ),
      rows.next(
        guests(() => 0.5),
        2,
      ),
    ]);
    expect(new Set(older.inventory.guests.map(({ cpuFraction }) => cpuFraction))).toEqual(new Set([0.25]));
    expect(new Set(newer.inventory.guests.map(({ cpuFraction }) => cpuFraction))).toEqual(new Set([0.5]));
  });
});
