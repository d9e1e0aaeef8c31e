import { expect, test } from 'vitest';
import { SharedAnswer } from '../../../src/clusters/shared-answer.ts';

function start() {
  const state = { now: 0, asked: 0, ask: async () => 'a' };
  const sut = new SharedAnswer(
    () => {
      state.asked++;
      return state.ask();
    },
    1000,
    { now: () => state.now },
  );
  return { sut, state };
}

test('one question for many, and its answer for a while', async () => {
  const { sut, state } = start();
  expect(await Promise.all([sut.get(), sut.get(), sut.get()])).toEqual(['a', 'a', 'a']);
  state.now += 999;
  await sut.get();
  expect(state.asked).toBe(1);
  state.now += 1;
  await sut.get();
  expect(state.asked).toBe(2);
});

test('a failure is told to all who wait, and asked anew', async () => {
  const { sut, state } = start();
  state.ask = () => Promise.reject(new Error('no'));
  const answers = await Promise.allSettled([sut.get(), sut.get()]);
  expect(answers.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  state.ask = async () => 'b';
  expect(await sut.get()).toBe('b');
  expect(state.asked).toBe(2);
});

test('an abort ends one caller’s waiting alone', async () => {
  const { sut, state } = start();
  const { promise, resolve } = Promise.withResolvers<string>();
  state.ask = () => promise;
  const caller = new AbortController();
  const [gone, stays] = [sut.get(caller.signal), sut.get()];
  caller.abort();
  await expect(gone).rejects.toBe(caller.signal.reason);
  resolve('c');
  expect(await stays).toBe('c');
  expect(state.asked).toBe(1);
  await expect(sut.get(AbortSignal.abort())).rejects.toThrow();
});
