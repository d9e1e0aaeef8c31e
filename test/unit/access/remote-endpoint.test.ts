import { describe, expect, it } from 'vitest';
import type { GateRequest } from '../../../src/access/gate.ts';
import { arrivalOf, refuseGivenEndpoint, remoteEndpoint } from '../../../src/access/remote-endpoint.ts';
import { Secret } from '../../../src/config/secret.ts';
import { parseApiPath } from '../../../src/proxmox/api-path.ts';
import type { HttpMethod } from '../../../src/proxmox/call.ts';
import { RecordingCluster } from '../../support/recording-cluster.ts';

const MOVE = 'POST /nodes/pve1/qemu/100/remote_migrate';
const SECRET = 'canary-token-secret';

function call(line: string, data?: Record<string, unknown>): GateRequest {
  const [method, path = ''] = line.split(' ') as [HttpMethod, string];
  return { method, path: parseApiPath(path), ...(data === undefined ? {} : { data }) };
}

describe('an endpoint that a caller brings', () => {
  it.each<[string, string, Record<string, unknown>]>([
    ['as it is', MOVE, { 'target-endpoint': 'host=x' }],
    ['without a value', MOVE, { 'target-endpoint': null }],
    ['in other letters', MOVE, { 'Target-EndPoint': 'x' }],
    ['between blanks', MOVE, { ' target-endpoint\t': 'x' }],
    ['with an underscore', MOVE, { target_endpoint: 'x' }],
    ['with another hyphen', MOVE, { 'target\u2010endpoint': 'x' }],
    ['with what nobody sees', MOVE, { 'target\u200b-end\u00adpoint': 'x' }],
    ['in wide letters', MOVE, { 'ｔａｒｇｅｔ－ｅｎｄｐｏｉｎｔ': 'x' }],
    ['percent-encoded', MOVE, { 'target%2Dendpoint': 'x' }],
    ['percent-encoded in a letter', MOVE, { '%74arget-endpoint': 'x' }],
    ['as a list', MOVE, { 'target-endpoint[]': ['x'] }],
    ['as a member', MOVE, { 'target-storage': { 'target-endpoint': 'x' } }],
    ['beside others in a list', MOVE, { a: [1, { 'target-endpoint': 'x' }] }],
    ['deeper', MOVE, { a: [{ b: { 'target-endpoint': 'x' } }] }],
    ['with another call', 'PUT /nodes/pve1/qemu/100/config', { 'target-endpoint': 'x' }],
    ['with a reading', 'GET /version', { 'target-endpoint': 'x' }],
    ['with a path that is none', 'POST /no/such/path', { 'target-endpoint': 'x' }],
    ...['"target-endpoint"', '"target\\u002dendpoint"', '"TARGET-ENDPOINT"'].map(
      (name): [string, string, Record<string, unknown>] => [
        `in a batch, as ${name}`,
        'POST /nodes/pve1/execute',
        { commands: `[{"method":"POST","path":"nodes/pve1/qemu/100/remote_migrate","args":{${name}:"x"}}]` },
      ],
    ),
    ['in one of several batches', 'POST /nodes/pve1/execute', { commands: ['[]', '{"target-endpoint":1}'] }],
  ])('is refused %s', (_how, line, data) => {
    expect(() => refuseGivenEndpoint(call(line, data))).toThrow(
      expect.objectContaining({
        code: 'INVALID_ARGUMENTS',
        message: 'target-endpoint is not taken from a caller; nothing was sent.',
        hint: expect.stringContaining('migrate_guest_between_clusters makes it itself'),
      }),
    );
  });

  it.each<[string, Record<string, unknown> | undefined]>([
    [MOVE, undefined],
    [MOVE, { 'target-storage': 'a', 'target-bridge': '1', 'target-vmid': 5 }],
    ['PUT /nodes/pve1/qemu/100/config', { description: 'see target-endpoint', target: 'endpoint' }],
    ['POST /nodes/pve1/execute', { commands: '[{"args":{"target":"x"}}]' }],
    ['POST /nodes/pve1/execute', { commands: 'no JSON' }],
    ['POST /nodes/pve1/execute', { commands: 7 }],
  ])('is nothing else: %s %j', (line, data) => {
    expect(() => refuseGivenEndpoint(call(line, data))).not.toThrow();
  });
});

describe('the endpoint of a node', () => {
  const { signal } = new AbortController();

  it('holds its address, the token and the certificate; the secret stands in what is sent alone', async () => {
    const cluster = new RecordingCluster('b');
    const { whole, secret, ...open } = await remoteEndpoint(cluster, 'pve7', signal);
    expect(whole.reveal()).toBe(
      `host=pve.example,port=8006,apitoken=PVEAPIToken=mcp@pve!mcp=${SECRET},fingerprint=AA:BB`,
    );
    expect(secret.reveal()).toBe(SECRET);
    expect(open).toMatchObject({
      shown:
        'host=pve.example,port=8006,apitoken=PVEAPIToken=mcp@pve!mcp=[added when it is sent],fingerprint=AA:BB',
      words: 'node pve7 of b at pve.example:8006, certificate AA:BB',
    });
    expect(JSON.stringify([open, whole, secret])).not.toContain(SECRET);
    expect(cluster.calls).toEqual([]);
  });

  it('is not made for a cluster with a password, which is not even asked', async () => {
    const cluster = new RecordingCluster('b', {
      credentials: { kind: 'password', user: 'root@pam', password: new Secret('canary-password-1') },
    });
    cluster.addressOf = async () => {
      throw new Error('asked');
    };
    await expect(remoteEndpoint(cluster, 'pve7', signal)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENTS',
      message:
        'b is configured with a password, and a guest can only come to it by an API token. Nothing was sent.',
      cluster: 'b',
    });
  });

  it('is not made where nothing tells whose the certificate is', async () => {
    const cluster = new RecordingCluster('b');
    const known = await cluster.addressOf();
    cluster.addressOf = async () => ({ ...known, isProven: false });
    await expect(remoteEndpoint(cluster, 'pve7', signal)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENTS',
      message: expect.stringContaining('neither verified nor pinned, and it would be given the token'),
      hint: expect.stringContaining('seen now: AA:BB'),
    });
  });
});

describe('the arrival of a guest', () => {
  const guest = { vmid: 100, name: 'web-1', tags: ['a', 'b'], pool: 'own' };
  const container = 'POST /nodes/pve1/lxc/100/remote_migrate';

  it.each<[string, string, Record<string, unknown> | undefined, string, Record<string, unknown>]>([
    ['a VM', MOVE, undefined, '/nodes/n/qemu', { vmid: 100, name: 'web-1', tags: 'a;b' }],
    [
      'another number',
      MOVE,
      { 'target-vmid': 900 },
      '/nodes/n/qemu',
      { vmid: 900, name: 'web-1', tags: 'a;b' },
    ],
    ['a container', container, undefined, '/nodes/n/lxc', { vmid: 100, hostname: 'web-1', tags: 'a;b' }],
  ])('is that of %s that is made; no pool comes along', (_what, line, data, path, made) => {
    const arrival = arrivalOf(call(line, data), 'n', guest);
    expect({ ...arrival, path: arrival.path.toString() }).toEqual({ method: 'POST', path, data: made });
  });

  it('has no tags where the guest has none', () => {
    expect(arrivalOf(call(MOVE), 'n', { vmid: 100, name: 'x', tags: [] }).data).not.toHaveProperty('tags');
  });

  it.each([undefined, { vmid: 100, tags: [], unknown: true }])('is not judged of %j', (unknown) => {
    expect(() => arrivalOf(call(MOVE), 'n', unknown)).toThrow(
      "The name of guest 100 can't be read now; nothing was sent.",
    );
  });

  it.each([
    'GET /nodes/pve1/qemu/100/remote_migrate',
    'POST /nodes/pve1/qemu/100/migrate',
    'POST /nodes/pve1/qemu',
    'PUT /nodes/pve1/qemu/100/config',
    'POST /nodes/pve1/storage/100/remote_migrate',
  ])('is none of %s: no secret is added to it', (line) => {
    expect(() => arrivalOf(call(line), 'n', guest)).toThrow('its secret is for a remote migration alone');
  });
});
