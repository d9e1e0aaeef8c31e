import { expect, it } from 'vitest';
import type { Principal } from '../../../src/access/principal.ts';
import { VerifiedTokens } from '../../../src/access/verified-tokens.ts';

const principal = (expiresAt?: number): Principal => ({
  id: 'a',
  subject: 'a',
  groups: [],
  scopes: new Set(),
  credential: 'jwt:1',
  ...(expiresAt === undefined ? {} : { expiresAt }),
});

const KEY = { kid: 'k1' };
const NO_KEY = { named: undefined, key: undefined };
const ours = (kid: string | undefined) => (kid === KEY.kid ? KEY : undefined);
const notOurs = () => undefined;

it('a token is known until it expires, with the key that had signed it alone', () => {
  let now = 1_000_000;
  const verified = new VerifiedTokens(() => now);
  const alice = principal(1_060);
  verified.add('token', { named: 'k1', key: KEY }, alice);
  expect(verified.find('token', ours)).toBe(alice);
  expect(verified.find('other', ours)).toBeUndefined();
  expect(verified.find('token', notOurs)).toBeUndefined();
  verified.add('token', { named: 'k1', key: KEY }, alice);
  now = 1_060_000;
  expect(verified.find('token', ours)).toBeUndefined();
  expect(verified.size).toBe(0);
});

it('one that says no expiry is never known, and one of a published key for a while', () => {
  let now = 1_000_000;
  const verified = new VerifiedTokens(() => now, 30_000);
  verified.add('none', NO_KEY, principal());
  expect(verified.find('none', notOurs)).toBeUndefined();
  verified.add('remote', NO_KEY, principal(9_999));
  now += 29_999;
  expect(verified.find('remote', notOurs)).toBeDefined();
  now += 1;
  expect(verified.find('remote', notOurs)).toBeUndefined();
});

it('forgets the first of too many', () => {
  const verified = new VerifiedTokens(() => 0);
  for (let index = 0; index <= 10_000; index++) verified.add(`t${index}`, NO_KEY, principal(1));
  expect(verified.size).toBe(10_000);
  expect(verified.find('t0', notOurs)).toBeUndefined();
  expect(verified.find('t10000', notOurs)).toBeDefined();
});
