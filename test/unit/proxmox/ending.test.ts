import { describe, expect, it, vi } from 'vitest';
import { Deadline, DeadlineExpired, pause } from '../../../src/proxmox/deadline.ts';
import { LightEnding } from '../../../src/proxmox/ending.ts';

const REASON = new Error('enough');

describe('LightEnding', () => {
  it('tells each listener once, in order, and keeps the first reason', () => {
    const sut = new LightEnding();
    const told: string[] = [];
    sut.addEventListener('abort', () => told.push('first'));
    sut.addEventListener('abort', () => told.push('second'));
    expect(() => sut.throwIfAborted()).not.toThrow();
    sut.end(REASON);
    sut.end(new Error('later'));
    expect(told).toEqual(['first', 'second']);
    expect(sut).toMatchObject({ aborted: true, reason: REASON });
    expect(() => sut.throwIfAborted()).toThrow(REASON);
  });

  it('tells nobody who has left, also where another listener took it out, and nobody who comes too late', () => {
    const sut = new LightEnding();
    const [left, late, taken] = [vi.fn(), vi.fn(), vi.fn()];
    sut.addEventListener('abort', left);
    sut.removeEventListener('abort', left);
    sut.addEventListener('abort', () => {
      sut.removeEventListener('abort', taken);
      sut.addEventListener('abort', late);
    });
    sut.addEventListener('abort', taken);
    sut.end(REASON);
    sut.addEventListener('abort', late);
    for (const listener of [left, late, taken]) expect(listener).not.toHaveBeenCalled();
  });

  it('is a signal where one is wanted, asked for before the end or behind it', () => {
    const [before, behind] = [new LightEnding(), new LightEnding()];
    const { signal } = before;
    expect(before.signal).toBe(signal);
    before.end(REASON);
    behind.end(REASON);
    for (const one of [signal, behind.signal]) expect(one).toMatchObject({ aborted: true, reason: REASON });
  });
});

describe('Deadline', () => {
  it('ends with the reason of the first of others, also one that has come already', () => {
    const caller = new AbortController();
    using open = new Deadline(60_000, [undefined, caller.signal]);
    caller.abort(REASON);
    using late = new Deadline(60_000, [new LightEnding(), caller.signal]);
    expect([open.reason, late.reason]).toEqual([REASON, REASON]);
  });

  it('ends by itself, and no more once it was disposed of', () => {
    vi.useFakeTimers();
    try {
      const caller = new LightEnding();
      const [kept, gone] = [new Deadline(10, [caller]), new Deadline(10, [caller])];
      gone[Symbol.dispose]();
      vi.advanceTimersByTime(10);
      caller.end(REASON);
      expect(kept.reason).toBeInstanceOf(DeadlineExpired);
      expect(gone.aborted).toBe(false);
      kept[Symbol.dispose]();
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });
});

it('a pause ends with the reason of its ending, and leaves no timer', async () => {
  vi.useFakeTimers();
  try {
    const ending = new LightEnding();
    const waiting = pause(60_000, ending);
    ending.end(REASON);
    await expect(waiting).rejects.toBe(REASON);
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});
