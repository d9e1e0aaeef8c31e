import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { ReplicaBus } from '../../src/replicas/bus.ts';
import { QuickRedis } from '../../src/replicas/quick-redis.ts';
import { connectRedis, type SharedRedis } from '../../src/replicas/redis.ts';
import { ReplicaRegistry } from '../../src/replicas/registry.ts';
import { SharedCounts } from '../../src/replicas/shared-counts.ts';
import { NO_REDIS, type RedisServer, startRedis } from '../support/redis.ts';
import { up } from '../support/replica-site.ts';

const logger = pino({ level: 'silent' });
let server: RedisServer;

async function connected(): Promise<SharedRedis> {
  const redis = connectRedis(server.url, logger);
  onTestFinished(() => redis.close());
  await up(redis);
  return redis;
}

describe.skipIf(NO_REDIS)(`what replicas share in Redis${NO_REDIS ? `: ${NO_REDIS}` : ''}`, () => {
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.close());

  describe('counts', () => {
    it('are of all replicas, by group, and end with their window', async () => {
      const [one, other] = [await connected(), await connected()];
      const a = new SharedCounts(new QuickRedis(one), 'a', 10);
      const b = new SharedCounts(new QuickRedis(other), 'a', 10);
      const apart = new SharedCounts(new QuickRedis(other), 'b', 10);
      expect((await a.count('key', 60_000)).current).toBe(1);
      expect((await b.count('key', 60_000)).current).toBe(2);
      expect((await apart.count('key', 60_000)).current).toBe(1);
      const { ttl } = await a.count('key', 60_000);
      expect(ttl).toBeGreaterThan(50_000);
      expect(ttl).toBeLessThanOrEqual(60_000);
    });

    it('name nobody', async () => {
      const redis = await connected();
      await new SharedCounts(new QuickRedis(redis), 'c', 10).count('203.0.113.77', 60_000);
      const keys = await redis.client.keys('*');
      expect(keys.some((key) => key.includes('count:c:'))).toBe(true);
      expect(keys.join()).not.toContain('203.0.113.77');
    });

    it('are those of one replica while Redis is away, with what it counted before', async () => {
      const redis = await connected();
      const time = { ms: 0 };
      const counts = new SharedCounts(new QuickRedis(redis), 'd', 2, () => time.ms);
      await counts.count('key', 60_000);
      redis.close();
      await vi.waitFor(() => expect(redis.isUp()).toBe(false));
      expect(await counts.count('key', 60_000)).toEqual({ current: 2, ttl: 60_000 });
      time.ms = 60_001;
      expect((await counts.count('key', 60_000)).current).toBe(1);
      // Beyond its memory it forgets the one that was counted longest ago.
      await counts.count('b', 60_000);
      await counts.count('c', 60_000);
      expect((await counts.count('key', 60_000)).current).toBe(1);
    });

    it('keep nobody waiting for a Redis that is silent, and ask it seldom', async () => {
      const redis = await connected();
      const time = { ms: 0 };
      const quick = new QuickRedis(redis, { patienceMs: 30, clock: () => time.ms });
      server.pause();
      try {
        let asked = 0;
        const ask = () =>
          quick.ask((client) => {
            asked += 1;
            return client.ping();
          });
        expect(await ask()).toBeUndefined();
        expect(await ask()).toBeUndefined();
        expect(asked).toBe(1);
        time.ms = 1001;
        expect(await ask()).toBeUndefined();
        expect(asked).toBe(2);
      } finally {
        server.resume();
      }
    });
  });

  describe('the list of replicas', () => {
    const registryOf = (redis: SharedRedis, livesMs?: number) =>
      new ReplicaRegistry({ redis, logger, beatMs: 60_000, ...(livesMs ? { livesMs } : {}) });

    it('knows who lives, at once, and who has left', async () => {
      const [a, b] = [registryOf(await connected(), 1), registryOf(await connected())];
      await a.join('http://10.0.0.1:8000');
      // Its sign of life was good for a millisecond.
      await new Promise((passed) => setTimeout(passed, 20));
      expect(await b.find(a.name)).toBeUndefined();
      await b.join('https://10.0.0.2:8000', 'AA:BB');
      expect(await a.find(b.name)).toEqual({
        name: b.name,
        url: 'https://10.0.0.2:8000',
        key: b.key,
        fingerprint: 'AA:BB',
      });
      await b.join('https://10.0.0.2:8000', 'CC:DD');
      const c = registryOf(await connected());
      expect((await c.find(b.name))?.fingerprint).toBe('CC:DD');
      await b.leave();
      expect(await registryOf(await connected()).find(b.name)).toBeUndefined();
      expect(await b.find(b.name)).toBeUndefined();
    });

    it('takes nothing that no replica has written', async () => {
      const redis = await connected();
      const score = Date.now() + 60_000;
      for (const member of [
        'x',
        '{"name":"abcdefabcdef"}',
        '{"name":"abcdefabcdef","url":"file:///x","key":"x"}',
      ])
        await redis.client.zadd(redis.key('replicas'), score, member);
      expect(await registryOf(redis).find('abcdefabcdef')).toBeUndefined();
      expect(await registryOf(redis).find('../../..')).toBeUndefined();
    });
  });

  it('the bus tells the others, and not the one that speaks', async () => {
    const redis = [await connected(), await connected()] as const;
    const [a, b] = [new ReplicaBus(redis[0]), new ReplicaBus(redis[1])];
    const heard: string[] = [];
    a.on('reload', () => heard.push('a'));
    b.on('reload', (text) => heard.push(`b ${text}`));
    await vi.waitFor(async () => {
      await a.tell('reload', 'now');
      expect(heard).toContain('b now');
    });
    await redis[0].client.publish(redis[0].key('bus'), 'nonsense');
    await redis[0].client.publish(redis[0].key('bus'), '{"topic":7}');
    expect(heard).not.toContain('a');
  });
});
