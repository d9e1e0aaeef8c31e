import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { METHODS } from '../../src/simulator/methods/table.ts';
import { type ClusterApi, SimulatedApi } from '../support/simulated-api.ts';

let api: SimulatedApi;
let production: ClusterApi;
let limited: ClusterApi;

beforeAll(async () => {
  api = await SimulatedApi.start({ taskSeconds: 0.05, resourcesLagSeconds: 0 });
  production = api.on('production');
  limited = api.on('production', true);
});
afterAll(() => api.close());

describe('what is seen', () => {
  // For root alone: no token can be root@pam.
  const ROOT_ONLY = ['/cluster/backup-info'];
  const reads = METHODS.filter(({ method }) => method === 'GET')
    .map(({ path }) => path)
    // What exec-status asks for exists only after an exec: test/integration/simulator-guests.test.ts.
    .filter((path) => !path.endsWith('/exec-status') && !ROOT_ONLY.includes(path));
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
    /^\/access\/(groups|tfa|users\/.*\/tfa)$|\/(ha|sdn|firewall)\/|replication$|\/qdevice$|\/disks\/(zfs|directory)$|flags\/|\/config$|\/(endpoints\/webhook|acme\/plugins|mapping\/dir)$/;

  test.each(reads)('GET %s answers', async (template) => {
    const lxc = template.includes('/lxc');
    const backup = production.cluster.state.volumes.find(
      (volume) => volume.content === 'backup' && !volume.node,
    );
    const task = production.cluster.state.tasks.list().find((candidate) => candidate.node === 'pve1');
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
    const reply = await production.call('GET', `${path}?${query}${query === 'volume=' ? backup?.volid : ''}`);
    if (path.includes('missing')) {
      expect(reply.status).toBeGreaterThanOrEqual(400);
      expect(reply.reason).not.toContain('simulator:');
      return;
    }
    expect(reply).toMatchObject({ status: 200, reason: 'OK' });
    if (template === '/access/ticket' || EMPTY_AT_FIRST.test(template)) return;
    if (typeof reply.data === 'object') expect(Object.keys(reply.row).length).toBeGreaterThan(0);
  });

  test.each(ROOT_ONLY)('GET %s is for root alone', async (path) => {
    expect((await production.call('GET', path)).reason).toBe('Permission check failed (user != root@pam)');
  });

  test('the limited token sees empty lists and bare nodes', async () => {
    for (const path of ['/nodes/pve1/qemu', '/nodes/pve1/lxc', '/storage', '/pools', '/cluster/tasks']) {
      expect((await limited.call('GET', path)).data).toEqual([]);
    }
    const { rows } = await limited.call('GET', '/cluster/resources');
    expect(rows.map((row) => row.type)).toEqual(['node', 'node', 'node']);
    expect(rows[0]?.maxmem).toBeUndefined();
    expect((await limited.call('GET', '/access/permissions')).data).toEqual({});
  });

  test('the inventory holds guests, nodes and storages of every node', async () => {
    const { rows } = await production.call('GET', '/cluster/resources?type=vm', undefined, { node: 2 });
    const web = rows.find((row) => row.id === 'qemu/100');
    expect(web).toMatchObject({ node: 'pve1', name: 'web-01', status: 'running', template: 0, pool: 'web' });
    expect(web?.mem).toBeGreaterThan(0);
    const stopped = rows.find((row) => row.name === 'build-01');
    expect(stopped).toMatchObject({ status: 'stopped', cpu: 0, mem: 0, netin: 0, uptime: 0 });
    const storages = await production.call('GET', '/cluster/resources?type=storage');
    expect(storages.data).toHaveLength(12);
  });

  test('a standalone host has no cluster entry, a cluster has its quorum', async () => {
    const standalone = await api.on('disaster-recovery').call('GET', '/cluster/status');
    expect(standalone.rows.map((row) => row.type)).toEqual(['node']);
    const { rows } = await production.call('GET', '/cluster/status', undefined, { node: 1 });
    expect(rows[0]).toMatchObject({ type: 'cluster', nodes: 3, quorate: 1 });
    expect(rows.find((row) => row.local === 1)?.name).toBe('pve2');
  });

  test('storage content is filtered, one volume is found by an id with slashes', async () => {
    const { rows } = await production.call('GET', '/nodes/pve2/storage/nas/content?content=backup&vmid=100');
    expect(rows).toHaveLength(2);
    const path = `/nodes/pve2/storage/nas/content/${rows[0]?.volid}`;
    expect((await production.call('GET', path)).data).toMatchObject({
      format: 'vma.zst',
      notes: rows[0]?.notes,
    });
  });

  test('the task list pages and says how many there are', async () => {
    const reply = await production.call('GET', '/nodes/pve3/tasks?limit=1&typefilter=vzdump');
    expect(reply.rows).toHaveLength(1);
    expect(reply.rows[0]).toMatchObject({ type: 'vzdump', user: 'root@pam', status: 'OK' });
    expect(reply.body.total).toBe(3);
    const log = await production.call('GET', `/nodes/pve3/tasks/${reply.rows[0]?.upid}/log?limit=1`);
    expect(log.body.total).toBe(2);
    expect(log.data).toEqual([{ n: 1, t: expect.stringContaining('backup of guest') }]);
  });

  test('a task that is not there: 400', async () => {
    const upid = 'UPID:pve1:00000001:00000001:00000001:qmstart:100:root@pam:';
    const reply = await production.call('GET', `/nodes/pve1/tasks/${upid}/status`);
    expect(reply.body.errors).toEqual({ upid: 'no such task' });
  });

  test('nextid answers text, and refuses a number that is taken', async () => {
    expect((await production.call('GET', '/cluster/nextid')).data).toBe('104');
    expect((await production.call('GET', '/cluster/nextid?vmid=100')).body.errors).toEqual({
      vmid: 'VM 100 already exists',
    });
  });
});
