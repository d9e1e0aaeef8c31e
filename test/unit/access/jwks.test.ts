import { exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import { createTokenVerifier } from '../../../src/access/tokens.ts';
import type { AuthConfig } from '../../../src/config/config.ts';

const ISSUER = 'https://issuer.example';
const URL_OF_KEYS = 'https://issuer.example/keys';
const AUTH: AuthConfig = { mode: 'jwks', jwksUrl: URL_OF_KEYS, issuer: ISSUER, audience: 'proxmox-mcp' };
const START = Date.parse('2026-11-21T12:00:00Z');

type Pair = Awaited<ReturnType<typeof generateKeyPair>>;
const pairs = new Map<string, Pair>();
const jwks = new Map<string, JWK>();

beforeAll(async () => {
  for (const kid of ['k1', 'k2', 'k3']) {
    const pair = await generateKeyPair('ES256', { extractable: true });
    pairs.set(kid, pair);
    jwks.set(kid, { ...(await exportJWK(pair.publicKey)), kid, alg: 'ES256', use: 'sig' });
  }
});

interface Issuer {
  kids: string[];
  down: boolean;
  fetches: number;
  /** Answers in place of the set. */
  answer?: (init: RequestInit | undefined) => Response | Promise<Response>;
}

/** An issuer at the network edge, and a clock. */
function issuer() {
  const state: Issuer = { kids: ['k1'], down: false, fetches: 0 };
  const time = { now: START };
  const verify = createTokenVerifier(AUTH, {
    clock: () => time.now,
    fetch: async (_url, init) => {
      state.fetches += 1;
      if (state.down) throw new Error('connect ECONNREFUSED');
      if (state.answer) return await state.answer(init);
      return Response.json({ keys: state.kids.map((kid) => jwks.get(kid)) });
    },
  });
  return { state, time, verify };
}

function token(kid: string, signedBy = kid, more: JWTPayload = {}) {
  const pair = pairs.get(signedBy);
  if (!pair) throw new Error('no such key');
  const exp = START / 1000 + 10 * 86_400;
  return new SignJWT({ sub: 'alice', aud: 'proxmox-mcp', iss: ISSUER, exp, scope: 'proxmox:read', ...more })
    .setProtectedHeader({ alg: 'ES256', kid })
    .sign(pair.privateKey);
}

describe('the keys of an issuer', () => {
  it('are loaded once for all who ask at once', async () => {
    const { state, verify } = issuer();
    const shown = await token('k1');
    await Promise.all(Array.from({ length: 50 }, () => verify(shown)));
    expect(state.fetches).toBe(1);
  });

  it('are loaded anew for a key id that is not among them: a rotation is seen at once', async () => {
    const { state, time, verify } = issuer();
    await verify(await token('k1'));
    time.now += 30_000;
    state.kids = ['k1', 'k2'];
    await expect(verify(await token('k2'))).resolves.toMatchObject({ subject: 'alice' });
    await expect(verify(await token('k1'))).resolves.toMatchObject({ subject: 'alice' });
    expect(state.fetches).toBe(2);
  });

  it('are loaded at most once in 30 s, whatever key ids are asked for', async () => {
    const { state, time, verify } = issuer();
    await verify(await token('k1'));
    const attempts = Array.from({ length: 60 }, (_, index) => token(`made-up-${index}`, 'k1'));
    for (const made of await Promise.all(attempts)) {
      await expect(verify(made)).rejects.toThrow(/not valid/);
      time.now += 1000;
    }
    // At 0 s, and at 30 s.
    expect(state.fetches).toBe(2);
    state.down = true;
    for (let second = 0; second < 60; second++) {
      await expect(verify(await token('made-up', 'k1'))).rejects.toThrow(/not valid/);
      time.now += 1000;
    }
    expect(state.fetches).toBe(4);
  });

  it('serve while the issuer is down, and say nothing to a key they don’t have', async () => {
    const { state, time, verify } = issuer();
    await verify(await token('k1'));
    state.down = true;
    for (let minute = 0; minute < 23 * 60; minute += 7) {
      await expect(verify(await token('k1'))).resolves.toMatchObject({ subject: 'alice' });
      time.now += 7 * 60_000;
    }
    await expect(verify(await token('k2'))).rejects.toMatchObject({ name: 'TokenRefusedError' });
    state.down = false;
    state.kids = ['k2'];
    time.now += 30_000;
    await expect(verify(await token('k2'))).resolves.toMatchObject({ subject: 'alice' });
  });

  it('do not serve for longer than a day without the issuer: it may have withdrawn them', async () => {
    const { state, time, verify } = issuer();
    await verify(await token('k1'));
    state.down = true;
    time.now += 24 * 3_600_000;
    await expect(verify(await token('k1'))).rejects.toMatchObject({ name: 'TokenUncheckedError' });
  });

  it('do not wait for an issuer that hangs, once it is known to', async () => {
    const { state, time, verify } = issuer();
    await verify(await token('k1'));
    state.down = true;
    time.now += 6 * 60_000;
    await verify(await token('k1'));
    state.down = false;
    state.answer = () => new Promise(() => undefined);
    time.now += 30 * 60_000;
    await expect(verify(await token('k1'))).resolves.toMatchObject({ subject: 'alice' });
    expect(state.fetches).toBe(3);
  });

  it('that were withdrawn are refused within ten minutes, by a service that was idle too', async () => {
    const { state, time, verify } = issuer();
    await verify(await token('k1'));
    state.kids = ['k2'];
    time.now += 10 * 60_000;
    await expect(verify(await token('k1'))).rejects.toThrow(/not valid/);
  });

  it('that could never be loaded blame no token, and are asked for again after 5 s', async () => {
    const { state, time, verify } = issuer();
    state.down = true;
    for (let attempt = 0; attempt < 20; attempt++) {
      await expect(verify(await token('k1'))).rejects.toMatchObject({ name: 'TokenUncheckedError' });
    }
    expect(state.fetches).toBe(1);
    state.down = false;
    time.now += 5000;
    await expect(verify(await token('k1'))).resolves.toMatchObject({ subject: 'alice' });
  });

  it.each<[string, () => Response]>([
    ['a status other than 200', () => Response.json({ keys: [] }, { status: 500 })],
    ['a page', () => new Response('<html>')],
    ['JSON that is no set', () => Response.json({ hello: 1 })],
    ['keys that are no keys', () => Response.json({ keys: 'x' })],
    ['256 KiB and more', () => Response.json({ keys: [], more: 'x'.repeat(256 * 1024) })],
    ['nothing', () => new Response(null)],
  ])('are not taken from an answer with %s', async (_name, answer) => {
    const { state, time, verify } = issuer();
    await verify(await token('k1'));
    state.answer = answer;
    time.now += 30_000;
    await expect(verify(await token('other', 'k1'))).rejects.toThrow(/not valid/);
    await expect(verify(await token('k1'))).resolves.toMatchObject({ subject: 'alice' });
  });

  it('are asked for without following a redirect, and with a deadline', async () => {
    const { state, verify } = issuer();
    let seen: RequestInit | undefined;
    state.answer = (init) => {
      seen = init;
      return Response.json({ keys: [jwks.get('k1')] });
    };
    await verify(await token('k1'));
    expect(seen).toMatchObject({ redirect: 'error', signal: expect.any(AbortSignal) });
  });
});

describe('a key of the set', () => {
  it.each<[string, Partial<JWK>]>([
    ['for encryption', { use: 'enc' }],
    ['that only signs', { key_ops: ['sign'] }],
    ['for another algorithm', { alg: 'ES384' }],
  ])('%s verifies nothing', async (_name, change) => {
    const { state, verify } = issuer();
    state.answer = () => Response.json({ keys: [{ ...jwks.get('k1'), ...change }] });
    await expect(verify(await token('k1'))).rejects.toThrow(/not valid/);
  });
});

describe('the claims', () => {
  async function principal(more: JWTPayload, groupsClaim?: string) {
    const verify = createTokenVerifier(
      { ...AUTH, ...(groupsClaim === undefined ? {} : { groupsClaim }) },
      { clock: () => START, fetch: async () => Response.json({ keys: [jwks.get('k1')] }) },
    );
    return await verify(await token('k1', 'k1', more));
  }

  it.each<[string, JWTPayload, string[]]>([
    ['a string', { scope: 'openid proxmox:read proxmox:change' }, ['proxmox:read', 'proxmox:change']],
    ['a list', { scope: ['proxmox:read'] }, ['proxmox:read']],
    ['scp as a list', { scope: undefined, scp: ['proxmox:read', 'x'] }, ['proxmox:read']],
    ['scp as a string', { scope: undefined, scp: 'proxmox:read' }, ['proxmox:read']],
    ['neither', { scope: undefined }, []],
    ['something else', { scope: { 'proxmox:admin': true }, scp: [['proxmox:admin'], 1, null] }, []],
    ['in another case', { scope: 'PROXMOX:ADMIN proxmox:admin\u200b' }, []],
  ])('give scopes from %s', async (_name, claims, scopes) => {
    expect([...(await principal(claims)).scopes]).toEqual(scopes);
  });

  it.each<[string | undefined, JWTPayload, string[]]>([
    [undefined, { groups: ['ops', 'dev'] }, ['ops', 'dev']],
    [undefined, { groups: 'ops' }, ['ops']],
    [undefined, { groups: ['ok', 7, null, '', 'a\nb', 'x'.repeat(300)] }, ['ok']],
    [undefined, { roles: ['ops'] }, []],
    ['realm_access.roles', { realm_access: { roles: ['ops'] } }, ['ops']],
    ['realm_access.roles', { realm_access: 'x' }, []],
    ['https://example.org/groups', { 'https://example.org/groups': ['ops'] }, ['ops']],
    ['constructor.name', {}, []],
    ['__proto__.x', {}, []],
  ])('give groups by the name %s from %j', async (name, claims, groups) => {
    expect((await principal(claims, name)).groups).toEqual(groups);
  });

  it('name the client, the credential and the issuer', async () => {
    expect(await principal({ client_id: 'app', azp: 'other', jti: 'j-1' })).toMatchObject({
      id: JSON.stringify([ISSUER, 'alice']),
      client: 'app',
      credential: 'jwt:j-1',
    });
    expect(await principal({ azp: 'other' })).toMatchObject({ client: 'other' });
    expect(await principal({ client_id: 7 })).not.toHaveProperty('client');
  });

  it('without a usable jti name a credential that a differently written signature does not change', async () => {
    const verify = createTokenVerifier(AUTH, {
      clock: () => START,
      fetch: async () => Response.json({ keys: [jwks.get('k1')] }),
    });
    const shown = await token('k1', 'k1', { jti: 'a b\n' });
    // 64 bytes leave four spare bits in the last character.
    const last = shown.at(-1) ?? '';
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const twin = shown.slice(0, -1) + alphabet[alphabet.indexOf(last) ^ 1];
    const { credential } = await verify(shown);
    expect(credential).toMatch(/^jwt:sha256-[0-9a-f]{32}$/);
    // Whether jose accepts the twin or not: it must not pass under another name.
    const other = await verify(twin).catch(() => undefined);
    if (other) expect(other.credential).toBe(credential);
  });
});
