import { pino } from 'pino';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { AlertStore } from '../../../../src/access/alerts/store.ts';
import { openState } from '../../../../src/access/state.ts';
import type { Finding } from '../../../../src/clusters/alerts/alert.ts';
import { AlertBoard } from '../../../../src/clusters/alerts/board.ts';
import { AlertDelivery } from '../../../../src/http/alerts/delivery.ts';
import type { PostOutcome } from '../../../../src/http/alerts/webhook.ts';

beforeEach(() => {
  vi.useFakeTimers({ now: Date.parse('2026-11-22T05:00:00Z') });
});
afterEach(() => {
  vi.useRealTimers();
});

const full = (storage: string, severity: 'warning' | 'critical' = 'warning'): Finding => ({
  kind: 'storage_full',
  severity,
  cluster: 'a',
  subject: `storage ${storage}`,
  message: `${storage} is full`,
});

/** A webhook, and processes that share one state. */
function site() {
  const state = openState(undefined);
  const hook = {
    bodies: [] as { alerts: { event: string; id: string }[] }[],
    tries: 0,
    outcome: { status: 204 } as PostOutcome,
  };
  const replica = (holder: string) => {
    const store = new AlertStore(state);
    let isReached = true;
    const reached =
      <Args extends unknown[], T>(work: (...args: Args) => Promise<T>) =>
      async (...args: Args): Promise<T> => {
        if (!isReached) throw new Error('the state does not answer');
        return work(...args);
      };
    const board = new AlertBoard({ clock: Date, redact: (text) => text });
    const delivery = new AlertDelivery({
      board,
      store: {
        lead: reached((...args) => store.lead(...args)),
        release: reached((name) => store.release(name)),
        told: reached(() => store.told()),
        tell: reached((...args) => store.tell(...args)),
      },
      post: async (body) => {
        hook.tries++;
        const isTaken = 'status' in hook.outcome && hook.outcome.status < 300;
        if (isTaken) hook.bodies.push(JSON.parse(body));
        return hook.outcome;
      },
      holder,
      newId: () => 'batch',
      now: Date.now,
      logger: pino({ level: 'silent' }),
    });
    const find = (...findings: Finding[]) => board.take('a', 'storages', { findings });
    const reach = (whether: boolean) => {
      isReached = whether;
    };
    return { board, delivery, find, cutOff: () => reach(false), reconnect: () => reach(true) };
  };
  const told = () =>
    hook.bodies.splice(0).map(({ alerts }) => alerts.map(({ event, id }) => `${event} ${id}`));
  return { replica, hook, told };
}

it('sends what comes together in one batch, each thing once, and its end', async () => {
  const { replica, told } = site();
  const { delivery, find } = replica('one');
  await delivery.start();
  find(full('x'));
  find(full('x'), full('y'));
  await vi.advanceTimersByTimeAsync(2_000);
  expect(told()).toEqual([['raised storage_full:a:storage x', 'raised storage_full:a:storage y']]);
  find(full('x'), full('y', 'critical'));
  await vi.advanceTimersByTimeAsync(120_000);
  expect(told()).toEqual([['changed storage_full:a:storage y']]);
  find(full('y', 'critical'));
  await vi.advanceTimersByTimeAsync(120_000);
  expect(told()).toEqual([['resolved storage_full:a:storage x']]);
  await delivery.close();
});

it('repeats nothing after a restart, and tells of what ended meanwhile', async () => {
  const { replica, told } = site();
  const before = replica('one');
  await before.delivery.start();
  before.find(full('x'), full('y'));
  await vi.advanceTimersByTimeAsync(2_000);
  const since = before.board.active()[0]?.since;
  await before.delivery.close();
  told();
  await vi.advanceTimersByTimeAsync(60_000);
  const after = replica('two');
  await after.delivery.start();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(told()).toEqual([]);
  after.find(full('x'));
  await vi.advanceTimersByTimeAsync(2_000);
  expect(told()).toEqual([['resolved storage_full:a:storage y']]);
  expect(after.board.active()).toMatchObject([{ subject: 'storage x', since }]);
  await after.delivery.close();
});

it('lets one of several send, and another go on once that one is silent', async () => {
  const { replica, told } = site();
  const [one, two] = [replica('one'), replica('two')];
  await one.delivery.start();
  await two.delivery.start();
  for (const { find } of [one, two]) find(full('x'));
  await vi.advanceTimersByTimeAsync(30_000);
  expect(told()).toEqual([['raised storage_full:a:storage x']]);
  one.cutOff();
  two.find();
  await vi.advanceTimersByTimeAsync(90_000);
  expect(told()).toEqual([['resolved storage_full:a:storage x']]);
  await Promise.all([one, two].map(({ delivery }) => delivery.close()));
});

it('tries a few times, rests, and then sends what still holds', async () => {
  const { replica, hook, told } = site();
  const { delivery, find } = replica('one');
  await delivery.start();
  hook.outcome = { problem: 'ECONNREFUSED' };
  find(full('x'), full('y'));
  await vi.advanceTimersByTimeAsync(120_000);
  expect(hook.tries).toBe(4);
  find(full('x'));
  await vi.advanceTimersByTimeAsync(120_000);
  expect(hook.tries).toBe(4);
  hook.outcome = { status: 200 };
  await vi.advanceTimersByTimeAsync(300_000);
  expect(told()).toEqual([['raised storage_full:a:storage x']]);
  await delivery.close();
});

it('does not repeat at once what was refused for good', async () => {
  const { replica, hook } = site();
  const { delivery, find } = replica('one');
  await delivery.start();
  hook.outcome = { status: 302 };
  find(full('x'));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(hook.tries).toBe(1);
  await delivery.close();
});

it('sends nothing while the state can not be used, and everything afterwards', async () => {
  const { replica, hook, told } = site();
  const { delivery, find, cutOff, reconnect } = replica('one');
  await delivery.start();
  await delivery.flush();
  cutOff();
  find(full('x'));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(hook.tries).toBe(0);
  reconnect();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(told()).toEqual([['raised storage_full:a:storage x']]);
  await delivery.close();
});
