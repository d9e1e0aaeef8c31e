import { SignJWT, UnsecuredJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { directoryOf, RecordingCluster } from '../support/recording-cluster.ts';
import { AUDIENCE, buildService, SHARED_SECRET, type TestService, tokenFor } from '../support/service.ts';

const cluster = new RecordingCluster('production');
const list = { jsonrpc: '2.0', id: 1, method: 'tools/list' };
const json = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
const GUARDED = [
  ['POST', '/mcp'],
  ['GET', '/mcp'],
  ['DELETE', '/mcp'],
  ['POST', '/mcp/'],
  ['POST', '/mcp/production'],
  ['GET', '/sse'],
  ['POST', '/messages?sessionId=x'],
  ['GET', '/metrics'],
  ['GET', '/nothing-here'],
] as const;

let service: TestService;

beforeAll(async () => {
  service = await buildService({
    estate: directoryOf(cluster),
    http: { allowedOrigins: ['https://app.example'], publicUrl: 'https://mcp.example/base' },
  });
});
afterAll(() => service.close());

function send(
  method: 'GET' | 'POST' | 'DELETE',
  url: string,
  headers: Record<string, string> = {},
  payload: object | string = list,
) {
  const body = method === 'POST' ? { payload } : {};
  return service.app.inject({ method, url, headers: { host: 'localhost', ...json, ...headers }, ...body });
}

async function signed(claims: Record<string, unknown>) {
  const key = new TextEncoder().encode(SHARED_SECRET.reveal());
  return new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(key);
}

describe('without a token', () => {
  it.each(GUARDED)('%s %s answers 401 with the metadata address', async (method, url) => {
    const response = await send(method, url);
    expect(response.statusCode).toBe(401);
    expect(response.headers['www-authenticate']).toBe(
      'Bearer resource_metadata="https://mcp.example/base/.well-known/oauth-protected-resource/mcp", scope="proxmox:read"',
    );
  });

  it.each([
    '/healthz',
    '/readyz',
    '/.well-known/oauth-protected-resource',
    '/.well-known/oauth-protected-resource/mcp',
  ])('%s is open', async (url) => {
    const response = await send('GET', url);
    expect(response.statusCode).toBe(200);
  });

  it('says in the metadata what the resource is, and lists no authorization server with a shared secret', async () => {
    const body = (await send('GET', '/.well-known/oauth-protected-resource/mcp')).json();
    expect(body).toMatchObject({
      resource: 'https://mcp.example/base/mcp',
      bearer_methods_supported: ['header'],
    });
    expect(body).not.toHaveProperty('authorization_servers');
    expect(body.scopes_supported).toContain('proxmox:read');
  });
});

describe('a bad token', () => {
  const now = Math.floor(Date.now() / 1000);
  const good = { sub: 'a', aud: AUDIENCE, exp: now + 60, scope: 'proxmox:read' };
  it.each<[string, () => string | Promise<string>]>([
    ['expired', () => signed({ ...good, exp: now - 60 })],
    ['of another audience', () => signed({ ...good, aud: 'other' })],
    ['with alg none', () => new UnsecuredJWT(good).encode()],
    ['garbage', () => 'canary-not-a-token'],
  ])('%s answers 401 invalid_token', async (_name, make) => {
    const token = await make();
    const response = await send('POST', '/mcp', { authorization: `Bearer ${token}` });
    expect(response.statusCode).toBe(401);
    expect(response.headers['www-authenticate']).toContain('error="invalid_token"');
    expect(response.body).not.toContain(token);
    expect(service.lines.join('')).not.toContain(token);
  });

  it.each(['Basic dTpw', 'Bearer', 'Bearer a b', 'Bearer "x"', 'canary'])(
    '%j is malformed: 400',
    async (authorization) => {
      const response = await send('POST', '/mcp', { authorization });
      expect(response.statusCode).toBe(400);
      expect(response.headers['www-authenticate']).toContain('error="invalid_request"');
    },
  );

  it('without any of our scopes answers 403 insufficient_scope', async () => {
    const response = await send('POST', '/mcp', {
      authorization: `Bearer ${await tokenFor('a', 'openid email')}`,
    });
    expect(response.statusCode).toBe(403);
    expect(response.headers['www-authenticate']).toMatch(/error="insufficient_scope".*scope="proxmox:read"/);
  });

  it.each(['access_token', 'ACCESS_TOKEN', 'api_key', 'x'])(
    'in the query string, as %s, answers 400 and is not logged, whatever the header says',
    async (name) => {
      const token = await tokenFor('a');
      for (const headers of [{}, { authorization: `Bearer ${token}` }]) {
        const response = await send('POST', `/mcp?${name}=${token}`, headers);
        expect(response.statusCode).toBe(400);
        expect(response.headers['www-authenticate']).toContain('error="invalid_request"');
        expect(response.body).not.toContain(token);
      }
      expect(service.lines.join('')).not.toContain(token);
    },
  );
});

describe('Host and Origin', () => {
  it.each(['evil.example', 'localhost.evil.example', 'mcp.example:1/x'])(
    'Host %s answers 421',
    async (host) => {
      const response = await send('POST', '/mcp', { host, authorization: `Bearer ${await tokenFor('a')}` });
      expect(response.statusCode).toBe(421);
    },
  );

  it('a wrong Host is refused even where no token is needed', async () => {
    expect((await send('GET', '/healthz', { host: 'evil.example' })).statusCode).toBe(421);
  });

  it.each(['https://evil.example', 'null', 'http://localhost:81', 'https://app.example.evil.example'])(
    'Origin %s answers 403',
    async (origin) => {
      const response = await send('POST', '/mcp', { origin, authorization: `Bearer ${await tokenFor('a')}` });
      expect(response.statusCode).toBe(403);
      expect(response.headers['access-control-allow-origin']).toBeUndefined();
    },
  );

  it('an allowed Origin gets its CORS headers, on the preflight and on the answer', async () => {
    const origin = 'https://app.example';
    const preflight = await service.app.inject({
      method: 'OPTIONS',
      url: '/mcp',
      headers: { host: 'localhost', origin, 'access-control-request-method': 'POST' },
    });
    expect(preflight.statusCode).toBe(204);
    expect(preflight.headers['access-control-allow-origin']).toBe(origin);
    const denied = await send('POST', '/mcp', { origin });
    expect(denied.headers['access-control-allow-origin']).toBe(origin);
    expect(denied.headers['access-control-expose-headers']).toContain('mcp-session-id');
  });
});

describe('bodies', () => {
  const authorized = async () => ({ authorization: `Bearer ${await tokenFor('a')}` });

  it('of 10 MB answer 413', async () => {
    const response = await send('POST', '/mcp', await authorized(), {
      ...list,
      params: { x: 'x'.repeat(10_000_000) },
    });
    expect(response.statusCode).toBe(413);
  });

  it('of 10 MB without a token are not read', async () => {
    const response = await send('POST', '/mcp', {}, { ...list, params: { x: 'x'.repeat(10_000_000) } });
    expect(response.statusCode).toBe(401);
  });

  it.each(['{', '', '[1,', '{"__proto__":{"x":1}}', '{"constructor":{"prototype":{"x":1}}}'])(
    '%j answers 400',
    async (payload) => {
      const response = await send('POST', '/mcp', await authorized(), payload);
      expect(response.statusCode).toBe(400);
    },
  );

  it('of another type answer 415', async () => {
    const response = await send(
      'POST',
      '/mcp',
      { ...(await authorized()), 'content-type': 'text/xml' },
      '<a/>',
    );
    expect(response.statusCode).toBe(415);
  });

  it('that are no message answer 400 and reach no cluster', async () => {
    for (const payload of ['null', '1', '"x"', '[]', '{}', '[null]', '{"jsonrpc":"2.0"}']) {
      const response = await send('POST', '/mcp', await authorized(), payload);
      expect(response.statusCode, payload).toBe(400);
    }
    expect(cluster.calls).toEqual([]);
  });
});

describe('the answers', () => {
  it('carry security headers and no name of the software', async () => {
    const { headers } = await send('GET', '/healthz');
    expect(headers['x-content-type-options']).toBe('nosniff');
    expect(headers['x-powered-by']).toBeUndefined();
  });

  it('say 404 where nothing is, with a token', async () => {
    const response = await send('GET', '/nothing-here', { authorization: `Bearer ${await tokenFor('a')}` });
    expect(response.statusCode).toBe(404);
    expect(response.json().message).toContain('/mcp');
  });

  it('say 404 and the known names for a cluster that does not exist', async () => {
    const response = await send('POST', '/mcp/nope', { authorization: `Bearer ${await tokenFor('a')}` });
    expect(response.statusCode).toBe(404);
    expect(response.body).toContain('production');
  });

  it('say in readyz which cluster does not answer', async () => {
    cluster.state = {
      reachable: false,
      code: 'CLUSTER_UNREACHABLE',
      message: 'canary address',
      checkedAt: 0,
    };
    const response = await send('GET', '/readyz');
    expect(response.statusCode).toBe(503);
    expect(response.json().clusters).toEqual([
      { name: 'production', reachable: false, problem: 'CLUSTER_UNREACHABLE' },
    ]);
    expect(response.body).not.toContain('canary');
  });
});
