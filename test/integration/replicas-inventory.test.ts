import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { InventoryCache } from '../../src/clusters/inventory-cache.ts';
import { QuickRedis } from '../../src/replicas/quick-redis.ts';
import { connectRedis } from '../../src/replicas/redis.ts';
import { SharedAnswers } from '../../src/replicas/shared-answers.ts';
import { NO_REDIS, type RedisServer, startRedis } from '../support/redis.ts';
import { up } from '../support/replica-site.ts';

const logger = pino({ level: 'silent' });

/** A cluster that both replicas ask, and what each has asked. */
function estate() {
  const state = { status: 'running', asked: [] as string[], answer: async () => undefined as unknown };
  const rows = () => [{ id: 'qemu/100', type: 'qemu', vmid: 100, node: 'n1', status: state.status }];
  return { state, rows };
}

let server: RedisServer;
let names = 0;

async function site() {
  const { state, rows } = estate();
  const name = `cluster ${++names}`;
  const replica = async (who: string) => {
    const redis = connectRedis(server.url, logger);
    onTestFinished(() => redis.close());
    await up(redis);
    const cache = new InventoryCache({
      cluster: 'one',
      send: async () => {
        state.asked.push(who);
        const data = rows();
        await state.answer();
        return { data, endpoint: 'n1:8006' };
      },
      permissions: async () => ({}),
      shared: new SharedAnswers(new QuickRedis(redis)).of(name),
      clock: Date,
      logger,
    });
    const status = async (fresh = false) => (await cache.get({ fresh })).guests[0]?.status;
    return { cache, redis, status };
  };
  return { state, a: await replica('a'), b: await replica('b'), replica };
}

describe.skipIf(NO_REDIS)(`the inventory of several replicas${NO_REDIS ? `: ${NO_REDIS}` : ''}`, () => {
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.close());

  it('is asked for once, also where all ask at once, and says how old it is', async () => {
    const { state, a, b } = await site();
    let answer: () => void = () => undefined;
    state.answer = () => new Promise<void>((resolve) => (answer = () => resolve()));
    const first = a.cache.get();
    await vi.waitFor(() => expect(state.asked).toEqual(['a']));
    const second = b.cache.get();
    await new Promise((passed) => setTimeout(passed, 120));
    answer();
    const [ofA, ofB] = await Promise.all([first, second]);
    expect(ofB.guests).toEqual(ofA.guests);
    expect(ofB.asOf).toBeLessThanOrEqual(Date.now() - 100);
    await b.status();
    await a.status();
    expect(state.asked).toEqual(['a']);
  });

  it('is asked anew after a write of any of them, and never answered from before it', async () => {
    const { state, a, b } = await site();
    expect([await a.status(), await b.status()]).toEqual(['running', 'running']);
    state.status = 'stopped';
    await a.cache.changed();
    expect(await b.status()).toBe('stopped');
    expect(await a.status()).toBe('stopped');
    expect(state.asked).toEqual(['a', 'b']);
  });

  it('gives nobody an answer to a question that was begun before a write', async () => {
    const { state, a, b } = await site();
    await a.status();
    await b.status();
    await a.cache.changed();
    let answer: () => void = () => undefined;
    state.answer = () => new Promise<void>((resolve) => (answer = () => resolve()));
    const early = b.status();
    await vi.waitFor(() => expect(state.asked).toEqual(['a', 'b']));
    state.answer = async () => undefined;
    state.status = 'stopped';
    await a.cache.changed();
    answer();
    // Whoever asked before the write may see what was before it; the others must not.
    expect(await early).toBe('running');
    expect([await a.status(), await b.status()]).toEqual(['stopped', 'stopped']);
  });

  it('is asked of the cluster where it has to be fresh', async () => {
    const { state, a, b } = await site();
    await a.status();
    state.status = 'stopped';
    expect(await b.status(true)).toBe('stopped');
    expect(state.asked).toEqual(['a', 'b']);
  });

  it('is asked by each where the one that asks fails', async () => {
    const { state, a, b } = await site();
    state.answer = async () => {
      throw new Error('broken');
    };
    await expect(a.status()).rejects.toThrow('broken');
    state.answer = async () => undefined;
    expect(await b.status()).toBe('running');
  });

  it('is asked by each while Redis is away, and no change is missed once it is back', async () => {
    const { state, a, b } = await site();
    await Promise.all([a.status(), b.status()]);
    await server.stop();
    await vi.waitFor(() => expect([a.redis.isUp(), b.redis.isUp()]).toEqual([false, false]));
    state.asked.length = 0;
    expect([await a.status(), await b.status()]).toEqual(['running', 'running']);
    expect(state.asked).toEqual(['a', 'b']);
    state.status = 'stopped';
    await a.cache.changed();
    expect(await b.status()).toBe('stopped');
    await server.restart({ keepData: false });
    await vi.waitFor(() => expect([a.redis.isUp(), b.redis.isUp()]).toEqual([true, true]), 5000);
    state.status = 'paused';
    await a.cache.changed();
    expect([await b.status(), await a.status()]).toEqual(['paused', 'paused']);
  });

  it('keeps nobody waiting for a Redis that is silent', async () => {
    const { a, b } = await site();
    await Promise.all([a.status(), b.status()]);
    server.pause();
    try {
      expect([await a.status(), await b.status()]).toEqual(['running', 'running']);
    } finally {
      server.resume();
    }
  });
});
