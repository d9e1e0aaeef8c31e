import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import { Provider } from 'oidc-provider';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { directoryOf, RecordingCluster } from '../support/recording-cluster.ts';
import { buildService, type TestService } from '../support/service.ts';

/** As MCP clients name it: the address of the service's endpoint (RFC 8707). */
const RESOURCE = 'https://mcp.example/mcp';
const SCOPES = 'proxmox:read proxmox:change proxmox:approve';
const CLIENT = { client_id: 'assistant', client_secret: 'a-client-secret-of-the-test' };
const INITIALIZE = {
  jsonrpc: '2.0',
  id: 0,
  method: 'initialize',
  params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'test', version: '1' } },
};

let server: Server | undefined;
let port = 0;
let issuer = '';
let service: TestService;
let url: string;
/** Where the service's clock stands before the real one. */
let ahead = 0;
const cluster = new RecordingCluster('production');

beforeEach(async () => {
  ahead = 0;
  port = 0;
  await startProvider([await makeKey('k1')]);
  service = await buildService({
    estate: directoryOf(cluster),
    http: { publicUrl: 'https://mcp.example' },
    auth: { mode: 'jwks', jwksUrl: `${issuer}/jwks`, issuer, audience: RESOURCE },
    verifier: { clock: () => Date.now() + ahead },
  });
  url = await service.listen();
});
afterEach(async () => {
  await service.close();
  await stopProvider();
});

async function makeKey(kid: string): Promise<JWK> {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  return { ...(await exportJWK(privateKey)), kid, alg: 'RS256', use: 'sig' };
}

/** A real authorization server on loopback, which gives JWT access tokens for the service's address. */
async function startProvider(keys: JWK[]): Promise<void> {
  server = createServer();
  await new Promise<void>((listening) => server?.listen(port, '127.0.0.1', () => listening()));
  port = (server.address() as AddressInfo).port;
  issuer = `http://127.0.0.1:${port}`;
  const provider = new Provider(issuer, {
    jwks: { keys },
    clients: [{ ...CLIENT, grant_types: ['client_credentials'], redirect_uris: [], response_types: [] }],
    scopes: SCOPES.split(' '),
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_context: unknown, resource: string) => ({
          scope: SCOPES,
          audience: resource,
          accessTokenFormat: 'jwt',
          accessTokenTTL: 3600,
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
  });
  server.on('request', provider.callback());
}

async function stopProvider(): Promise<void> {
  server?.closeAllConnections();
  await new Promise<void>((closed) => (server ? server.close(() => closed()) : closed()));
  server = undefined;
}

async function token({ resource = RESOURCE, scope = 'proxmox:read' } = {}): Promise<string> {
  const response = await fetch(`${issuer}/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ grant_type: 'client_credentials', resource, scope, ...CLIENT }),
  });
  const body = (await response.json()) as { access_token?: string };
  expect(body.access_token, JSON.stringify(body)).toBeDefined();
  return body.access_token ?? '';
}

async function open(shown: string | undefined) {
  const response = await fetch(`${url}/mcp`, {
    method: 'POST',
    headers: {
      host: 'mcp.example',
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...(shown === undefined ? {} : { authorization: `Bearer ${shown}` }),
    },
    body: JSON.stringify(INITIALIZE),
  });
  await response.text();
  return response;
}

it('a client finds the authorization server by the challenge, and gets in with its token', async () => {
  const challenge = (await open(undefined)).headers.get('www-authenticate') ?? '';
  const address = /resource_metadata="([^"]+)"/.exec(challenge)?.[1] ?? '';
  const local = new URL(new URL(address).pathname, url);
  const metadata = (await (await fetch(local)).json()) as Record<string, string[]>;
  expect(metadata).toMatchObject({ resource: RESOURCE, authorization_servers: [issuer] });
  expect(metadata.scopes_supported).toContain('proxmox:approve');
  const server = await fetch(`${metadata.authorization_servers?.[0]}/.well-known/openid-configuration`);
  expect(await server.json()).toMatchObject({ jwks_uri: `${issuer}/jwks` });

  const shown = await token({ scope: 'proxmox:read proxmox:change' });
  expect((await open(shown)).status).toBe(200);
  const header = JSON.parse(Buffer.from(shown.split('.')[0] ?? '', 'base64url').toString());
  expect(header).toMatchObject({ typ: 'at+jwt', kid: 'k1' });
});

it('a token for another resource, or without our scopes, does not get in', async () => {
  expect((await open(await token({ resource: 'https://other.example/mcp' }))).status).toBe(401);
  const bare = await open(await token({ scope: '' }));
  expect(bare.status).toBe(403);
  expect(bare.headers.get('www-authenticate')).toMatch(
    /error="insufficient_scope".*resource_metadata=".*scope="proxmox:read"/,
  );
});

it('the issuer changes its key while the service runs, and old tokens end with the old key', async () => {
  const old = await token();
  expect((await open(old)).status).toBe(200);
  await stopProvider();
  await startProvider([await makeKey('k2')]);
  const fresh = await token();
  ahead = 30_000;
  expect((await open(fresh)).status).toBe(200);
  expect((await open(old)).status).toBe(401);
});

it('the issuer is down: its tokens still count, forged ones still don’t, and it is found again', async () => {
  const shown = await token();
  expect((await open(shown)).status).toBe(200);
  await stopProvider();
  ahead = 20 * 60_000;
  for (let attempt = 0; attempt < 3; attempt++) expect((await open(shown)).status).toBe(200);
  const [header, claims] = shown.split('.');
  expect((await open(`${header}.${claims}.AAAA`)).status).toBe(401);
  await startProvider([await makeKey('k3')]);
  const fresh = await token();
  ahead += 30_000;
  await expect.poll(async () => (await open(fresh)).status).toBe(200);
});

it('the issuer was never there: the service says so, and blames no token', async () => {
  const shown = await token();
  await stopProvider();
  const response = await open(shown);
  expect(response.status).toBe(503);
  expect(response.headers.get('retry-after')).toBe('5');
  expect(response.headers.get('www-authenticate')).toBeNull();
});

it('a token can be revoked here, though its issuer does not know', async () => {
  const shown = await token();
  expect((await open(shown)).status).toBe(200);
  const claims = JSON.parse(Buffer.from(shown.split('.')[1] ?? '', 'base64url').toString());
  await service.credentials.revocations.revoke({ credential: `jwt:${claims.jti}` });
  expect((await open(shown)).status).toBe(401);
});
