import { describe, expect, it } from 'vitest';
import { type ClusterSpec, LOCAL_STORAGES } from '../../../src/simulator/estate.ts';
import { type ToolClient, type ToolClientOptions, toolClient } from '../../support/tool-client.ts';

const ZFS = {
  storage: 'tank',
  type: 'zfspool' as const,
  content: ['images', 'rootdir'],
  nodes: ['a1', 'a2'],
  totalGib: 500,
  options: { pool: 'tank' },
};

const ESTATE: ClusterSpec[] = [
  {
    name: 'production',
    nodes: [{ name: 'a1' }, { name: 'a2' }, { name: 'a3' }],
    storages: [...LOCAL_STORAGES, ZFS],
    guests: [
      { vmid: 100, type: 'qemu', node: 'a1', name: 'web', storage: 'tank' },
      { vmid: 101, type: 'qemu', node: 'a1', name: 'thin' },
      { vmid: 110, type: 'lxc', node: 'a2', name: 'dns', storage: 'tank' },
    ],
  },
];

const client = (options: ToolClientOptions = {}): Promise<ToolClient> =>
  toolClient({ ...options, simulator: { clusters: ESTATE, ...options.simulator } });

const jobsOf = ({ production }: ToolClient) => production.state.datacenter.replication;

describe('save_replication_job', () => {
  it('makes a job with the next number of the guest, and changes it', async () => {
    const tools = await client();
    const made = await tools.call('save_replication_job', {
      name: 'web',
      target: 'a2',
      schedule: '*/30',
      rate: 10,
      comment: 'to the twin',
    });
    expect(made).toMatchObject({
      created: true,
      job: {
        id: '100-0',
        source: 'a1',
        target: 'a2',
        schedule: '*/30',
        rate_mbyte_per_second: 10,
        state: 'waiting',
      },
    });
    expect(jobsOf(tools)['100-0']).toMatchObject({ guest: 100, target: 'a2', rate: 10, schedule: '*/30' });
    const changed = { id: '100-0', enabled: false, schedule: '02:00', comment: '' };
    expect(await tools.call('save_replication_job', changed)).toMatchObject({
      created: false,
      job: { state: 'disabled', schedule: '02:00' },
    });
    expect(jobsOf(tools)['100-0']).toMatchObject({ disable: 1, rate: 10 });
    expect(jobsOf(tools)['100-0']).not.toHaveProperty('comment');
    await tools.call('save_replication_job', { id: '100-0', enabled: true });
    expect(jobsOf(tools)['100-0']).toMatchObject({ disable: 0 });
  });

  it('refuses what Proxmox would fail at on every run, before anything leaves', async () => {
    const tools = await client();
    const refusal = (args: Record<string, unknown>) => tools.refused('save_replication_job', args);
    expect((await refusal({ vmid: 101, target: 'a2' })).message).toContain(
      'local-lvm, which is no ZFS storage',
    );
    expect((await refusal({ vmid: 100, target: 'a3' })).message).toContain('a3 has no tank');
    expect((await refusal({ vmid: 100, target: 'a1' })).message).toContain('no other node');
    expect((await refusal({ vmid: 100, target: 'zz' })).hint).toContain('a2, a3');
    expect((await refusal({ vmid: 100 })).message).toContain('target');
    expect((await refusal({ vmid: 100, target: 'a2', schedule: 'often' })).code).toBe('INVALID_ARGUMENTS');
    expect((await refusal({ id: '100-0', comment: 'x' })).code).toBe('NOT_FOUND');
    expect((await refusal({ id: '100-0', vmid: 101 })).code).toBe('INVALID_ARGUMENTS');
    expect(tools.writes()).toEqual([]);
    await tools.call('save_replication_job', { vmid: 100, target: 'a2' });
    expect((await refusal({ vmid: 100, target: 'a2' })).hint).toContain('100-0');
    expect((await refusal({ id: '100-0', target: 'a3' })).message).toContain('fixed');
    expect(tools.writes()).toHaveLength(1);
  });
});

describe('list_replication', () => {
  it('tells how each goes, the failing ones first', async () => {
    const tools = await client();
    await tools.call('save_replication_job', { vmid: 100, target: 'a2' });
    await tools.call('save_replication_job', { vmid: 110, target: 'a1' });
    expect(await tools.call('list_replication')).toMatchObject({ total: 2, failing: 0 });
    expect(await tools.call('list_replication', { name: 'dns' })).toMatchObject({
      total: 1,
      jobs: [{ id: '110-0', guest: 'dns', source: 'a2', target: 'a1' }],
    });
    await tools.production.faults.add({ kind: 'node-down', node: 'a2' }).ready;
    const answer = await tools.call('list_replication');
    expect(answer).toMatchObject({
      total: 2,
      failing: 1,
      jobs: [
        { id: '100-0', state: 'failing', fail_count: 1, error: expect.stringContaining('No route') },
        { id: '110-0', state: 'unknown' },
      ],
      unread: [{ node: 'a2' }],
    });
    expect(await tools.text('list_replication')).toContain('1 failing: 100-0');
  });
});

describe('run_replication', () => {
  it('has it run and waits for the sync', async () => {
    const tools = await client();
    await tools.call('save_replication_job', { vmid: 100, target: 'a2', schedule: 'daily' });
    const answer = await tools.call('run_replication', { id: '100-0', wait_seconds: 10 });
    expect(answer).toMatchObject({ id: '100-0', synced: true, last_sync_at: expect.any(String) });
    expect(jobsOf(tools)['100-0']?.requested).toBeGreaterThan(0);
    expect(await tools.call('list_replication')).toMatchObject({ jobs: [{ state: 'ok' }] });
  });

  it('returns at once where asked, and runs no disabled job', async () => {
    const tools = await client();
    await tools.call('save_replication_job', { vmid: 100, target: 'a2', schedule: 'daily' });
    expect(await tools.call('run_replication', { id: '100-0', wait_seconds: 0 })).toMatchObject({
      synced: false,
    });
    await tools.call('save_replication_job', { id: '100-0', enabled: false });
    const writes = tools.writes().length;
    expect((await tools.refused('run_replication', { id: '100-0' })).message).toContain('disabled');
    expect((await tools.refused('run_replication', { id: '110-0' })).code).toBe('NOT_FOUND');
    expect(tools.writes()).toHaveLength(writes);
  });

  it('says so where the sync fails', async () => {
    const tools = await client();
    await tools.call('save_replication_job', { vmid: 100, target: 'a2', schedule: 'daily' });
    const job = jobsOf(tools)['100-0'];
    const a2 = tools.production.state.nodes.find(({ name }) => name === 'a2');
    // The target goes down behind the check, as the write arrives.
    Object.defineProperty(job, 'requested', {
      enumerable: true,
      get: () => undefined,
      set: () => {
        if (a2) a2.online = false;
      },
    });
    expect(await tools.refused('run_replication', { id: '100-0', wait_seconds: 10 })).toMatchObject({
      code: 'TASK_FAILED',
      message: expect.stringContaining('No route to host'),
    });
  });
});

describe('delete_replication_job', () => {
  it('removes the one that is named, its copies too unless they are kept', async () => {
    const tools = await client();
    await tools.call('save_replication_job', { vmid: 100, target: 'a2' });
    await tools.call('save_replication_job', { vmid: 110, target: 'a1' });
    expect(await tools.call('delete_replication_job', { id: '100-0', keep: true })).toMatchObject({
      copies: 'kept',
    });
    expect(Object.keys(jobsOf(tools))).toEqual(['110-0']);
    const both = { id: '110-0', keep: true, force: true };
    expect((await tools.refused('delete_replication_job', both)).code).toBe('INVALID_ARGUMENTS');
    expect((await tools.refused('delete_replication_job', { id: '100-0' })).code).toBe('NOT_FOUND');
    expect(await tools.call('delete_replication_job', { id: '110-0' })).toMatchObject({ copies: 'removed' });
    expect(jobsOf(tools)).toEqual({});
    const deletes = tools.writes().filter(({ method }) => method === 'DELETE');
    expect(deletes.map(({ path }) => path)).toEqual([
      expect.stringContaining('100-0'),
      expect.stringContaining('110-0'),
    ]);
  });
});

describe('the sentence of delete_replication_job', () => {
  it('does not say that what is only marked is gone', async () => {
    const tools = await client();
    await tools.call('save_replication_job', { vmid: 100, target: 'a2' });
    const marked = await tools.text('delete_replication_job', { id: '100-0' });
    expect(marked).toContain('marked for removal; the copies on a2 go with it, once');
    await tools.call('save_replication_job', { vmid: 100, target: 'a2' });
    const dropped = await tools.text('delete_replication_job', { id: '100-0', force: true });
    expect(dropped).toContain('was dropped; the copies on a2 stay');
  });
});

describe('a replication job that is named with nothing to change', () => {
  it('is not said to have been changed', async () => {
    const tools = await client();
    await tools.call('save_replication_job', { vmid: 100, target: 'a2' });
    const sent = tools.writes().length;
    const error = await tools.refused('save_replication_job', { id: '100-0', target: 'a2' });
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENTS', message: expect.stringContaining('Nothing') });
    expect(tools.writes()).toHaveLength(sent);
  });
});
