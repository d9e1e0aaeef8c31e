import { exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose';
import type { Logger } from 'pino';
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
  const warnings: unknown[] = [];
  const verify = createTokenVerifier(AUTH, {
    clock: () => time.now,
    logger: { warn: (...line: unknown[]) => void warnings.push(line) } as unknown as Logger,
    fetch: async (_url, init) => {
      state.fetches += 1;
      if (state.down) throw new Error('connect ECONNREFUSED');
      if (state.answer) return await state.answer(init);
      return Response.json({ keys: state.kids.map((kid) => jwks.get(kid)) });
    },
  });
  return { state, time, verify, warnings };
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

  it('that are five minutes old are looked at beside the requests, which wait for it after ten', async () => {
    const { state, time, verify } = issuer();
    await verify(await token('k1'));
    time.now += 5 * 60_000 - 1;
    await verify(await token('k1'));
    expect(state.fetches).toBe(1);
    let answer = (): void => undefined;
    const set = () => Response.json({ keys: [jwks.get('k1')] });
    state.answer = () => new Promise((resolve) => (answer = () => resolve(set())));
    time.now += 1;
    await verify(await token('k1'));
    expect(state.fetches).toBe(2);
    answer();
    await new Promise((resolve) => setTimeout(resolve, 20));
    time.now += 10 * 60_000;
    let isVerified = false;
    const waiting = verify(await token('k1')).then(() => {
      isVerified = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect([isVerified, state.fetches]).toEqual([false, 3]);
    answer();
    await waiting;
  });

  it('whose first load failed for a while are looked at as any, once they are there', async () => {
    const { state, time, verify } = issuer();
    state.down = true;
    await expect(verify(await token('k1'))).rejects.toThrow('the key set could not be loaded');
    state.down = false;
    time.now += 5000;
    await verify(await token('k1'));
    state.kids = ['k2'];
    time.now += 10 * 60_000;
    await expect(verify(await token('k1'))).rejects.toThrow(/not valid/);
  });

  it('are not loaded by an old set more than once in 30 s while the issuer is down', async () => {
    const { state, time, verify } = issuer();
    await verify(await token('k1'));
    state.down = true;
    time.now += 6 * 60_000;
    for (let second = 0; second < 20; second++) {
      await verify(await token('k1'));
      time.now += 1000;
    }
    expect(state.fetches).toBe(2);
  });

  it('that can not be loaded are told of in the log, with whether old ones serve', async () => {
    const { state, time, verify, warnings } = issuer();
    const text = 'the key set of MCP_JWKS_URL could not be loaded';
    state.down = true;
    await verify(await token('k1')).catch(() => undefined);
    state.down = false;
    const stateOf = async (answer: NonNullable<Issuer['answer']>) => {
      time.now += 30_000;
      state.answer = answer;
      await verify(await token('other', 'k1')).catch(() => undefined);
    };
    await stateOf(() => Response.json({ keys: [jwks.get('k1')] }));
    await stateOf(() => Response.json({}, { status: 503 }));
    await stateOf(() => new Response(null, { status: 404 }));
    await stateOf(() => Response.json({ keys: [], more: 'x'.repeat(256 * 1024) }));
    await stateOf(() => Promise.reject('no error'));
    expect(warnings).toEqual([
      [{ reason: 'connect ECONNREFUSED', kept: false }, text],
      [{ reason: 'the answer has the status 503', kept: true }, text],
      [{ reason: 'the answer has the status 404', kept: true }, text],
      [{ reason: 'the answer is longer than 262144 bytes', kept: true }, text],
      [{ reason: 'no error', kept: true }, text],
    ]);
  });

  it('are taken from an answer of 256 KiB, and no byte more', async () => {
    const { state, time, verify } = issuer();
    const sized = (bytes: number) => () => {
      const set = JSON.stringify({ keys: [jwks.get('k2')], more: '' });
      return new Response(set.replace('"more":""', `"more":"${'x'.repeat(bytes - set.length)}"`));
    };
    await verify(await token('k1'));
    state.answer = sized(256 * 1024 + 1);
    time.now += 30_000;
    await expect(verify(await token('k2'))).rejects.toThrow(/not valid/);
    state.answer = sized(256 * 1024);
    time.now += 30_000;
    await expect(verify(await token('k2'))).resolves.toMatchObject({ subject: 'alice' });
  });

  it('may be one alone that a token names by no key id; which of several, nobody guesses', async () => {
    const pair = pairs.get('k1');
    const payload = { sub: 'alice', aud: 'proxmox-mcp', iss: ISSUER, exp: START / 1000 + 60 };
    const unnamed = await new SignJWT(payload)
      .setProtectedHeader({ alg: 'ES256' })
      .sign(pair?.privateKey ?? new Uint8Array());
    const { verify } = issuer();
    await expect(verify(unnamed)).resolves.toMatchObject({ subject: 'alice' });
    const later = issuer();
    later.state.kids = ['k1', 'k2'];
    await expect(later.verify(unnamed)).rejects.toThrow(/not valid/);
    // That is no reason to load them anew.
    later.time.now += 30_000;
    await expect(later.verify(unnamed)).rejects.toThrow(/not valid/);
    expect(later.state.fetches).toBe(1);
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
    expect(seen).toMatchObject({
      redirect: 'error',
      signal: expect.any(AbortSignal),
      headers: { accept: 'application/json, application/jwk-set+json' },
    });
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
