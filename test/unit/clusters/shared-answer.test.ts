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

/** Questions that the test answers one by one. */
function startByHand(freshMs: number | (() => number) = 1000) {
  const questions: PromiseWithResolvers<string>[] = [];
  const clock = { at: 0, now: () => clock.at };
  const sut = new SharedAnswer(
    () => {
      const question = Promise.withResolvers<string>();
      questions.push(question);
      return question.promise;
    },
    freshMs,
    clock,
  );
  return { sut, questions, clock };
}

test('a fresh answer is to a question that was begun after the call, and shared by those who wait for it', async () => {
  const { sut, questions } = startByHand();
  const early = sut.get();
  const fresh = [sut.get(undefined, true), sut.get(undefined, true)];
  const joins = sut.get();
  questions[0]?.resolve('first');
  expect([await early, await joins]).toEqual(['first', 'first']);
  await Promise.resolve();
  expect(questions).toHaveLength(2);
  questions[1]?.resolve('second');
  expect(await Promise.all(fresh)).toEqual(['second', 'second']);
  expect(await sut.get()).toBe('second');
  expect(questions).toHaveLength(2);
});

test('a fresh question asks though an answer is kept', async () => {
  const { sut, questions } = startByHand();
  const first = sut.get();
  questions[0]?.resolve('first');
  await first;
  const fresh = sut.get(undefined, true);
  expect(questions).toHaveLength(2);
  questions[1]?.resolve('second');
  expect(await fresh).toBe('second');
});

test('an outdated question is answered to those who waited, and to nobody after', async () => {
  const { sut, questions } = startByHand();
  const before = sut.get();
  sut.outdate();
  const after = sut.get();
  questions[0]?.resolve('old');
  expect(await before).toBe('old');
  questions[1]?.resolve('new');
  expect(await after).toBe('new');
  expect(await sut.get()).toBe('new');
  expect(questions).toHaveLength(2);
});

test('where the question before fails, the one that waits is asked all the same', async () => {
  const { sut, questions } = startByHand();
  const before = sut.get();
  const fresh = sut.get(undefined, true);
  questions[0]?.reject(new Error('no'));
  await expect(before).rejects.toThrow('no');
  questions[1]?.resolve('yes');
  expect(await fresh).toBe('yes');
});

test('how long an answer is kept is asked each time', async () => {
  let keptMs = 1000;
  const { sut, questions, clock } = startByHand(() => keptMs);
  const first = sut.get();
  questions[0]?.resolve('a');
  await first;
  clock.at = 500;
  expect(await sut.get()).toBe('a');
  keptMs = 500;
  void sut.get();
  expect(questions).toHaveLength(2);
});

test('never more than one question at once, however many ask in whatever way', async () => {
  const state = { running: 0, most: 0, begun: 0 };
  const sut = new SharedAnswer(
    async () => {
      const number = ++state.begun;
      state.most = Math.max(state.most, ++state.running);
      await new Promise((resolve) => setImmediate(resolve));
      state.running--;
      return number;
    },
    0,
    { now: () => 0 },
  );
  const ask = async (index: number): Promise<void> => {
    for (let round = 0; round < 20; round++) {
      if (index === 3 && round % 5 === 0) sut.outdate();
      const begunBefore = state.begun;
      const answer = await sut.get(undefined, index % 2 === 0);
      if (index % 2 === 0) expect(answer).toBeGreaterThan(begunBefore);
    }
  };
  await Promise.all(Array.from({ length: 8 }, (_none, index) => ask(index)));
  expect(state.most).toBe(1);
});
