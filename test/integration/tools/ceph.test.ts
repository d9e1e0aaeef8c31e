import { describe, expect, it } from 'vitest';
import { type ClusterSpec, LOCAL_STORAGES } from '../../../src/simulator/estate.ts';
import { type ToolClient, type ToolClientOptions, toolClient } from '../../support/tool-client.ts';

const NODES = [{ name: 'a1' }, { name: 'a2' }, { name: 'a3' }];
const ESTATE: ClusterSpec[] = [
  { name: 'production', ceph: true, nodes: NODES, storages: LOCAL_STORAGES },
  { name: 'bare', nodes: [{ name: 'b1' }, { name: 'b2' }], storages: LOCAL_STORAGES },
];

const client = (options: ToolClientOptions = {}): Promise<ToolClient> =>
  toolClient({ clusters: ['production'], ...options, simulator: { clusters: ESTATE, ...options.simulator } });

function cephOf({ production }: ToolClient) {
  const { ceph } = production.state.datacenter;
  if (ceph === undefined) throw new Error('there is no Ceph');
  return ceph;
}

describe('ceph_status', () => {
  it('tells health, capacity, flags and versions', async () => {
    const tools = await client();
    const answer = await tools.call('ceph_status');
    expect(answer).toMatchObject({
      health: 'HEALTH_OK',
      checks: [],
      osds: { total: 6, up: 6, in: 6 },
      monitors: { total: 3, quorum: ['a1', 'a2', 'a3'] },
      manager: 'a1',
      flags: [],
      nodes: [{ node: 'a1', version: '19.2.3' }, { node: 'a2' }, { node: 'a3' }],
      running: ['19.2.3'],
    });
    expect(answer.capacity.used_percent).toBeCloseTo(23.8, 0);
    expect(answer.pgs).toEqual([{ state: 'active+clean', count: 177 }]);
    const [osd] = cephOf(tools).osds;
    if (osd) osd.stopped = true;
    cephOf(tools).flags = ['noout'];
    expect(await tools.call('ceph_status')).toMatchObject({
      health: 'HEALTH_WARN',
      checks: expect.arrayContaining([{ name: 'OSD_DOWN', severity: 'HEALTH_WARN', message: '1 osds down' }]),
      osds: { up: 5 },
      flags: ['noout'],
    });
    expect(await tools.text('ceph_status')).toContain('HEALTH_WARN: OSD_DOWN ("1 osds down")');
  });

  it('loses no more than the part that fails', async () => {
    const tools = await client();
    const match = /cluster\/ceph\/(?:metadata|flags)/;
    await tools.production.faults.add({ kind: 'status', code: 500, match, message: 'broken' }).ready;
    expect(await tools.call('ceph_status')).toMatchObject({
      health: 'HEALTH_OK',
      unread: [{ part: 'flags' }, { part: 'versions' }],
    });
  });
});

describe('a cluster', () => {
  it('without Ceph says so, whatever is asked', async () => {
    const tools = await client({ clusters: ['bare'] });
    const calls: [string, Record<string, unknown>][] = [
      ['ceph_status', {}],
      ['list_osds', {}],
      ['list_ceph_pools', {}],
      ['list_ceph_services', {}],
      ['save_ceph_pool', { name: 'vms' }],
      ['delete_ceph_pool', { name: 'vms' }],
      ['set_osd', { osd: 0, action: 'out' }],
      ['set_ceph_flags', { flags: ['noout'], on: true }],
    ];
    for (const [tool, args] of calls) {
      expect(await tools.refused(tool, args), tool).toMatchObject({
        code: 'NOT_FOUND',
        message: 'Ceph is not installed on b1, b2 of bare.',
      });
    }
    expect(tools.writes()).toEqual([]);
  });

  it('of which some nodes have Ceph is asked there', async () => {
    const tools = await client({ config: { defaultNode: 'a2' } });
    const match = /GET \/nodes\/a2\/ceph/;
    const message = 'binary not installed: /usr/bin/ceph-mon';
    await tools.production.faults.add({ kind: 'status', code: 500, match, message }).ready;
    expect(await tools.call('list_osds')).toMatchObject({ total: 6 });
    const asked = tools.production.requests.filter(({ path }) => /ceph\/osd/.test(path));
    expect(asked.map(({ path }) => path.split('/')[4])).toEqual(['a2', 'a1']);
  });

  it('whose Ceph is silent is no cluster without it', async () => {
    const tools = await client();
    const message = 'rados_connect failed - Connection timed out';
    await tools.production.faults.add({ kind: 'status', code: 500, match: /ceph/, message }).ready;
    expect(await tools.refused('list_osds')).toMatchObject({
      code: 'UPSTREAM_ERROR',
      message: expect.stringContaining('Ceph of production does not answer'),
    });
  });
});

describe('OSDs', () => {
  it('are listed with what they hold, those with trouble first', async () => {
    const tools = await client();
    const [, , , osd] = cephOf(tools).osds;
    if (osd) osd.in = false;
    const answer = await tools.call('list_osds');
    expect(answer).toMatchObject({ total: 6, down: [], out: [3] });
    expect(answer.osds[0]).toMatchObject({ id: 3, node: 'a2', up: true, in: false });
    expect(answer.osds[1]).toMatchObject({ id: 0, device_class: 'nvme', size_bytes: 1788 * 1024 ** 3 });
    expect(await tools.call('list_osds', { node: 'a3' })).toMatchObject({
      total: 2,
      osds: [{ id: 4 }, { id: 5 }],
    });
    expect(await tools.text('list_osds')).toContain('out: osd.3');
  });

  it('are taken out and in, scrubbed, stopped and started', async () => {
    const tools = await client();
    const [osd] = cephOf(tools).osds;
    const act = (action: string) => tools.call('set_osd', { osd: 0, action });
    expect(await act('out')).toMatchObject({ osd: { id: 0, in: false } });
    expect(osd?.in).toBe(false);
    await act('in');
    expect(osd?.in).toBe(true);
    await act('deep_scrub');
    expect(await act('stop')).toMatchObject({ task: { status: 'ok' }, osd: { up: false } });
    expect(osd?.stopped).toBe(true);
    await act('start');
    expect(osd?.stopped).toBe(false);
    const sent = tools.writes().map(({ path, params }) => [path.split('/ceph/')[1], params]);
    expect(sent).toEqual([
      ['osd/0/out', {}],
      ['osd/0/in', {}],
      ['osd/0/scrub', { deep: '1' }],
      ['stop', { service: 'osd.0' }],
      ['start', { service: 'osd.0' }],
    ]);
  });

  it('are not stopped where data would be out of reach, unless by force', async () => {
    const tools = await client();
    const [, , other] = cephOf(tools).osds;
    if (other) other.stopped = true;
    const refused = await tools.refused('set_osd', { osd: 0, action: 'restart' });
    expect(refused).toMatchObject({ code: 'CONFLICT', message: expect.stringContaining('out of reach') });
    expect((await tools.refused('set_osd', { osd: 77, action: 'out' })).hint).toContain('0, 1, 2');
    expect(tools.writes()).toEqual([]);
    await tools.call('set_osd', { osd: 0, action: 'stop', force: true });
    expect(cephOf(tools).osds[0]?.stopped).toBe(true);
  });
});

describe('Ceph pools', () => {
  it('are listed, made, changed and destroyed', async () => {
    const tools = await client();
    expect(await tools.call('list_ceph_pools')).toMatchObject({ total: 4 });
    const made = await tools.call('save_ceph_pool', {
      name: 'fast',
      size: 2,
      pg_num: 60,
      add_storages: true,
      target_size: '1.5T',
    });
    expect(made).toMatchObject({ created: true, task: { status: 'ok' }, pool: { size: 2, pg_num: 60 } });
    expect(made.note).toContain('one failed disk');
    expect(made.note).toContain('power of two');
    expect(made.pool.target_size_bytes).toBe(1.5 * 1024 ** 4);
    expect(tools.production.state.storages.map(({ storage }) => storage)).toContain('fast');
    const changed = { name: 'fast', size: 3, pg_autoscale_mode: 'on', crush_rule: 'replicated_rule' };
    expect(await tools.call('save_ceph_pool', changed)).toMatchObject({
      created: false,
      pool: { size: 3, pg_num: 60, pg_autoscale_mode: 'on' },
    });
    expect((await tools.refused('delete_ceph_pool', { name: 'fast' })).message).toContain('the storage fast');
    const answer = await tools.call('delete_ceph_pool', { name: 'fast', remove_storages: true });
    expect(answer).toMatchObject({ pool: { name: 'fast' }, storages: ['fast'], task: { status: 'ok' } });
    expect(cephOf(tools).pools.map(({ pool_name }) => pool_name)).not.toContain('fast');
    expect(tools.production.state.storages.map(({ storage }) => storage)).not.toContain('fast');
  });

  it('that make no sense are refused before anything leaves', async () => {
    const tools = await client();
    const refusal = (args: Record<string, unknown>) => tools.refused('save_ceph_pool', args);
    expect((await refusal({ name: 'x', size: 2, min_size: 3 })).message).toContain('min_size 3');
    expect((await refusal({ name: 'vms', min_size: 4 })).message).toContain('size 3');
    expect((await refusal({ name: 'vms' })).message).toContain('nothing of it');
    expect((await refusal({ name: 'vms', add_storages: true })).message).toContain('new ones');
    expect((await refusal({ name: 'x', crush_rule: 'ssd' })).message).toContain('replicated_rule');
    expect((await refusal({ name: 'x/y' })).code).toBe('INVALID_ARGUMENTS');
    expect((await refusal({ name: 'x', target_size: '100' })).code).toBe('INVALID_ARGUMENTS');
    const destroy = (name: string) => tools.refused('delete_ceph_pool', { name });
    expect((await destroy('nope')).hint).toContain('vms');
    expect((await destroy('cephfs_data')).message).toContain('file system cephfs');
    expect(tools.writes()).toEqual([]);
  });

  it('with disks of guests stay', async () => {
    const tools = await client();
    await tools.call('save_ceph_pool', { name: 'fast', add_storages: true });
    tools.production.state.volumes.push({
      volid: 'fast:vm-100-disk-0',
      storage: 'fast',
      node: 'a1',
      content: 'images',
      format: 'raw',
      size: 1024,
      ctime: 0,
      vmid: 100,
    } as never);
    const refused = await tools.refused('delete_ceph_pool', { name: 'fast', remove_storages: true });
    expect(refused.message).toContain("still in use by storage 'fast'");
    expect(cephOf(tools).pools.map(({ pool_name }) => pool_name)).toContain('fast');
  });
});

describe('list_ceph_services', () => {
  it('tells each service and the file systems', async () => {
    const tools = await client();
    const a3 = tools.production.state.nodes.find(({ name }) => name === 'a3');
    if (a3) a3.online = false;
    const answer = await tools.call('list_ceph_services');
    expect(answer).toMatchObject({
      total: 7,
      services: expect.arrayContaining([
        {
          kind: 'mon',
          name: 'a3',
          node: 'a3',
          state: 'unknown',
          in_quorum: false,
          rank: 2,
          address: expect.any(String),
          version: '19.2.3',
        },
        expect.objectContaining({ kind: 'mgr', name: 'a1', state: 'active' }),
      ]),
      file_systems: [{ name: 'cephfs', metadata_pool: 'cephfs_metadata', data_pools: ['cephfs_data'] }],
    });
    expect(await tools.text('list_ceph_services')).toContain('not up: mon.a3');
  });
});

describe('set_ceph_flags', () => {
  it('sets and clears flags in one task', async () => {
    const tools = await client();
    const answer = await tools.call('set_ceph_flags', { flags: ['noout', 'norebalance'], on: true });
    expect(answer).toMatchObject({ changed: ['noout', 'norebalance'], task: { status: 'ok' } });
    expect(cephOf(tools).flags).toEqual(['noout', 'norebalance']);
    expect(answer.flags.filter(({ on }: { on: boolean }) => on)).toMatchObject([
      { name: 'noout', meaning: expect.any(String) },
      { name: 'norebalance' },
    ]);
    await tools.call('set_ceph_flags', { flags: ['noout'], on: false });
    expect(cephOf(tools).flags).toEqual(['norebalance']);
    expect((await tools.refused('set_ceph_flags', { flags: ['nofun'], on: true })).code).toBe(
      'INVALID_ARGUMENTS',
    );
    expect(tools.writes()).toHaveLength(2);
    expect(await tools.text('set_ceph_flags', { flags: ['pause'], on: true })).toContain('stand still');
  });
});
