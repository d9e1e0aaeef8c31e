import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ClusterSpec, StorageSpec } from '../../src/simulator/estate.ts';
import { LOCAL_STORAGES } from '../../src/simulator/estate.ts';
import { type ClusterApi, SimulatedApi } from '../support/simulated-api.ts';

const pbs = (storage: string): StorageSpec => ({
  storage,
  type: 'pbs',
  content: ['backup'],
  shared: true,
  totalGib: 100,
  options: { server: 'pbs.test', datastore: 'main' },
});
const SPECS: ClusterSpec[] = [
  {
    name: 'one',
    nodes: [{ name: 'a1' }, { name: 'a2' }],
    storages: [...LOCAL_STORAGES, pbs('vault')],
    pools: [{ poolid: 'web' }],
    guests: [
      { vmid: 100, type: 'qemu', node: 'a1', name: 'web', status: 'running', pool: 'web' },
      { vmid: 101, type: 'qemu', node: 'a2', name: 'db' },
      { vmid: 110, type: 'lxc', node: 'a1', name: 'dns', diskGib: 4 },
    ],
  },
  { name: 'two', nodes: [{ name: 'b1' }], storages: [...LOCAL_STORAGES, pbs('shared-vault')] },
];

let api: SimulatedApi;
let one: ClusterApi;
let two: ClusterApi;
let now = 1_800_000_000_000;

beforeAll(async () => {
  api = await SimulatedApi.start({ clusters: SPECS, clock: () => now });
  one = api.on('one');
  two = api.on('two');
});
afterAll(() => api.close());

const backups = (vmid: number, storage = 'local', host = 'a1', on = one) =>
  on.rows(`/nodes/${host}/storage/${storage}/content?content=backup&vmid=${vmid}`);
const day = () => {
  now += 24 * 3_600_000;
};

describe('vzdump', () => {
  test('writes one volume per guest of the node, with notes from the template', async () => {
    const body = {
      vmid: '100,101',
      storage: 'local',
      compress: 'zstd',
      'notes-template': '{{guestname}} on {{node}}',
    };
    const { data: upid } = await one.call('POST', '/nodes/a1/vzdump', body);
    expect(await one.finish(upid)).toBe('OK');
    expect(await one.log(upid)).toContain("skip external VM 101 on node 'a2'");
    const [row] = await backups(100);
    expect(row).toMatchObject({
      format: 'vma.zst',
      notes: 'web on a1',
      ctime: Math.floor(now / 1000),
      vmid: 100,
    });
    expect(row?.volid).toMatch(/^local:backup\/vzdump-qemu-100-\d{4}(_\d\d){2}-\d\d(_\d\d){2}\.vma\.zst$/);
    expect(row?.size).toBeGreaterThan(0);
    expect(await backups(101)).toEqual([]);
  });

  test('needs guests to be named, and the rights to them', async () => {
    expect((await one.call('POST', '/nodes/a1/vzdump', { storage: 'local' })).errors).toHaveProperty('vmid');
    expect((await one.call('POST', '/nodes/a1/vzdump', { pool: 'nope' })).reason).toBe(
      "pool 'nope' does not exist",
    );
    const limited = api.on('one', true);
    expect((await limited.call('POST', '/nodes/a1/vzdump', { vmid: '100' })).reason).toContain(
      '/vms/100, VM.Backup',
    );
    expect((await one.call('POST', '/nodes/a1/vzdump', { vmid: '100', script: '/x' })).errors).toHaveProperty(
      'script',
    );
  });

  test('a locked guest and a missing one fail the job, the others are saved', async () => {
    const guest = one.cluster.state.guests.get(100);
    if (guest) guest.lock = 'snapshot';
    day();
    const { data: upid } = await one.call('POST', '/nodes/a1/vzdump', {
      vmid: '100,110,999',
      storage: 'vault',
    });
    expect(await one.finish(upid)).toBe('job errors');
    expect(await one.log(upid)).toMatch(/unable to find VM '999'[\s\S]*VM is locked \(snapshot\)/);
    expect(guest?.lock).toBe('snapshot');
    if (guest) delete guest.lock;
    const [row] = await backups(110, 'vault');
    expect(row?.volid).toMatch(/^vault:backup\/ct\/110\/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  });

  test('holds the lock while it runs', async () => {
    const slow = await SimulatedApi.start({ clusters: SPECS, taskSeconds: 60 });
    const { data: upid } = await slow.on('one').call('POST', '/nodes/a1/vzdump', { pool: 'web' });
    expect(await slow.on('one').get('/nodes/a1/qemu/100/status/current')).toMatchObject({ lock: 'backup' });
    expect((await slow.on('one').call('PUT', '/nodes/a1/qemu/100/config', { name: 'x' })).reason).toBe(
      'VM is locked (backup)',
    );
    await slow.on('one').call('DELETE', `/nodes/a1/tasks/${upid}`);
    expect(await slow.on('one').get('/nodes/a1/qemu/100/status/current')).not.toHaveProperty('lock');
    await slow.close();
  });

  test('a full storage fails the job', async () => {
    const vault = one.cluster.state.storages.find(({ storage }) => storage === 'vault');
    if (vault) vault.foreignBytes = vault.total;
    const { data: upid } = await one.call('POST', '/nodes/a1/vzdump', { vmid: '110', storage: 'vault' });
    expect(await one.finish(upid)).toBe('job errors');
    expect(await one.log(upid)).toContain('No space left on device');
    if (vault) vault.foreignBytes = 0;
  });

  test('says its defaults, and what is in a backup', async () => {
    expect(await one.get('/nodes/a1/vzdump/defaults?storage=local')).toMatchObject({
      mode: 'snapshot',
      storage: 'local',
    });
    const [row] = await backups(100);
    expect(await one.get(`/nodes/a1/vzdump/extractconfig?volume=${row?.volid}`)).toContain('name: web\n');
  });
});

describe('retention', () => {
  test('is previewed, applied, and passes over what is protected', async () => {
    for (let count = 0; count < 4; count += 1) {
      day();
      expect(await one.work('POST', '/nodes/a2/vzdump', { vmid: '101', storage: 'local' })).toBe('OK');
    }
    const [first] = await backups(101, 'local', 'a2');
    await one.call('PUT', `/nodes/a2/storage/local/content/${first?.volid}`, {
      protected: '1',
      notes: 'keep me',
    });
    expect((await backups(101, 'local', 'a2'))[0]).toMatchObject({ protected: 1, notes: 'keep me' });
    const path = '/nodes/a2/storage/local/prunebackups?prune-backups=keep-last%3D2&vmid=101';
    expect((await one.rows(path)).map((row) => row.mark).sort()).toEqual([
      'keep',
      'keep',
      'protected',
      'remove',
    ]);
    expect(await backups(101, 'local', 'a2')).toHaveLength(4);
    expect(await one.work('DELETE', path)).toBe('OK');
    expect(await backups(101, 'local', 'a2')).toHaveLength(3);
    day();
    const body = { vmid: '101', storage: 'local', 'prune-backups': 'keep-last=1' };
    expect(await one.work('POST', '/nodes/a2/vzdump', body)).toBe('OK');
    expect((await backups(101, 'local', 'a2')).map((row) => row.protected)).toEqual([1, undefined]);
    expect((await one.call('GET', `${path}&type=nope`)).status).toBe(400);
  });
});

describe('restore', () => {
  test('a VM comes back under another number, with cards of its own', async () => {
    const [row] = await backups(100);
    const archive = String(row?.volid);
    const original = await one.get('/nodes/a1/qemu/100/config');
    expect(
      await one.work('POST', '/nodes/a1/qemu', { vmid: '150', archive, unique: '1', storage: 'local-lvm' }),
    ).toBe('OK');
    const restored = await one.get('/nodes/a1/qemu/150/config');
    expect(restored).toMatchObject({ name: 'web', scsi0: 'local-lvm:vm-150-disk-0,size=8G' });
    expect(restored.net0).not.toBe(original.net0);
  });

  test('over itself only by force, and only while it is off', async () => {
    const archive = String((await backups(100))[0]?.volid);
    expect((await one.call('POST', '/nodes/a1/qemu', { vmid: '100', archive })).reason).toContain(
      'already exists',
    );
    expect((await one.call('POST', '/nodes/a1/qemu', { vmid: '100', archive, force: '1' })).reason).toContain(
      'is running',
    );
    await one.work('POST', '/nodes/a1/qemu/100/status/stop');
    await one.call('PUT', '/nodes/a1/qemu/100/config', { name: 'spoilt' });
    expect(await one.work('POST', '/nodes/a1/qemu', { vmid: '100', archive, force: '1', start: '1' })).toBe(
      'OK',
    );
    expect(await one.get('/nodes/a1/qemu/100/config')).toMatchObject({ name: 'web' });
    expect(await one.get('/nodes/a1/qemu/100/status/current')).toMatchObject({ status: 'running' });
  });

  test('a container, in the other cluster, from the storage both see', async () => {
    const [here] = await backups(110, 'vault');
    const [there] = await backups(110, 'shared-vault', 'b1', two);
    expect(there?.volid).toBe(String(here?.volid).replace('vault:', 'shared-vault:'));
    const body = {
      vmid: '110',
      ostemplate: String(there?.volid),
      restore: '1',
      storage: 'local-lvm',
      unique: '1',
    };
    expect(await two.work('POST', '/nodes/b1/lxc', body)).toBe('OK');
    expect(await two.get('/nodes/b1/lxc/110/config')).toMatchObject({
      hostname: 'dns',
      rootfs: expect.stringContaining('size=4G'),
    });
    expect(
      (await two.call('POST', '/nodes/b1/qemu', { vmid: '111', archive: String(there?.volid) })).status,
    ).toBe(200);
    expect(two.cluster.state.guests.has(111)).toBe(false);
  });

  test('what one cluster deletes there is gone for the other', async () => {
    const [there] = await backups(110, 'shared-vault', 'b1', two);
    await two.call('PUT', `/nodes/b1/storage/shared-vault/content/${there?.volid}`, {
      notes: 'seen from two',
    });
    expect((await backups(110, 'vault'))[0]).toMatchObject({ notes: 'seen from two' });
    expect(await two.work('DELETE', `/nodes/b1/storage/shared-vault/content/${there?.volid}`)).toBe('OK');
    expect(await backups(110, 'vault')).toEqual([]);
  });

  test('an archive that is not there fails the task', async () => {
    const archive = 'local:backup/vzdump-qemu-1-x.vma';
    expect(await one.work('POST', '/nodes/a1/qemu', { vmid: '160', archive })).toContain('does not exist');
    expect(one.cluster.state.guests.has(160)).toBe(false);
  });
});

describe('backup jobs', () => {
  test('are made, changed and removed, and tell who is left out', async () => {
    const job = { id: 'weekly', schedule: 'sat 03:30', storage: 'local', pool: 'web' };
    expect((await one.call('POST', '/cluster/backup', job)).data).toBeNull();
    const shown = await one.get('/cluster/backup/weekly');
    expect(shown).toMatchObject({ enabled: 1, pool: 'web', type: 'vzdump' });
    expect(new Date(Number(shown['next-run']) * 1000).toISOString()).toMatch(/T03:30:00/);
    expect(new Date(Number(shown['next-run']) * 1000).getUTCDay()).toBe(6);
    const left = async () => (await one.rows('/cluster/backup-info/not-backed-up')).map((row) => row.vmid);
    expect(await left()).not.toContain(100);
    expect(await left()).toContain(101);
    expect(await one.get('/cluster/backup/weekly/included_volumes')).toMatchObject({
      children: [{ id: 100, children: [{ id: 'scsi0', included: 1 }] }],
    });
    await one.call('PUT', '/cluster/backup/weekly', { all: '1', exclude: '110' });
    expect(await left()).toEqual([110]);
    await one.call('PUT', '/cluster/backup/weekly', { enabled: '0' });
    expect(await left()).toContain(100);
    await one.call('DELETE', '/cluster/backup/weekly');
    expect((await one.call('GET', '/cluster/backup/weekly')).errors).toHaveProperty('id');
  });

  test('a purged guest leaves its jobs', async () => {
    await one.call('POST', '/cluster/backup', { id: 'listed', schedule: '01:00', vmid: '110,150' });
    expect(await one.work('DELETE', '/nodes/a1/qemu/150?purge=1')).toBe('OK');
    expect(await one.get('/cluster/backup/listed')).toMatchObject({ vmid: '110' });
  });
});
