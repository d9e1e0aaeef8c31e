import { describe, expect, it } from 'vitest';
import { didYouMean, editDistance, nearestNames } from '../../../src/config/nearest.ts';

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
    expect(nearestNames('staging', ['a', 'in'])).toEqual([]);
  });

  it('takes no time for a name without end', () => {
    const startedAt = performance.now();
    expect(nearestNames('x'.repeat(1_000_000), ['cores', 'memory'])).toEqual([]);
    expect(performance.now() - startedAt).toBeLessThan(100);
  });
});

describe('didYouMean', () => {
  it('names one, or says nothing', () => {
    expect(didYouMean('prdo', ['staging', 'prod'])).toBe(' Did you mean "prod"?');
    expect(didYouMean('zzzz', ['staging', 'prod'])).toBe('');
  });
});
