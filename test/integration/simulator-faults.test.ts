import { createConnection } from 'node:net';
import { type ConnectionOptions, connect } from 'node:tls';
import { Agent, request } from 'undici';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type SimulatedCluster, type Simulator, startSimulator } from '../../src/simulator/simulator.ts';

let simulator: Simulator;
let cluster: SimulatedCluster;
let agent: Agent;
let authorization: string;

beforeAll(async () => {
  simulator = await startSimulator({
    taskSeconds: 0,
    authDelaySeconds: 0,
    resourcesLagSeconds: 0,
    lockWaitSeconds: 0,
  });
  cluster = simulator.cluster('production');
  authorization = `PVEAPIToken=${cluster.user}!${cluster.tokenId}=${cluster.tokenSecret}`;
  agent = new Agent({ connect: { ca: cluster.certificatePem }, connections: 4 });
});
afterEach(() => cluster.faults.clear());
afterAll(async () => {
  await agent.destroy();
  await simulator.close();
});

interface Reply {
  status: number;
  reason: string;
  location: string | undefined;
  text: string;
}

async function call(
  method: 'GET' | 'POST' | 'PUT' | 'DELETE',
  path: string,
  options: {
    body?: Record<string, string>;
    node?: number;
    timeout?: number;
    headers?: Record<string, string>;
  } = {},
): Promise<Reply> {
  const { body, node = 0, timeout = 3000, headers = { authorization } } = options;
  const response = await request(`https://${cluster.endpoints[node]}/api2/json${path}`, {
    method,
    dispatcher: agent,
    signal: AbortSignal.timeout(timeout),
    headers: { ...headers, ...(body ? { 'content-type': 'application/x-www-form-urlencoded' } : {}) },
    ...(body ? { body: new URLSearchParams(body).toString() } : {}),
  });
  const { location } = response.headers;
  const text = await response.body.text();
  const { statusCode: status, statusText: reason } = response;
  return { status, reason, text, location: location === undefined ? undefined : String(location) };
}

async function data(path: string): Promise<unknown> {
  return JSON.parse((await call('GET', path)).text).data;
}

/** How a TLS handshake with a node ends: `ok`, or the error's code. */
function handshake(options: ConnectionOptions = {}, node = 0): Promise<string> {
  const [host = '', port = ''] = (cluster.endpoints[node] ?? '').split(':');
  return new Promise((resolve) => {
    const socket = connect({ host, port: Number(port), ca: cluster.certificatePem, ...options }, () => {
      resolve('ok');
      socket.destroy();
    });
    socket.setTimeout(400, () => {
      resolve('silence');
      socket.destroy();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
}

describe('connections', () => {
  test('node-down: refused, offline, unreachable by the others, and back on its port', async () => {
    const fault = cluster.faults.add({ kind: 'node-down', node: 'pve2' });
    await fault.ready;
    await expect(call('GET', '/version', { node: 1 })).rejects.toThrow(/ECONNREFUSED/);
    expect(await call('GET', '/nodes/pve2/status')).toMatchObject({ status: 595 });
    const nodes = await data('/cluster/resources?type=node');
    expect(nodes).toContainEqual(expect.objectContaining({ node: 'pve2', status: 'offline' }));
    const guests = await data('/cluster/resources?type=vm');
    expect(guests).toContainEqual(expect.objectContaining({ node: 'pve2', status: 'unknown' }));
    await fault.remove();
    expect(await call('GET', '/version', { node: 1 })).toMatchObject({ status: 200 });
    expect(await call('GET', '/nodes/pve2/status')).toMatchObject({ status: 200 });
  });

  test('blackhole: TCP connects, TLS never begins', async () => {
    cluster.faults.add({ kind: 'blackhole', node: 'pve3' });
    const [host = '', port = ''] = (cluster.endpoints[2] ?? '').split(':');
    const connected = await new Promise<boolean>((resolve) => {
      const socket = createConnection({ host, port: Number(port) }, () => {
        resolve(true);
        socket.destroy();
      });
    });
    expect(connected).toBe(true);
    expect(await handshake({}, 2)).toBe('silence');
    expect(await handshake({}, 0)).toBe('ok');
  });

  test('half-open: TLS works, no header ever comes, also over an older connection', async () => {
    expect((await call('GET', '/version')).status).toBe(200);
    cluster.faults.add({ kind: 'half-open' });
    expect(await handshake()).toBe('ok');
    await expect(call('GET', '/version', { timeout: 300 })).rejects.toThrow(/aborted|timeout/i);
  });

  test('a fault with `seconds` ends by itself', async () => {
    cluster.faults.add({ kind: 'close', seconds: 0.2 });
    await expect(call('GET', '/version')).rejects.toThrow();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect((await call('GET', '/version')).status).toBe(200);
  });
});

describe('certificates', () => {
  test.each([
    ['certificate-expired', 'CERT_HAS_EXPIRED'],
    ['certificate-name', 'ERR_TLS_CERT_ALTNAME_INVALID'],
    ['certificate-changed', 'DEPTH_ZERO_SELF_SIGNED_CERT'],
  ] as const)('%s: %s', async (kind, code) => {
    const fault = cluster.faults.add({ kind });
    await fault.ready;
    expect(await handshake()).toBe(code);
    await fault.remove();
    expect(await handshake()).toBe('ok');
  });
});

describe('answers', () => {
  test('storm: 5xx at its rate, then as before', async () => {
    const fault = cluster.faults.add({ kind: 'storm', rate: 0.5 });
    const seen: number[] = [];
    for (let count = 0; count < 8; count += 1) seen.push((await call('GET', '/version')).status);
    expect(seen).toEqual([200, 500, 200, 502, 200, 503, 200, 504]);
    await fault.remove();
    expect((await call('GET', '/version')).status).toBe(200);
  });

  test.each([595, 596, 599] as const)('proxy-error %i', async (code) => {
    cluster.faults.add({ kind: 'proxy-error', code, match: /\/nodes\/pve2\// });
    expect(await call('GET', '/nodes/pve2/status')).toMatchObject({ status: code, text: '' });
    expect((await call('GET', '/nodes/pve1/status')).status).toBe(200);
  });

  test('redirect to another host', async () => {
    cluster.faults.add({ kind: 'redirect', code: 301 });
    expect(await call('GET', '/version')).toMatchObject({
      status: 301,
      location: 'https://other.invalid:8006/api2/json/version',
    });
  });

  test('slow-headers: the head comes byte by byte', async () => {
    cluster.faults.add({ kind: 'slow-headers', ms: 40 });
    const before = performance.now();
    await expect(call('GET', '/version', { timeout: 300 })).rejects.toThrow();
    expect(performance.now() - before).toBeLessThan(1000);
    cluster.faults.clear();
    cluster.faults.add({ kind: 'slow-headers', ms: 0.01 });
    expect((await call('GET', '/version')).status).toBe(200);
  });

  test('slow-body: the head at once, the body byte by byte', async () => {
    cluster.faults.add({ kind: 'slow-body', ms: 50 });
    const response = await request(`https://${cluster.url}/api2/json/version`, {
      dispatcher: agent,
      headers: { authorization },
    });
    expect(response.statusCode).toBe(200);
    let bytes = 0;
    const ended = AbortSignal.timeout(250);
    for await (const chunk of response.body) {
      bytes += chunk.length;
      if (ended.aborted) break;
    }
    expect(bytes).toBeGreaterThan(1);
    expect(bytes).toBeLessThan(12);
  });
});

describe('who asks', () => {
  test('revoked-token: from one call to the next, until it is given back', async () => {
    expect((await call('GET', '/version')).status).toBe(200);
    const fault = cluster.faults.add({ kind: 'revoked-token', times: 1 });
    expect((await call('GET', '/version')).status).toBe(401);
    expect((await call('GET', '/version')).status).toBe(401);
    await fault.remove();
    expect((await call('GET', '/version')).status).toBe(200);
  });

  test('expired-ticket: the old one is refused, a new login works', async () => {
    const logIn = async () => {
      const body = { username: cluster.user, password: cluster.password };
      const { text } = await call('POST', '/access/ticket', { body, headers: {} });
      return { cookie: `PVEAuthCookie=${encodeURIComponent(JSON.parse(text).data.ticket)}` };
    };
    const old = await logIn();
    expect((await call('GET', '/version', { headers: old })).status).toBe(200);
    cluster.faults.add({ kind: 'expired-ticket', match: /GET/, times: 1 });
    expect((await call('GET', '/version', { headers: old })).status).toBe(401);
    expect((await call('GET', '/version', { headers: await logIn() })).status).toBe(200);
  });
});

describe('the cluster', () => {
  const config = '/nodes/pve2/qemu/103/config';

  test('lock-held: another process holds the configuration file', async () => {
    const fault = cluster.faults.add({ kind: 'lock-held', vmid: 103 });
    expect(await call('PUT', config, { body: { description: 'x' } })).toMatchObject({
      status: 500,
      reason: "can't lock file '/var/lock/qemu-server/lock-103.conf' - got timeout",
    });
    const { text } = await call('POST', '/nodes/pve2/qemu/103/status/start');
    expect(await data(`/nodes/pve2/tasks/${JSON.parse(text).data}/status`)).toMatchObject({
      exitstatus: "can't lock file '/var/lock/qemu-server/lock-103.conf' - got timeout",
    });
    expect((await call('GET', config)).status).toBe(200);
    await fault.remove();
    expect((await call('PUT', config, { body: { description: 'x' } })).status).toBe(200);
  });

  test('lock-held with a lock: the guest has it', async () => {
    cluster.faults.add({ kind: 'lock-held', vmid: 103, lock: 'backup' });
    expect((await call('PUT', config, { body: { description: 'y' } })).reason).toBe('VM is locked (backup)');
  });

  test('quorum-lost: reads work, writes do not', async () => {
    cluster.faults.add({ kind: 'quorum-lost' });
    expect(await call('PUT', config, { body: { description: 'z' } })).toMatchObject({
      status: 500,
      reason: 'cluster not ready - no quorum?',
    });
    const status = await data('/cluster/status');
    expect(status).toContainEqual(expect.objectContaining({ type: 'cluster', quorate: 0 }));
  });

  test('storage-full: nothing can be allocated', async () => {
    cluster.faults.add({ kind: 'storage-full', storage: 'local-lvm' });
    const body = { vmid: '777', scsi0: 'local-lvm:8' };
    const { status, text } = await call('POST', '/nodes/pve1/qemu', { body });
    if (status === 200) {
      const upid = JSON.parse(text).data;
      const ended = await data(`/nodes/pve1/tasks/${upid}/status`);
      expect(ended).not.toMatchObject({ exitstatus: 'OK' });
    }
    expect((await call('GET', '/nodes/pve1/qemu/777/config')).status).toBe(500);
  });

  test('clock-skew: one node tells another time, until it is removed', async () => {
    const timeOf = async (node: string) =>
      Number(((await data(`/nodes/${node}/time`)) as { time: number }).time) - Date.now() / 1000;
    const skew = cluster.faults.add({ kind: 'clock-skew', node: 'pve2', ahead: 120 });
    expect(Math.abs((await timeOf('pve2')) - 120)).toBeLessThan(10);
    expect(Math.abs(await timeOf('pve1'))).toBeLessThan(10);
    await skew.remove();
    expect(Math.abs(await timeOf('pve2'))).toBeLessThan(10);
  });

  test('a fault of what is not there is refused at once', () => {
    expect(() => cluster.faults.add({ kind: 'clock-skew', node: 'pve9', ahead: 1 })).toThrow(
      "no simulated node 'pve9'",
    );
    expect(() => cluster.faults.add({ kind: 'lock-held', vmid: 1 })).toThrow('no simulated guest 1');
    expect(() => cluster.faults.add({ kind: 'storage-full', storage: 'x' })).toThrow(
      "no simulated storage 'x'",
    );
  });
});

describe('tasks', () => {
  const start = '/nodes/pve2/qemu/103/status/start';
  const stop = '/nodes/pve2/qemu/103/status/stop';

  async function work(path: string): Promise<{ upid: string; row: Record<string, unknown> }> {
    const upid = String(JSON.parse((await call('POST', path)).text).data);
    const row = (await data(`/nodes/pve2/tasks/${upid}/status`)) as Record<string, unknown>;
    return { upid, row };
  }

  test('task-error: the task fails and nothing has changed', async () => {
    cluster.faults.add({ kind: 'task-error', message: 'start failed: QEMU exited with code 1' });
    expect((await work(start)).row.exitstatus).toBe('start failed: QEMU exited with code 1');
    expect(await data('/nodes/pve2/qemu/103/status/current')).toMatchObject({ status: 'stopped' });
  });

  test('task-warnings: the task ends with them, its change made', async () => {
    cluster.faults.add({ kind: 'task-warnings', count: 2 });
    expect((await work(start)).row.exitstatus).toBe('WARNINGS: 2');
    expect(await data('/nodes/pve2/qemu/103/status/current')).toMatchObject({ status: 'running' });
    await cluster.faults.clear();
    expect((await work(stop)).row.exitstatus).toBe('OK');
  });

  test('task-log: 100,000 lines, read page by page', async () => {
    cluster.faults.add({ kind: 'task-log' });
    const { upid } = await work(stop);
    const { text } = await call('GET', `/nodes/pve2/tasks/${upid}/log?start=99990&limit=3`);
    const { total, data: rows } = JSON.parse(text);
    expect(total).toBeGreaterThan(100_000);
    expect(rows).toHaveLength(3);
  });
});
