import { createHmac } from 'node:crypto';
import {
  CompactEncrypt,
  exportJWK,
  exportPKCS8,
  exportSPKI,
  generateKeyPair,
  type JWTHeaderParameters,
  type JWTPayload,
  SignJWT,
  UnsecuredJWT,
} from 'jose';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { issueToken } from '../../src/access/tokens.ts';
import { ClusterManager } from '../../src/clusters/manager.ts';
import type { AuthConfig } from '../../src/config/config.ts';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { configFor } from '../support/engine-fixtures.ts';
import { Issuer, type Pair } from '../support/issuer.ts';
import { AUDIENCE, buildService, SHARED_SECRET, type TestService } from '../support/service.ts';

const SECRET = Buffer.from(SHARED_SECRET.reveal());
const now = Math.floor(Date.now() / 1000);
const CLAIMS = { sub: 'alice', aud: AUDIENCE, iat: now, exp: now + 600, scope: 'proxmox:admin' };
const INITIALIZE = {
  jsonrpc: '2.0',
  id: 0,
  method: 'initialize',
  params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'test', version: '1' } },
};
const CALL = {
  jsonrpc: '2.0',
  id: 1,
  method: 'tools/call',
  params: { name: 'proxmox_api_call', arguments: { path: '/version', method: 'GET' } },
};

let simulator: Simulator;
let clusters: ClusterManager;
let issuer: Issuer;
/** Where a token's `jku` and `x5u` lead. */
let attacker: Issuer;
let attackerPair: Pair;
const services: Record<string, { service: TestService; url: string; session: string }> = {};

beforeAll(async () => {
  simulator = await startSimulator({ taskSeconds: 0, authDelaySeconds: 0 });
  clusters = new ClusterManager(
    { clusters: simulator.clusters.slice(0, 1).map((cluster) => configFor(cluster)) },
    { logger: pino({ level: 'silent' }) },
  );
  issuer = await Issuer.start({ rsa: 'RS256', ec: 'ES256', ed: 'EdDSA' });
  attacker = await Issuer.start({ rsa: 'RS256', evil: 'RS256' });
  attackerPair = attacker.pair('rsa');
  const jwks: AuthConfig = {
    mode: 'jwks',
    jwksUrl: issuer.jwksUrl,
    issuer: issuer.issuer,
    audience: AUDIENCE,
  };
  await start('secret', { mode: 'shared-secret', secret: SHARED_SECRET, audience: AUDIENCE });
  await start('keys', jwks);
  await start('own', { mode: 'own-keys', audience: AUDIENCE });
});

afterAll(async () => {
  for (const { service } of Object.values(services)) await service.close();
  await clusters.close();
  await simulator.close();
  await issuer.close();
  await attacker.close();
});

/** A service of a mode, with a session that a good token has opened: it must lend nothing to a bad one. */
async function start(mode: string, auth: AuthConfig) {
  const service = await buildService({ estate: clusters, auth });
  const url = `${await service.listen()}/mcp`;
  services[mode] = { service, url, session: '' };
  const response = await post(mode, await goodToken(mode), INITIALIZE);
  const session = response.headers.get('mcp-session-id') ?? '';
  expect(session, mode).not.toBe('');
  services[mode] = { service, url, session };
}

function at(mode: string) {
  const found = services[mode];
  if (!found) throw new Error(`no service ${mode}`);
  return found;
}

function goodToken(mode: string): Promise<string> {
  if (mode === 'secret') return hmac(CLAIMS);
  if (mode === 'keys') return issuer.sign(CLAIMS, { alg: 'RS256', kid: 'rsa' });
  return own(mode);
}

async function own(mode: string, more: { audience?: string; jti?: string; lifetimeSeconds?: number } = {}) {
  const { keys } = at(mode).service.credentials;
  const request = { subject: 'alice', scope: 'proxmox:admin', lifetimeSeconds: 600, audience: AUDIENCE };
  return issueToken(await keys.ensure(), { ...request, ...more });
}

async function post(mode: string, token: string, body: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(at(mode).url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      authorization: `Bearer ${token}`,
      ...headers,
    },
    body: JSON.stringify(body),
  });
  return Object.assign(response, { answer: await response.text() });
}

function hmac(claims: JWTPayload, header: JWTHeaderParameters = { alg: 'HS256' }, key: Uint8Array = SECRET) {
  return new SignJWT(claims).setProtectedHeader(header).sign(key);
}

/** Signs by hand what a library would refuse to write. */
function handmade(header: object | string, claims: object | string, key: Uint8Array | string = SECRET) {
  const part = (value: object | string) =>
    Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
  const text = `${part(header)}.${part(claims)}`;
  return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`;
}

function without(name: keyof typeof CLAIMS): JWTPayload {
  return Object.fromEntries(Object.entries(CLAIMS).filter(([key]) => key !== name));
}

const rsa = (claims: JWTPayload, header: Partial<JWTHeaderParameters> = {}) =>
  issuer.sign(claims, { alg: 'RS256', kid: 'rsa', ...header } as JWTHeaderParameters & { kid: string });
const forged = (header: JWTHeaderParameters, pair = attackerPair) =>
  new SignJWT({ ...CLAIMS, iss: issuer.issuer }).setProtectedHeader(header).sign(pair.privateKey);

const REFUSED: [string, mode: 'secret' | 'keys' | 'own', () => string | Promise<string>][] = [
  ['alg none', 'secret', () => new UnsecuredJWT(CLAIMS).encode()],
  ['alg None', 'secret', () => handmade({ alg: 'None', typ: 'JWT' }, CLAIMS)],
  ['alg NONE, and no signature', 'keys', () => `${handmade({ alg: 'NONE' }, CLAIMS).replace(/[^.]*$/, '')}`],
  [
    'alg none under a key id of ours',
    'own',
    async () => handmade({ alg: 'none', kid: await kidOf('own') }, CLAIMS),
  ],
  ['no alg', 'secret', () => handmade({ typ: 'JWT' }, CLAIMS)],
  ['an alg that is a list', 'secret', () => handmade({ alg: ['HS256'] }, CLAIMS)],
  ['the signature cut off', 'secret', async () => (await hmac(CLAIMS)).replace(/[^.]*$/, '')],
  ['the signature of other claims', 'secret', async () => swapClaims(await hmac({ ...CLAIMS, sub: 'bob' }))],
  ['HS512 with the secret', 'secret', () => hmac(CLAIMS, { alg: 'HS512' })],
  ['another secret', 'secret', () => hmac(CLAIMS, { alg: 'HS256' }, Buffer.from('x'.repeat(40)))],
  ['an empty secret', 'secret', () => handmade({ alg: 'HS256' }, CLAIMS, '')],
  [
    'HS256 with the public key as PEM',
    'keys',
    async () => confused(await exportSPKI(issuer.pair('rsa').publicKey)),
  ],
  [
    'HS256 with the public key as JWK',
    'keys',
    async () => confused(JSON.stringify(await exportJWK(issuer.pair('rsa').publicKey))),
  ],
  [
    'HS256 with the public key of Ed25519',
    'keys',
    async () => confused((await exportJWK(issuer.pair('ed').publicKey)).x ?? '', 'ed'),
  ],
  ['ES256 under the id of the RSA key', 'keys', () => signedBy('ec', { alg: 'ES256', kid: 'rsa' })],
  ['RS256 under the id of the EC key', 'keys', () => signedBy('rsa', { alg: 'RS256', kid: 'ec' })],
  ['EdDSA under the id of the EC key', 'keys', () => signedBy('ed', { alg: 'EdDSA', kid: 'ec' })],
  ['PS256 with a key for RS256', 'keys', async () => pss()],
  ['nbf in the future', 'secret', () => hmac({ ...CLAIMS, nbf: now + 60 })],
  ['nbf that is no number', 'secret', () => handmade({ alg: 'HS256' }, { ...CLAIMS, nbf: 'soon' })],
  ['iat in the future', 'keys', () => rsa({ ...CLAIMS, iat: now + 3600 })],
  ['iat that is no number', 'secret', () => handmade({ alg: 'HS256' }, { ...CLAIMS, iat: 'now' })],
  ['expired', 'keys', () => rsa({ ...CLAIMS, exp: now - 60 })],
  ['exp that is a text', 'secret', () => handmade({ alg: 'HS256' }, { ...CLAIMS, exp: '9999999999' })],
  ['no exp', 'secret', () => hmac(without('exp'))],
  ['no sub', 'keys', () => rsa(without('sub'))],
  ['a sub that is a number', 'secret', () => handmade({ alg: 'HS256' }, { ...CLAIMS, sub: 7 })],
  ['an empty sub', 'secret', () => hmac({ ...CLAIMS, sub: ' ' })],
  ['a sub with a line break', 'secret', () => hmac({ ...CLAIMS, sub: 'alice\nadmin' })],
  ['a sub that turns the reading direction', 'secret', () => hmac({ ...CLAIMS, sub: 'a\u202enimda' })],
  ['no aud', 'secret', () => hmac(without('aud'))],
  ['an aud of another service', 'keys', () => rsa({ ...CLAIMS, aud: 'https://other.example' })],
  [
    'an aud list without us',
    'keys',
    () => rsa({ ...CLAIMS, aud: ['a', `${AUDIENCE}x`, AUDIENCE.toUpperCase()] }),
  ],
  ['an empty aud list', 'secret', () => hmac({ ...CLAIMS, aud: [] })],
  [
    'an aud that is an object',
    'secret',
    () => handmade({ alg: 'HS256' }, { ...CLAIMS, aud: { [AUDIENCE]: 1 } }),
  ],
  [
    'an aud in a list in a list',
    'secret',
    () => handmade({ alg: 'HS256' }, { ...CLAIMS, aud: [[AUDIENCE]] }),
  ],
  [
    'no iss',
    'keys',
    async () =>
      new SignJWT(CLAIMS)
        .setProtectedHeader({ alg: 'RS256', kid: 'rsa' })
        .sign(issuer.pair('rsa').privateKey),
  ],
  ['the iss of another', 'keys', () => rsa({ ...CLAIMS, iss: 'https://evil.example' })],
  ['an iss that begins like ours', 'keys', () => rsa({ ...CLAIMS, iss: `${issuer.issuer}/` })],
  ['an iss list with ours', 'keys', () => rsa({ ...CLAIMS, iss: [issuer.issuer] } as unknown as JWTPayload)],
  ['an unknown kid', 'keys', () => forged({ alg: 'RS256', kid: 'unknown' })],
  ['a known kid and another key', 'keys', () => forged({ alg: 'RS256', kid: 'rsa' })],
  ['no kid and another key', 'keys', () => forged({ alg: 'RS256' })],
  ['a kid that is a path', 'keys', () => forged({ alg: 'RS256', kid: '../../../../dev/null' })],
  [
    'a kid that is SQL',
    'own',
    () => handmade({ alg: 'HS256', kid: "x' UNION SELECT 'a','HS256','',0,NULL --" }, CLAIMS, ''),
  ],
  ['a kid that is an object', 'secret', () => handmade({ alg: 'HS256', kid: { $ne: 1 } }, CLAIMS)],
  ['a kid of 1,000 characters', 'secret', () => hmac(CLAIMS, { alg: 'HS256', kid: 'k'.repeat(1000) })],
  [
    'jku to the attacker',
    'keys',
    () => forged({ alg: 'RS256', kid: 'evil', jku: attacker.jwksUrl }, attacker.pair('evil')),
  ],
  [
    'x5u to the attacker',
    'keys',
    () => forged({ alg: 'RS256', kid: 'evil', x5u: attacker.jwksUrl }, attacker.pair('evil')),
  ],
  [
    'an embedded jwk',
    'keys',
    async () =>
      forged({ alg: 'RS256', kid: 'rsa', jwk: { kty: 'RSA', ...(await exportJWK(attackerPair.publicKey)) } }),
  ],
  ['an embedded x5c', 'keys', () => forged({ alg: 'RS256', kid: 'rsa', x5c: ['MIIB'] })],
  ['crit that nobody knows', 'secret', () => handmade({ alg: 'HS256', crit: ['exp2'], exp2: 1 }, CLAIMS)],
  ['an empty crit', 'secret', () => handmade({ alg: 'HS256', crit: [] }, CLAIMS)],
  ['crit b64', 'secret', () => hmac(CLAIMS, { alg: 'HS256', b64: true, crit: ['b64'] })],
  ['the type of an ID token', 'keys', () => rsa({ ...CLAIMS, typ: 'ID' })],
  ['the type of a DPoP proof', 'keys', () => rsa(CLAIMS, { typ: 'dpop+jwt' })],
  ['the type of a logout token', 'keys', () => rsa(CLAIMS, { typ: 'logout+jwt' })],
  ['8 KiB and more', 'secret', () => hmac({ ...CLAIMS, more: 'x'.repeat(9000) })],
  ['an encrypted token', 'keys', encrypted],
  ['JSON that is no object', 'secret', () => handmade({ alg: 'HS256' }, '[]')],
  ['a header that is no JSON', 'secret', () => handmade('{"alg":"HS256"', CLAIMS)],
  ['four parts', 'secret', async () => `${await hmac(CLAIMS)}.x`],
  ['revoked', 'own', () => revoked('own')],
  ['revoked, of the issuer', 'keys', () => revoked('keys')],
  ['of a subject that was revoked', 'secret', () => revoked('secret')],
  ['rotated out', 'own', () => rotatedOut()],
  ['of our own key for another audience', 'own', () => own('own', { audience: 'other' })],
  ['of our own key, expired', 'own', () => own('own', { lifetimeSeconds: -60 })],
  ['of our own key at another service', 'keys', () => own('own')],
  ['of the shared secret where there is none', 'own', () => hmac(CLAIMS)],
];

async function kidOf(mode: string): Promise<string> {
  return (await at(mode).service.credentials.keys.ensure()).kid;
}

function swapClaims(token: string): string {
  const [header, , signature] = token.split('.');
  return [header, Buffer.from(JSON.stringify(CLAIMS)).toString('base64url'), signature].join('.');
}

function confused(key: string, kid = 'rsa'): string {
  return handmade({ alg: 'HS256', kid }, { ...CLAIMS, iss: issuer.issuer }, key);
}

function signedBy(kid: string, header: JWTHeaderParameters) {
  return new SignJWT({ ...CLAIMS, iss: issuer.issuer })
    .setProtectedHeader(header)
    .sign(issuer.pair(kid).privateKey);
}

/** The key is published for RS256 alone. */
async function pss(): Promise<string> {
  const { importPKCS8 } = await import('jose');
  const key = await importPKCS8(await exportPKCS8(issuer.pair('rsa').privateKey), 'PS256');
  return new SignJWT({ ...CLAIMS, iss: issuer.issuer })
    .setProtectedHeader({ alg: 'PS256', kid: 'rsa' })
    .sign(key);
}

async function encrypted(): Promise<string> {
  const { publicKey } = await generateKeyPair('RSA-OAEP-256');
  return new CompactEncrypt(Buffer.from(JSON.stringify(CLAIMS)))
    .setProtectedHeader({ alg: 'RSA-OAEP-256', enc: 'A256GCM' })
    .encrypt(publicKey);
}

async function revoked(mode: 'own' | 'keys' | 'secret'): Promise<string> {
  const { revocations } = at(mode).service.credentials;
  if (mode === 'own') {
    const token = await own('own', { jti: 'gone' });
    await revocations.revoke({ credential: 'jwt:gone' });
    return token;
  }
  if (mode === 'keys') {
    await revocations.revoke({ credential: 'jwt:theirs' });
    return rsa({ ...CLAIMS, jti: 'theirs' });
  }
  await revocations.revoke({ subject: 'mallory' });
  return hmac({ ...CLAIMS, sub: 'mallory' });
}

async function rotatedOut(): Promise<string> {
  const token = await own('own');
  await at('own').service.credentials.keys.rotate('EdDSA', 0);
  return token;
}

describe('a token is refused, and moves nothing, when it is', () => {
  it.each(REFUSED)('%s (%s)', async (_name, mode, make) => {
    const token = await make();
    const before = simulator.clusters.flatMap(({ requests }) => requests).length;
    const { session, service } = at(mode);
    for (const headers of [{}, { 'mcp-session-id': session }] as Record<string, string>[]) {
      const response = await post(mode, token, headers['mcp-session-id'] ? CALL : INITIALIZE, headers);
      expect(response.status).toBe(401);
      expect(response.headers.get('www-authenticate')).toContain('error="invalid_token"');
      expect(response.headers.get('mcp-session-id')).toBeNull();
      expect(response.answer).not.toContain(token);
    }
    const log = service.lines.join('');
    expect(log).not.toContain(token);
    expect(log).not.toContain('"tool":');
    expect(simulator.clusters.flatMap(({ requests }) => requests).length).toBe(before);
    expect(attacker.fetches).toBe(0);
  });

  it('are at least thirty', () => {
    expect(REFUSED.length).toBeGreaterThanOrEqual(30);
  });

  it.each(['secret', 'keys', 'own'])('while a good one does move it (%s)', async (mode) => {
    const { session } = at(mode);
    const before = simulator.clusters.flatMap(({ requests }) => requests).length;
    const response = await post(mode, await goodToken(mode), CALL, { 'mcp-session-id': session });
    expect(response.status).toBe(200);
    expect(simulator.clusters.flatMap(({ requests }) => requests).length).toBeGreaterThan(before);
  });

  it.each<[string, () => Promise<string>]>([
    ['typ at+jwt', () => rsa(CLAIMS, { typ: 'at+jwt' })],
    ['typ application/at+jwt', () => rsa(CLAIMS, { typ: 'application/at+jwt' })],
    ['no typ', () => rsa(CLAIMS)],
    ['an aud list with us', () => rsa({ ...CLAIMS, aud: ['other', AUDIENCE] })],
    ['a clock that is 4 s ahead', () => rsa({ ...CLAIMS, iat: now + 4, nbf: now + 4 })],
    ['a jku that is ignored', () => rsa(CLAIMS, { jku: attacker.jwksUrl })],
    ['ES256', () => signedBy('ec', { alg: 'ES256', kid: 'ec' })],
    ['EdDSA', () => signedBy('ed', { alg: 'EdDSA', kid: 'ed' })],
  ])('and %s is no reason', async (_name, make) => {
    expect((await post('keys', await make(), INITIALIZE)).status).toBe(200);
    expect(attacker.fetches).toBe(0);
  });

  it('an issuer’s alice is not the alice of our own keys: neither finds the other’s session', async () => {
    const theirs = await post('keys', await goodToken('keys'), INITIALIZE);
    const session = { 'mcp-session-id': theirs.headers.get('mcp-session-id') ?? '' };
    expect((await post('keys', await own('keys'), CALL, session)).status).toBe(404);
  });
});
