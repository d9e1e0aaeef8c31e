import { expect, test } from 'vitest';
import { DEMO_ESTATE } from '../../../src/simulator/estate.ts';
import { buildState } from '../../../src/simulator/state/build-state.ts';

const now = 1_800_000_000_000;
const states = DEMO_ESTATE.map((spec) => buildState(spec, { clock: () => now, taskSeconds: 0 }));

test('three clusters of three, two and one nodes', () => {
  expect(states.map((state) => [state.name, state.nodes.length])).toEqual([
    ['production', 3],
    ['staging', 2],
    ['disaster-recovery', 1],
  ]);
});

test.each(states.map((state) => [state.name, state] as const))(
  '%s has something of everything',
  (_name, state) => {
    const guests = [...state.guests.values()];
    for (const type of ['qemu', 'lxc']) {
      for (const status of ['running', 'stopped']) {
        const found = guests.filter((guest) => guest.type === type && guest.status === status);
        expect(found.filter((guest) => guest.config.template !== 1).length).toBeGreaterThan(0);
      }
    }
    expect(guests.some((guest) => guest.config.template === 1)).toBe(true);
    expect(guests.some((guest) => guest.snapshots.size > 0)).toBe(true);
    expect(state.volumes.some((volume) => volume.content === 'backup')).toBe(true);
    for (const guest of guests) {
      expect(state.nodes.map((node) => node.name)).toContain(guest.node);
      for (const { parent } of guest.snapshots.values()) {
        if (parent !== undefined) expect(guest.snapshots.has(parent)).toBe(true);
      }
    }
  },
);

test('names are unique across the estate, VMIDs are not', () => {
  const guests = DEMO_ESTATE.flatMap((spec) => spec.guests ?? []);
  expect(new Set(guests.map((guest) => guest.name)).size).toBe(guests.length);
  for (const state of states) expect(state.guests.has(100)).toBe(true);
});

test('two starts differ in their secrets alone', () => {
  const again = DEMO_ESTATE.map((spec) => buildState(spec, { clock: () => now, taskSeconds: 0 }));
  const visible = (state: (typeof states)[number]) => [
    [...state.guests.values()],
    state.volumes,
    state.pools,
    state.tasks.list(),
  ];
  expect(again.map(visible)).toEqual(states.map(visible));
  expect(again[0]?.access.tokens[0]?.secret).not.toBe(states[0]?.access.tokens[0]?.secret);
});
