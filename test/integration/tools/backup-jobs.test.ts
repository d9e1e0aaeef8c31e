import { describe, expect, it } from 'vitest';
import { type ClusterSpec, LOCAL_STORAGES } from '../../../src/simulator/estate.ts';
import { policyWith } from '../../support/gate.ts';
import {
  type Answer,
  type ToolClient,
  type ToolClientOptions,
  toolClient,
} from '../../support/tool-client.ts';

const NFS = (storage: string) => ({
  storage,
  type: 'nfs' as const,
  content: ['backup'],
  shared: true,
  totalGib: 1000,
  options: { server: 'nas.test', export: `/${storage}`, path: `/mnt/pve/${storage}` },
});

const ESTATE: ClusterSpec[] = [
  {
    name: 'production',
    nodes: [{ name: 'a1' }, { name: 'a2' }, { name: 'a3' }],
    storages: [...LOCAL_STORAGES, NFS('nas')],
    pools: [{ poolid: 'web' }],
    backupJobs: [
      {
        id: 'nightly',
        enabled: true,
        options: {
          vmid: '100,101',
          storage: 'nas',
          schedule: '02:00',
          mode: 'snapshot',
          compress: 'zstd',
          'prune-backups': 'keep-last=1',
          fleecing: 'enabled=0',
          comment: 'all of it',
        },
      },
      { id: 'off', enabled: false, options: { vmid: '110', storage: 'nas', schedule: '03:00' } },
    ],
    guests: [
      {
        vmid: 100,
        type: 'qemu',
        node: 'a1',
        name: 'web',
        pool: 'web',
        config: { scsi1: 'local-lvm:vm-100-disk-9,size=4G,backup=0' },
        backups: [{ storage: 'nas', ageDays: 1 }],
      },
      { vmid: 101, type: 'qemu', node: 'a2', name: 'db', backups: [{ storage: 'nas', ageDays: 30 }] },
      { vmid: 110, type: 'lxc', node: 'a2', name: 'dns' },
      { vmid: 111, type: 'lxc', node: 'a3', name: 'cache' },
      { vmid: 900, type: 'qemu', node: 'a1', name: 'base', template: true },
    ],
  },
];

const client = (options: ToolClientOptions = {}): Promise<ToolClient> =>
  toolClient({ ...options, simulator: { clusters: ESTATE, ...options.simulator } });

const jobIn = ({ production }: ToolClient, id: string) =>
  production.state.backupJobs?.find((job) => job.id === id);

describe('list_backup_jobs', () => {
  it('lists them with whom, when and what is kept', async () => {
    const { call, text } = await client();
    const answer = await call('list_backup_jobs');
    expect(answer).toMatchObject({ total: 2, enabled: 1 });
    expect(answer.jobs[0]).toMatchObject({
      id: 'nightly',
      enabled: true,
      guests: '100,101',
      keep: 'keep-last=1',
      next_run_at: expect.stringMatching(/T02:00:00/),
      comment: 'all of it',
    });
    expect(answer.jobs[1]).toMatchObject({ id: 'off', enabled: false });
    expect(await text('list_backup_jobs')).toContain('2 backup jobs, 1 enabled: nightly (02:00)');
  });
});

describe('save_backup_job', () => {
  it('makes one with what the web interface would fill in', async () => {
    const tools = await client();
    const answer = await tools.call('save_backup_job', {
      schedule: 'sat 03:30',
      guests: ['cache', 110],
      storage: 'nas',
      keep: 'keep-weekly=4',
      notify: 'notification-system',
    });
    expect(answer).toMatchObject({
      created: true,
      job: { guests: '110,111', enabled: true, schedule: 'sat 03:30', keep: 'keep-weekly=4', storage: 'nas' },
    });
    expect(jobIn(tools, answer.job.id)).toMatchObject({
      enabled: true,
      options: {
        vmid: '110,111',
        compress: 'zstd',
        mode: 'snapshot',
        'notes-template': '{{guestname}}',
        'prune-backups': 'keep-weekly=4',
        'notification-mode': 'notification-system',
      },
    });
    expect(tools.production.state.backupJobs).toHaveLength(3);
  });

  it('changes what is given and nothing else, another selection in place of the one before', async () => {
    const tools = await client();
    const changed = { id: 'nightly', pool: 'web', comment: '', enabled: false };
    expect(await tools.call('save_backup_job', changed)).toMatchObject({
      created: false,
      job: { guests: 'pool web', enabled: false, schedule: '02:00' },
    });
    const options = jobIn(tools, 'nightly')?.options;
    expect(options).toMatchObject({ pool: 'web', storage: 'nas', 'prune-backups': 'keep-last=1' });
    expect(options).not.toHaveProperty('vmid');
    expect(options).not.toHaveProperty('comment');
    await tools.call('save_backup_job', { id: 'nightly', exclude: [111] });
    expect(jobIn(tools, 'nightly')?.options).toMatchObject({ all: 1, exclude: '111' });
    expect(jobIn(tools, 'nightly')?.options).not.toHaveProperty('pool');
    await tools.call('save_backup_job', { id: 'nightly', all: true });
    expect(jobIn(tools, 'nightly')?.options).not.toHaveProperty('exclude');
  });

  it('refuses what could never run, before anything leaves', async () => {
    const tools = await client();
    const refusal = (args: Record<string, unknown>) => tools.refused('save_backup_job', args);
    const whole = { schedule: '02:00', all: true, storage: 'nas' };
    expect((await refusal({ ...whole, schedule: 'every night' })).message).toContain('no calendar event');
    expect((await refusal({ ...whole, storage: 'local-lvm' })).hint).toContain('local, nas');
    expect((await refusal({ schedule: '02:00', all: true })).hint).toContain('local, nas');
    expect((await refusal({ ...whole, guests: [100] })).message).toContain('several ways');
    expect((await refusal({ schedule: '02:00', storage: 'nas' })).message).toContain('No guests');
    expect((await refusal({ all: true, storage: 'nas' })).message).toContain('schedule');
    expect((await refusal({ ...whole, all: undefined, pool: 'nope' })).hint).toContain('web');
    expect((await refusal({ ...whole, all: undefined, guests: [555] })).code).toBe('NOT_FOUND');
    expect((await refusal({ ...whole, id: 'nope' })).hint).toContain('nightly, off');
    const mail = { ...whole, notify: 'notification-system', mailto: 'ops@example.org' };
    expect((await refusal(mail)).message).toContain('mean nothing');
    expect(tools.writes()).toEqual([]);
  });
});

describe('delete_backup_job', () => {
  it('deletes it and says who is left without', async () => {
    const tools = await client();
    const answer = await tools.call('delete_backup_job', { id: 'nightly' });
    expect(answer).toMatchObject({ job: { id: 'nightly' }, now_uncovered: [100, 101] });
    expect(tools.production.state.backupJobs?.map(({ id }) => id)).toEqual(['off']);
    expect((await tools.refused('delete_backup_job', { id: 'nightly' })).code).toBe('NOT_FOUND');
  });
});

describe('run_backup_job', () => {
  const backupsOf = ({ production }: ToolClient, vmid: number) =>
    production.state.volumes.filter((volume) => volume.content === 'backup' && volume.vmid === vmid);

  it('runs on each node that has guests of it, with its settings, and prunes as it does', async () => {
    const tools = await client();
    const before = backupsOf(tools, 100).map(({ volid }) => volid);
    const answer = await tools.call('run_backup_job', { id: 'nightly' });
    expect(answer).toMatchObject({ id: 'nightly', guests: 2 });
    expect(answer.tasks.map((row: Answer) => [row.node, row.task.status]).sort()).toEqual([
      ['a1', 'ok'],
      ['a2', 'ok'],
    ]);
    expect(
      tools
        .writes()
        .map(({ path }) => path)
        .sort(),
    ).toEqual([expect.stringMatching(/\/nodes\/a1\/vzdump$/), expect.stringMatching(/\/nodes\/a2\/vzdump$/)]);
    for (const { params } of tools.writes()) {
      expect(params).toEqual({
        vmid: '100,101',
        storage: 'nas',
        mode: 'snapshot',
        compress: 'zstd',
        'prune-backups': 'keep-last=1',
        fleecing: 'enabled=0',
      });
    }
    expect(backupsOf(tools, 100)).toHaveLength(1);
    expect(before).not.toContain(backupsOf(tools, 100)[0]?.volid);
    expect(backupsOf(tools, 101)).toHaveLength(1);
  });

  it('runs a disabled one, and names a node that is offline', async () => {
    const tools = await client();
    expect(await tools.call('run_backup_job', { id: 'off' })).toMatchObject({ tasks: [{ node: 'a2' }] });
    expect(backupsOf(tools, 110)).toHaveLength(1);
    const a2 = tools.production.state.nodes.find(({ name }) => name === 'a2');
    if (a2) a2.online = false;
    const answer = await tools.call('run_backup_job', { id: 'nightly' });
    expect(answer).toMatchObject({ tasks: [{ node: 'a1' }], skipped: [{ node: 'a2' }] });
    expect((await tools.refused('run_backup_job', { id: 'off' })).message).toContain('a2 is offline');
    expect((await tools.refused('run_backup_job', { id: 'nope' })).code).toBe('NOT_FOUND');
  });

  it('asks once for all of its writes', async () => {
    const tools = await client({ gateOptions: { policy: policyWith('self') } });
    const { hint, code } = await tools.refused('run_backup_job', { id: 'nightly' });
    expect(code).toBe('APPROVAL_REQUIRED');
    expect(tools.writes()).toEqual([]);
    const handle = /handle:? "?([\w-]{8,})/.exec(hint)?.[1];
    const answer = await tools.call('run_backup_job', { id: 'nightly', handle });
    expect(answer.tasks).toHaveLength(2);
    expect(tools.writes()).toHaveLength(2);
  });
});

describe('backup_coverage', () => {
  it('says of each guest what is missing, worst first', async () => {
    const { call, text } = await client();
    const answer = await call('backup_coverage', { max_age_days: 7 });
    expect(answer).toMatchObject({ total: 4, checked: 4, without_backup: 2 });
    const rows = Object.fromEntries(answer.guests.map((row: Answer) => [row.vmid, row]));
    expect(rows[100]).toMatchObject({
      jobs: ['nightly'],
      reasons: [expect.stringContaining('disks left out: scsi1')],
    });
    expect(rows[101].reasons).toEqual([expect.stringMatching(/^last backup [\d.]+ days ago$/)]);
    expect(rows[110].reasons).toEqual(['no backup', 'job disabled: off']);
    expect(rows[111].reasons).toEqual(['no backup', 'no job']);
    expect(answer.guests.map((row: Answer) => row.vmid).slice(2)).toEqual([101, 100]);
    expect(answer.guests.map((row: Answer) => row.vmid)).not.toContain(900);
    expect(await text('backup_coverage')).toContain('4 of 4 guests are not well backed up, 2 without any');
    const lenient = await call('backup_coverage', { max_age_days: 40 });
    expect(lenient.guests.map((row: Answer) => row.vmid).sort()).toEqual([100, 110, 111]);
  });

  it('finds the guest that a backup then covers', async () => {
    const { call } = await client();
    await call('create_backup', { vmid: 111, storage: 'nas' });
    const { guests } = await call('backup_coverage');
    const cache = guests.find((row: Answer) => row.vmid === 111);
    expect(cache.reasons).toEqual(['no job']);
  });

  it('asks all clusters, and costs a dead one its own part alone', async () => {
    const tools = await toolClient();
    await tools.simulator.cluster('staging').stop();
    const answer = await tools.call('backup_coverage');
    expect(answer.failed).toMatchObject([{ cluster: 'staging' }]);
    expect(new Set(answer.guests.map((row: Answer) => row.cluster))).toEqual(
      new Set(['production', 'disaster-recovery']),
    );
  });
});

describe('run_backup_job, where whom it selects could not be asked', () => {
  it('does not say that there was nobody', async () => {
    const tools = await client();
    const match = /included_volumes/;
    await tools.production.faults.add({ kind: 'status', code: 500, match, message: 'broken' }).ready;
    const answer = await tools.call('run_backup_job', { id: 'nightly' });
    expect(answer).not.toHaveProperty('guests');
    expect(await tools.text('run_backup_job', { id: 'nightly' })).not.toContain('0 guests');
  });
});

describe('a job that is named with nothing to change', () => {
  it('is not said to have been changed', async () => {
    const tools = await client();
    const error = await tools.refused('save_backup_job', { id: 'nightly' });
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENTS', message: expect.stringContaining('Nothing') });
    expect(tools.writes()).toEqual([]);
  });
});
