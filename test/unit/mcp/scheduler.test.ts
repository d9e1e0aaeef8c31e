import { pino } from 'pino';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { ScheduleBook } from '../../../src/access/schedules/book.ts';
import type { WantedSchedule } from '../../../src/access/schedules/schedule.ts';
import { openState } from '../../../src/access/state.ts';
import type { Caller, CallOptions, ToolResult } from '../../../src/mcp/dispatcher.ts';
import { UnknownToolError } from '../../../src/mcp/offered-tools.ts';
import { Scheduler, type SchedulerOptions } from '../../../src/mcp/scheduler.ts';
import { principal } from '../../support/approvals.ts';

const TOOL = 'replicate';
const MINUTE = 60_000;
const alice = principal('alice');
const standing = { by: 'alice', number: 3, kind: 'self', bindings: ['digest'] } as const;

const answer = (content: Record<string, unknown>, isError = false): ToolResult => ({
  content: [],
  structuredContent: content,
  ...(isError ? { isError } : {}),
});
const refusal = answer({ error: { code: 'CLUSTER_UNREACHABLE', message: 'It does not answer.' } }, true);

interface Called {
  name: string;
  args: unknown;
  caller: Caller;
  signal: AbortSignal;
}

/** A call that waits, until nobody does any more. */
function untilCancelled({ signal }: Called): Promise<ToolResult> {
  const cancelled = answer({ error: { code: 'TIMEOUT', message: 'It was cancelled.' } }, true);
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(cancelled), { once: true }));
}

/** A scheduler whose calls a test answers, on a clock that the test moves. */
function site(options: Partial<SchedulerOptions> = {}) {
  let now = Date.parse('2026-11-22T10:00:00Z');
  const state = openState(undefined);
  const book = new ScheduleBook(state, () => now);
  const calls: Called[] = [];
  let respond: (call: Called) => ToolResult | Promise<ToolResult> = () => answer({ status: 'replicated' });
  const make = () =>
    new Scheduler({
      book,
      dispatcher: {
        callTool: async (name: string, args: unknown, caller: Caller, { signal }: CallOptions) => {
          const call = { name, args, caller, signal };
          calls.push(call);
          return respond(call);
        },
      },
      directory: { list: () => [], defaultCluster: undefined } as never,
      revocations: { isRevoked: () => false },
      logger: pino({ level: 'silent' }),
      clock: () => now,
      ...options,
    });
  const scheduler = make();
  onTestFinished(async () => {
    await scheduler.close();
    state.close();
  });
  const schedules = book.of(alice, false);
  const save = (changes: Partial<WantedSchedule> = {}) =>
    schedules.save({
      ...{ tool: TOOL, name: 'web', input: {}, timing: { everyMinutes: 60 }, standing, dueAt: now },
      ...changes,
    });
  return {
    scheduler,
    make,
    calls,
    save,
    schedules,
    now: () => now,
    found: (name = 'web') => schedules.find(TOOL, name),
    answerWith: (work: typeof respond) => {
      respond = work;
    },
    /** The clock goes on, and the timer with it. */
    async pass(ms: number): Promise<void> {
      now += ms;
      await vi.advanceTimersByTimeAsync(5_000);
    },
  };
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  return () => vi.useRealTimers();
});

describe('a call whose time has come', () => {
  it('is made as who saved it, with what was approved, through a door of its own', async () => {
    const { scheduler, save, calls, pass, found, now } = site();
    await save();
    scheduler.start();
    await pass(0);
    expect(calls).toMatchObject([
      {
        name: TOOL,
        args: { job: 'web', wait_seconds: expect.any(Number) },
        caller: { principal: alice, door: 'schedule', standing },
      },
    ]);
    expect(found()?.dueAt).toBe(now() + 60 * MINUTE);
    await pass(59 * MINUTE);
    expect(calls).toHaveLength(1);
    await pass(MINUTE);
    expect(calls).toHaveLength(2);
  });

  it('is made once where it was missed many times', async () => {
    const { scheduler, save, calls, pass, found, now } = site();
    await save({ dueAt: now() - 1000 * MINUTE });
    scheduler.start();
    await pass(0);
    await pass(MINUTE);
    expect(calls).toHaveLength(1);
    expect(found()?.dueAt).toBeGreaterThan(now());
  });

  it('is not made again while it runs, however long that takes', async () => {
    const { scheduler, save, calls, pass, answerWith } = site();
    const { promise, resolve } = Promise.withResolvers<ToolResult>();
    answerWith(() => promise);
    await save();
    scheduler.start();
    for (let minute = 0; minute < 200; minute += 1) await pass(10_000);
    expect(calls).toHaveLength(1);
    resolve(answer({ status: 'replicated' }));
  });

  it('is gone on with soon where its work is not over', async () => {
    const { scheduler, save, calls, pass, answerWith, found } = site();
    answerWith(() => answer({ status: calls.length < 3 ? 'running' : 'replicated' }));
    await save();
    scheduler.start();
    await pass(0);
    await pass(MINUTE);
    await pass(MINUTE);
    expect(calls).toHaveLength(3);
    await pass(MINUTE);
    expect(calls).toHaveLength(3);
    expect(found()?.last).toBeUndefined();
  });

  it.each<[string, () => ToolResult, string]>([
    ['its error', () => refusal, 'CLUSTER_UNREACHABLE: It does not answer.'],
    [
      'that its tool is switched off',
      () => {
        throw new UnknownToolError('replicate is not switched on');
      },
      'replicate is not switched on',
    ],
  ])('says %s, and is made again at its time', async (_what, work, text) => {
    const { scheduler, save, calls, pass, answerWith, found } = site();
    answerWith(work);
    await save();
    scheduler.start();
    await pass(0);
    expect(found()?.last).toMatchObject({ isOk: false, text });
    await pass(30 * MINUTE);
    expect(calls).toHaveLength(1);
    await pass(30 * MINUTE);
    expect(calls).toHaveLength(2);
  });

  it('takes no more places than four at once, and the rest in turn', async () => {
    const { scheduler, save, calls, pass, answerWith } = site();
    const ends: (() => void)[] = [];
    answerWith(() => new Promise((resolve) => ends.push(() => resolve(answer({ status: 'replicated' })))));
    for (let index = 0; index < 6; index += 1) await save({ name: `web-${index}` });
    scheduler.start();
    await pass(0);
    expect(calls).toHaveLength(4);
    ends[0]?.();
    ends[1]?.();
    await pass(0);
    await pass(0);
    expect(calls).toHaveLength(6);
    for (const end of ends) end();
  });
});

describe('nothing is called', () => {
  it.each<[string, SchedulerOptions['revocations'], RegExp]>([
    ['where the credential was revoked', { isRevoked: () => true }, /jwt:alice\) was revoked/],
    [
      'where that can not be read',
      {
        isRevoked: () => {
          throw new Error('disk');
        },
      },
      /could not be read/,
    ],
  ])('%s, and the schedule says so', async (_what, revocations, text) => {
    const { scheduler, save, calls, pass, found, now } = site({ revocations });
    await save();
    scheduler.start();
    await pass(0);
    expect(calls).toEqual([]);
    expect(found()).toMatchObject({ last: { isOk: false, text: expect.stringMatching(text) } });
    expect(found()?.dueAt).toBeGreaterThan(now());
  });

  it('before it is started, and once it is closed', async () => {
    const { scheduler, save, calls, pass } = site();
    await save();
    await pass(MINUTE);
    expect(calls).toEqual([]);
    await scheduler.close();
    scheduler.start();
    await pass(MINUTE);
    expect(calls).toEqual([]);
  });

  it('keeps no process alive', () => {
    const { scheduler } = site();
    vi.useRealTimers();
    const unref = vi.spyOn(Object.getPrototypeOf(setInterval(() => undefined, 1e6).unref()), 'unref');
    onTestFinished(() => unref.mockRestore());
    scheduler.start();
    expect(unref).toHaveBeenCalledTimes(1);
  });
});

describe('a process that ends', () => {
  it('ends the waiting of what runs, says nothing of it, and the next one goes on at once', async () => {
    const { scheduler, make, save, calls, pass, answerWith, found, now } = site();
    answerWith(untilCancelled);
    const dueAt = now();
    await save();
    scheduler.start();
    await pass(0);
    await scheduler.close();
    expect(found()).toMatchObject({ dueAt });
    expect(found()?.last).toBeUndefined();
    answerWith(() => answer({ status: 'replicated' }));
    const next = make();
    next.start();
    await pass(0);
    expect(calls).toHaveLength(2);
    expect(found()?.dueAt).toBeGreaterThan(now());
    await next.close();
  });

  it('that was killed is followed by another one after its lease alone', async () => {
    const { scheduler, make, save, calls, pass, answerWith } = site();
    answerWith(untilCancelled);
    await save();
    scheduler.start();
    await pass(0);
    // It says nothing any more, as a killed process does.
    vi.clearAllTimers();
    const next = make();
    next.start();
    await pass(10_000);
    expect(calls).toHaveLength(1);
    await pass(15_000);
    expect(calls).toHaveLength(2);
  });
});

it('ends a call that runs once its credential is revoked: what is left of it is not sent', async () => {
  let isRevoked = false;
  const { scheduler, save, answerWith, pass, calls, found } = site({
    revocations: { isRevoked: () => isRevoked },
  });
  answerWith(untilCancelled);
  await save();
  scheduler.start();
  await vi.waitFor(() => expect(calls).toHaveLength(1));
  await pass(5_000);
  expect(calls[0]?.signal.aborted).toBe(false);
  isRevoked = true;
  await pass(5_000);
  expect(calls[0]?.signal.aborted).toBe(true);
  await vi.waitFor(() =>
    expect(found()?.last).toMatchObject({ isOk: false, text: expect.stringContaining('was revoked') }),
  );
});
