import { describe, expect, it, vi } from 'vitest';
import { Deadline } from '../../../src/mcp/deadline.ts';

describe('Deadline', () => {
  it('ends work that takes too long with TIMEOUT', async () => {
    using deadline = new Deadline(new AbortController().signal, 0.01);
    await expect(deadline.race(new Promise(() => undefined))).rejects.toMatchObject({
      code: 'TIMEOUT',
      retryable: false,
    });
    expect(deadline.signal.aborted).toBe(true);
  });

  it('ends a sleep when the client cancels', async () => {
    const client = new AbortController();
    using deadline = new Deadline(client.signal, 60);
    const nap = deadline.sleep(60_000);
    client.abort();
    await expect(nap).rejects.toMatchObject({
      code: 'TIMEOUT',
      message: expect.stringContaining('cancelled'),
    });
  });

  it('has no limit before it is given one', async () => {
    vi.useFakeTimers();
    try {
      using deadline = new Deadline(new AbortController().signal);
      expect(vi.getTimerCount()).toBe(0);
      deadline.limit(1);
      const raced = deadline.race(new Promise(() => undefined));
      const ended = expect(raced).rejects.toMatchObject({ code: 'TIMEOUT' });
      vi.advanceTimersByTime(1000);
      await ended;
    } finally {
      vi.useRealTimers();
    }
  });

  it('can be cancelled, and hears no more of work that fails afterwards', async () => {
    using deadline = new Deadline(new AbortController().signal, 60);
    const { promise, reject } = Promise.withResolvers<never>();
    const raced = deadline.race(promise);
    deadline.cancel();
    await expect(raced).rejects.toMatchObject({ message: expect.stringContaining('cancelled') });
    reject(new Error('too late'));
    await expect(deadline.race(Promise.reject(new Error('later still')))).rejects.toMatchObject({
      code: 'TIMEOUT',
    });
  });

  it('refuses at once where the client has gone already', async () => {
    using deadline = new Deadline(AbortSignal.abort(), 60);
    await expect(deadline.race(Promise.resolve(1))).rejects.toMatchObject({ code: 'TIMEOUT' });
  });

  it('leaves no timer and no listener behind', async () => {
    vi.useFakeTimers();
    try {
      const client = new AbortController();
      const removed = vi.spyOn(client.signal, 'removeEventListener');
      {
        using deadline = new Deadline(client.signal, 60);
        await deadline.race(Promise.resolve(1));
      }
      expect(vi.getTimerCount()).toBe(0);
      expect(removed).toHaveBeenCalledOnce();
    } finally {
      vi.useRealTimers();
    }
  });
});
