import { describe, expect, it } from 'vitest';
import { editDistance, nearestNames } from '../../../src/catalogue/distance.ts';

describe('editDistance', () => {
  it.each([
    ['', '', 0],
    ['abc', '', 3],
    ['kitten', 'sitting', 3],
    ['snapshto', 'snapshot', 1],
    ['Cores', 'cores', 0],
  ])('of %j and %j is %i', (a, b, expected) => {
    expect(editDistance(a, b)).toBe(expected);
    expect(editDistance(b, a)).toBe(expected);
  });
});

describe('nearestNames', () => {
  it('gives the nearest first, and those that contain the name after', () => {
    expect(nearestNames('memroy', ['cores', 'memory', 'name'])).toEqual(['memory']);
    expect(nearestNames('storage', ['targetstorage', 'storag', 'x'])).toEqual(['storag', 'targetstorage']);
  });

  it('gives none where none is like it', () => {
    expect(nearestNames('xyz', ['cores', 'memory'])).toEqual([]);
  });
});
