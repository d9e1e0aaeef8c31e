import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  decodeProtectedHeader,
  exportJWK,
  exportSPKI,
  generateKeyPair,
  type JWTPayload,
  SignJWT,
  UnsecuredJWT,
} from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TokenRefusedError } from '../../../src/access/claims.ts';
import { LOCAL_PRINCIPAL } from '../../../src/access/principal.ts';
import { createTokenVerifier, hasExpired, issueToken, localIssuer } from '../../../src/access/tokens.ts';
import { Secret } from '../../../src/config/secret.ts';

const secret = new Secret('a-shared-secret-of-at-least-32-bytes!');
const bytes = new TextEncoder().encode(secret.reveal());
const now = Math.floor(Date.now() / 1000);
const claims: JWTPayload = {
  sub: 'alice',
  aud: 'proxmox-mcp',
  exp: now + 600,
  iat: now,
  scope: 'proxmox:read',
};

function sign(payload: JWTPayload, key: Uint8Array = bytes, alg = 'HS256') {
  return new SignJWT(payload).setProtectedHeader({ alg }).sign(key);
}

describe('a token signed with the shared secret', () => {
  const verify = createTokenVerifier({ mode: 'shared-secret', secret, audience: 'proxmox-mcp' });

  it('names the principal and the scopes that are ours', async () => {
    const token = await issueToken(secret, {
      subject: 'alice',
      scope: 'proxmox:read openid proxmox:change',
      lifetimeSeconds: 60,
      audience: 'proxmox-mcp',
    });
    const principal = await verify(token);
    expect(principal.subject).toBe('alice');
    expect([...principal.scopes]).toEqual(['proxmox:read', 'proxmox:change']);
  });

  const { exp: _exp, ...withoutExpiry } = claims;
  const { sub: _sub, ...withoutSubject } = claims;
  const { aud: _aud, ...withoutAudience } = claims;
  it.each<[string, () => string | Promise<string>, RegExp]>([
    ['expired', () => sign({ ...claims, exp: now - 60 }), /expired/],
    ['not yet valid', () => sign({ ...claims, nbf: now + 600 }), /nbf/],
    ['for another audience', () => sign({ ...claims, aud: 'another' }), /aud/],
    ['without expiry', () => sign(withoutExpiry), /exp/],
    ['without subject', () => sign(withoutSubject), /sub/],
    ['with an empty subject', () => sign({ ...claims, sub: '' }), /subject/],
    ['without audience', () => sign(withoutAudience), /aud/],
    ['signed with another secret', () => sign(claims, new TextEncoder().encode('x'.repeat(40))), /not valid/],
    ['of another HMAC', () => sign(claims, bytes, 'HS512'), /algorithm/],
    ['alg none', () => new UnsecuredJWT(claims).encode(), /not (valid|allowed)/],
    ['garbage', () => 'not.a.token', /not valid/],
    ['empty', () => '', /not valid/],
    ['too long', () => 'x'.repeat(8193), /^the token is too long$/],
    ['as long as one may be, and garbage', () => 'x'.repeat(8192), /^the token is not valid$/],
    [
      'of another type',
      () => new SignJWT(claims).setProtectedHeader({ alg: 'HS256', typ: 'JOSE' }).sign(bytes),
      /no access token/,
    ],
  ])('is refused when %s', async (_name, make, reason) => {
    await expect(verify(await make())).rejects.toMatchObject({
      name: 'TokenRefusedError',
      message: expect.stringMatching(reason),
    });
  });

  it('that has expired is told from one that is refused for more', async () => {
    const refusalOf = async (token: string) => await verify(token).catch((error: unknown) => error);
    const expired = await refusalOf(await sign({ ...claims, exp: now - 60 }));
    expect(expired).toHaveProperty('cause.code', 'ERR_JWT_EXPIRED');
    expect(hasExpired(expired)).toBe(true);
    const forged = await sign({ ...claims, exp: now - 60 }, new TextEncoder().encode('x'.repeat(40)));
    expect(hasExpired(await refusalOf(forged))).toBe(false);
    expect(hasExpired(new TokenRefusedError('it was revoked'))).toBe(false);
    expect(hasExpired(expired instanceof Error ? new Error('x', { cause: expired.cause }) : expired)).toBe(
      false,
    );
  });

  it('names its secret by eight digits, which tell no more', async () => {
    const request = { subject: 'a', scope: '', lifetimeSeconds: 60, audience: 'x' };
    const kidOf = async (text: string) =>
      decodeProtectedHeader(await issueToken(new Secret(text), request)).kid;
    const kids = await Promise.all(['x', 'y', 'x'].map((letter) => kidOf(letter.repeat(40))));
    expect(kids[0]).toMatch(/^hs-[0-9a-f]{8}$/);
    expect(kids[2]).toBe(kids[0]);
    expect(kids[1]).not.toBe(kids[0]);
    // A hash of the secret alone could be looked up.
    const plain = createHash('sha256').update('x'.repeat(40)).digest('hex');
    expect(kids[0]).not.toBe(`hs-${plain.slice(0, 8)}`);
  });

  it('never repeats the token in the reason', async () => {
    await expect(verify('canary.canary.canary')).rejects.toThrow(expect.not.stringContaining('canary'));
  });

  it('checks the issuer where one is configured', async () => {
    const strict = createTokenVerifier({
      mode: 'shared-secret',
      secret,
      audience: 'proxmox-mcp',
      issuer: 'https://us',
    });
    await expect(strict(await sign({ ...claims, iss: 'https://them' }))).rejects.toThrow(/iss/);
    await expect(strict(await sign({ ...claims, iss: 'https://us' }))).resolves.toMatchObject({
      subject: 'alice',
    });
  });
});

it('lets everybody in as the one local principal where nobody is asked for a token', async () => {
  await expect(createTokenVerifier({ mode: 'none' })('whatever')).resolves.toBe(LOCAL_PRINCIPAL);
});

it('is an issuer of its own where it issues tokens, and under a key set nobody', () => {
  const audience = 'a';
  const issuer = 'https://us';
  expect(localIssuer({ mode: 'shared-secret', secret, audience, issuer })).toBe(issuer);
  expect(localIssuer({ mode: 'shared-secret', secret, audience })).toBe('');
  expect(localIssuer({ mode: 'own-keys', audience, issuer })).toBe(issuer);
  expect(localIssuer({ mode: 'jwks', jwksUrl: 'https://them/keys', audience, issuer })).toBe('');
  expect(localIssuer({ mode: 'none' })).toBe('');
});

describe('a token of a key set', () => {
  let server: Server;
  let keys: Awaited<ReturnType<typeof generateKeyPair>>;
  let verify: ReturnType<typeof createTokenVerifier>;
  const issuer = 'https://issuer.example';

  beforeAll(async () => {
    keys = await generateKeyPair('RS256', { extractable: true });
    const jwk = { ...(await exportJWK(keys.publicKey)), kid: 'k1', alg: 'RS256', use: 'sig' };
    server = createServer((_request, response) => {
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: [jwk] }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    verify = createTokenVerifier({
      mode: 'jwks',
      jwksUrl: `http://127.0.0.1:${port}/jwks`,
      issuer,
      audience: 'proxmox-mcp',
    });
  });

  afterAll(() => server.close());

  it('is accepted', async () => {
    const token = await new SignJWT({ ...claims, iss: issuer })
      .setProtectedHeader({ alg: 'RS256', kid: 'k1' })
      .sign(keys.privateKey);
    await expect(verify(token)).resolves.toMatchObject({ subject: 'alice' });
  });

  it('is refused when its HS256 signature was made with the public key', async () => {
    const pem = new TextEncoder().encode(await exportSPKI(keys.publicKey));
    const token = await new SignJWT({ ...claims, iss: issuer })
      .setProtectedHeader({ alg: 'HS256', kid: 'k1' })
      .sign(pem);
    await expect(verify(token)).rejects.toThrow(/algorithm/);
  });

  it('is refused when another key signed it', async () => {
    const other = await generateKeyPair('RS256');
    const token = await new SignJWT({ ...claims, iss: issuer })
      .setProtectedHeader({ alg: 'RS256', kid: 'k1' })
      .sign(other.privateKey);
    await expect(verify(token)).rejects.toThrow(/not valid/);
  });

  it('is refused when it names no key of the set', async () => {
    const token = await new SignJWT({ ...claims, iss: issuer })
      .setProtectedHeader({ alg: 'RS256', kid: 'unknown' })
      .sign(keys.privateKey);
    await expect(verify(token)).rejects.toThrow(/not valid/);
  });
});
