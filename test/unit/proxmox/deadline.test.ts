import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { abortOf } from '../../../src/proxmox/deadline.ts';

test('much work races against one signal with one listener, and its reason ends what is left', async () => {
  const controller = new AbortController();
  const over = abortOf(controller.signal);
  const never = new Promise<never>(() => undefined);
  const done = Promise.race([Promise.resolve('done'), over]);
  const left = [1, 2, 3].map(() => Promise.race([never, over]));
  expect(getEventListeners(controller.signal, 'abort')).toHaveLength(1);
  const reason = new Error('the time is over');
  controller.abort(reason);
  await expect(Promise.allSettled(left)).resolves.toEqual(left.map(() => ({ status: 'rejected', reason })));
  await expect(done).resolves.toBe('done');
});

test('a signal that has aborted ends it at once', async () => {
  const reason = new Error('over before it began');
  await expect(Promise.race([new Promise(() => undefined), abortOf(AbortSignal.abort(reason))])).rejects.toBe(
    reason,
  );
});

test('an abort that nobody waits for is no failure of the process', async () => {
  const controller = new AbortController();
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => unhandled.push(reason);
  process.on('unhandledRejection', note);
  try {
    void abortOf(controller.signal);
    controller.abort(new Error('nobody listens'));
    await new Promise((resolve) => setImmediate(resolve));
    expect(unhandled).toEqual([]);
  } finally {
    process.off('unhandledRejection', note);
  }
});
