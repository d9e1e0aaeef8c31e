import { beforeEach, describe, expect, test } from 'vitest';
import { configDigest, type Guest, startGuest } from '../../../src/simulator/state/guest.ts';
import { removeSnapshot, rollBack, takeSnapshot } from '../../../src/simulator/state/snapshots.ts';

let guest: Guest;

beforeEach(() => {
  guest = {
    vmid: 100,
    type: 'qemu',
    node: 'pve1',
    status: 'stopped',
    paused: false,
    startedAt: 0,
    config: { name: 'web-01', cores: 2 },
    pending: {},
    snapshots: new Map(),
  };
});

const take = (name: string, vmstate = false) =>
  takeSnapshot(guest, { name, description: '', vmstate, at: 1 });
const parents = () => [...guest.snapshots.values()].map(({ name, parent }) => [name, parent]);

describe('the snapshot tree', () => {
  test('grows from where the guest is', () => {
    take('a');
    take('b');
    rollBack(guest, 'a', 0);
    take('c');
    expect(parents()).toEqual([
      ['a', undefined],
      ['b', 'a'],
      ['c', 'a'],
    ]);
    expect(guest.parent).toBe('c');
  });

  test('closes the gap a removed snapshot leaves', () => {
    take('a');
    take('b');
    take('c');
    removeSnapshot(guest, 'b');
    expect(parents()).toEqual([
      ['a', undefined],
      ['c', 'a'],
    ]);
    removeSnapshot(guest, 'a');
    removeSnapshot(guest, 'c');
    expect(guest.parent).toBeUndefined();
  });

  test('gives the configuration of its moment back', () => {
    take('a');
    guest.config.cores = 8;
    rollBack(guest, 'a', 0);
    expect(guest.config.cores).toBe(2);
  });

  test('brings a guest back running only where the memory was saved', () => {
    startGuest(guest, 5);
    take('cold');
    take('warm', true);
    rollBack(guest, 'cold', 10);
    expect(guest.status).toBe('stopped');
    rollBack(guest, 'warm', 20);
    expect(guest).toMatchObject({ status: 'running', startedAt: 20 });
  });

  test('refuses a name twice and a name it has not', () => {
    take('a');
    expect(() => take('a')).toThrow("snapshot name 'a' already used");
    expect(() => rollBack(guest, 'b', 0)).toThrow("snapshot 'b' does not exist");
  });
});

describe('the digest of a configuration', () => {
  test('is forty hex digits and does not depend on the order of the options', () => {
    const before = configDigest(guest);
    expect(before).toMatch(/^[0-9a-f]{40}$/);
    guest.config = { cores: 2, name: 'web-01' };
    expect(configDigest(guest)).toBe(before);
  });

  test.each<[string, () => void]>([
    ['an option', () => (guest.config.cores = 3)],
    ['what is pending', () => (guest.pending.memory = '4096')],
    ['a snapshot', () => take('a')],
    ['a lock', () => (guest.lock = 'backup')],
  ])('changes with %s', (_what, change) => {
    const before = configDigest(guest);
    change();
    expect(configDigest(guest)).not.toBe(before);
  });
});
