import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { GatedCluster } from '../../../src/access/gate.ts';
import { CallError } from '../../../src/proxmox/errors.ts';
import type { Fleet, ToolContext } from '../../../src/tools/define.ts';
import { askFleet, fleetSelection, remarks, someOf, whose, withoutFailed } from '../../../src/tools/fleet.ts';
import { failureOf } from '../../support/engine-fixtures.ts';

const DEADLINE_MS = 10_000;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

function fleetOf(...names: string[]): Fleet {
  const clusters = names.map((name) => ({ name, selectedBy: 'any' }) as GatedCluster);
  return { clusters, isAll: true };
}

function contextOf(signal = new AbortController().signal): ToolContext {
  return { signal } as ToolContext;
}

const later = <T>(ms: number, answer: T): Promise<T> =>
  new Promise((resolve) => setTimeout(() => resolve(answer), ms));
const never = new Promise<never>(() => undefined);
const refused = (cluster: string) =>
  new CallError('CLUSTER_UNREACHABLE', `${cluster} is down.`, { hint: 'Wait.' });
const names = Array.from({ length: 20 }, (_none, index) => `c${String(index).padStart(2, '0')}`);

/** Twenty clusters, of which four are in trouble. */
async function troubled(cluster: GatedCluster): Promise<string> {
  if (cluster.name === 'c03') return never;
  if (cluster.name === 'c07') throw refused('c07');
  if (cluster.name === 'c11')
    throw new CallError('UPSTREAM_AUTH', 'The token is refused.', { hint: 'Renew it.' });
  if (cluster.name === 'c15') throw new TypeError('garbage: secret-canary');
  return later(200, `${cluster.name} answers`);
}

describe('askFleet', () => {
  it('answers with what it has at the deadline, and names who failed and why', async () => {
    const controller = new AbortController();
    const asked = askFleet(fleetOf(...names), contextOf(controller.signal), troubled);
    await vi.advanceTimersByTimeAsync(DEADLINE_MS);
    const { answers, failed } = await asked;
    expect(answers).toHaveLength(16);
    expect(answers[0]).toMatchObject({ cluster: { name: 'c00' }, answer: 'c00 answers' });
    expect(failed).toEqual([
      {
        cluster: 'c03',
        code: 'TIMEOUT',
        message: 'c03 did not answer within 10 s.',
        hint: expect.any(String),
      },
      { cluster: 'c07', code: 'CLUSTER_UNREACHABLE', message: 'c07 is down.', hint: 'Wait.' },
      { cluster: 'c11', code: 'UPSTREAM_AUTH', message: 'The token is refused.', hint: 'Renew it.' },
      {
        cluster: 'c15',
        code: 'INTERNAL',
        message: expect.not.stringContaining('canary'),
        hint: expect.any(String),
      },
    ]);
    expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
  });

  it('takes as long as the slowest healthy cluster, not the sum, where nobody hangs', async () => {
    const done = vi.fn();
    const fleet = fleetOf(...names.filter((name) => name !== 'c03'));
    void askFleet(fleet, contextOf(), troubled).then(done);
    await vi.advanceTimersByTimeAsync(199);
    expect(done).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(done).toHaveBeenCalledOnce();
  });

  it('many dead clusters cost one deadline', async () => {
    const done = vi.fn();
    void askFleet(fleetOf(...names), contextOf(), ({ name }) => (name === 'c00' ? later(1, 1) : never)).then(
      done,
    );
    await vi.advanceTimersByTimeAsync(DEADLINE_MS - 1);
    expect(done).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(done.mock.calls[0]?.[0].failed).toHaveLength(19);
  });

  it('ends what it asked when the deadline passes', async () => {
    const signals: AbortSignal[] = [];
    const asked = askFleet(fleetOf('a', 'b'), contextOf(), ({ name }, signal) => {
      signals.push(signal);
      return name === 'a' ? later(1, 'a') : never;
    });
    await vi.advanceTimersByTimeAsync(DEADLINE_MS);
    await asked;
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
  });

  it('ends all at once when the client cancels, with the reason of that', async () => {
    const controller = new AbortController();
    const signals: AbortSignal[] = [];
    const asked = askFleet(fleetOf(...names), contextOf(controller.signal), (_cluster, signal) => {
      signals.push(signal);
      return never;
    });
    const outcome = expect(asked).rejects.toThrow('cancelled');
    controller.abort(new Error('cancelled'));
    await outcome;
    expect(signals.every(({ aborted }) => aborted)).toBe(true);
    expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
  });

  it('asks nobody where the call is over already', async () => {
    const ask = vi.fn();
    await expect(askFleet(fleetOf('a', 'b'), contextOf(AbortSignal.abort()), ask)).rejects.toThrow();
    expect(ask).not.toHaveBeenCalled();
  });

  it('an ask that throws at once costs its own part alone', async () => {
    const { failed } = await askFleet(fleetOf('a', 'b'), contextOf(), ({ name }) => {
      if (name === 'a') throw refused('a');
      return Promise.resolve(1);
    });
    expect(failed).toMatchObject([{ cluster: 'a', code: 'CLUSTER_UNREACHABLE' }]);
  });

  it('a failure after the deadline is nobody’s unhandled rejection', async () => {
    const unhandled = vi.fn();
    process.on('unhandledRejection', unhandled);
    const asked = askFleet(fleetOf('a', 'b'), contextOf(), ({ name }) =>
      name === 'a' ? later(1, 1) : later(DEADLINE_MS + 5, 0).then(() => Promise.reject(refused('b'))),
    );
    await vi.advanceTimersByTimeAsync(DEADLINE_MS + 10);
    await asked;
    vi.useRealTimers();
    await new Promise((resolve) => setImmediate(resolve));
    vi.useFakeTimers();
    process.off('unhandledRejection', unhandled);
    expect(unhandled).not.toHaveBeenCalled();
  });

  it('a hundred clusters make no warning of leaking listeners', async () => {
    const warned = vi.fn();
    process.on('warning', warned);
    const many = Array.from({ length: 200 }, (_none, index) => `c${index}`);
    const asked = askFleet(fleetOf(...many), contextOf(), () => later(1, 1));
    await vi.advanceTimersByTimeAsync(1);
    expect((await asked).answers).toHaveLength(200);
    vi.useRealTimers();
    await new Promise((resolve) => setImmediate(resolve));
    vi.useFakeTimers();
    process.off('warning', warned);
    expect(warned).not.toHaveBeenCalled();
  });

  it('fails where all failed, by the code that all share', async () => {
    const timeouts = failureOf(askFleet(fleetOf('a', 'b'), contextOf(), () => never));
    await vi.advanceTimersByTimeAsync(DEADLINE_MS);
    expect(await timeouts).toMatchObject({ code: 'TIMEOUT', message: expect.stringMatching(/a: .*b: /) });
    const denied = new CallError('POLICY_DENIED', 'No scope.', { hint: 'Ask.' });
    const all = failureOf(askFleet(fleetOf('a', 'b'), contextOf(), () => Promise.reject(denied)));
    expect(await all).toMatchObject({ code: 'POLICY_DENIED', hint: 'Ask.' });
    const mixed = failureOf(
      askFleet(fleetOf('a', 'b'), contextOf(), ({ name }) =>
        Promise.reject(name === 'a' ? denied : refused('b')),
      ),
    );
    expect(await mixed).toMatchObject({ code: 'CLUSTER_UNREACHABLE' });
  });

  it('a named cluster has no deadline of the fleet, and its error is thrown as it is', async () => {
    const one = { ...fleetOf('a'), isAll: false };
    expect((await askFleet(one, contextOf(), () => Promise.resolve(1))).answers).toHaveLength(1);
    const error = refused('a');
    await expect(askFleet(one, contextOf(), () => Promise.reject(error))).rejects.toBe(error);
  });
});

describe('what an answer says', () => {
  it('names the failed only where all were asked', () => {
    const failure = { cluster: 'b', code: 'TIMEOUT', message: 'm', hint: 'h' } as const;
    expect(fleetSelection(fleetOf('a', 'b'), [])).toEqual({ selected_by: 'all' });
    expect(fleetSelection(fleetOf('a', 'b'), [failure])).toEqual({ selected_by: 'all', failed: [failure] });
    expect(withoutFailed([failure])).toBe(' Without b (TIMEOUT).');
    expect(withoutFailed([])).toBe('');
    expect(remarks({ failed: [failure], note: 'Look again.' })).toBe(' Without b (TIMEOUT). Look again.');
    expect(remarks({ note: 'Look again.' })).toBe(' Look again.');
    expect(remarks({})).toBe('');
  });

  it('is about the one cluster, or so many', () => {
    expect(whose({ cluster: 'a', clusters: [] })).toBe('a');
    expect(whose({ clusters: ['a', 'b'] })).toBe('2 clusters');
    expect(whose({ clusters: ['a'] })).toBe('1 cluster');
  });

  it('a sentence holds ten of a long list', () => {
    expect(someOf(names)).toMatch(/^c00, .*c09 and 10 more$/);
    expect(someOf(['a'])).toBe('a');
  });
});
