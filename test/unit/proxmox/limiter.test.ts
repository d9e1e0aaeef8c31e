import { describe, expect, test } from 'vitest';
import { Limiter, QueueFull } from '../../../src/proxmox/limiter.ts';

const NEVER = new AbortController().signal;

describe('Limiter', () => {
  test('lets so many in, then first come first served', async () => {
    const limiter = new Limiter(2, 10);
    const order: number[] = [];
    const enter = async (id: number) => {
      const release = await limiter.acquire(NEVER);
      order.push(id);
      return release;
    };
    const releases = await Promise.all([enter(1), enter(2)]);
    const third = enter(3);
    const fourth = enter(4);
    await Promise.resolve();
    expect(order).toEqual([1, 2]);
    releases[0]?.();
    const releaseThird = await third;
    expect(order).toEqual([1, 2, 3]);
    releaseThird();
    (await fourth)();
    releases[1]?.();
    expect(order).toEqual([1, 2, 3, 4]);
  });

  test('a place that is given back twice counts once', async () => {
    const limiter = new Limiter(1, 0);
    const release = await limiter.acquire(NEVER);
    release();
    release();
    await limiter.acquire(NEVER);
    await expect(limiter.acquire(NEVER)).rejects.toThrow(QueueFull);
  });

  test('the queue is bounded', async () => {
    const limiter = new Limiter(1, 1);
    const release = await limiter.acquire(NEVER);
    const waiting = limiter.acquire(NEVER);
    await expect(limiter.acquire(NEVER)).rejects.toThrow(QueueFull);
    release();
    (await waiting)();
  });

  test('who gives up leaves the queue', async () => {
    const limiter = new Limiter(1, 1);
    const release = await limiter.acquire(NEVER);
    const caller = new AbortController();
    const waiting = limiter.acquire(caller.signal);
    caller.abort(new Error('gone'));
    await expect(waiting).rejects.toThrow('gone');
    const next = limiter.acquire(NEVER);
    release();
    (await next)();
    await expect(limiter.acquire(caller.signal)).rejects.toThrow('gone');
  });
});
