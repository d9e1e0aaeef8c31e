import { describe, expect, it } from 'vitest';
import { Environment } from '../../../src/config/environment.ts';
import type { ConfigProblem } from '../../../src/config/problems.ts';
import { readRedisUrl } from '../../../src/config/redis-url.ts';
import { derivedReplicaUrl, readReplicaUrl } from '../../../src/config/replica-url.ts';

const REDIS = { REDIS_URL: 'redis://:redis-url-canary@redis:6379/2' };

function read(env: Record<string, string>, host = '127.0.0.1', addresses: string[] = []) {
  const problems: ConfigProblem[] = [];
  const url = readReplicaUrl(new Environment(env, undefined, problems), { host }, () => addresses);
  return { url, problems };
}

describe('MCP_REPLICA_URL', () => {
  it.each(['http://10.0.0.7:8000', 'https://mcp-1.internal', 'http://[fd00::7]:8000/'])(
    'takes %s',
    (text) => {
      const { url, problems } = read({ MCP_REPLICA_URL: text });
      expect(url).toBe(text.replace(/\/$/, ''));
      expect(problems).toEqual([]);
    },
  );

  it.each([
    'mcp-1:8000',
    'ftp://10.0.0.7',
    'http://user:pass@10.0.0.7',
    'http://10.0.0.7/mcp',
    'http://10.0.0.7?x=1',
    'http://0.0.0.0:8000',
  ])('refuses %s', (text) => {
    const { url, problems } = read({ MCP_REPLICA_URL: text });
    expect(url).toBeUndefined();
    expect(problems).toMatchObject([{ field: 'MCP_REPLICA_URL' }]);
    expect(JSON.stringify(problems)).not.toContain('pass@');
  });

  it('is derived from the one address there is, and asked for where there are more or none', () => {
    expect(read(REDIS)).toEqual({ url: undefined, problems: [] });
    expect(read(REDIS, '0.0.0.0', ['10.0.0.7']).problems).toEqual([]);
    expect(derivedReplicaUrl('0.0.0.0', 8000, 'http', () => ['10.0.0.7'])).toBe('http://10.0.0.7:8000');
    expect(derivedReplicaUrl('::', 8000, 'https', () => ['fd00::7'])).toBe('https://[fd00::7]:8000');
    expect(derivedReplicaUrl('127.0.0.1', 8000)).toBe('http://127.0.0.1:8000');
    for (const addresses of [['10.0.0.7', '192.168.1.7'], []]) {
      expect(read(REDIS, '0.0.0.0', addresses).problems).toMatchObject([
        { field: 'MCP_REPLICA_URL', message: expect.stringContaining('is missing') },
      ]);
    }
  });

  it('is nobody’s concern without Redis', () => {
    expect(read({}, '0.0.0.0', ['10.0.0.7', '192.168.1.7']).problems).toEqual([]);
  });
});

describe('REDIS_URL', () => {
  it('is a secret', () => {
    const secret = readRedisUrl(new Environment(REDIS, undefined, []));
    expect(secret?.reveal()).toBe(REDIS.REDIS_URL);
    expect(`${secret}`).not.toContain('canary');
  });

  it.each(['redis', 'http://:redis-url-canary@redis', 'redis://:redis-url-canary@redis:6379/db'])(
    'refuses %s and does not say it',
    (text) => {
      const problems: ConfigProblem[] = [];
      expect(readRedisUrl(new Environment({ REDIS_URL: text }, undefined, problems))).toBeUndefined();
      expect(problems).toMatchObject([{ field: 'REDIS_URL' }]);
      expect(JSON.stringify(problems)).not.toContain('canary');
    },
  );
});
