import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { ClusterHealth } from '../../../src/clusters/cluster.ts';
import { HealthProbes } from '../../../src/clusters/health-probes.ts';
import { SharedAnswer } from '../../../src/clusters/shared-answer.ts';
import type { EndpointState } from '../../../src/proxmox/endpoint-state.ts';
import { CallError } from '../../../src/proxmox/errors.ts';

const VERSION = { version: '9.2.11', release: '9.2' };

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** Probes over endpoints that answer what the test says. */
function probing(names: string[] = ['a:8006'], random = () => 0.5) {
  const asked: { endpoint: string; at: number; deadlineMs: number; signal: AbortSignal }[] = [];
  const lines: Record<string, unknown>[] = [];
  const answers = new Map<string, () => Promise<unknown>>();
  const states = new Map<string, EndpointState>(
    names.map((endpoint) => [endpoint, { endpoint, answers: undefined, breakerOpen: false, latencyMs: 7 }]),
  );
  const health = new SharedAnswer<ClusterHealth>(
    () => {
      throw new Error('probes ask the endpoints, not the cluster');
    },
    60_000,
    Date,
  );
  const startedAt = Date.now();
  const sut = new HealthProbes({
    endpoints: () => [...states.values()],
    probe: (endpoint, { signal, deadlineMs }) => {
      asked.push({ endpoint, at: Date.now() - startedAt, deadlineMs, signal });
      return answers.get(endpoint)?.() ?? Promise.resolve(VERSION);
    },
    health,
    clock: Date,
    random,
    logger: pino({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line)) }),
  });
  const fail = (endpoint: string, code: 'CLUSTER_UNREACHABLE' | 'UPSTREAM_AUTH' | 'RATE_LIMITED') =>
    answers.set(endpoint, () => {
      states.set(endpoint, { endpoint, answers: false, problem: 'is down', breakerOpen: false });
      return Promise.reject(new CallError(code, `${endpoint}: ${code}`, { hint: 'h' }));
    });
  const recover = (endpoint: string) => answers.delete(endpoint);
  return { sut, asked, health, lines, answers, fail, recover };
}

const FIRST = 5_000;
const NEXT = 20_000;

describe('HealthProbes', () => {
  test('asks nothing before it is started, and nothing at the moment of it', async () => {
    const { sut, asked } = probing();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked).toEqual([]);
    sut.start();
    await vi.advanceTimersByTimeAsync(3_900);
    expect(asked).toEqual([]);
  });

  test.each([
    [0, 4_000, 16_000],
    [0.5, 5_000, 20_000],
    [0.999999, 6_000, 24_000],
  ])('with random %d comes first after %d ms, then every %d ms', async (random, first, next) => {
    const { sut, asked } = probing(['a:8006'], () => random);
    sut.start();
    await vi.advanceTimersByTimeAsync(first + 2 * next + 10);
    expect(asked.map(({ at }) => Math.round(at / 100) * 100)).toEqual([
      first,
      first + next,
      first + 2 * next,
    ]);
    sut.stop();
  });

  test('asks every endpoint with the bound of a probe, and starting twice is starting once', async () => {
    const { sut, asked } = probing(['a:8006', 'b:8006']);
    sut.start();
    sut.start();
    await vi.advanceTimersByTimeAsync(FIRST + NEXT);
    expect(asked.map(({ endpoint }) => endpoint)).toEqual(['a:8006', 'b:8006', 'a:8006', 'b:8006']);
    expect(asked.every(({ deadlineMs }) => deadlineMs === 5_000)).toBe(true);
    sut.stop();
  });

  test('one that takes long is not asked again meanwhile', async () => {
    const { sut, asked, answers } = probing();
    const slow = Promise.withResolvers<unknown>();
    answers.set('a:8006', () => slow.promise);
    sut.start();
    await vi.advanceTimersByTimeAsync(200_000);
    expect(asked).toHaveLength(1);
    slow.resolve(VERSION);
    await vi.advanceTimersByTimeAsync(NEXT);
    expect(asked).toHaveLength(2);
    sut.stop();
  });

  test('keeps what it found, with the latency of the probe', async () => {
    const { sut, health } = probing();
    sut.start();
    await vi.advanceTimersByTimeAsync(FIRST);
    expect(health.peek()).toEqual({
      reachable: true,
      version: '9.2.11',
      release: '9.2',
      latencyMs: 7,
      checkedAt: Date.now(),
    });
    sut.stop();
  });

  test('stopping gives up the probe under way, leaves no timer, and its outcome is nobody’s', async () => {
    const { sut, asked, answers, health } = probing(['a:8006', 'b:8006']);
    const slow = Promise.withResolvers<unknown>();
    answers.set('a:8006', () => slow.promise);
    answers.set('b:8006', () => slow.promise);
    sut.start();
    await vi.advanceTimersByTimeAsync(FIRST);
    expect(asked.map(({ signal }) => signal.aborted)).toEqual([false, false]);
    sut.stop();
    expect(asked.map(({ signal }) => signal.aborted)).toEqual([true, true]);
    slow.reject(new CallError('CLUSTER_UNREACHABLE', 'closing', { hint: 'h' }));
    await vi.advanceTimersByTimeAsync(200_000);
    expect(vi.getTimerCount()).toBe(0);
    expect(asked).toHaveLength(2);
    expect(health.peek()).toBeUndefined();
    expect(sut.isRunning).toBe(false);
    sut.start();
    expect([sut.isRunning, vi.getTimerCount()]).toEqual([false, 0]);
  });

  test('while one endpoint answers the cluster does', async () => {
    const { sut, health, fail, lines } = probing(['a:8006', 'b:8006']);
    fail('a:8006', 'CLUSTER_UNREACHABLE');
    sut.start();
    await vi.advanceTimersByTimeAsync(FIRST + NEXT);
    expect(health.peek()).toMatchObject({ reachable: true });
    expect(lines.map(({ msg, endpoint, problem }) => [msg, endpoint, problem])).toEqual([
      ['endpoint does not answer', 'a:8006', 'is down'],
    ]);
    sut.stop();
  });

  test('says of every endpoint why, once no one answers; logs changes alone', async () => {
    const { sut, health, fail, recover, lines } = probing(['a:8006', 'b:8006']);
    sut.start();
    await vi.advanceTimersByTimeAsync(FIRST + NEXT);
    expect(lines).toEqual([]);
    fail('a:8006', 'CLUSTER_UNREACHABLE');
    fail('b:8006', 'CLUSTER_UNREACHABLE');
    await vi.advanceTimersByTimeAsync(5 * NEXT);
    expect(health.peek()).toMatchObject({
      reachable: false,
      code: 'CLUSTER_UNREACHABLE',
      message: "The cluster can't be reached: a:8006 is down; b:8006 is down.",
    });
    recover('b:8006');
    await vi.advanceTimersByTimeAsync(2 * NEXT);
    expect(health.peek()).toMatchObject({ reachable: true });
    expect(lines.map(({ msg }) => msg)).toEqual([
      'endpoint does not answer',
      'endpoint does not answer',
      'cluster does not answer any more',
      'endpoint answers again',
      'cluster answers again',
    ]);
    sut.stop();
  });

  test('refused credentials say more than an endpoint that is down beside it', async () => {
    const { sut, health, fail } = probing(['a:8006', 'b:8006']);
    fail('a:8006', 'UPSTREAM_AUTH');
    fail('b:8006', 'CLUSTER_UNREACHABLE');
    sut.start();
    await vi.advanceTimersByTimeAsync(FIRST);
    expect(health.peek()).toMatchObject({ reachable: false, code: 'UPSTREAM_AUTH' });
    sut.stop();
  });

  test('what was known at the start is not news', async () => {
    const { sut, health, fail, lines } = probing();
    health.set({ reachable: false, code: 'CLUSTER_UNREACHABLE', message: 'down', checkedAt: 0 });
    fail('a:8006', 'CLUSTER_UNREACHABLE');
    sut.start();
    await vi.advanceTimersByTimeAsync(FIRST + 3 * NEXT);
    expect(lines).toEqual([]);
    sut.stop();
  });

  test('a limit on calls says nothing of the cluster', async () => {
    const { sut, health, fail } = probing();
    fail('a:8006', 'RATE_LIMITED');
    sut.start();
    await vi.advanceTimersByTimeAsync(FIRST + NEXT);
    expect(health.peek()).toBeUndefined();
    sut.stop();
  });
});
