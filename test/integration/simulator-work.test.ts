import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ClusterApi, SimulatedApi } from '../support/simulated-api.ts';

let api: SimulatedApi;
let production: ClusterApi;

beforeAll(async () => {
  api = await SimulatedApi.start({ taskSeconds: 0.05, resourcesLagSeconds: 0 });
  production = api.on('production');
});
afterAll(() => api.close());

describe('what is done', () => {
  test('a guest that is started runs once the task has ended', async () => {
    const path = '/nodes/pve2/qemu/103/status';
    const { data: upid } = await production.call('POST', `${path}/start`);
    expect((await production.call('GET', `${path}/current`)).row.status).toBe('stopped');
    expect((await production.call('GET', '/nodes/pve2/tasks?source=active')).rows[0]).toMatchObject({
      upid,
      status: 'RUNNING',
    });
    expect(await production.finish(upid)).toBe('OK');
    expect((await production.call('GET', `${path}/current`)).data).toMatchObject({
      status: 'running',
      qmpstatus: 'running',
    });
    expect(await production.work('POST', `${path}/start`)).toBe('VM 103 already running');
    expect(await production.work('POST', `${path}/stop`)).toBe('OK');
    expect(await production.work('POST', `${path}/stop`)).toBe('OK');
    expect((await production.call('POST', `${path}/reboot`)).reason).toBe('VM 103 not running');
  });

  test('a container refuses at once what a VM refuses in its task', async () => {
    const reply = await production.call('POST', '/nodes/pve1/lxc/110/status/start');
    expect(reply).toMatchObject({ status: 500, reason: 'CT 110 already running' });
  });

  test('a VM is paused, resumed and reset', async () => {
    const path = '/nodes/pve2/qemu/101/status';
    expect(await production.work('POST', `${path}/suspend`)).toBe('OK');
    expect((await production.call('GET', `${path}/current`)).row).toMatchObject({
      status: 'running',
      qmpstatus: 'paused',
    });
    expect(await production.work('POST', `${path}/resume`)).toBe('OK');
    expect(await production.work('POST', `${path}/reset`)).toBe('OK');
    expect((await production.call('GET', `${path}/current`)).row.qmpstatus).toBe('running');
  });

  test('a guest becomes a template once, which never starts', async () => {
    const path = '/nodes/pve1/lxc/601';
    const ostemplate = 'local:vztmpl/debian-13-standard_13.1-2_amd64.tar.zst';
    expect(
      await production.work('POST', '/nodes/pve1/lxc', { vmid: '601', ostemplate, storage: 'local-lvm' }),
    ).toBe('OK');
    expect((await production.call('POST', `${path}/template`)).data).toBeNull();
    expect((await production.call('POST', `${path}/template`)).reason).toContain('template to a template');
    expect(await production.work('POST', `${path}/status/start`)).toContain('template');
    expect((await production.call('POST', '/nodes/pve1/qemu/100/template')).reason).toContain('is running');
    expect(await production.work('DELETE', path)).toBe('OK');
  });

  test('of two starts at once one fails', async () => {
    const path = '/nodes/pve3/lxc/112/status/start';
    const [first, second] = await Promise.all([production.call('POST', path), production.call('POST', path)]);
    const ends = [await production.finish(first.data), await production.finish(second.data)];
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
    expect(await production.work('POST', '/nodes/pve2/qemu', { vmid: '500', ...options })).toBe('OK');
    const { row: config } = await production.call('GET', '/nodes/pve2/qemu/500/config');
    expect(config).toMatchObject({ name: 'born', memory: '1024', scsi0: 'local-lvm:vm-500-disk-0,size=8G' });
    expect(config.net0).toMatch(/^virtio=BC:24:11(:[0-9A-F]{2}){3},bridge=vmbr0$/);
    expect((await production.call('POST', '/nodes/pve2/qemu', { vmid: '500' })).reason).toBe(
      "unable to create VM 500 - VM 500 already exists on node 'pve2'",
    );

    expect(
      await production.work('POST', '/nodes/pve2/qemu/500/clone', {
        newid: '501',
        full: '1',
        name: 'twin',
      }),
    ).toBe('OK');
    const away = { newid: '502', full: '1', target: 'pve3' };
    expect((await production.call('POST', '/nodes/pve2/qemu/500/clone', away)).reason).toContain(
      'uses local storage',
    );
    expect(await production.work('POST', '/nodes/pve2/qemu/501/migrate', { target: 'pve3' })).toBe('OK');
    const { row: twin } = await production.call('GET', '/nodes/pve3/qemu/501/config');
    expect(twin).toMatchObject({ name: 'twin', scsi0: 'local-lvm:vm-501-disk-0,size=8G' });
    expect(twin.net0).not.toBe(config.net0);

    const snapshots = '/nodes/pve3/qemu/501/snapshot';
    expect(await production.work('POST', snapshots, { snapname: 'one', description: 'first' })).toBe('OK');
    expect(await production.work('POST', snapshots, { snapname: 'one' })).toBe(
      "snapshot name 'one' already used",
    );
    await production.call('PUT', '/nodes/pve3/qemu/501/config', { name: 'changed' });
    expect(await production.work('POST', `${snapshots}/one/rollback`)).toBe('OK');
    expect((await production.call('GET', snapshots)).data).toEqual([
      expect.objectContaining({ name: 'one', description: 'first', vmstate: 0 }),
      expect.objectContaining({ name: 'current', parent: 'one' }),
    ]);
    expect((await production.call('GET', '/nodes/pve3/qemu/501/config')).row.name).toBe('twin');
    expect(await production.work('DELETE', `${snapshots}/one`)).toBe('OK');

    expect(await production.work('DELETE', '/nodes/pve3/qemu/501?purge=1')).toBe('OK');
    expect(await production.work('DELETE', '/nodes/pve2/qemu/500')).toBe('OK');
    expect(production.cluster.state.guests.has(501)).toBe(false);
    expect(production.cluster.state.volumes.filter(({ vmid }) => vmid === 500 || vmid === 501)).toEqual([]);
  });

  test('a container is created from a template that must exist', async () => {
    const ostemplate = 'local:vztmpl/debian-13-standard_13.1-2_amd64.tar.zst';
    const body = { vmid: '600', ostemplate, storage: 'local-lvm', hostname: 'small', start: '1' };
    expect(
      await production.work('POST', '/nodes/pve1/lxc', { ...body, ostemplate: 'local:vztmpl/nope.tar.zst' }),
    ).toContain('does not exist');
    expect(await production.work('POST', '/nodes/pve1/lxc', body)).toBe('OK');
    const current = await production.call('GET', '/nodes/pve1/lxc/600/status/current');
    expect(current.data).toMatchObject({ name: 'small', status: 'running', type: 'lxc' });
    expect((await production.call('DELETE', '/nodes/pve1/lxc/600')).reason).toContain('container is running');
    expect(await production.work('DELETE', '/nodes/pve1/lxc/600?force=1')).toBe('OK');
  });

  test('a task that is stopped leaves nothing behind', async () => {
    const { data: upid } = await production.call('POST', '/nodes/pve1/qemu', {
      vmid: '700',
      scsi0: 'local-lvm:1',
    });
    expect(production.cluster.state.guests.get(700)?.lock).toBe('create');
    await production.call('DELETE', `/nodes/pve1/tasks/${upid}`);
    expect(await production.finish(upid)).toBe('received interrupt');
    expect(production.cluster.state.guests.has(700)).toBe(false);
  });

  test('a locked guest refuses: its configuration at once, its start in the task', async () => {
    const guest = production.cluster.state.guests.get(103);
    if (guest) guest.lock = 'backup';
    const reply = await production.call('PUT', '/nodes/pve2/qemu/103/config', { name: 'x' });
    expect(reply.reason).toBe('VM is locked (backup)');
    expect(await production.work('POST', '/nodes/pve2/qemu/103/status/start')).toBe('VM is locked (backup)');
    if (guest) delete guest.lock;
  });

  test('a protected or running guest is not deleted', async () => {
    expect((await production.call('DELETE', '/nodes/pve3/qemu/102')).reason).toBe(
      "can't remove VM 102 - protection mode enabled",
    );
    expect((await production.call('DELETE', '/nodes/pve1/qemu/100')).reason).toBe(
      'VM 100 is running - destroy failed',
    );
  });

  test('a configuration with an old digest is refused, with the present one changed', async () => {
    const path = '/nodes/pve2/qemu/103/config';
    const { digest } = (await production.call('GET', path)).row;
    const json = { 'content-type': 'application/json' };
    const body = JSON.stringify({ description: 'new', digest, delete: 'tags', onboot: true });
    expect((await production.call('PUT', path, body, { headers: json })).data).toBeNull();
    expect((await production.call('GET', path)).data).toMatchObject({ description: 'new', onboot: 1 });
    expect((await production.call('GET', path)).row.tags).toBeUndefined();
    expect((await production.call('PUT', path, body, { headers: json })).reason).toBe(
      'checksum missmatch (file change by other user?)',
    );
  });

  test('a running VM takes its memory at the next start', async () => {
    const path = '/nodes/pve2/qemu/101';
    const upid = (await production.call('POST', `${path}/config`, { memory: '10240' })).data;
    expect(await production.finish(upid)).toBe('OK');
    expect((await production.call('GET', `${path}/config?current=1`)).row.memory).toBe('8192');
    const pending = (await production.call('GET', `${path}/pending`)).rows;
    expect(pending).toContainEqual({ key: 'memory', value: '8192', pending: '10240' });
    expect(await production.work('POST', `${path}/status/reboot`)).toBe('OK');
    expect((await production.call('GET', `${path}/config?current=1`)).row.memory).toBe('10240');
  });

  test('a backup is deleted, a protected one not', async () => {
    const content = '/nodes/pve1/storage/nas/content';
    const { rows } = await production.call('GET', `${content}?content=backup&vmid=100`);
    const kept = rows.find((row) => row.protected === 1);
    const other = rows.find((row) => row.protected !== 1);
    expect((await production.call('DELETE', `${content}/${kept?.volid}`)).status).toBe(500);
    expect(await production.work('DELETE', `${content}/${encodeURIComponent(other?.volid ?? '')}`)).toBe(
      'OK',
    );
    expect((await production.call('GET', `${content}?content=backup&vmid=100`)).data).toEqual([kept]);
  });
});
