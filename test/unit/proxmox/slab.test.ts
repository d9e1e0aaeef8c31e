import { expect, it } from 'vitest';
import { Slab } from '../../../src/proxmox/slab.ts';

it('holds what was added and not removed, also where one took the place of another', () => {
  const sut = new Slab<string>();
  const [a, b, c] = ['a', 'b', 'c'].map((thing) => sut.add(thing));
  expect([...sut]).toHaveLength(3);
  sut.remove(b ?? -1);
  expect([...sut]).toEqual(['a', 'c']);
  const d = sut.add('d');
  expect(d).toBe(b);
  sut.remove(a ?? -1);
  expect(new Set(sut)).toEqual(new Set(['c', 'd']));
  expect([...sut]).toHaveLength(2);
  for (const place of [c, d]) sut.remove(place ?? -1);
  expect([...sut]).toEqual([]);
});

it('can be gone through while things go and come', () => {
  const sut = new Slab<{ place: number }>();
  for (let made = 0; made < 5; made++) {
    const thing = { place: -1 };
    thing.place = sut.add(thing);
  }
  let seen = 0;
  for (const { place } of sut) {
    seen++;
    sut.remove(place);
  }
  expect([seen, [...sut].length]).toEqual([5, 0]);
});
