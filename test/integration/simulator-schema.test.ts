import { gunzipSync } from 'node:zlib';
import { Agent, request } from 'undici';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { plausibleParameters, plausiblePath } from '../../scripts/schema-checks/plausible.ts';
import { extractSchema } from '../../src/catalogue/apidoc.ts';
import { readMethods } from '../../src/catalogue/schema.ts';
import type { ApiMethod } from '../../src/catalogue/types.ts';
import { Api } from '../../src/simulator/api.ts';
import { ApiError } from '../../src/simulator/errors.ts';
import { DEMO_ESTATE } from '../../src/simulator/estate.ts';
import { builtInSchema } from '../../src/simulator/schema/api-schema.ts';
import { type SimulatedCluster, type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { buildState } from '../../src/simulator/state/build-state.ts';
import type { ClusterState } from '../../src/simulator/state/cluster-state.ts';
import { verifyParameters } from '../../src/simulator/verify.ts';

const ROOT = { id: 'root@pam', user: 'root@pam' };
const SERVICE = { id: 'mcp@pve!limited', user: 'mcp@pve', token: 'limited' };
const api = new Api(builtInSchema());
let state: ClusterState;

function production(): ClusterState {
  const [spec] = DEMO_ESTATE;
  if (!spec) throw new Error('the demo estate is empty');
  return buildState(spec, { clock: Date.now, taskSeconds: 0 });
}

beforeEach(() => {
  state = production();
});

function call(
  verb: string,
  path: string,
  given: Record<string, unknown> = {},
  identity: object = ROOT,
): unknown {
  return api.call(state, { verb, path, given, identity: { ...ROOT, ...identity }, localNode: 'pve1' });
}

function refusal(verb: string, path: string, given = {}, identity: object = ROOT): ApiError {
  try {
    call(verb, path, given, identity);
  } catch (error) {
    if (error instanceof ApiError) return error;
    throw error;
  }
  throw new Error(`${verb} ${path} was not refused`);
}

describe('every method of the built-in schema', () => {
  test.each(api.operations.map((operation) => [`${operation.method} ${operation.path}`, operation] as const))(
    '%s',
    (_name, operation) => {
      const given = plausibleParameters(operation);
      const path = plausiblePath(operation, given);
      const beside = Object.entries(given).filter(([name]) => !operation.path.includes(`{${name}}`));
      // What no refusal of a handler, but one of the schema would be: the parameters are made from it.
      expect(() =>
        verifyParameters(operation.parameters, given, operation.additionalProperties),
      ).not.toThrow();
      try {
        call(operation.method, path, Object.fromEntries(beside));
      } catch (error) {
        // Guests that run, jobs that do not exist: refusals are fine, anything else is a defect of the simulator.
        expect(error).toBeInstanceOf(ApiError);
        expect([400, 401, 403, 404, 500]).toContain(error instanceof ApiError ? error.status : 501);
      }
    },
  );

  test('none lets a token without rights change anything that needs a privilege', () => {
    const guarded = api.operations.filter(
      ({ method, permissions }) => method !== 'GET' && permissions?.check,
    );
    for (const operation of guarded) {
      const given = plausibleParameters(operation);
      const path = plausiblePath(operation, given);
      const beside = Object.entries(given).filter(([name]) => !operation.path.includes(`{${name}}`));
      expect(refusal(operation.method, path, Object.fromEntries(beside), SERVICE).status, path).toBe(403);
    }
    expect(guarded.length).toBeGreaterThan(150);
  });
});

describe('a method that only the schema describes', () => {
  const SERVER = { type: 'graphite', server: '192.0.2.9', port: '2003' };

  test('keeps what is created, by POST on the item', () => {
    const path = '/cluster/metrics/server/graphite1';
    expect(refusal('GET', path).message).toBe("server 'graphite1' does not exist");
    call('POST', path, SERVER);
    expect(refusal('POST', path, SERVER).message).toBe("server 'graphite1' already exists");
    expect(call('GET', path)).toMatchObject({ id: 'graphite1', type: 'graphite', port: 2003 });
    expect(call('GET', '/cluster/metrics/server')).toMatchObject([{ id: 'graphite1', server: '192.0.2.9' }]);
    call('PUT', path, { server: '192.0.2.10', port: '2004', mtu: '1400' });
    call('PUT', path, { server: '192.0.2.10', port: '2004', delete: 'mtu' });
    const changed = call('GET', path);
    expect(changed).toMatchObject({ port: 2004 });
    expect(changed).not.toHaveProperty('mtu');
    call('DELETE', path);
    expect(refusal('DELETE', path).status).toBe(500);
    expect(call('GET', '/cluster/metrics/server')).toEqual([]);
  });

  test('refuses a digest that is not the present one', () => {
    const path = '/cluster/metrics/server/graphite1';
    call('POST', path, SERVER);
    const { digest } = call('GET', path) as { digest: string };
    call('PUT', path, { server: '192.0.2.10', port: '2004', digest });
    expect(refusal('PUT', path, { server: '192.0.2.11', port: '1', digest }).message).toMatch(
      /^detected modified configuration/,
    );
  });

  test('never shows a secret again', () => {
    call('POST', '/cluster/notifications/endpoints/gotify', {
      name: 'phone',
      server: 'https://gotify.invalid',
      token: 'hush',
    });
    const shown = call('GET', '/cluster/notifications/endpoints/gotify/phone');
    expect(shown).toMatchObject({ name: 'phone', server: 'https://gotify.invalid' });
    expect(JSON.stringify(shown)).not.toContain('hush');
  });

  test('that answers with a task starts one, whose end is the change', () => {
    const upid = call('POST', '/cluster/acme/account', { contact: 'someone@example.invalid' });
    expect(upid).toMatch(/^UPID:pve1:/);
    expect(state.tasks.find('pve1', String(upid))?.exitstatus).toBe('OK');
    expect(call('GET', '/cluster/acme/account')).toMatchObject([{ name: 'default' }]);
  });

  test('lists only what the caller may see', () => {
    call('POST', '/cluster/mapping/usb', { id: 'stick', map: ['node=pve1,id=10de:1234'] });
    expect(call('GET', '/cluster/mapping/usb')).toHaveLength(1);
    expect(call('GET', '/cluster/mapping/usb', {}, SERVICE)).toEqual([]);
  });

  test('an index lists what the schema has below it', () => {
    expect(call('GET', '/cluster/mapping')).toEqual(
      expect.arrayContaining([expect.objectContaining({ name: 'pci' })]),
    );
    expect(call('GET', '/nodes/pve1')).toEqual(expect.arrayContaining([{ name: 'qemu' }, { name: 'apt' }]));
  });
});

describe('what the schema refuses', () => {
  test('parameters, all at once', () => {
    const { status, errors } = refusal('PUT', '/cluster/metrics/server/x1', { port: 'x', nope: 1, mtu: '1' });
    expect(status).toBe(400);
    expect(errors).toMatchObject({
      port: "type check ('integer') failed - got 'x'",
      nope: 'property is not defined in schema and the schema does not allow additional properties',
      server: 'property is missing and it is not optional',
    });
  });

  test('a method without permissions is for root@pam alone', () => {
    const { status, message } = refusal('POST', '/cluster/acme/account', { contact: 'a@b.invalid' }, SERVICE);
    expect({ status, message }).toEqual({
      status: 403,
      message: 'Permission check failed (user != root@pam)',
    });
  });

  test('writes, without a quorum', () => {
    const [, second, third] = state.nodes;
    if (second && third) second.online = third.online = false;
    expect(refusal('DELETE', '/cluster/acme/account/x').message).toBe('cluster not ready - no quorum?');
    expect(call('GET', '/cluster/status')).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ type: 'cluster', quorate: 0 }),
        expect.objectContaining({ name: 'pve2', online: 0 }),
      ]),
    );
  });
});

describe('over the wire', () => {
  let simulator: Simulator;
  let cluster: SimulatedCluster;
  let agent: Agent;

  beforeAll(async () => {
    simulator = await startSimulator({ authDelaySeconds: 0 });
    cluster = simulator.cluster('production');
    agent = new Agent({ connect: { ca: cluster.certificatePem } });
  });
  afterAll(async () => {
    await agent.destroy();
    await simulator.close();
  });

  const fetchApidoc = (headers: Record<string, string> = {}) => {
    const url = `https://${cluster.url}/pve-docs/api-viewer/apidoc.js`;
    return request(url, { dispatcher: agent, headers });
  };

  test('apidoc.js is there for anyone, in the form of the real one', async () => {
    const { statusCode, headers, body } = await fetchApidoc();
    const text = await body.text();
    expect(statusCode).toBe(200);
    expect(headers['content-type']).toBe('application/javascript');
    expect(text).toMatch(/^const apiSchema = \[\n/);
    expect(text).toMatch(/\n\]\n;\n/);
    const methods = readMethods(extractSchema(text));
    // What methods return is cut off by the reader where it nests too deep.
    const known = (list: readonly ApiMethod[]) =>
      [...list]
        .map(({ returns: _returns, ...method }) => method)
        .sort((a, b) => `${a.path} ${a.method}`.localeCompare(`${b.path} ${b.method}`));
    expect(known(methods)).toEqual(known(api.schema.methods));
  });

  test('it comes packed where that is accepted, and not at all where it is known', async () => {
    const packed = await fetchApidoc({ 'accept-encoding': 'gzip, br' });
    expect(packed.headers['content-encoding']).toBe('gzip');
    const content = Buffer.from(await packed.body.arrayBuffer());
    expect(gunzipSync(content).toString()).toMatch(/^const apiSchema = /);
    const date = String(packed.headers['last-modified']);
    const known = await fetchApidoc({ 'if-modified-since': date });
    expect([known.statusCode, await known.body.text()]).toEqual([304, '']);
    const older = await fetchApidoc({ 'if-modified-since': 'Thu, 01 Jan 2026 00:00:00 GMT' });
    expect(older.statusCode).toBe(200);
    await older.body.dump();
  });

  test('a login that shows a token is refused', async () => {
    const { statusCode, body } = await request(`https://${cluster.url}/api2/json/access/ticket`, {
      method: 'POST',
      dispatcher: agent,
      headers: {
        authorization: `PVEAPIToken=${cluster.user}!${cluster.tokenId}=${cluster.tokenSecret}`,
        'content-type': 'application/x-www-form-urlencoded',
      },
      body: new URLSearchParams({ username: cluster.user, password: cluster.password }).toString(),
    });
    await body.dump();
    expect(statusCode).toBe(403);
  });
});
