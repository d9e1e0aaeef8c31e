import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { GateRequest } from '../../src/access/gate.ts';
import { ClusterManager } from '../../src/clusters/manager.ts';
import type { ClusterConfig } from '../../src/config/config.ts';
import { Secret } from '../../src/config/secret.ts';
import { formsOf } from '../../src/observability/encodings.ts';
import { apiPath } from '../../src/proxmox/api-path.ts';
import type { CallError } from '../../src/proxmox/errors.ts';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { principal } from '../support/approvals.ts';
import { failureOf, SILENT } from '../support/engine-fixtures.ts';
import { gateFor } from '../support/gate.ts';
import { GuardedService } from '../support/guarded-service.ts';
import { type Answering, configOf, sendJson, startWireServer } from '../support/wire-server.ts';

/** With what every encoding writes in another way. */
const SECRET = 'c4n4ry+0d9c/4e1f~target?s>s:w0rd';
const ROWS = [{ id: 'qemu/100', type: 'qemu', vmid: 100, node: 'pve1', name: 'web-1', status: 'stopped' }];
const UPID = 'UPID:pve1:00001234:0000ABCD:66000000:qmigrate:100:ops@pve!mcp:';

/** A cluster that answers what it is asked, and a write as the test says. */
async function cluster(name: string, node: string, write: Answering, more: Partial<ClusterConfig> = {}) {
  const server = await startWireServer((request, response, socket) => {
    const { method, url } = request;
    if (method !== 'GET') return write(request, response, socket);
    if (url.endsWith('/cluster/status')) {
      return sendJson(response, 200, { data: [{ type: 'node', name: node, local: 1, online: 1 }] });
    }
    if (url.includes('/cluster/resources')) return sendJson(response, 200, { data: ROWS });
    sendJson(response, 200, { data: [] });
  });
  return { server, config: configOf([server], { name, ...more }) };
}

/** A source that answers a migration so, and a gate to it and to its target. */
async function journey(write: Answering, target: Partial<ClusterConfig> = {}) {
  const here = await cluster('here', 'pve1', write);
  const credentials = { kind: 'token', user: 'in@pve', tokenId: 'mcp', secret: new Secret(SECRET) } as const;
  const there = await cluster(
    'there',
    'pve7',
    (_request, response) => sendJson(response, 500, { data: null }),
    {
      credentials,
      ...target,
    },
  );
  const manager = new ClusterManager(
    { clusters: [here.config, there.config] },
    { logger: SILENT, random: () => 0 },
  );
  onTestFinished(() => manager.close());
  const origin = {
    principal: principal('alice', ['proxmox:admin']),
    requestId: 'r',
    tool: 't',
    door: 'http',
    signal: new AbortController().signal,
  };
  const gate = gateFor();
  const open = (name: string) => gate.open(manager.select({ cluster: name }), origin);
  const request: GateRequest = {
    method: 'POST',
    path: apiPath`/nodes/pve1/qemu/100/remote_migrate`,
    data: { 'target-storage': 'a', 'target-bridge': '1' },
    remote: { to: open('there'), node: 'pve7' },
  };
  const writes = () =>
    [here.server, there.server]
      .flatMap(({ requests }) => requests)
      // A login with a password is no write.
      .filter(({ method, url }) => method !== 'GET' && !url.endsWith('/access/ticket'));
  return { move: () => open('here').request(request), writes, here, there };
}

function expectClean({ message, hint, stack }: CallError): void {
  const text = [message, hint, stack].join('\n');
  for (const form of formsOf(SECRET)) expect(text).not.toContain(form);
  // Nor the beginning of it, where a long text was cut.
  for (const part of ['c4n4ry', '0d9c', 'YzRuNHJ5']) expect(text).not.toContain(part);
}

describe('the secret of the other cluster', () => {
  it('is on the wire once, in the parameter it is for', async () => {
    const { move, writes, there } = await journey((_request, response) =>
      sendJson(response, 200, { data: UPID }),
    );
    await expect(move()).resolves.toMatchObject({ data: UPID });
    const [request, ...more] = writes();
    expect(more).toEqual([]);
    const form = new URLSearchParams(request?.body);
    const { host, port } = there.server.endpoint;
    expect(form.getAll('target-endpoint')).toEqual([
      `host=${host},port=${port},apitoken=PVEAPIToken=in@pve!mcp=${SECRET},fingerprint=${there.server.certificate.fingerprint}`,
    ]);
    expect(request?.body.split(encodeURIComponent(SECRET))).toHaveLength(2);
    expect(request?.url).not.toContain('endpoint');
  });

  const plain = (text: string) => text;
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const shifted = (text: string) => Buffer.from(`x${text}`).toString('base64');
  const hex = (text: string) => Buffer.from(text).toString('hex');

  it.each<[string, number, (text: string) => string]>(
    [400, 403, 404, 500, 501, 596].flatMap((status) => [
      ['plain', status, plain],
      ['as base64', status, base64],
      ['as base64 behind a byte', status, shifted],
      ['as hex', status, hex],
      ['in a URL', status, encodeURIComponent],
      ['as JSON', status, JSON.stringify],
      // Cut in the middle of the secret by the bound of a message.
      [
        'where a long text is cut',
        status,
        (text) => `${'.'.repeat(500 - text.indexOf('c4n4ry') - 12)}${text}`,
      ],
      ['where it is cut as base64', status, (text) => `${'.'.repeat(430)}${base64(text)}`],
    ]),
  )('does not come back in an error that repeats it %s (%i)', async (_how, status, encode) => {
    const { move, writes } = await journey((request, response) => {
      const endpoint = new URLSearchParams(request.body).get('target-endpoint') ?? '';
      const text = encode(endpoint);
      sendJson(response, status, {
        data: null,
        message: text,
        errors: { 'target-endpoint': text, [text]: 'x' },
      });
    });
    expectClean(await failureOf(move()));
    expect(writes()).toHaveLength(1);
  });

  it('does not come back where the connection breaks', async () => {
    const { move, writes } = await journey((_request, _response, socket) => void socket.destroy());
    expectClean(await failureOf(move()));
    expect(writes()).toHaveLength(1);
  });

  it.each<[string, Partial<ClusterConfig>]>([
    [
      'with a password',
      { credentials: { kind: 'password', user: 'root@pam', password: new Secret(SECRET) } },
    ],
    ['that is read-only', { readOnly: true }],
  ])('goes to no cluster %s', async (_how, target) => {
    const { move, writes } = await journey(
      (_request, response) => sendJson(response, 200, { data: UPID }),
      target,
    );
    expectClean(await failureOf(move()));
    expect(writes()).toEqual([]);
  });

  it('goes to no address whose certificate is another one, or held against nothing', async () => {
    const other = { fingerprint: Array(32).fill('AA').join(':') };
    for (const tls of ['pinned', 'unchecked']) {
      const answer: Answering = (_request, response) => sendJson(response, 200, { data: UPID });
      const aside = await cluster('x', 'pve7', answer);
      const { endpoint } = aside.server;
      const target =
        tls === 'pinned'
          ? { endpoints: [{ ...endpoint, ...other }] }
          : { endpoints: [endpoint], tls: { verify: false } };
      const { move, writes } = await journey(answer, target);
      const error = await failureOf(move());
      expect(error.code).toBe(tls === 'pinned' ? 'CLUSTER_UNREACHABLE' : 'INVALID_ARGUMENTS');
      expectClean(error);
      expect(writes()).toEqual([]);
    }
  });
});

describe('an endpoint that comes through a door', () => {
  const MOVE = '/nodes/pve1/qemu/100/remote_migrate';
  const endpoint = `host=203.0.113.9,apitoken=PVEAPIToken=a@pve!b=${SECRET},fingerprint=AA:BB`;
  const others = { 'target-storage': 'local-lvm', 'target-bridge': 'vmbr0' };
  let simulator: Simulator;
  beforeAll(async () => {
    simulator = await startSimulator({ taskSeconds: 0, authDelaySeconds: 0, resourcesLagSeconds: 0 });
  });
  afterAll(() => simulator.close());

  describe.each([true, false])('validation of the cluster %s', (validate) => {
    let guarded: GuardedService;
    beforeAll(async () => {
      guarded = await GuardedService.start(simulator, { cluster: { validate } });
    });
    afterAll(() => guarded.close());

    it.each<[string, string, Record<string, unknown>]>([
      ['for a migration', `POST ${MOVE}`, { ...others, 'target-endpoint': endpoint }],
      ['in capitals', `POST ${MOVE}`, { ...others, 'TARGET-ENDPOINT': endpoint }],
      ['between blanks', `POST ${MOVE}`, { ...others, ' target-endpoint ': endpoint }],
      ['percent-encoded', `POST ${MOVE}`, { ...others, 'target%2dendpoint': endpoint }],
      ['nested', `POST ${MOVE}`, { ...others, more: { 'target-endpoint': endpoint } }],
      [
        'with an encoded path',
        'POST /nodes/pve1/qemu/100/remote%5Fmigrate',
        { ...others, 'target-endpoint': endpoint },
      ],
      ['for something else', 'PUT /nodes/pve1/qemu/100/config', { 'target-endpoint': endpoint }],
      ['for a reading', 'GET /nodes', { 'target-endpoint': endpoint }],
      [
        'in a batch',
        'POST /nodes/pve1/execute',
        {
          commands: JSON.stringify([
            { method: 'POST', path: MOVE.slice(1), args: { 'target-endpoint': endpoint } },
          ]),
        },
      ],
    ])('is refused %s, and nothing is sent', async (_how, line, data) => {
      const client = await guarded.connect();
      guarded.mark();
      const { error } = await client.api(line, data);
      expect(error).toMatchObject({
        code: 'INVALID_ARGUMENTS',
        message: 'target-endpoint is not taken from a caller; nothing was sent.',
      });
      expect(JSON.stringify(error)).not.toContain(SECRET);
      expect(guarded.requests()).toEqual([]);
      await client.close();
    });
  });
});
