import { createHash } from 'node:crypto';
import type { JWTPayload } from 'jose';
import { describe, expect, it } from 'vitest';
import { checkHeader, principalOf, TokenRefusedError } from '../../../src/access/claims.ts';
import { hasScope, LOCAL_PRINCIPAL, parseScopes, SCOPES } from '../../../src/access/principal.ts';

const NOW = 1_800_000_000;
const TOKEN = 'header.claims.signature';
const BASE: JWTPayload = { sub: 'alice', jti: 't1', scope: 'proxmox:read', iat: NOW, exp: NOW + 60 };

function principal(changes: JWTPayload = {}, options: { groupsClaim?: string; token?: string } = {}) {
  return principalOf({ ...BASE, ...changes }, { token: TOKEN, issuer: 'https://id', now: NOW, ...options });
}

describe('the header of a token', () => {
  it.each([{}, { typ: 'JWT' }, { typ: 'at+jwt' }, { typ: 'application/AT+JWT' }, { kid: 'x'.repeat(256) }])(
    'may be %j',
    (header) => {
      expect(() => checkHeader(header)).not.toThrow();
    },
  );

  it.each<[Record<string, unknown>, string]>([
    [{ crit: [] }, 'the token has critical extensions'],
    [{ kid: 1 }, 'the key id of the token is not usable'],
    [{ kid: 'x'.repeat(257) }, 'the key id of the token is not usable'],
    [{ typ: 'JOSE' }, 'the token is no access token'],
    [{ typ: 'japplication/wt' }, 'the token is no access token'],
    [{ typ: 'x-application/jwt' }, 'the token is no access token'],
    [{ typ: 'jwt-application/' }, 'the token is no access token'],
    [{ typ: '' }, 'the token is no access token'],
    [{ typ: 1 }, 'the token is no access token'],
    [{ typ: null }, 'the token is no access token'],
  ])('is refused as %j: %s', (header, why) => {
    expect(() => checkHeader(header)).toThrow(new TokenRefusedError(why));
  });
});

describe('the caller', () => {
  it('is what the claims say', () => {
    expect(principal({ client_id: 'agent', groups: ['ops'] })).toEqual({
      id: '["https://id","alice"]',
      subject: 'alice',
      client: 'agent',
      groups: ['ops'],
      scopes: new Set(['proxmox:read']),
      credential: 'jwt:t1',
      issuedAt: NOW,
      expiresAt: NOW + 60,
    });
    const { iat: _iat, exp: _exp, ...timeless } = BASE;
    expect(principalOf(timeless, { token: TOKEN, issuer: '', now: NOW })).toEqual({
      id: '["","alice"]',
      subject: 'alice',
      groups: [],
      scopes: new Set(['proxmox:read']),
      credential: 'jwt:t1',
    });
  });

  it.each<[string, unknown]>([
    ['none', undefined],
    ['a number', 1],
    ['nothing', ''],
    ['blanks', '   '],
    ['a novel', 'x'.repeat(257)],
    ['a line break', 'a\nb'],
    ['a turned direction', 'a\u202eb'],
    ['a line separator', 'a\u2028b'],
    ['a paragraph separator', 'a\u2029b'],
  ])('has a usable subject: not %s', (_what, sub) => {
    expect(() => principal({ sub } as JWTPayload)).toThrow(
      new TokenRefusedError('the token names no usable subject'),
    );
  });

  it('may have a long subject', () => {
    expect(principal({ sub: 'x'.repeat(256) }).subject).toHaveLength(256);
  });

  it('was not made in the future, beyond what clocks may be apart', () => {
    const future = new TokenRefusedError('the claim "iat" is wrong: the token was issued in the future');
    expect(principal({ iat: NOW + 5 }).issuedAt).toBe(NOW + 5);
    expect(() => principal({ iat: NOW + 6 })).toThrow(future);
    expect(() => principal({ iat: 'x' } as unknown as JWTPayload)).toThrow(future);
  });

  it.each<JWTPayload>([{ typ: 'ID' }, { token_use: 'id' }])('is not made of %j', (claims) => {
    expect(() => principal(claims)).toThrow(new TokenRefusedError('the token is no access token'));
    expect(() => principal({ typ: 'Bearer', token_use: 'access' })).not.toThrow();
  });

  it.each<[JWTPayload, string | undefined]>([
    [{ client_id: 'a', azp: 'b' }, 'a'],
    [{ azp: 'b' }, 'b'],
    [{ client_id: 1 }, undefined],
    [{ client_id: 'a\nb' }, undefined],
    [{}, undefined],
  ])('with %j came through %s', (claims, client) => {
    expect(principal(claims).client).toBe(client);
  });

  it.each<[JWTPayload, string | undefined, readonly string[]]>([
    [{ groups: 'ops' }, undefined, ['ops']],
    [{ groups: ['ops', 1, 'a\nb', '', 'dev'] }, undefined, ['ops', 'dev']],
    [{ groups: { a: 1 } }, undefined, []],
    [{ realm_access: { roles: ['a'] } }, 'realm_access.roles', ['a']],
    [{ 'https://a.b/groups': ['c'] }, 'https://a.b/groups', ['c']],
    [{ realm_access: null }, 'realm_access.roles', []],
    [{ realm_access: 'text' }, 'realm_access.length', []],
    [{}, 'constructor.name', []],
    [{ groups: ['x'] }, 'roles', []],
  ])('with %j has by %s the groups %j', (claims, groupsClaim, groups) => {
    expect(principal(claims, groupsClaim === undefined ? {} : { groupsClaim }).groups).toEqual(groups);
  });

  it('has a thousand groups at most', () => {
    expect(
      principal({ groups: Array.from({ length: 1001 }, (_, index) => `g${index}`) }).groups,
    ).toHaveLength(1000);
  });

  it.each<[JWTPayload, string[]]>([
    [{ scope: 'proxmox:read proxmox:change openid' }, ['proxmox:read', 'proxmox:change']],
    [{ scope: ['proxmox:read', 1, 'proxmox:change'] }, ['proxmox:read', 'proxmox:change']],
    [{ scope: 'proxmox:read', scp: ['proxmox:execute'] }, ['proxmox:read', 'proxmox:execute']],
    [{ scope: 'proxmox:reader Proxmox:read' }, []],
    [{ scope: 1 }, []],
  ])('with %j holds %j', (claims, scopes) => {
    expect([...principal(claims).scopes]).toEqual(scopes);
  });

  it.each<[unknown, boolean]>([
    ['t-1.2:3~4_5', true],
    ['x'.repeat(128), true],
    ['x'.repeat(129), false],
    ['', false],
    ['a b', false],
    ['a/b', false],
    [1, false],
    [undefined, false],
  ])('is named by the jti %j: %s', (jti, isPlain) => {
    const hash = createHash('sha256').update('header.claims').digest('hex').slice(0, 32);
    expect(principal({ jti } as JWTPayload).credential).toBe(isPlain ? `jwt:${jti}` : `jwt:sha256-${hash}`);
  });
});

describe('scopes', () => {
  it('are each of their own, and admin stands for all but approve', () => {
    const holder = (scope: string) => ({ ...LOCAL_PRINCIPAL, scopes: parseScopes(scope) });
    for (const scope of SCOPES) {
      expect(SCOPES.filter((one) => hasScope(holder(scope), one))).toEqual(
        scope === 'proxmox:admin' ? SCOPES.filter((one) => one !== 'proxmox:approve') : [scope],
      );
    }
    expect(hasScope(LOCAL_PRINCIPAL, 'proxmox:destroy')).toBe(true);
    expect(hasScope(LOCAL_PRINCIPAL, 'proxmox:approve')).toBe(false);
  });
});
