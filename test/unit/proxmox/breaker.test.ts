import { describe, expect, test } from 'vitest';
import { Breaker } from '../../../src/proxmox/breaker.ts';

function breakerAt(start = 1_000_000) {
  let now = start;
  const breaker = new Breaker({ now: () => now });
  const pass = (ms: number) => {
    now += ms;
  };
  const fail = (times: number) => Array.from({ length: times }, () => breaker.failed()).at(-1);
  return { breaker, pass, fail };
}

describe('Breaker', () => {
  test('opens after five failures in a row', () => {
    const { breaker, fail } = breakerAt();
    expect(fail(4)).toBe(false);
    expect(breaker.admits()).toBe(true);
    expect(fail(1)).toBe(true);
    expect(breaker.admits()).toBe(false);
    expect(fail(1)).toBe(false);
  });

  test('a success in between starts the count anew', () => {
    const { breaker, fail } = breakerAt();
    fail(4);
    expect(breaker.succeeded()).toBe(false);
    fail(4);
    expect(breaker.isOpen).toBe(false);
  });

  test('after 30 s one call probes, and a success closes it', () => {
    const { breaker, pass, fail } = breakerAt();
    fail(5);
    pass(29_999);
    expect(breaker.admits()).toBe(false);
    pass(1);
    expect(breaker.admits()).toBe(true);
    expect(breaker.admits()).toBe(false);
    expect(breaker.succeeded()).toBe(true);
    expect(breaker.admits()).toBe(true);
  });

  test('a probe that fails, or is never heard of again, keeps it open for another 30 s', () => {
    const { breaker, pass, fail } = breakerAt();
    fail(5);
    pass(30_000);
    breaker.admits();
    fail(1);
    pass(29_999);
    expect(breaker.admits()).toBe(false);
    pass(1);
    expect(breaker.admits()).toBe(true);
    pass(30_000);
    expect(breaker.admits()).toBe(true);
  });
});
