import { Readable } from 'node:stream';
import { connect } from 'node:tls';
import { Agent, request } from 'undici';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { METHODS } from '../../src/simulator/methods/table.ts';
import { type SimulatedCluster, type Simulator, startSimulator } from '../../src/simulator/simulator.ts';

const JSON_TYPE = 'application/json;charset=UTF-8';
const HOUR_MS = 3_600_000;
const AUTH_DELAY_MS = 300;

type Row = Record<string, string | number>;

interface Reply {
  status: number;
  reason: string;
  headers: Record<string, string | string[] | undefined>;
  text: string;
  /** What the API answered, as it is, and read as an object, a list, or a task id. */
  data: unknown;
  row: Row;
  rows: Row[];
  upid: string;
  body: { message?: string; errors?: Record<string, string>; total?: number };
}

interface CallOptions {
  /** Form fields, or with `json` a JSON body. */
  body?: Record<string, string> | string;
  headers?: Record<string, string>;
  cluster?: SimulatedCluster;
  limited?: boolean;
  node?: number;
}

let simulator: Simulator;
let production: SimulatedCluster;
let skew = 0;
const agents = new Map<string, Agent>();

beforeAll(async () => {
  const clock = () => Date.now() + skew;
  simulator = await startSimulator({
    taskSeconds: 0.05,
    authDelaySeconds: AUTH_DELAY_MS / 1000,
    resourcesLagSeconds: 0,
    clock,
  });
  production = simulator.cluster('production');
  for (const { name, certificatePem } of simulator.clusters) {
    agents.set(name, new Agent({ connect: { ca: certificatePem }, keepAliveTimeout: 3000 }));
  }
});
afterEach(() => production.faults.clear());
afterAll(async () => {
  await Promise.all([...agents.values()].map((agent) => agent.destroy()));
  await simulator.close();
});

function token(
  { user, tokenId, tokenSecret, limitedTokenId, limitedTokenSecret }: SimulatedCluster,
  limited = false,
) {
  return `PVEAPIToken=${user}!${limited ? `${limitedTokenId}=${limitedTokenSecret}` : `${tokenId}=${tokenSecret}`}`;
}

function agentOf({ name }: SimulatedCluster): Agent {
  const agent = agents.get(name);
  if (!agent) throw new Error(`no agent for ${name}`);
  return agent;
}

async function raw(method: string, path: string, options: CallOptions = {}): Promise<Reply> {
  const cluster = options.cluster ?? production;
  const { body, headers = {} } = options;
  const dispatcher = agentOf(cluster);
  const form = typeof body === 'object' ? new URLSearchParams(body).toString() : body;
  const type = typeof body === 'object' ? { 'content-type': 'application/x-www-form-urlencoded' } : {};
  const response = await request(`https://${cluster.endpoints[options.node ?? 0]}/api2/json${path}`, {
    method: method as 'GET',
    dispatcher,
    headers: { ...type, ...headers },
    ...(form === undefined ? {} : { body: form }),
  });
  const text = await response.body.text();
  const parsed = response.headers['content-type'] === JSON_TYPE && text !== '' ? JSON.parse(text) : {};
  const { statusCode: status, statusText: reason } = response;
  const { data } = parsed;
  return {
    status,
    reason,
    headers: response.headers,
    text,
    data,
    row: data,
    rows: data,
    upid: data,
    body: parsed,
  };
}

/** A call with a token. */
function call(method: string, path: string, options: CallOptions = {}): Promise<Reply> {
  const authorization = token(options.cluster ?? production, options.limited);
  return raw(method, path, { ...options, headers: { authorization, ...options.headers } });
}

async function finish(upid: string): Promise<string> {
  const node = upid.split(':')[1];
  return vi.waitFor(
    async () => {
      const { row } = await call('GET', `/nodes/${node}/tasks/${upid}/status`);
      expect(row.status).toBe('stopped');
      return String(row.exitstatus);
    },
    { timeout: 3000 },
  );
}

async function work(method: string, path: string, body?: Record<string, string>): Promise<string> {
  const reply = await call(method, path, body ? { body } : {});
  expect(reply.reason).toBe('OK');
  expect(reply.data).toMatch(/^UPID:\w+:[0-9A-F]{8}:[0-9A-F]{8}:[0-9A-F]{8}:\w+:.*:mcp@pve!mcp:$/);
  return finish(reply.upid);
}

describe('the way in', () => {
  test('each cluster has its own certificate, pinned by its fingerprint', async () => {
    const seen = await Promise.all(
      simulator.clusters.map(async ({ url, certificatePem, fingerprint }) => {
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
    const reply = await call('GET', '/version');
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
    const reply = await raw('GET', '/version', { headers });
    expect(performance.now() - started).toBeGreaterThanOrEqual(AUTH_DELAY_MS - 5);
    expect(reply).toMatchObject({ status: 401, reason, text: '' });
    expect(reply.headers['content-type']).toBeUndefined();
    expect(reply.headers.connection).toBe('close');
  });

  test('a login yields a ticket that reads, and with the CSRF token writes', async () => {
    const { user, password } = production;
    const login = await raw('POST', '/access/ticket', { body: { username: user, password } });
    const { ticket, CSRFPreventionToken: csrf } = login.row;
    const cookie = `PVEAuthCookie=${encodeURIComponent(ticket ?? '')}`;
    expect((await raw('GET', '/version', { headers: { cookie } })).status).toBe(200);
    const path = '/nodes/pve1/qemu/100/snapshot/installed/config';
    const body = { description: 'by ticket' };
    expect(await raw('PUT', path, { body, headers: { cookie } })).toMatchObject({
      status: 401,
      reason: 'Permission denied - invalid csrf token',
    });
    expect(
      (await raw('PUT', path, { body, headers: { cookie, csrfpreventiontoken: String(csrf) } })).status,
    ).toBe(200);
    skew = 2 * HOUR_MS + 1000;
    expect((await raw('GET', '/version', { headers: { cookie } })).reason).toBe('Authentication failed!');
    skew = 0;
  });

  test('a login with the wrong password is refused late, and in JSON', async () => {
    const started = performance.now();
    const reply = await raw('POST', '/access/ticket', { body: { username: 'mcp@pve', password: 'nope' } });
    expect(performance.now() - started).toBeGreaterThanOrEqual(AUTH_DELAY_MS - 5);
    expect(reply).toMatchObject({ status: 401, reason: 'authentication failure' });
    expect(reply.body.message).toBe('authentication failure\n');
  });

  test('a cookie beats a token', async () => {
    const reply = await call('GET', '/version', { headers: { cookie: 'PVEAuthCookie=nope' } });
    expect(reply.status).toBe(401);
  });

  test('the realms are shown to anyone', async () => {
    const { rows } = await raw('GET', '/access/domains');
    expect(rows.map((row) => row.realm)).toEqual(['pam', 'pve']);
  });
});

describe('what is refused', () => {
  test.each([
    ['GET', '/nope', "Method 'GET /nope' not implemented"],
    ['DELETE', '/version', "Method 'DELETE /version' not implemented"],
    ['PATCH', '/version', "method 'PATCH' not available"],
  ])('%s %s: 501', async (method, path, reason) => {
    const reply = await call(method, path);
    expect(reply).toMatchObject({ status: 501, reason });
    expect(reply.headers.connection).toBe('close');
  });

  test('bad parameters: 400, every one named', async () => {
    const reply = await call('GET', '/cluster/resources?type=x&nope=1');
    expect(reply).toMatchObject({ status: 400, reason: 'Parameter verification failed.' });
    expect(reply.body.message).toBe('Parameter verification failed.\n');
    expect(reply.body.errors).toEqual({
      nope: 'property is not defined in schema and the schema does not allow additional properties',
      type: "value 'x' does not have a value in the enumeration 'node, sdn, storage, vm'",
    });
  });

  test('a parameter of the path given again with another value: 400', async () => {
    const reply = await call('GET', '/nodes/pve1/status?node=pve2');
    expect(reply.body.errors?.node).toContain('duplicate parameter');
  });

  test('a token without the privilege: 403 names path and privilege', async () => {
    const reply = await call('GET', '/nodes/pve1/qemu/100/config', { limited: true });
    expect(reply).toMatchObject({ status: 403, reason: 'Permission check failed (/vms/100, VM.Audit)' });
  });

  test('a guest that is not there: 500', async () => {
    const reply = await call('GET', '/nodes/pve1/qemu/999/config');
    const reason = "Configuration file 'nodes/pve1/qemu-server/999.conf' does not exist";
    expect(reply).toMatchObject({ status: 500, reason, data: null });
  });

  test('a node that is not there, and one that is offline', async () => {
    expect((await call('GET', '/nodes/nope/status')).reason).toContain("hostname lookup 'nope' failed");
    const [, , third] = production.state.nodes;
    if (third) third.online = false;
    expect(await call('GET', '/nodes/pve3/status')).toMatchObject({ status: 595, text: '' });
    if (third) third.online = true;
  });

  test('a DELETE with a body, a body of another type, one too large: 501 and 506', async () => {
    const path = '/nodes/pve1/qemu/100/config';
    expect((await call('DELETE', path, { body: { a: 'b' } })).reason).toBe(
      "Unexpected content for method 'DELETE'",
    );
    const plain = { 'content-type': 'text/plain' };
    expect((await call('PUT', path, { body: 'x', headers: plain })).status).toBe(506);
    expect((await call('PUT', path, { body: { description: 'x'.repeat(600_000) } })).status).toBe(501);
  });

  test('a body of unknown length: 501', async () => {
    const { statusCode, statusText } = await request(`https://${production.url}/api2/json/access/ticket`, {
      method: 'POST',
      dispatcher: agentOf(production),
      body: Readable.from(['username=mcp@pve&password=x']),
    });
    expect([statusCode, statusText]).toEqual([501, 'chunked transfer encoding not supported']);
  });

  test('skiplock is for root alone', async () => {
    const reply = await call('POST', '/nodes/pve1/qemu/100/status/stop', { body: { skiplock: '1' } });
    expect(reply.body.errors).toEqual({ skiplock: 'Only root may use this option.' });
  });
});

describe('what is seen', () => {
  // What exec-status asks for exists only after an exec: test/integration/simulator-guests.test.ts.
  const reads = METHODS.filter(({ method, path }) => method === 'GET' && !path.endsWith('/exec-status')).map(
    ({ path }) => path,
  );
  const queries: [RegExp, string][] = [
    [/\/feature$/, 'feature=snapshot'],
    [/\/cloudinit\/dump$/, 'type=user'],
    [/\/file-read$/, 'file=/etc/hostname'],
    [/\/query-url-metadata$/, 'url=https://example.org/a.iso'],
    [/\/extractconfig$/, 'volume='],
    [/\/rrd$/, 'timeframe=hour&ds=cpu'],
    [/\/rrddata$/, 'timeframe=hour'],
    [/\/disks\/smart$/, 'disk=/dev/sda'],
    [/\/apt\/changelog$/, 'name=pve-manager'],
    [/\/schedule-analyze$/, 'schedule=hourly'],
    [/\/ceph\/cfg\/value$/, 'config-keys=global:fsid'],
    [/\/ceph\/cmd-safety$/, 'service=osd&action=stop&id=0'],
  ];
  // What nobody has made yet is an empty list: test/integration/simulator-datacenter.test.ts makes it.
  const EMPTY_AT_FIRST =
    /^\/access\/(groups|tfa|users\/.*\/tfa)$|\/(ha|sdn|firewall)\/|replication$|\/qdevice$|\/disks\/(zfs|directory)$|flags\/|\/config$/;

  test.each(reads)('GET %s answers', async (template) => {
    const lxc = template.includes('/lxc');
    const backup = production.state.volumes.find((volume) => volume.content === 'backup' && !volume.node);
    const task = production.state.tasks.list().find((candidate) => candidate.node === 'pve1');
    const values: Record<string, string | undefined> = {
      node: 'pve1',
      vmid: lxc ? '110' : '100',
      snapname: lxc ? 'clean' : 'installed',
      storage: 'nas',
      volume: backup?.volid,
      upid: task?.upid,
      userid: 'mcp@pve',
      ...(template.startsWith('/cluster/backup/') ? { id: 'nightly' } : {}),
    };
    const path = template.replaceAll(/\{([\w-]+)\}/g, (_match, name: string) => values[name] ?? 'missing');
    const query = queries.find(([ending]) => ending.test(template))?.[1] ?? '';
    const reply = await call('GET', `${path}?${query}${query === 'volume=' ? backup?.volid : ''}`);
    if (path.includes('missing')) {
      expect(reply.status).toBeGreaterThanOrEqual(400);
      expect(reply.reason).not.toContain('simulator:');
      return;
    }
    expect(reply).toMatchObject({ status: 200, reason: 'OK' });
    if (template === '/access/ticket' || EMPTY_AT_FIRST.test(template)) return;
    if (typeof reply.data === 'object') expect(Object.keys(reply.row).length).toBeGreaterThan(0);
  });

  test('the limited token sees empty lists and bare nodes', async () => {
    const limited = true;
    for (const path of ['/nodes/pve1/qemu', '/nodes/pve1/lxc', '/storage', '/pools', '/cluster/tasks']) {
      expect((await call('GET', path, { limited })).data).toEqual([]);
    }
    const { rows } = await call('GET', '/cluster/resources', { limited });
    expect(rows.map((row) => row.type)).toEqual(['node', 'node', 'node']);
    expect(rows[0]?.maxmem).toBeUndefined();
    expect((await call('GET', '/access/permissions', { limited })).data).toEqual({});
  });

  test('the inventory holds guests, nodes and storages of every node', async () => {
    const { rows } = await call('GET', '/cluster/resources?type=vm', { node: 2 });
    const web = rows.find((row) => row.id === 'qemu/100');
    expect(web).toMatchObject({ node: 'pve1', name: 'web-01', status: 'running', template: 0, pool: 'web' });
    expect(web?.mem).toBeGreaterThan(0);
    const stopped = rows.find((row) => row.name === 'build-01');
    expect(stopped).toMatchObject({ status: 'stopped', cpu: 0, mem: 0, netin: 0, uptime: 0 });
    const storages = await call('GET', '/cluster/resources?type=storage');
    expect(storages.data).toHaveLength(12);
  });

  test('a standalone host has no cluster entry, a cluster has its quorum', async () => {
    const cluster = simulator.cluster('disaster-recovery');
    const standalone = await call('GET', '/cluster/status', { cluster });
    expect(standalone.rows.map((row) => row.type)).toEqual(['node']);
    const { rows } = await call('GET', '/cluster/status', { node: 1 });
    expect(rows[0]).toMatchObject({ type: 'cluster', nodes: 3, quorate: 1 });
    expect(rows.find((row) => row.local === 1)?.name).toBe('pve2');
  });

  test('storage content is filtered, one volume is found by an id with slashes', async () => {
    const { rows } = await call('GET', '/nodes/pve2/storage/nas/content?content=backup&vmid=100');
    expect(rows).toHaveLength(2);
    const path = `/nodes/pve2/storage/nas/content/${rows[0]?.volid}`;
    expect((await call('GET', path)).data).toMatchObject({ format: 'vma.zst', notes: rows[0]?.notes });
  });

  test('the task list pages and says how many there are', async () => {
    const reply = await call('GET', '/nodes/pve3/tasks?limit=1&typefilter=vzdump');
    expect(reply.rows).toHaveLength(1);
    expect(reply.rows[0]).toMatchObject({ type: 'vzdump', user: 'root@pam', status: 'OK' });
    expect(reply.body.total).toBe(3);
    const log = await call('GET', `/nodes/pve3/tasks/${reply.rows[0]?.upid}/log?limit=1`);
    expect(log.body.total).toBe(2);
    expect(log.data).toEqual([{ n: 1, t: expect.stringContaining('backup of guest') }]);
  });

  test('a task that is not there: 400', async () => {
    const upid = 'UPID:pve1:00000001:00000001:00000001:qmstart:100:root@pam:';
    const reply = await call('GET', `/nodes/pve1/tasks/${upid}/status`);
    expect(reply.body.errors).toEqual({ upid: 'no such task' });
  });

  test('nextid answers text, and refuses a number that is taken', async () => {
    expect((await call('GET', '/cluster/nextid')).data).toBe('104');
    expect((await call('GET', '/cluster/nextid?vmid=100')).body.errors).toEqual({
      vmid: 'VM 100 already exists',
    });
  });
});

describe('what is done', () => {
  test('a guest that is started runs once the task has ended', async () => {
    const path = '/nodes/pve2/qemu/103/status';
    const { upid } = await call('POST', `${path}/start`);
    expect((await call('GET', `${path}/current`)).row.status).toBe('stopped');
    expect((await call('GET', '/nodes/pve2/tasks?source=active')).rows[0]).toMatchObject({
      upid,
      status: 'RUNNING',
    });
    expect(await finish(upid)).toBe('OK');
    expect((await call('GET', `${path}/current`)).data).toMatchObject({
      status: 'running',
      qmpstatus: 'running',
    });
    expect(await work('POST', `${path}/start`)).toBe('VM 103 already running');
    expect(await work('POST', `${path}/stop`)).toBe('OK');
    expect(await work('POST', `${path}/stop`)).toBe('OK');
    expect((await call('POST', `${path}/reboot`)).reason).toBe('VM 103 not running');
  });

  test('a container refuses at once what a VM refuses in its task', async () => {
    const reply = await call('POST', '/nodes/pve1/lxc/110/status/start');
    expect(reply).toMatchObject({ status: 500, reason: 'CT 110 already running' });
  });

  test('a VM is paused, resumed and reset', async () => {
    const path = '/nodes/pve2/qemu/101/status';
    expect(await work('POST', `${path}/suspend`)).toBe('OK');
    expect((await call('GET', `${path}/current`)).row).toMatchObject({
      status: 'running',
      qmpstatus: 'paused',
    });
    expect(await work('POST', `${path}/resume`)).toBe('OK');
    expect(await work('POST', `${path}/reset`)).toBe('OK');
    expect((await call('GET', `${path}/current`)).row.qmpstatus).toBe('running');
  });

  test('a guest becomes a template once, which never starts', async () => {
    const path = '/nodes/pve1/lxc/601';
    const ostemplate = 'local:vztmpl/debian-13-standard_13.1-2_amd64.tar.zst';
    expect(await work('POST', '/nodes/pve1/lxc', { vmid: '601', ostemplate, storage: 'local-lvm' })).toBe(
      'OK',
    );
    expect((await call('POST', `${path}/template`)).data).toBeNull();
    expect((await call('POST', `${path}/template`)).reason).toContain('template to a template');
    expect(await work('POST', `${path}/status/start`)).toContain('template');
    expect((await call('POST', '/nodes/pve1/qemu/100/template')).reason).toContain('is running');
    expect(await work('DELETE', path)).toBe('OK');
  });

  test('of two starts at once one fails', async () => {
    const path = '/nodes/pve3/lxc/112/status/start';
    const [first, second] = await Promise.all([call('POST', path), call('POST', path)]);
    const ends = [await finish(first.upid), await finish(second.upid)];
    expect(ends.sort()).toEqual(['CT 112 already running', 'OK']);
  });

  test('a guest is created, cloned, snapshotted, rolled back and deleted', async () => {
    const options = {
      name: 'born',
      memory: '1024',
      scsi0: 'local-lvm:8',
      net0: 'virtio,bridge=vmbr0',
      pool: 'web',
    };
    expect(await work('POST', '/nodes/pve2/qemu', { vmid: '500', ...options })).toBe('OK');
    const { row: config } = await call('GET', '/nodes/pve2/qemu/500/config');
    expect(config).toMatchObject({ name: 'born', memory: '1024', scsi0: 'local-lvm:vm-500-disk-0,size=8G' });
    expect(config.net0).toMatch(/^virtio=BC:24:11(:[0-9A-F]{2}){3},bridge=vmbr0$/);
    expect((await call('POST', '/nodes/pve2/qemu', { body: { vmid: '500' } })).reason).toBe(
      "unable to create VM 500 - VM 500 already exists on node 'pve2'",
    );

    expect(
      await work('POST', '/nodes/pve2/qemu/500/clone', {
        newid: '501',
        full: '1',
        name: 'twin',
      }),
    ).toBe('OK');
    const away = { newid: '502', full: '1', target: 'pve3' };
    expect((await call('POST', '/nodes/pve2/qemu/500/clone', { body: away })).reason).toContain(
      'uses local storage',
    );
    expect(await work('POST', '/nodes/pve2/qemu/501/migrate', { target: 'pve3' })).toBe('OK');
    const { row: twin } = await call('GET', '/nodes/pve3/qemu/501/config');
    expect(twin).toMatchObject({ name: 'twin', scsi0: 'local-lvm:vm-501-disk-0,size=8G' });
    expect(twin.net0).not.toBe(config.net0);

    const snapshots = '/nodes/pve3/qemu/501/snapshot';
    expect(await work('POST', snapshots, { snapname: 'one', description: 'first' })).toBe('OK');
    expect(await work('POST', snapshots, { snapname: 'one' })).toBe("snapshot name 'one' already used");
    await call('PUT', '/nodes/pve3/qemu/501/config', { body: { name: 'changed' } });
    expect(await work('POST', `${snapshots}/one/rollback`)).toBe('OK');
    expect((await call('GET', snapshots)).data).toEqual([
      expect.objectContaining({ name: 'one', description: 'first', vmstate: 0 }),
      expect.objectContaining({ name: 'current', parent: 'one' }),
    ]);
    expect((await call('GET', '/nodes/pve3/qemu/501/config')).row.name).toBe('twin');
    expect(await work('DELETE', `${snapshots}/one`)).toBe('OK');

    expect(await work('DELETE', '/nodes/pve3/qemu/501?purge=1')).toBe('OK');
    expect(await work('DELETE', '/nodes/pve2/qemu/500')).toBe('OK');
    expect(production.state.guests.has(501)).toBe(false);
    expect(production.state.volumes.filter(({ vmid }) => vmid === 500 || vmid === 501)).toEqual([]);
  });

  test('a container is created from a template that must exist', async () => {
    const ostemplate = 'local:vztmpl/debian-13-standard_13.1-2_amd64.tar.zst';
    const body = { vmid: '600', ostemplate, storage: 'local-lvm', hostname: 'small', start: '1' };
    expect(
      await work('POST', '/nodes/pve1/lxc', { ...body, ostemplate: 'local:vztmpl/nope.tar.zst' }),
    ).toContain('does not exist');
    expect(await work('POST', '/nodes/pve1/lxc', body)).toBe('OK');
    const current = await call('GET', '/nodes/pve1/lxc/600/status/current');
    expect(current.data).toMatchObject({ name: 'small', status: 'running', type: 'lxc' });
    expect((await call('DELETE', '/nodes/pve1/lxc/600')).reason).toContain('container is running');
    expect(await work('DELETE', '/nodes/pve1/lxc/600?force=1')).toBe('OK');
  });

  test('a task that is stopped leaves nothing behind', async () => {
    skew = 0;
    const { upid } = await call('POST', '/nodes/pve1/qemu', {
      body: { vmid: '700', scsi0: 'local-lvm:1' },
    });
    expect(production.state.guests.get(700)?.lock).toBe('create');
    await call('DELETE', `/nodes/pve1/tasks/${upid}`);
    expect(await finish(upid)).toBe('received interrupt');
    expect(production.state.guests.has(700)).toBe(false);
  });

  test('a locked guest refuses: its configuration at once, its start in the task', async () => {
    const guest = production.state.guests.get(103);
    if (guest) guest.lock = 'backup';
    const reply = await call('PUT', '/nodes/pve2/qemu/103/config', { body: { name: 'x' } });
    expect(reply.reason).toBe('VM is locked (backup)');
    expect(await work('POST', '/nodes/pve2/qemu/103/status/start')).toBe('VM is locked (backup)');
    if (guest) delete guest.lock;
  });

  test('a protected or running guest is not deleted', async () => {
    expect((await call('DELETE', '/nodes/pve3/qemu/102')).reason).toBe(
      "can't remove VM 102 - protection mode enabled",
    );
    expect((await call('DELETE', '/nodes/pve1/qemu/100')).reason).toBe('VM 100 is running - destroy failed');
  });

  test('a configuration with an old digest is refused, with the present one changed', async () => {
    const path = '/nodes/pve2/qemu/103/config';
    const { digest } = (await call('GET', path)).row;
    const json = { 'content-type': 'application/json' };
    const body = JSON.stringify({ description: 'new', digest, delete: 'tags', onboot: true });
    expect((await call('PUT', path, { body, headers: json })).data).toBeNull();
    expect((await call('GET', path)).data).toMatchObject({ description: 'new', onboot: 1 });
    expect((await call('GET', path)).row.tags).toBeUndefined();
    expect((await call('PUT', path, { body, headers: json })).reason).toBe(
      'detected modified configuration - file changed by other user? Try again.',
    );
  });

  test('a running VM takes its memory at the next start', async () => {
    const path = '/nodes/pve2/qemu/101';
    const upid = (await call('POST', `${path}/config`, { body: { memory: '10240' } })).upid;
    expect(await finish(upid)).toBe('OK');
    expect((await call('GET', `${path}/config?current=1`)).row.memory).toBe('8192');
    const pending = (await call('GET', `${path}/pending`)).rows;
    expect(pending).toContainEqual({ key: 'memory', value: '8192', pending: '10240' });
    expect(await work('POST', `${path}/status/reboot`)).toBe('OK');
    expect((await call('GET', `${path}/config?current=1`)).row.memory).toBe('10240');
  });

  test('a backup is deleted, a protected one not', async () => {
    const content = '/nodes/pve1/storage/nas/content';
    const { rows } = await call('GET', `${content}?content=backup&vmid=100`);
    const kept = rows.find((row) => row.protected === 1);
    const other = rows.find((row) => row.protected !== 1);
    expect((await call('DELETE', `${content}/${kept?.volid}`)).status).toBe(500);
    expect(await work('DELETE', `${content}/${encodeURIComponent(other?.volid ?? '')}`)).toBe('OK');
    expect((await call('GET', `${content}?content=backup&vmid=100`)).data).toEqual([kept]);
  });
});

describe('what goes wrong on purpose', () => {
  const start = '/nodes/pve1/qemu/9000/status/start';
  const tasksOf = () => production.state.tasks.list().filter((task) => task.id === '9000').length;

  test('hang: no answer ever', async () => {
    production.faults.add({ kind: 'hang', match: /GET \/version/ });
    const dispatcher = new Agent({ connect: { ca: production.certificatePem }, headersTimeout: 200 });
    const pending = request(`https://${production.url}/api2/json/version`, { dispatcher });
    await expect(pending).rejects.toThrow(/Headers Timeout/);
    await dispatcher.destroy();
  });

  test('html: a page where JSON belongs', async () => {
    production.faults.add({ kind: 'html' });
    const reply = await call('GET', '/version');
    expect(reply).toMatchObject({ status: 200, text: expect.stringContaining('<html>') });
  });

  test('truncated-json: half an answer, cut off or passed off as whole', async () => {
    production.faults.add({ kind: 'truncated-json', times: 1 });
    await expect(call('GET', '/version')).rejects.toThrow();
    production.faults.add({ kind: 'truncated-json', end: true, times: 1 });
    await expect(call('GET', '/version')).rejects.toThrow(SyntaxError);
    expect((await call('GET', '/version')).status).toBe(200);
  });

  test('status: the given code and reason, and nothing is executed', async () => {
    const before = tasksOf();
    production.faults.add({ kind: 'status', code: 596, reason: 'Connection timed out', match: /^POST / });
    expect(await call('POST', start)).toMatchObject({
      status: 596,
      reason: 'Connection timed out',
      text: '',
    });
    expect((await call('GET', '/version')).status).toBe(200);
    expect(tasksOf()).toBe(before);
  });

  test('close: on one node only, and until removed', async () => {
    const { remove } = production.faults.add({ kind: 'close', node: 'pve2' });
    await expect(call('GET', '/version', { node: 1 })).rejects.toThrow();
    expect((await call('GET', '/version', { node: 0 })).status).toBe(200);
    remove();
    expect((await call('GET', '/version', { node: 1 })).status).toBe(200);
  });

  test('slow: the answer comes late', async () => {
    production.faults.add({ kind: 'slow', ms: 150, match: (asked) => asked === 'GET /version' });
    const started = performance.now();
    expect((await call('GET', '/version')).status).toBe(200);
    expect(performance.now() - started).toBeGreaterThanOrEqual(145);
  });

  test('commit-then-close: the work is done, the answer lost', async () => {
    const before = tasksOf();
    production.faults.add({ kind: 'commit-then-close', match: /POST .*\/start$/, times: 1 });
    await expect(call('POST', start)).rejects.toThrow();
    expect(tasksOf()).toBe(before + 1);
  });
});

describe('the cluster as a whole', () => {
  test('every request is recorded, without secrets', async () => {
    const { requests, password, tokenSecret } = production;
    const before = requests.length;
    await raw('POST', '/access/ticket', { body: { username: 'mcp@pve', password } });
    await call('GET', '/cluster/resources?type=node', { node: 1 });
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
    const agent = new Agent({ connect: { ca: production.certificatePem }, connections: 1 });
    const ask = async () => {
      const { headers, body } = await request(`https://${production.url}/api2/json/access/domains`, {
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
    const cluster = simulator.cluster('staging');
    await cluster.stop();
    await expect(call('GET', '/version', { cluster })).rejects.toThrow(/ECONNREFUSED/);
    expect((await call('GET', '/version')).status).toBe(200);
    await cluster.start();
    expect((await call('GET', '/version', { cluster, node: 1 })).status).toBe(200);
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
