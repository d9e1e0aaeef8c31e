import { Readable } from 'node:stream';
import { connect } from 'node:tls';
import { Agent, request } from 'undici';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { startSimulator } from '../../src/simulator/simulator.ts';
import { type ClusterApi, SimulatedApi } from '../support/simulated-api.ts';

const JSON_TYPE = 'application/json;charset=UTF-8';
const AUTH_DELAY_MS = 300;
const HOUR_SECONDS = 3600;

let api: SimulatedApi;
let production: ClusterApi;
let limited: ClusterApi;

beforeAll(async () => {
  api = await SimulatedApi.start({
    taskSeconds: 0.05,
    authDelaySeconds: AUTH_DELAY_MS / 1000,
    resourcesLagSeconds: 0,
  });
  production = api.on('production');
  limited = api.on('production', true);
});
afterAll(() => api.close());

describe('the way in', () => {
  test('each cluster has its own certificate, pinned by its fingerprint', async () => {
    const seen = await Promise.all(
      api.simulator.clusters.map(async ({ url, certificatePem, fingerprint }) => {
        const [host, port] = url.split(':');
        const socket = connect({ host: host ?? '', port: Number(port), ca: certificatePem });
        await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject));
        const { fingerprint256 } = socket.getPeerCertificate();
        socket.destroy();
        expect(fingerprint256).toBe(fingerprint);
        return fingerprint256;
      }),
    );
    expect(new Set(seen).size).toBe(3);
  });

  test('a token gets an answer with the exact content type', async () => {
    const reply = await production.call('GET', '/version');
    expect(reply).toMatchObject({ status: 200, reason: 'OK', data: { release: '9.2' } });
    expect(reply.headers['content-type']).toBe(JSON_TYPE);
    expect(reply.headers.connection).toBe('Keep-Alive');
    expect(reply.headers['keep-alive']).toBeUndefined();
  });

  test.each([
    ['nothing', {}, 'No ticket'],
    ['a wrong secret', { authorization: 'PVEAPIToken=mcp@pve!mcp=nope' }, 'Authentication failed!'],
    ['a forged ticket', { cookie: 'PVEAuthCookie=PVE:mcp@pve:00000000::AAAA' }, 'Authentication failed!'],
  ])('%s is refused late, without content type or body', async (_what, headers, reason) => {
    const started = performance.now();
    const reply = await production.call('GET', '/version', undefined, { as: headers });
    expect(performance.now() - started).toBeGreaterThanOrEqual(AUTH_DELAY_MS - 5);
    expect(reply).toMatchObject({ status: 401, reason, text: '' });
    expect(reply.headers['content-type']).toBeUndefined();
    expect(reply.headers.connection).toBe('close');
  });

  test('a login yields a ticket that reads, and with the CSRF token writes', async () => {
    const { user, password } = production.cluster;
    const login = await production.call('POST', '/access/ticket', { username: user, password }, { as: {} });
    const { ticket, CSRFPreventionToken: csrf } = login.row;
    const cookie = `PVEAuthCookie=${encodeURIComponent(ticket ?? '')}`;
    expect((await production.call('GET', '/version', undefined, { as: { cookie } })).status).toBe(200);
    const path = '/nodes/pve1/qemu/100/snapshot/installed/config';
    const body = { description: 'by ticket' };
    expect(await production.call('PUT', path, body, { as: { cookie } })).toMatchObject({
      status: 401,
      reason: 'Permission denied - invalid csrf token',
    });
    expect(
      (await production.call('PUT', path, body, { as: { cookie, csrfpreventiontoken: String(csrf) } }))
        .status,
    ).toBe(200);
    api.pass(2 * HOUR_SECONDS + 1);
    expect((await production.call('GET', '/version', undefined, { as: { cookie } })).reason).toBe(
      'Authentication failed!',
    );
    api.pass(-2 * HOUR_SECONDS - 1);
  });

  test('a login with the wrong password is refused late, and in JSON', async () => {
    const started = performance.now();
    const reply = await production.call(
      'POST',
      '/access/ticket',
      { username: 'mcp@pve', password: 'nope' },
      { as: {} },
    );
    expect(performance.now() - started).toBeGreaterThanOrEqual(AUTH_DELAY_MS - 5);
    expect(reply).toMatchObject({ status: 401, reason: 'authentication failure' });
    expect(reply.body.message).toBe('authentication failure\n');
  });

  test('a cookie beats a token', async () => {
    const reply = await production.call('GET', '/version', undefined, {
      headers: { cookie: 'PVEAuthCookie=nope' },
    });
    expect(reply.status).toBe(401);
  });

  test('the realms are shown to anyone', async () => {
    const { rows } = await production.call('GET', '/access/domains', undefined, { as: {} });
    expect(rows.map((row) => row.realm)).toEqual(['pam', 'pve']);
  });
});

describe('what is refused', () => {
  test.each([
    ['GET', '/nope', "Method 'GET /nope' not implemented"],
    ['DELETE', '/version', "Method 'DELETE /version' not implemented"],
    ['PATCH', '/version', "method 'PATCH' not available"],
  ])('%s %s: 501', async (method, path, reason) => {
    const reply = await production.call(method, path);
    expect(reply).toMatchObject({ status: 501, reason });
    expect(reply.headers.connection).toBe('close');
  });

  test('bad parameters: 400, every one named', async () => {
    const reply = await production.call('GET', '/cluster/resources?type=x&nope=1');
    expect(reply).toMatchObject({ status: 400, reason: 'Parameter verification failed.' });
    expect(reply.body.message).toBe('Parameter verification failed.\n');
    expect(reply.body.errors).toEqual({
      nope: 'property is not defined in schema and the schema does not allow additional properties',
      type: "value 'x' does not have a value in the enumeration 'vm, storage, node, sdn'",
    });
  });

  test('a parameter of the path given again with another value: 400', async () => {
    const reply = await production.call('GET', '/nodes/pve1/status?node=pve2');
    expect(reply.body.errors?.node).toContain('duplicate parameter');
  });

  test('a token without the privilege: 403 names path and privilege', async () => {
    const reply = await limited.call('GET', '/nodes/pve1/qemu/100/config');
    expect(reply).toMatchObject({ status: 403, reason: 'Permission check failed (/vms/100, VM.Audit)' });
  });

  test('a guest that is not there: 500', async () => {
    const reply = await production.call('GET', '/nodes/pve1/qemu/999/config');
    const reason = "Configuration file 'nodes/pve1/qemu-server/999.conf' does not exist";
    expect(reply).toMatchObject({ status: 500, reason, data: null });
  });

  test('a node that is not there, and one that is offline', async () => {
    expect((await production.call('GET', '/nodes/nope/status')).reason).toContain(
      "hostname lookup 'nope' failed",
    );
    const [, , third] = production.cluster.state.nodes;
    if (third) third.online = false;
    expect(await production.call('GET', '/nodes/pve3/status')).toMatchObject({ status: 595, text: '' });
    if (third) third.online = true;
  });

  test('a DELETE with a body, a body of another type, one too large: 501 and 506', async () => {
    const path = '/nodes/pve1/qemu/100/config';
    expect((await production.call('DELETE', path, { a: 'b' })).reason).toBe(
      "Unexpected content for method 'DELETE'",
    );
    const plain = { 'content-type': 'text/plain' };
    expect((await production.call('PUT', path, 'x', { headers: plain })).status).toBe(506);
    expect((await production.call('PUT', path, { description: 'x'.repeat(600_000) })).status).toBe(501);
  });

  test('a body of unknown length: 501', async () => {
    const { statusCode, statusText } = await request(
      `https://${production.cluster.url}/api2/json/access/ticket`,
      {
        method: 'POST',
        dispatcher: production.agent,
        body: Readable.from(['username=mcp@pve&password=x']),
      },
    );
    expect([statusCode, statusText]).toEqual([501, 'chunked transfer encoding not supported']);
  });

  test('skiplock is for root alone', async () => {
    const reply = await production.call('POST', '/nodes/pve1/qemu/100/status/stop', { skiplock: '1' });
    expect(reply.body.errors).toEqual({ skiplock: 'Only root may use this option.' });
  });
});

describe('the cluster as a whole', () => {
  test('every request is recorded, without secrets', async () => {
    const { requests, password, tokenSecret } = production.cluster;
    const before = requests.length;
    await production.call('POST', '/access/ticket', { username: 'mcp@pve', password }, { as: {} });
    await production.call('GET', '/cluster/resources?type=node', undefined, { node: 1 });
    expect(requests.slice(before)).toEqual([
      expect.objectContaining({
        node: 'pve1',
        method: 'POST',
        path: '/api2/json/access/ticket',
        params: { username: 'mcp@pve', password: '[redacted]' },
        status: 200,
      }),
      expect.objectContaining({
        node: 'pve2',
        query: { type: 'node' },
        params: { type: 'node' },
        status: 200,
      }),
    ]);
    expect(JSON.stringify(requests)).not.toContain(password);
    expect(JSON.stringify(requests)).not.toContain(tokenSecret);
  });

  test('a connection serves a hundred requests', async () => {
    const agent = new Agent({ connect: { ca: production.cluster.certificatePem }, connections: 1 });
    const ask = async () => {
      const { headers, body } = await request(`https://${production.cluster.url}/api2/json/access/domains`, {
        dispatcher: agent,
      });
      await body.dump();
      return headers.connection;
    };
    const seen: unknown[] = [];
    for (let count = 0; count < 101; count += 1) seen.push(await ask());
    expect(seen.indexOf('close')).toBe(99);
    expect(seen[100]).toBe('Keep-Alive');
    await agent.destroy();
  });

  test('it goes down and comes back on the same ports', async () => {
    const staging = api.on('staging');
    const { cluster } = staging;
    await cluster.stop();
    await expect(staging.call('GET', '/version')).rejects.toThrow(/ECONNREFUSED/);
    expect((await production.call('GET', '/version')).status).toBe(200);
    await cluster.start();
    expect((await staging.call('GET', '/version', undefined, { node: 1 })).status).toBe(200);
  });

  test('closing twice is closing once, with a call still held back', async () => {
    const brief = await startSimulator({ clusters: [{ name: 'brief', nodes: [{ name: 'n1' }] }] });
    const cluster = brief.cluster('brief');
    const dispatcher = new Agent({ connect: { ca: cluster.certificatePem } });
    const held = request(`https://${cluster.url}/api2/json/version`, { dispatcher });
    const refused = expect(held).rejects.toThrow();
    await vi.waitFor(() => expect(cluster.requests).toHaveLength(1));
    await brief.close();
    await brief.close();
    await refused;
    await dispatcher.destroy();
  });
});
