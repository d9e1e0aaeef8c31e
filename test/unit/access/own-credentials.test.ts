import { createPublicKey } from 'node:crypto';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { openCredentials } from '../../../src/access/credentials.ts';
import { openState } from '../../../src/access/state.ts';
import { createTokenVerifier, issueToken } from '../../../src/access/tokens.ts';
import type { AuthConfig } from '../../../src/config/config.ts';
import { Secret } from '../../../src/config/secret.ts';
import { folderWith } from '../../support/config-folder.ts';

const audience = 'proxmox-mcp';
const OWN: AuthConfig = { mode: 'own-keys', audience };
const secret = new Secret('a-shared-secret-of-at-least-32-bytes!');

function opened({ auth = OWN, path }: { auth?: AuthConfig; path?: string } = {}) {
  const time = { now: Date.parse('2026-11-21T12:00:00Z') };
  const clock = () => time.now;
  const state = openState(path);
  onTestFinished(() => state.close());
  const credentials = openCredentials(state, clock);
  const verify = createTokenVerifier(auth, { credentials, clock });
  const seconds = () => Math.floor(time.now / 1000);
  const issue = async (lifetimeSeconds = 3600, jti = 'j1') =>
    issueToken(await credentials.keys.ensure(), {
      subject: 'alice',
      scope: 'proxmox:read',
      lifetimeSeconds,
      audience,
      issuedAt: seconds(),
      jti,
    });
  return { ...credentials, time, verify, issue, seconds, state };
}

describe('tokens of own keys', () => {
  it('are accepted, and name the credential and its time', async () => {
    const { verify, issue, seconds } = opened();
    expect(await verify(await issue())).toEqual({
      id: '["","alice"]',
      subject: 'alice',
      groups: [],
      scopes: new Set(['proxmox:read']),
      credential: 'jwt:j1',
      issuedAt: seconds(),
      expiresAt: seconds() + 3600,
    });
  });

  it('of a key that was rotated out count for the overlap, and no second longer', async () => {
    const { verify, issue, keys, time } = opened();
    const old = await issue();
    const first = keys.current()?.kid;
    await keys.rotate('EdDSA', 60);
    expect(keys.current()?.kid).not.toBe(first);
    const fresh = await issue(3600, 'j2');
    time.now += 59_000;
    await expect(verify(old)).resolves.toMatchObject({ credential: 'jwt:j1' });
    time.now += 1000;
    await expect(verify(old)).rejects.toThrow(/retired/);
    await expect(verify(fresh)).resolves.toMatchObject({ credential: 'jwt:j2' });
  });

  it('with an overlap of nothing end at once; a second rotation does not revive the first key', async () => {
    const { verify, issue, keys } = opened();
    const old = await issue();
    await keys.rotate('HS256', 0);
    await expect(verify(old)).rejects.toThrow(/retired/);
    await keys.rotate('EdDSA', 3600);
    await expect(verify(old)).rejects.toThrow(/retired/);
  });

  it('that name no key, or none of ours, are refused, and no issuer is asked', async () => {
    const { keys, seconds, ...credentials } = opened();
    const fetch = vi.fn<typeof globalThis.fetch>();
    const verify = createTokenVerifier(OWN, {
      credentials: { keys, ...credentials },
      clock: () => seconds() * 1000,
      fetch,
    });
    for (const header of [{ alg: 'EdDSA' }, { alg: 'EdDSA', kid: 'pmx-other' }]) {
      const token = await new SignJWT({ scope: 'proxmox:admin' })
        .setProtectedHeader(header)
        .setSubject('alice')
        .setAudience(audience)
        .setExpirationTime(seconds() + 60)
        .sign((await keys.ensure()).key);
      await expect(verify(token)).rejects.toMatchObject({
        name: 'TokenRefusedError',
        message: 'the token is not valid',
      });
    }
    expect(fetch).not.toHaveBeenCalled();
  });

  it('signed with HS256 work alike', async () => {
    const { verify, issue, keys } = opened();
    await keys.rotate('HS256', 0);
    const token = await issue();
    expect(JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString())).toMatchObject({
      alg: 'HS256',
    });
    await expect(verify(token)).resolves.toMatchObject({ subject: 'alice' });
  });

  it('are not made with the public key as an HMAC secret', async () => {
    const { verify, keys, seconds } = opened();
    const { kid, key } = await keys.ensure();
    for (const form of [
      createPublicKey(key).export({ type: 'spki', format: 'pem' }),
      createPublicKey(key).export({ type: 'spki', format: 'der' }),
    ]) {
      const forged = await new SignJWT({ scope: 'proxmox:admin' })
        .setProtectedHeader({ alg: 'HS256', kid })
        .setSubject('alice')
        .setAudience(audience)
        .setExpirationTime(seconds() + 60)
        .sign(Buffer.from(form));
      await expect(verify(forged)).rejects.toThrow(/algorithm/);
    }
  });

  it('stand beside the shared secret, and one is not taken for the other', async () => {
    const auth: AuthConfig = { mode: 'shared-secret', secret, audience };
    const { verify, issue, keys, seconds } = opened({ auth });
    await expect(verify(await issue())).resolves.toMatchObject({ subject: 'alice' });
    const request = {
      subject: 'alice',
      scope: 'proxmox:read',
      lifetimeSeconds: 60,
      audience,
      issuedAt: seconds(),
    };
    const shared = await issueToken(secret, request);
    await expect(verify(shared)).resolves.toMatchObject({ id: '["","alice"]' });
    // The secret may be known to others: it must not sign under the name of our own key.
    const stolen = await new SignJWT({ scope: 'proxmox:admin' })
      .setProtectedHeader({ alg: 'HS256', kid: (await keys.ensure()).kid })
      .setSubject('alice')
      .setAudience(audience)
      .setExpirationTime(seconds() + 60)
      .sign(Buffer.from(secret.reveal()));
    await expect(verify(stolen)).rejects.toThrow(/algorithm/);
  });

  it('are refused with the very next request once another process rotates their key out, or revokes them', async () => {
    const path = join(folderWith(), 'state.db');
    const [service, command] = [opened({ path }), opened({ path })];
    const [first, second] = [await service.issue(3600, 'j1'), await service.issue(3600, 'j2')];
    for (const token of [first, second, first, second]) await service.verify(token);
    await command.revocations.revoke({ credential: 'jwt:j1' });
    await expect(service.verify(first)).rejects.toThrow(/revoked/);
    await expect(service.verify(second)).resolves.toMatchObject({ credential: 'jwt:j2' });
    await command.keys.rotate('EdDSA', 0);
    await expect(service.verify(second)).rejects.toThrow(/retired/);
    await expect(service.verify(await command.issue(3600, 'j3'))).resolves.toMatchObject({
      credential: 'jwt:j3',
    });
    expect(service.keys.find('pmx-later')).toBeUndefined();
    const rename = "UPDATE signing_keys SET kid = 'pmx-later' WHERE verifies_until IS NULL";
    await command.state.write(() => command.state.database.exec(rename));
    expect(service.keys.find('pmx-later')).toMatchObject({ kid: 'pmx-later' });
  });

  it('are found again after a restart, by another process', async () => {
    const path = join(folderWith(), 'state.db');
    const token = await opened({ path }).issue();
    const other = opened({ path });
    await expect(other.verify(token)).resolves.toMatchObject({ subject: 'alice' });
    await other.revocations.revoke({ credential: 'jwt:j1' });
    await expect(opened({ path }).verify(token)).rejects.toThrow(/revoked/);
  });

  it('are listed with what would become of them', async () => {
    const { issued, keys, revocations, seconds, time } = opened();
    const base = { subject: 'alice', scope: 'proxmox:read', issuedAt: seconds(), expiresAt: seconds() + 60 };
    const old = (await keys.ensure()).kid;
    await issued.add({ ...base, jti: 'revoked' });
    await issued.add({ ...base, jti: 'short', kid: old, expiresAt: seconds() + 1 });
    await issued.add({ ...base, jti: 'edge', kid: old, expiresAt: seconds() + 2 });
    await issued.add({ ...base, jti: 'shared' });
    await issued.add({ ...base, jti: 'old', kid: old });
    const { kid } = await keys.rotate('EdDSA', 0);
    await issued.add({ ...base, jti: 'good', kid });
    await issued.add({ ...base, jti: 'lost', kid: 'pmx-nothing' });
    await revocations.revoke({ credential: 'jwt:revoked' });
    time.now += 2000;
    const states = issued.list('alice').map((token) => [token.jti, issued.stateOf(token, revocations, keys)]);
    expect(Object.fromEntries(states)).toEqual({
      revoked: 'revoked',
      short: 'expired',
      edge: 'expired',
      old: 'key retired',
      good: 'valid',
      shared: 'valid',
      lost: 'key retired',
    });
    const [shared] = issued.list().filter(({ jti }) => jti === 'shared');
    expect(shared).toEqual({ ...base, jti: 'shared' });
    expect(issued.list('bob')).toEqual([]);
    expect([issued.has('good'), issued.has('nothing')]).toEqual([true, false]);
    time.now += 60 * 86_400_000;
    await issued.add({ ...base, jti: 'new', expiresAt: seconds() + 60 });
    expect(issued.list().map(({ jti }) => jti)).toEqual(['new']);
  });
});

describe('API keys', () => {
  it('name their subject, which is the one of its tokens', async () => {
    const { apiKeys, verify, issue, seconds } = opened();
    const { key, record } = await apiKeys.add('alice', 'proxmox:read', 60);
    expect(key).toMatch(/^pmk_[0-9a-f]{12}_[\w-]{43}$/);
    expect(await verify(key)).toEqual({
      id: (await verify(await issue())).id,
      subject: 'alice',
      groups: [],
      scopes: new Set(['proxmox:read']),
      credential: `key:${record.id}`,
      issuedAt: seconds(),
      expiresAt: seconds() + 60,
    });
  });

  it('are not in the state', async () => {
    const { apiKeys, state } = opened();
    const { key } = await apiKeys.add('alice', 'proxmox:read', 60);
    const stored = state.database.prepare('SELECT * FROM api_keys').get() ?? {};
    const text = Object.values(stored)
      .map((value) => (value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : String(value)))
      .join('\n');
    expect(text).not.toContain(key.slice(17));
    expect(JSON.stringify(apiKeys.list())).not.toContain('hash');
  });

  it('that differ in one character, are cut or are none are refused', async () => {
    const { apiKeys, verify } = opened();
    const { key } = await apiKeys.add('alice', 'proxmox:read', 60);
    const other = (await apiKeys.add('bob', 'proxmox:read', 60)).key;
    const last = key.endsWith('A') ? 'E' : 'A';
    for (const wrong of [
      key.slice(0, -1) + last,
      key.slice(0, -1),
      `${key}A`,
      key.toUpperCase(),
      `${key.slice(0, 17)}${other.slice(17)}`,
      'pmk_',
      'pmk__',
      `pmk_000000000000_${key.slice(17)}`,
      `${key} `,
    ]) {
      await expect(verify(wrong), wrong).rejects.toThrow('is not valid');
    }
  });

  it('expire, and end with their revocation or that of their subject', async () => {
    const { apiKeys, revocations, verify, time } = opened();
    const made = await Promise.all(
      ['alice', 'bob', 'carol'].map((name) => apiKeys.add(name, 'proxmox:read', 60)),
    );
    const [one, two, three] = made;
    await revocations.revoke({ credential: `key:${one?.record.id}` });
    await revocations.revoke({ subject: 'bob' });
    await expect(verify(one?.key ?? '')).rejects.toThrow(/revoked/);
    await expect(verify(two?.key ?? '')).rejects.toThrow(/revoked/);
    await expect(verify(three?.key ?? '')).resolves.toMatchObject({ subject: 'carol' });
    time.now += 60_000;
    await expect(verify(three?.key ?? '')).rejects.toThrow(/expired/);
    const states = made.map(({ record }) => apiKeys.stateOf(record, revocations));
    expect(states).toEqual(['revoked', 'revoked', 'expired']);
    const fresh = (await apiKeys.add('dave', 'proxmox:read', 60)).record;
    expect(apiKeys.stateOf(fresh, revocations)).toBe('valid');
  });

  it('are rotated with an overlap that never makes the old one live longer', async () => {
    const { apiKeys, verify, time } = opened();
    const old = await apiKeys.add('alice', 'proxmox:read proxmox:change', 60);
    const { key } = await apiKeys.rotate(old.record.id, 600, 30);
    time.now += 29_000;
    await expect(verify(old.key)).resolves.toMatchObject({ subject: 'alice' });
    time.now += 1000;
    await expect(verify(old.key)).rejects.toThrow(/expired/);
    await expect(verify(key)).resolves.toMatchObject({ scopes: new Set(['proxmox:read', 'proxmox:change']) });
    const short = await apiKeys.add('bob', 'proxmox:read', 10);
    await apiKeys.rotate(short.record.id, 600, 3600);
    expect(apiKeys.find(short.record.id)?.expiresAt).toBe(short.record.expiresAt);
    await expect(apiKeys.rotate('nothing', 1, 1)).rejects.toThrow(/no key/);
  });
});

describe('a state that can not be read', () => {
  it('lets nobody in, and blames no token', async () => {
    const { verify, issue, apiKeys, state } = opened();
    const shown = [await issue(), (await apiKeys.add('alice', 'proxmox:read', 60)).key];
    state.close();
    for (const one of shown) {
      await expect(verify(one)).rejects.toMatchObject({
        name: 'TokenUncheckedError',
        message: 'the state file can not be read',
        cause: expect.any(Error),
      });
    }
  });
});
