import { describe, expect, it } from 'vitest';
import {
  expireParam,
  expireSeconds,
  expiry,
  subjectOf,
  tokenParam,
  tokenParts,
  userParam,
} from '../../../../src/tools/access/identity.ts';

const NOW = Date.parse('2026-11-21T08:00:00Z');

describe('who is meant', () => {
  it.each([
    ['ann@pve', 'user', 'ann@pve'],
    ['ann@corp.example-1', 'user', 'ann@corp.example-1'],
    ['ann@pve!ci', 'token', 'ann@pve!ci'],
    ['ops', 'group', 'ops'],
    ['@ops', 'group', 'ops'],
  ])('%s is a %s', (who, kind, id) => {
    expect(subjectOf(who)).toEqual({ kind, id });
  });

  it('a token is its user and its name', () => {
    expect(tokenParts('ann@pve!ci')).toEqual({ user: 'ann@pve', name: 'ci' });
  });

  it.each(['ann', 'ann@', '@pve', 'a b@pve', 'ann@pve!ci', 'a/b@pve', ''])('%j is no user', (text) => {
    expect(userParam.safeParse(text).success).toBe(false);
  });

  it.each(['ann@pve', 'ann!ci', 'ann@pve!', 'ann@pve!1ci', 'ann@pve!a/b', 'a!b@pve!c'])(
    '%j is no token',
    (text) => {
      expect(tokenParam.safeParse(text).success).toBe(false);
    },
  );
});

describe('when something ends', () => {
  it('is epoch seconds, 0 for never, and nothing where nothing is said', () => {
    expect(expireSeconds('2031-01-01T01:00:00+01:00', NOW)).toBe(1_924_992_000);
    expect(expireSeconds('never', NOW)).toBe(0);
    expect(expireSeconds(undefined, NOW)).toBeUndefined();
  });

  it('is not before now', () => {
    expect(() => expireSeconds('2026-11-21T08:00:00Z', NOW)).toThrow('has passed');
    expect(expireParam.safeParse('2031-01-01').success).toBe(false);
  });

  it('is shown as a time, and whether it has passed', () => {
    expect(expiry(NOW / 1000 - 1, NOW)).toEqual({ expires_at: '2026-11-21T07:59:59.000Z', expired: true });
    expect(expiry(NOW / 1000 + 60, NOW)).toEqual({ expires_at: '2026-11-21T08:01:00.000Z' });
    expect(expiry(0, NOW)).toEqual({});
    expect(expiry(undefined, NOW)).toEqual({});
  });
});
