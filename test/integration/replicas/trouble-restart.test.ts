import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import pino from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { Revocations } from '../../../src/access/revocations.ts';
import { SharedCallRate } from '../../../src/access/shared-call-rate.ts';
import { openSharedState, type SharedStateOptions } from '../../../src/access/shared-state.ts';
import type { State } from '../../../src/access/state.ts';
import { ReplicaBus } from '../../../src/replicas/bus.ts';
import { RedisChangeLog } from '../../../src/replicas/change-log.ts';
import { QuickRedis } from '../../../src/replicas/quick-redis.ts';
import { connectRedis } from '../../../src/replicas/redis.ts';
import { ReplicaRegistry } from '../../../src/replicas/registry.ts';
import { SharedAnswers } from '../../../src/replicas/shared-answers.ts';
import { SharedCounts } from '../../../src/replicas/shared-counts.ts';
import { NO_REDIS, type RedisServer, startRedis } from '../../support/redis.ts';
import { up } from '../../support/replica-site.ts';

/** Of processes that share few cores with others. */
vi.setConfig({ testTimeout: 60_000 });

let server: RedisServer | undefined;

beforeAll(async () => {
  if (NO_REDIS === undefined) server = await startRedis();
});
beforeEach(({ skip }) => skip(NO_REDIS !== undefined, NO_REDIS));
afterAll(() => server?.close());

function redis(): RedisServer {
  if (server === undefined) throw new Error('redis was not started');
  return server;
}

async function replica(url: string, options: Partial<SharedStateOptions> = {}) {
  const lines: string[] = [];
  const logger = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) });
  const connection = connectRedis(url, logger);
  const log = new RedisChangeLog(connection);
  const state = await openSharedState({ log, logger, settleMs: 300, ...options });
  onTestFinished(async () => {
    await state.close();
    connection.close();
  });
  return { state, connection, lines, revocations: new Revocations(state) };
}

function revoked({ database }: State): number {
  return Number(database.prepare('SELECT count(*) AS n FROM revocations').get()?.n);
}

/** A way to Redis that can lose its connections without a word to either end, as a router that forgets them. */
async function way() {
  const pairs: [Socket, Socket][] = [];
  const front = createServer((client) => {
    const back = connect({ port: redis().port, host: '127.0.0.1' });
    pairs.push([client, back]);
    for (const socket of [client, back]) socket.on('error', () => undefined);
    client.pipe(back);
    back.pipe(client);
  }).listen(0, '127.0.0.1');
  await once(front, 'listening');
  onTestFinished(() => {
    front.close();
    for (const socket of pairs.flat()) socket.destroy();
  });
  const url = new URL(redis().url);
  url.port = String((front.address() as AddressInfo).port);
  const forget = () => {
    for (const socket of pairs.flat()) socket.unpipe().resume();
  };
  return { url: url.href, forget };
}

describe('a replica', () => {
  it('makes new connections where the old ones say nothing more', async () => {
    const { url, forget } = await way();
    const [through, direct] = [await replica(url), await replica(redis().url)];
    forget();
    await vi.waitFor(() => expect(through.state.isHealthy()).toBe(false), { timeout: 5_000 });
    await direct.revocations.revoke({ credential: 'meanwhile' });
    const knows = () =>
      expect(through.revocations.isRevoked({ credential: 'meanwhile', subject: 'x' })).toBe(true);
    await vi.waitFor(knows, { timeout: 12_000 });
    await vi.waitFor(() => expect(through.state.isHealthy()).toBe(true), { timeout: 5_000 });
  });

  it('says that Redis is full, shows nothing of what it wrote, and goes on once there is room', async () => {
    const one = await replica(redis().url);
    const { client } = one.connection;
    await one.state.write(() =>
      one.state.database.exec("INSERT INTO approval_key VALUES (1, CAST('canary-signing-key' AS BLOB))"),
    );
    await client.config('SET', 'maxmemory', '1mb');
    await client.config('SET', 'maxmemory-policy', 'noeviction');
    try {
      const filler = Buffer.alloc(1024 * 1024);
      await client.set('filler', filler).catch(() => undefined);
      await expect(one.revocations.revoke({ credential: 'x' })).rejects.toMatchObject({ code: 'INTERNAL' });
      expect(one.state.isHealthy()).toBe(false);
      expect(one.lines.join('')).toContain('OOM');
    } finally {
      await client.config('SET', 'maxmemory', '0');
      await client.del('filler');
    }
    await vi.waitFor(() => expect(one.state.isHealthy()).toBe(true), { timeout: 5_000 });
    await one.revocations.revoke({ credential: 'y' });
    const shown = one.lines.join('');
    for (const form of ['utf8', 'hex', 'base64'] as const)
      expect(shown).not.toContain(Buffer.from('canary-signing-key').toString(form));
    expect(shown).not.toContain([...Buffer.from('canary-signing')].join(','));
  });

  it('keeps a snapshot each 1,000 entries, gives up what it stands for, and a later one reads both', async () => {
    const [a, behind] = [await replica(redis().url), await replica(redis().url)];
    const { client, key } = a.connection;
    const positionOf = async (part: string) => Number(await client.hget(key(`{state}:${part}`), 'position'));
    const first = await positionOf('head');
    const before = revoked(a.state);
    const wanted = 1_250;
    for (let index = 0; index < wanted; index += 1) await a.revocations.revoke({ credential: `n-${index}` });
    expect(await positionOf('head')).toBe(first + wanted);
    await vi.waitFor(async () => expect((await positionOf('snapshot')) % 1_000).toBe(0));
    const kept = await positionOf('snapshot');
    expect(kept).toBeGreaterThan(first);
    expect(await client.xlen(key('{state}:log'))).toBe(first + wanted - kept + 201);
    await behind.state.refresh();
    const late = await replica(redis().url);
    expect([revoked(behind.state), revoked(late.state)]).toEqual([before + wanted, before + wanted]);
  });

  it.each([
    ['no gzip', Buffer.from('[1]')],
    ['no JSON', gzipSync('{')],
    ['gzip that unpacks to more than there is room for', gzipSync(`[${' '.repeat(65 * 1024 * 1024)}]`)],
  ])('takes no answer over that is %s', async (_, data) => {
    const connection = connectRedis(redis().url, pino({ level: 'silent' }));
    onTestFinished(() => connection.close());
    await up(connection);
    const { client } = connection;
    const answers = new SharedAnswers(new QuickRedis(connection));
    const answer = answers.of('poisoned');
    await answer.store((await answer.look(0))?.stamp ?? '', [1], 0);
    expect((await answer.look(60_000))?.copy?.data).toEqual([1]);
    const [copy = ''] = await client.keys('*answer:*:copy');
    await client.hset(copy, 'data', data);
    expect(await answer.look(60_000)).toMatchObject({ found: 'none' });
    await client.del(copy);
  });

  it('needs no more of Redis than docs/replicas.md grants', async () => {
    const docs = readFileSync(new URL('../../../docs/replicas.md', import.meta.url), 'utf8');
    const [, rule] = /ACL SETUSER (proxmox-mcp .*)/.exec(docs) ?? [];
    if (rule === undefined) throw new Error('the documentation has a rule');
    const admin = connectRedis(redis().url, pino({ level: 'silent' }));
    onTestFinished(() => admin.close());
    await up(admin);
    await admin.client.call('ACL', 'SETUSER', ...rule.replace('>password', '>acl-canary').split(' '));
    const url = new URL(redis().url);
    [url.username, url.password] = ['proxmox-mcp', 'acl-canary'];
    const [one, other] = [await replica(url.href), await replica(url.href)];
    await one.revocations.revoke({ credential: 'by the rule' });
    await other.state.refresh();
    const quick = new QuickRedis(one.connection);
    const ask = vi.spyOn(quick, 'ask');
    const answer = new SharedAnswers(quick).of('x');
    const looked = await answer.look(1000);
    expect(looked?.found).toBe('ask');
    await answer.store(looked?.stamp ?? '', [1], 0);
    expect((await answer.look(1000))?.copy?.data).toEqual([1]);
    await answer.changed();
    await answer.release();
    await new SharedCounts(quick, 'g', 10).count('k', 1000);
    await new SharedCallRate(quick).take('p', 10);
    const results = await Promise.all(ask.mock.results.map(({ value }) => value));
    expect(results.filter((result) => result === undefined)).toEqual([]);
    const registry = new ReplicaRegistry({ redis: one.connection, logger: pino({ level: 'silent' }) });
    const second = new ReplicaRegistry({ redis: other.connection, logger: pino({ level: 'silent' }) });
    await registry.join('http://127.0.0.1:1');
    expect((await second.find(registry.name))?.url).toBe('http://127.0.0.1:1');
    await registry.leave();
    const heard = vi.fn();
    new ReplicaBus(other.connection).on('t', heard);
    const bus = new ReplicaBus(one.connection);
    await vi.waitFor(async () => {
      await bus.tell('t');
      expect(heard).toHaveBeenCalled();
    });
    // And what others keep in the same Redis is none of its business.
    await expect(one.connection.client.get('filler')).rejects.toThrow('NOPERM');
    await expect(one.connection.client.call('CONFIG', 'GET', '*')).rejects.toThrow('NOPERM');
    await expect(one.connection.client.flushall()).rejects.toThrow('NOPERM');
  });
});
