import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { RunBook, type RunBookOptions, type Runs } from '../../../../src/access/runs/runs.ts';
import { openState } from '../../../../src/access/state.ts';
import { folderWith } from '../../../support/config-folder.ts';

const KEY = 'migrate a/100';
const { signal } = new AbortController();

/** Processes that share one state file; each has a connection of its own. */
function processes(options: RunBookOptions = {}) {
  const path = join(folderWith(), 'state.sqlite');
  const start = (principal = 'alice', own: RunBookOptions = {}) => {
    const state = openState(path);
    const { database } = state;
    const runs = new RunBook(state, { ...options, ...own }).of(principal);
    return { runs, database, kill: () => state.close() };
  };
  return { start };
}

function inMemory(options?: RunBookOptions): (principal?: string) => Runs {
  const book = new RunBook(openState(undefined), options);
  return (principal = 'alice') => book.of(principal);
}

/** Work that goes on until it is told to end. */
function lasting() {
  let end = (): void => undefined;
  const work = new Promise<string>((resolve) => {
    end = () => resolve('worked');
  });
  return { work: () => work, end };
}

afterEach(() => void vi.useRealTimers());

describe('a process that stands still', () => {
  it('while it begins a step has lost the run, though nobody has taken it yet: nothing is sent', async () => {
    const state = openState(undefined);
    let now = Date.now();
    const { write } = state;
    let stillMs = 0;
    state.write = async (work) => {
      const result = await write.call(state, work);
      now += stillMs;
      return result as never;
    };
    const runs = new RunBook(state, { clock: () => now }).of('alice');
    const run = await runs.begin(KEY, {});
    const held = runs.hold(run, signal, async () => {
      await run.begin('first');
      stillMs = 6_000;
      await run.begin('second');
    });
    await expect(held).rejects.toMatchObject({ code: 'CONFLICT', retryable: true });
    // It is looked for before it is begun again.
    expect(run.step('second')?.state).toBe('begun');
  });
});

describe('a run', () => {
  it('is one for its key as long as it is open, with the input that it was begun with', async () => {
    const runs = inMemory({ clock: () => 5 })();
    expect(runs.last(KEY)).toBeUndefined();
    const run = await runs.begin(KEY, { to: 'b' });
    expect(run).toMatchObject({ id: 1, key: KEY, input: { to: 'b' }, state: 'open', startedAt: 5 });
    expect(await runs.begin(KEY, { to: 'c' })).toMatchObject({ id: 1, input: { to: 'b' } });
    expect(await runs.begin('another', {})).toMatchObject({ id: 2 });
    await run.close('done');
    await run.close('cancelled');
    expect(runs.last(KEY)).toMatchObject({ id: 1, state: 'done', endedAt: 5 });
    expect(await runs.begin(KEY, { to: 'c' })).toMatchObject({ id: 3, input: { to: 'c' }, state: 'open' });
    expect(runs.list().map(({ id }) => id)).toEqual([3, 2, 1]);
  });

  it('is seen by nobody but its principal', async () => {
    const of = inMemory();
    const run = await of('alice').begin(KEY, { of: 'alice' });
    expect(of('bob').last(KEY)).toBeUndefined();
    expect(of('bob').list()).toEqual([]);
    const other = await of('bob').begin(KEY, { of: 'bob' });
    expect(other.id).not.toBe(run.id);
    await other.begin('x');
    expect(run.steps()).toEqual([]);
    expect(of('alice').list()).toHaveLength(1);
    // Names that look like wildcards or like one another are other ones.
    for (const name of ['%', 'Alice', 'alice ', '']) expect(of(name).list()).toEqual([]);
  });

  it('remembers its steps in the order they were first begun, and what is known of each', async () => {
    let now = 10;
    const run = await inMemory({ clock: () => now })().begin(KEY, {});
    await run.begin('one', { a: 1 });
    await run.begin('two');
    now = 20;
    await run.note('one', { upid: 'UPID:x' });
    await run.note('one', { data: { b: 2 } });
    await run.done('one', { c: 3 });
    await run.failed('two', 'no room');
    expect(run.steps()).toEqual([
      { name: 'one', state: 'done', at: 20, begunAt: 10, upid: 'UPID:x', data: { a: 1, b: 2, c: 3 } },
      { name: 'two', state: 'failed', at: 20, begunAt: 10, data: { problem: 'no room' } },
    ]);
    now = 30;
    await run.begin('two', { again: true });
    expect(run.step('two')).toEqual({
      name: 'two',
      state: 'begun',
      at: 30,
      begunAt: 30,
      data: { again: true },
    });
    expect(run.steps().map(({ name }) => name)).toEqual(['one', 'two']);
    await run.begin('one');
    expect(run.step('one')).not.toHaveProperty('upid');
    expect(run.step('three')).toBeUndefined();
    await expect(run.note('three', {})).rejects.toThrow('the step three was not begun');
  });

  it('keeps no secret of others in why a step failed', async () => {
    const run = await inMemory({ redact: (text) => text.replace('canary', '[redacted]') })().begin(KEY, {});
    await run.failed('one', 'it said canary');
    expect(run.step('one')?.data).toEqual({ problem: 'it said [redacted]' });
  });

  it('is forgotten long after it ended, or behind many others of its principal; never while it is open', async () => {
    let now = 0;
    const of = inMemory({ clock: () => now });
    await of('alice').begin('open', {});
    const old = await of('alice').begin('old', {});
    await old.begin('step');
    await old.close('done');
    await (await of('bob').begin('of bob', {})).close('done');
    now = 89 * 86_400_000;
    await (await of('alice').begin('x', {})).close('done');
    expect(of('alice').last('old')).toBeDefined();
    now = 91 * 86_400_000;
    for (let index = 0; index < 505; index++)
      await (await of('alice').begin(`run ${index}`, {})).close('done');
    await of('alice').begin('last', {});
    expect(of('alice').last('old')).toBeUndefined();
    expect(old.steps()).toEqual([]);
    expect(of('alice').last('open')).toMatchObject({ state: 'open' });
    // 500 that ended, and two that are open.
    expect(of('alice').list()).toHaveLength(502);
    expect(of('alice').last('run 0')).toBeUndefined();
    expect(of('alice').last('run 504')).toBeDefined();
  });
});

describe('work on a run', () => {
  it('is done by one call at a time, of one process or of two', async () => {
    const { start } = processes();
    const [one, two] = [start(), start()];
    const run = await one.runs.begin(KEY, {});
    const { work, end } = lasting();
    const first = one.runs.hold(run, signal, work);
    let isIn = false;
    const again = two.runs.last(KEY);
    if (again === undefined) throw new Error('the other process does not see it');
    const second = two.runs.hold(again, signal, async () => {
      isIn = true;
      return again.step('made')?.state;
    });
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(isIn).toBe(false);
    await run.begin('made');
    await run.done('made');
    end();
    await expect(first).resolves.toBe('worked');
    await expect(second).resolves.toBe('done');
  });

  it('that lasts keeps others out for as long, and says who has to wait', async () => {
    vi.useFakeTimers();
    const runs = inMemory()();
    const run = await runs.begin(KEY, {});
    const { work, end } = lasting();
    const first = runs.hold(run, signal, work);
    await vi.advanceTimersByTimeAsync(60_000);
    const second = runs.hold(run, signal, async () => 'too early').catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(7_000);
    expect(await second).toMatchObject({
      code: 'CONFLICT',
      message: 'Another call works on run 1; nothing was sent.',
      hint: 'Wait for it to end, then call again: the run goes on where it stands.',
      retryable: true,
    });
    end();
    await expect(first).resolves.toBe('worked');
    expect(vi.getTimerCount()).toBe(0);
    await expect(runs.hold(run, signal, async () => 'free')).resolves.toBe('free');
  });

  it('is free again where it throws, and ends its waiting with the call', async () => {
    const runs = inMemory()();
    const run = await runs.begin(KEY, {});
    await expect(runs.hold(run, signal, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    const { work, end } = lasting();
    const first = runs.hold(run, signal, work);
    const ending = new AbortController();
    const waiting = runs.hold(run, ending.signal, work);
    ending.abort(new Error('gone'));
    await expect(waiting).rejects.toThrow('gone');
    end();
    await first;
  });

  it('of a process that was killed is taken over some seconds later, and not before', async () => {
    let now = 0;
    const { start } = processes({ clock: () => now });
    const killed = start();
    const run = await killed.runs.begin(KEY, {});
    const { work } = lasting();
    void killed.runs.hold(run, signal, work).catch(() => undefined);
    await run.begin('sent', { x: 1 });
    killed.kill();
    const next = start();
    const left = next.runs.last(KEY);
    if (left === undefined) throw new Error('it is lost');
    now = 5_999;
    let isIn = false;
    const taken = next.runs.hold(left, signal, async () => {
      isIn = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(isIn).toBe(false);
    now = 6_001;
    await taken;
    expect(left.step('sent')).toMatchObject({ state: 'begun', data: { x: 1 } });
  });

  it('that stood still while another process took over writes no more, not even once that is done', async () => {
    let now = 0;
    const { start } = processes({ clock: () => now });
    const [asleep, awake] = [start(), start()];
    const run = await asleep.runs.begin(KEY, {});
    await asleep.runs.hold(run, signal, async () => {
      await run.begin('first');
      now = 10_000;
      const same = await awake.runs.begin(KEY, {});
      await awake.runs.hold(same, signal, async () => {
        await same.begin('second');
        await same.done('second');
        await expect(run.begin('second')).rejects.toThrow('Another call works on run 1');
      });
      await expect(run.begin('second')).rejects.toThrow('Another call works on run 1');
    });
    expect(run.step('second')).toMatchObject({ state: 'done' });
  });

  it('that has ended binds nobody: a step is begun though another process works now', async () => {
    const { start } = processes();
    const [one, two] = [start(), start()];
    const run = await one.runs.begin(KEY, {});
    await one.runs.hold(run, signal, async () => undefined);
    await two.runs.hold(run, signal, async () => run.begin('late'));
    expect(run.step('late')).toMatchObject({ state: 'begun' });
  });

  it('goes on where its hold has only run out', async () => {
    let now = 0;
    const runs = inMemory({ clock: () => now })();
    const run = await runs.begin(KEY, {});
    await runs.hold(run, signal, async () => {
      now = 60_000;
      await run.begin('late');
    });
    expect(run.step('late')).toBeDefined();
  });

  it('is not begun on one that another call has given up; on one that is done it may be', async () => {
    const runs = inMemory()();
    const run = await runs.begin(KEY, {});
    await runs.last(KEY)?.close('cancelled');
    await expect(runs.hold(run, signal, async () => 'worked')).rejects.toMatchObject({
      code: 'CONFLICT',
      message: 'Another call has given run 1 up; nothing was sent.',
      hint: 'Look at what is there, and call again if it is still wanted.',
    });
    const next = await runs.begin(KEY, {});
    await next.close('done');
    await expect(runs.hold(next, signal, async () => 'worked')).resolves.toBe('worked');
  });

  it('outlives a state file that can’t be written for a while', async () => {
    vi.useFakeTimers();
    const state = openState(undefined);
    const runs = new RunBook(state).of('alice');
    const run = await runs.begin(KEY, {});
    const { work, end } = lasting();
    const held = runs.hold(run, signal, work);
    await vi.advanceTimersByTimeAsync(0);
    state.close();
    await vi.advanceTimersByTimeAsync(10_000);
    end();
    await expect(held).resolves.toBe('worked');
  });
});
