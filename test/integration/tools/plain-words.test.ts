import { describe, expect, it } from 'vitest';
import { toolClient } from '../../support/tool-client.ts';

/** What a newcomer stumbled over: answers and errors that did not say what was meant, or what to do next. */
const ONE = { clusters: ['production'], config: { defaultNode: 'pve1', defaultStorage: 'local-lvm' } };
const TEMPLATE = 'local:vztmpl/debian-13-standard_13.1-2_amd64.tar.zst';

describe('errors say what to do, and nothing was sent', () => {
  it('in create_container, clone_guest, resize_disk and bulk_power', async () => {
    const { refused, writes, call } = await toolClient(ONE);
    const short = await refused('create_container', { name: 'proxy', template: 'debian-13-standard' });
    expect(short).toMatchObject({ code: 'INVALID_ARGUMENTS', message: expect.stringContaining('vztmpl') });
    const template = 'local:vztmpl/debian-1-standard.tar.zst';
    const missing = await refused('create_container', { name: 'proxy', template });
    expect(missing).toMatchObject({ code: 'NOT_FOUND', message: expect.stringContaining('pve1') });
    expect(missing.hint).toContain(TEMPLATE);
    expect(missing.hint).toContain('download_appliance');
    const running = await refused('clone_guest', { name: 'cache-01', new_name: 'cache-02' });
    expect(running).toMatchObject({ code: 'CONFLICT', message: expect.stringContaining('111 is running') });
    expect(running.hint).toContain('create_snapshot');
    const small = await refused('resize_disk', { name: 'build-01', disk: 'scsi0', size: '10G' });
    expect(small.hint).toContain('+10G');
    const nobody = await refused('bulk_power', { tag: 'nosuch', pool: 'web', action: 'shutdown' });
    expect(nobody.message).toBe('No guest of production fits: tag nosuch, pool web.');
    expect(writes()).toEqual([]);
    // What the hint of clone_guest says works.
    await call('create_snapshot', { name: 'cache-01', snapshot: 'for-clone' });
    const args = { name: 'cache-01', new_name: 'cache-02', snapshot: 'for-clone' };
    expect(await call('clone_guest', args)).toMatchObject({ clone: { name: 'cache-02' } });
  });
});

describe('a guest that was made just now', () => {
  it('has no name yet where Proxmox lags: the error says that its VMID is known', async () => {
    const lagging = { ...ONE, simulator: { resourcesLagSeconds: 3600 } };
    const { call, refused, writes } = await toolClient(lagging);
    const { clone } = await call('clone_guest', { name: 'build-01', new_name: 'build-02' });
    const args = { disk: 'scsi0', size: '+10G' };
    const before = writes().length;
    const error = await refused('resize_disk', { ...args, name: 'build-02' });
    expect(error).toMatchObject({ code: 'NOT_FOUND', hint: expect.stringContaining('by its VMID') });
    expect(writes()).toHaveLength(before);
    const { guest } = await call('resize_disk', { ...args, vmid: clone.vmid });
    expect(guest).toMatchObject({ vmid: clone.vmid, node: 'pve2' });
  });
});

describe('answers tell the whole of it', () => {
  it('a container was started, too; a template that can not be listed is for Proxmox to judge', async () => {
    const { text, call, production } = await toolClient(ONE);
    const args = { name: 'proxy', template: TEMPLATE };
    const sentence = await text('create_container', { ...args, start: true });
    expect(sentence).toMatch(/was created on pve1 and started\.$/);
    expect(await text('create_container', { ...args, name: 'other' })).toMatch(/was created on pve1\.$/);
    const match = /^GET \/nodes\/pve1\/storage\/local\/content/;
    await production.faults.add({ kind: 'status', code: 403, match, message: 'Permission check failed' })
      .ready;
    const { guest } = await call('create_container', { ...args, name: 'third', start: true });
    expect(production.state.guests.get(guest.vmid)?.status).toBe('running');
  });

  it('where a guest and its disks are after a move, and how addresses become known', async () => {
    const { call, text, production } = await toolClient(ONE);
    const moved = await call('migrate_guest', { name: 'build-01', target: 'pve1' });
    expect(moved).toMatchObject({ guest: { node: 'pve1' }, target: 'pve1' });
    const disk = { name: 'build-01', disk: 'scsi0' };
    expect(await text('move_disk', { ...disk, storage: 'nas' })).toMatch(
      /stays as an unused disk; detach_disk/,
    );
    const back = { ...disk, storage: 'local-lvm', delete_source: true };
    expect(await text('move_disk', back)).toMatch(/was moved to local-lvm\.$/);
    const guest = production.state.guests.get(101);
    if (!guest) throw new Error('there is no guest 101');
    delete guest.config.agent;
    const { problems } = await call('get_guest', { vmid: 101 });
    expect(problems[0].message).toContain('update_guest agent=true');
  });

  it('of backups: none, the newest, a job, and a restored guest that has the name of another', async () => {
    const { text, call } = await toolClient(ONE);
    expect(await text('list_backups', { name: 'build-01' })).toBe('production: no backup found.');
    const { backups } = await call('create_backup', { name: 'build-01', storage: 'backup-nfs' });
    expect(await text('list_backups', { name: 'build-01' })).toContain('The newest here is of ');
    const job = { guests: ['build-01', 'cache-01'], schedule: '03:00', storage: 'backup-nfs' };
    expect(await text('save_backup_job', job)).toMatch(
      /was made: it backs up 103, 111 to backup-nfs \(03:00\)\. It runs next at /,
    );
    const { volid } = backups[0];
    expect(await call('restore_backup', { volid, name: 'build-09' })).not.toHaveProperty('note');
    const sentence = await text('restore_backup', { volid });
    expect(sentence).toContain('103 is called build-01, too: call either by vmid, or rename one');
  });

  it('how much was used, and that a filter is misspelt', async () => {
    const { text, call } = await toolClient(ONE);
    expect(await text('get_metrics', { name: 'db-01' })).toMatch(
      /CPU \d+(\.\d)?% on average and \d+(\.\d)?% at most, memory [\d.]+ GiB on average and [\d.]+ GiB at most\./,
    );
    expect(await text('get_metrics', { name: 'db-01', metrics: ['cpus'] })).not.toContain('CPU ');
    const { note } = await call('find_guests', { status: 'stoped' });
    expect(note).toBe('No guest has the status stoped; there are: running, stopped.');
    const { note: ofTag } = await call('find_guests', { tag: 'nosuch' });
    expect(ofTag).toContain('No guest has the tag nosuch; there are: ');
    const none = await call('find_guests', { status: 'stopped', tag: 'infrastructure' });
    expect(none).not.toHaveProperty('note');
  });
});
