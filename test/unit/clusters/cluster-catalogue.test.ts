import { pino } from 'pino';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { FetchedText } from '../../../src/catalogue/load.ts';
import type { ClusterHealth } from '../../../src/clusters/cluster.ts';
import { ClusterCatalogue, type ClusterCatalogueDeps } from '../../../src/clusters/cluster-catalogue.ts';
import { CallError } from '../../../src/proxmox/errors.ts';
import { catalogueOf, node, taking } from '../catalogue/schemas.ts';

const BUILT_IN = catalogueOf(node('/built-in', { GET: taking({}) }));
const DOWN: ClusterHealth = { reachable: false, code: 'TIMEOUT', message: 'no', checkedAt: 0 };

function apidoc(path: string): string {
  return `const apiSchema = ${JSON.stringify([node(path, { GET: taking({}) })])}\n;`;
}

function start(changes: Partial<ClusterCatalogueDeps> = {}) {
  const lines: string[] = [];
  const state = {
    now: 1_000_000,
    version: '9.2.11' as string | undefined,
    asked: 0,
    fetched: 0,
    answer: async (): Promise<FetchedText> => ({ status: 200, text: apidoc('/one') }),
  };
  const sut = new ClusterCatalogue({
    health: async () => {
      state.asked++;
      if (state.version === undefined) return DOWN;
      return { reachable: true, version: state.version, release: '', latencyMs: 1, checkedAt: 0 };
    },
    fetchText: async () => {
      state.fetched++;
      return state.answer();
    },
    directory: async () => undefined,
    builtIn: () => BUILT_IN,
    logger: pino({ level: 'trace' }, { write: (line: string) => void lines.push(JSON.parse(line).msg) }),
    clock: { now: () => state.now },
    ...changes,
  });
  onTestFinished(() => sut.close());
  return { sut, state, lines };
}

const pathsOf = async (sut: ClusterCatalogue) => (await sut.get()).methods.map(({ path }) => path);

describe('ClusterCatalogue', () => {
  test('gives the cluster’s own schema to the first callers, loaded once', async () => {
    const { sut, state, lines } = start();
    const all = await Promise.all([sut.get(), sut.get(), sut.get()]);
    expect(new Set(all).size).toBe(1);
    expect(all[0]).toMatchObject({ source: 'cluster', version: '9.2.11' });
    expect([state.asked, state.fetched]).toEqual([1, 1]);
    expect(lines).toEqual([]);
  });

  test('waits with patience and no longer; later callers not at all', async () => {
    const { promise, resolve } = Promise.withResolvers<FetchedText>();
    const { sut, state } = start({ patienceMs: 50 });
    state.answer = () => promise;
    const startedAt = performance.now();
    expect(await sut.get()).toBe(BUILT_IN);
    expect(performance.now() - startedAt).toBeGreaterThan(45);
    const again = performance.now();
    expect(await sut.get()).toBe(BUILT_IN);
    expect(performance.now() - again).toBeLessThan(20);
    resolve({ status: 200, text: apidoc('/late') });
    await vi.waitFor(async () => expect(await pathsOf(sut)).toEqual(['/late']));
    expect(state.fetched).toBe(1);
  });

  test('asks for the version only now and then, and fetches the schema of a new one in the background', async () => {
    const { sut, state } = start();
    await sut.get();
    state.version = '9.3.1';
    state.answer = async () => ({ status: 200, text: apidoc('/newer') });
    state.now += 29_999;
    await sut.get();
    expect(state.asked).toBe(1);
    state.now += 1;
    expect(await pathsOf(sut)).toEqual(['/one']);
    await vi.waitFor(async () => expect(await pathsOf(sut)).toEqual(['/newer']));
    expect([state.asked, state.fetched]).toEqual([2, 2]);
  });

  test('a cluster that is down: the built-in one, said once, and the own one when it is back', async () => {
    const { sut, state, lines } = start();
    state.version = undefined;
    for (let count = 0; count < 5; count++) {
      expect(await sut.get()).toBe(BUILT_IN);
      state.now += 30_000;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(state.asked).toBeGreaterThan(2);
    expect(lines).toEqual(['no API schema, as the cluster does not answer (TIMEOUT)']);
    state.version = '9.2.11';
    await vi.waitFor(async () => expect(await pathsOf(sut)).toEqual(['/one']));
  });

  test('a schema that can’t be had is said once per cause, and asked for again by the loader', async () => {
    const { sut, state, lines } = start();
    state.answer = () => Promise.reject(new CallError('UPSTREAM_ERROR', 'no', { hint: '' }));
    const later = async (ms: number) => {
      state.now += ms;
      await sut.get();
      await new Promise((resolve) => setTimeout(resolve, 5));
    };
    await sut.get();
    await later(30_000);
    expect(state.fetched).toBe(1);
    await later(300_000);
    await later(300_000);
    expect(state.fetched).toBe(3);
    expect(lines).toHaveLength(1);
    state.answer = async () => ({ status: 404, text: '' });
    await later(300_000);
    expect(lines).toEqual([
      'no API schema of version 9.2.11 from the host',
      'no API schema of version 9.2.11 from the host',
    ]);
    state.answer = async () => ({ status: 200, text: apidoc('/one') });
    await later(300_000);
    expect(await pathsOf(sut)).toEqual(['/one']);
  });

  test('nothing but the caller’s own abort is thrown', async () => {
    const { sut } = start({
      health: () => Promise.reject(new Error('broken')),
      directory: () => Promise.reject(new Error('broken')),
    });
    await expect(sut.get(AbortSignal.abort('mine'))).rejects.toBe('mine');
    expect(await sut.get()).toBe(BUILT_IN);
  });

  test('an abort ends one caller’s waiting, not the load', async () => {
    const { promise, resolve } = Promise.withResolvers<FetchedText>();
    const { sut, state } = start();
    state.answer = () => promise;
    const caller = new AbortController();
    const [gone, stays] = [sut.get(caller.signal), sut.get()];
    caller.abort();
    await expect(gone).rejects.toBe(caller.signal.reason);
    resolve({ status: 200, text: apidoc('/one') });
    expect((await stays).source).toBe('cluster');
  });

  test('closing ends waiting, flights and timers', async () => {
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const before = timers();
    const { sut, state } = start({ fetchText: (_path, { signal }) => untilAborted(signal) });
    const waiting = sut.get();
    await vi.waitFor(() => expect(state.asked).toBe(1));
    await sut.close();
    expect(await waiting).toBe(BUILT_IN);
    expect(await sut.get()).toBe(BUILT_IN);
    expect(timers()).toBeLessThanOrEqual(before);
  });
});

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
