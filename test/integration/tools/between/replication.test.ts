import { describe, expect, it } from 'vitest';
import { BUILD, replicationSite } from '../../../support/replication-site.ts';

const [A, B] = [900_000, 900_001];
const VZDUMP = 'POST /nodes/pve2/vzdump';
const RESTORE = 'POST /nodes/dr1/qemu';
const drop = (vmid: number, type = 'qemu') => `DELETE /nodes/dr1/${type}/${vmid}`;

describe('a run', () => {
  it('makes a stopped replica, and the next one beside it before the older one goes', async () => {
    const { save, run, row, replica, acts } = await replicationSite();
    await save();
    expect(acts()).toEqual([]);
    expect(await run()).toMatchObject({
      status: 'replicated',
      last_good: { cluster: 'disaster-recovery', vmid: A },
      done: ['the backup', `the restore as ${A}`],
    });
    expect(acts()).toEqual([VZDUMP, RESTORE]);
    const first = replica(A);
    expect(first).toMatchObject({ status: 'stopped', type: 'qemu', node: 'dr1' });
    expect(first?.config).toMatchObject({
      name: 'build-01-replica',
      tags: 'proxmox-mcp-replica',
      onboot: 0,
      cores: 16,
      description: expect.stringMatching(/production\/103 \(build-01\), backup of 20.*replication build/),
    });

    expect(await run()).toMatchObject({ status: 'replicated', last_good: { vmid: B } });
    expect(acts()).toEqual([VZDUMP, VZDUMP, RESTORE, RESTORE, drop(A)]);
    expect(replica(A)).toBeUndefined();
    await run();
    expect(acts().slice(3)).toEqual([RESTORE, RESTORE, drop(A), RESTORE, drop(B)]);
    expect([replica(A)?.config.name, replica(B)]).toEqual(['build-01-replica', undefined]);
    expect(await row()).toMatchObject({
      last_good: { vmid: A, age_minutes: 0 },
      replicas: [{ vmid: A, is: 'as_made' }],
      last_result: 'ok',
    });
  });

  it('of a container, too', async () => {
    const { save, run, replica, acts, production } = await replicationSite();
    await save({ ...BUILD, vmid: 111 });
    await run();
    await run();
    expect(acts().filter((line) => !line.includes('vzdump'))).toEqual([
      'POST /nodes/dr1/lxc',
      'POST /nodes/dr1/lxc',
      drop(A, 'lxc'),
    ]);
    expect(replica(B)).toMatchObject({ type: 'lxc', status: 'stopped' });
    expect(replica(B)?.config).toMatchObject({ hostname: 'cache-01-replica', tags: 'proxmox-mcp-replica' });
    expect(production.state.guests.get(111)?.status).toBe('running');
  });

  it('keeps two, where it is told so, in three places', async () => {
    const { save, run, row, replica } = await replicationSite();
    expect(await save({ ...BUILD, keep: 2 })).toMatchObject({ reserved_vmids: [A, B, 900_002] });
    for (let count = 0; count < 3; count += 1) await run();
    expect([A, B, 900_002].map((vmid) => replica(vmid) !== undefined)).toEqual([false, true, true]);
    expect((await row()).replicas.map(({ vmid }: { vmid: number }) => vmid)).toEqual([900_002, B]);
    await run();
    expect([A, B, 900_002].map((vmid) => replica(vmid) !== undefined)).toEqual([true, false, true]);
  });

  it('protects nothing that the guest was: the replica can be deleted, and never starts by itself', async () => {
    const { save, run, replica, acts } = await replicationSite();
    await save({ ...BUILD, vmid: 102, storage: 'local-lvm' });
    await run();
    expect(replica(A)?.config).toMatchObject({ protection: 0, onboot: 0, tags: 'proxmox-mcp-replica' });
    await run();
    expect(acts()).toContain(drop(A));
  });

  it('restores what others backed up, and nothing twice, where it makes no backups of its own', async () => {
    const { save, run, refused, call, acts } = await replicationSite();
    await save({ ...BUILD, backup: false });
    expect(await refused('run_cluster_replication', { job: 'build' })).toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringContaining('no backup of'),
    });
    const backUp = () =>
      call('create_backup', { cluster: 'production', vmid: 103, storage: 'backup-nfs', wait_seconds: 5 });
    await backUp();
    expect(await run()).toMatchObject({ status: 'replicated', last_good: { vmid: A } });
    expect(await run()).toMatchObject({ status: 'nothing_new', last_good: { vmid: A } });
    expect(acts()).toEqual([VZDUMP, RESTORE]);
    await backUp();
    expect(await run()).toMatchObject({ status: 'replicated', last_good: { vmid: B } });
    expect(acts()).toEqual([VZDUMP, VZDUMP, RESTORE, RESTORE, drop(A)]);
  });

  it('takes no backup of the guest that has the same VMID on the target', async () => {
    const { save, refused, call } = await replicationSite();
    await save({ ...BUILD, vmid: 100, backup: false });
    await call('create_backup', {
      ...{ cluster: 'disaster-recovery', vmid: 100, storage: 'dr-nfs', wait_seconds: 5 },
    });
    const error = await refused('run_cluster_replication', { job: 'build' });
    expect(error).toMatchObject({ code: 'NOT_FOUND', message: expect.stringContaining('web-01') });
  });
});

describe('the last good state survives', () => {
  it('a target that is full: the restore is tried again, with the same backup', async () => {
    const { save, run, refused, row, replica, acts, target } = await replicationSite();
    await save();
    await run();
    const storage = target.state.storages.find((one) => one.storage === 'local-lvm');
    if (storage === undefined) throw new Error('no storage');
    storage.foreignBytes = storage.total;
    const error = await refused('run_cluster_replication', { job: 'build' });
    expect(error).toMatchObject({ code: 'TASK_FAILED', message: expect.stringContaining('No space left') });
    expect(replica(A)).toBeDefined();
    expect(replica(B)).toBeUndefined();
    expect(await row()).toMatchObject({ last_good: { vmid: A }, replicas: [{ vmid: A, is: 'as_made' }] });
    storage.foreignBytes = 0;
    expect(await run()).toMatchObject({ status: 'replicated', last_good: { vmid: B } });
    expect(acts().filter((line) => line === VZDUMP)).toHaveLength(2);
  });

  it('a restore whose task fails, and a replica that comes out without its disks', async () => {
    const { save, run, refused, replica, acts, target, row } = await replicationSite();
    await save();
    await run();
    target.faults.add({ kind: 'task-error', match: /POST .*\/qemu$/, times: 1 });
    expect(await refused('run_cluster_replication', { job: 'build' })).toMatchObject({ code: 'TASK_FAILED' });
    expect(acts()).not.toContain(drop(A));
    expect(await row()).toMatchObject({ last_good: { vmid: A } });
    const { promise, resolve } = Promise.withResolvers<void>();
    const watch = setInterval(() => {
      const made = replica(B);
      if (made?.config.scsi0 === undefined) return;
      delete made.config.scsi0;
      resolve();
    }, 1);
    const error = await refused('run_cluster_replication', { job: 'build' });
    clearInterval(watch);
    await promise;
    expect(error).toMatchObject({ code: 'CONFLICT', message: expect.stringContaining('lacks scsi0') });
    expect(replica(A)).toBeDefined();
    expect(acts()).not.toContain(drop(A));
    expect(await row()).toMatchObject({ last_good: { vmid: A } });
  });

  it('a target that is down: nothing is backed up for it', async () => {
    const { save, run, refused, row, acts, target } = await replicationSite();
    await save();
    await run();
    await target.stop();
    const error = await refused('run_cluster_replication', { job: 'build' });
    expect(error).toMatchObject({ code: 'CLUSTER_UNREACHABLE', cluster: 'disaster-recovery' });
    expect(acts().filter((line) => line === VZDUMP)).toHaveLength(1);
    expect(await row()).toMatchObject({
      last_good: { vmid: A },
      replicas: [{ vmid: A, is: 'not_known', why: expect.any(String) }],
    });
    await target.start();
    expect(await run()).toMatchObject({ last_good: { vmid: B } });
  });

  it('a source that is down, a backup that fails, and a guest that is another one by now', async () => {
    const { save, run, refused, row, production, acts } = await replicationSite();
    await save();
    await run();
    production.faults.add({ kind: 'task-error', match: /vzdump/, times: 1 });
    expect(await refused('run_cluster_replication', { job: 'build' })).toMatchObject({ code: 'TASK_FAILED' });
    await production.stop();
    expect(await refused('run_cluster_replication', { job: 'build' })).toMatchObject({
      code: 'CLUSTER_UNREACHABLE',
    });
    await production.start();
    const guest = production.state.guests.get(103);
    if (guest) guest.config.name = 'another';
    expect(await refused('run_cluster_replication', { job: 'build' })).toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('another'),
    });
    expect(acts().filter((line) => line === RESTORE)).toHaveLength(1);
    expect(await row()).toMatchObject({ last_good: { vmid: A }, replicas: [{ is: 'as_made' }] });
  });
});

describe('what is not ours is never touched', () => {
  it('a guest on a reserved VMID: nothing is backed up, as there is no place', async () => {
    const { save, run, refused, call, acts, replica } = await replicationSite();
    await save();
    await run();
    const path = '/nodes/dr1/qemu';
    const data = { vmid: B, name: 'foreign', memory: 512 };
    await call('proxmox_api_call', { cluster: 'disaster-recovery', method: 'POST', path, data });
    const before = acts().length;
    expect(await refused('run_cluster_replication', { job: 'build' })).toMatchObject({
      code: 'CONFLICT',
      message: expect.stringMatching(
        /900000 holds the replica.*900001 is a guest that this replication did not make/,
      ),
    });
    expect(acts()).toHaveLength(before);
    expect(replica(B)?.config.name).toBe('foreign');
  });

  it('a guest that got the VMID of a replica that is gone', async () => {
    const { save, run, acts, replica, row } = await replicationSite();
    await save();
    await run();
    const made = replica(A);
    if (made) made.config = { ...made.config, name: 'foreign' };
    expect(await row()).toMatchObject({
      replicas: [{ is: 'gone', why: expect.stringContaining('foreign') }],
    });
    expect(await row()).not.toHaveProperty('last_good');
    expect(await run()).toMatchObject({ last_good: { vmid: B }, note: expect.stringContaining('gone') });
    expect(acts()).not.toContain(drop(A));
    expect(replica(A)?.config.name).toBe('foreign');
  });

  it.each<[string, (guest: { status: string; config: Record<string, unknown> }) => void, RegExp]>([
    ['was started', (guest) => Object.assign(guest, { status: 'running' }), /is running/],
    ['was changed', (guest) => Object.assign(guest.config, { memory: 4096 }), /was changed since/],
    ['lost its tag', (guest) => Object.assign(guest.config, { tags: 'mine' }), /gone/],
  ])('a replica that %s', async (_what, change, why) => {
    const { save, run, refused, acts, replica } = await replicationSite();
    await save();
    await run();
    const made = replica(A);
    if (made) change(made);
    const outcome = await run();
    expect(outcome).toMatchObject({ last_good: { vmid: B }, note: expect.stringMatching(why) });
    const before = acts().filter((line) => line === VZDUMP).length;
    expect(await refused('run_cluster_replication', { job: 'build' })).toMatchObject({ code: 'CONFLICT' });
    expect(acts().filter((line) => line === VZDUMP)).toHaveLength(before);
    expect(acts()).not.toContain(drop(A));
  });
});
