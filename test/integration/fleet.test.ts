import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type SimulatedCluster, type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { configFor } from '../support/engine-fixtures.ts';
import { type FleetClient, fleetClient } from '../support/fleet-client.ts';

interface Row extends Record<string, unknown> {
  cluster?: string;
  vmid?: number;
  name?: string;
}

const NAMES = ['production', 'staging', 'disaster-recovery'];

let simulator: Simulator;
let fleet: FleetClient;

beforeAll(async () => {
  simulator = await startSimulator({ taskSeconds: 0, authDelaySeconds: 0, resourcesLagSeconds: 0 });
  // None needs the schema of each cluster, which takes a while to read.
  for (const { faults } of simulator.clusters) faults.add({ kind: 'status', code: 403, match: /apidoc/ });
  fleet = await fleetClient(simulator.clusters.map((cluster) => configFor(cluster)));
});
afterAll(async () => {
  await fleet[Symbol.asyncDispose]();
  await simulator.close();
});

const namesOf = (rows: unknown) => (rows as Row[]).map(({ name }) => name);
const resourceReads = ({ requests }: SimulatedCluster) =>
  requests.filter(({ path }) => path.endsWith('/cluster/resources')).length;

describe('find_guests', () => {
  it('finds over all clusters; each row names its own, each cluster has its totals', async () => {
    const found = await fleet.call('find_guests');
    expect(found).toMatchObject({ selected_by: 'all', total: 18 });
    expect(found).not.toHaveProperty('cluster');
    expect(found).not.toHaveProperty('failed');
    expect(found).not.toHaveProperty('next_cursor');
    expect(found.clusters).toEqual([
      { cluster: 'production', guests: 8, running: 5, matching: 8, as_of: expect.any(String) },
      { cluster: 'staging', guests: 5, running: 2, matching: 5, as_of: expect.any(String) },
      { cluster: 'disaster-recovery', guests: 5, running: 2, matching: 5, as_of: expect.any(String) },
    ]);
    const names = namesOf(found.guests);
    expect(names).toEqual([...names].sort());
    const hundreds = (found.guests as Row[]).filter(({ vmid }) => vmid === 100);
    expect(new Set(hundreds.map(({ cluster }) => cluster))).toEqual(new Set(NAMES));
    expect(Date.parse(String(found.as_of))).toBeGreaterThan(Date.now() - 60_000);
    expect(JSON.stringify(found)).not.toContain('null');
  });

  it('one cluster answers as every tool does, and its rows do not repeat its name', async () => {
    const found = await fleet.call('find_guests', { cluster: 'staging' });
    expect(found).toMatchObject({ cluster: 'staging', selected_by: 'explicit', total: 5 });
    expect(found).not.toHaveProperty('clusters');
    for (const row of found.guests as Row[]) expect(row).not.toHaveProperty('cluster');
  });

  it.each([
    [{ name: 'WEB-*' }, ['web-01', 'web-02']],
    [{ name: '*-db' }, ['staging-db']],
    [{ tag: 'WEB' }, ['dr-web-standby', 'staging-web', 'web-01', 'web-02']],
    [{ pool: 'data' }, ['cache-01', 'db-01']],
    [{ node: 'stg2' }, ['staging-db', 'staging-queue']],
    [{ type: 'lxc', status: 'stopped' }, ['dr-archive', 'legacy-mail', 'staging-queue']],
    [{ template: true }, ['debian-13-base', 'dr-debian-base', 'ubuntu-2404-base']],
    [{ tag: 'web', template: false, status: 'running' }, ['staging-web', 'web-01', 'web-02']],
    [{ name: 'nobody' }, []],
    [{ min_cpu_percent: 101 - 1, status: 'stopped' }, []],
  ])('filters by %j', async (filter, expected) => {
    const { guests, total } = await fleet.call('find_guests', filter);
    expect(namesOf(guests)).toEqual(expected);
    expect(total).toBe(expected.length);
  });

  it.each(['web', '/^web.*/'])('says of %j that a name is whole where nothing has it', async (name) => {
    expect((await fleet.call('find_guests', { name })).note).toBe(
      'name is a whole name or a glob such as *web*.',
    );
  });

  it.each([{ name: 'nobody*' }, { name: 'web-01' }, { tag: 'ci', pool: 'web' }])(
    'and nothing for %j',
    async (args) => {
      expect(await fleet.call('find_guests', args)).not.toHaveProperty('note');
    },
  );

  it('filters by usage, in percent', async () => {
    const { guests: all } = await fleet.call('find_guests', { status: 'running' });
    const measured = (all as { name: string; mem_percent: number; cpu_percent: number }[]).sort(
      (a, b) => a.mem_percent - b.mem_percent,
    );
    const least = measured[3]?.mem_percent ?? 0;
    const { guests: found } = await fleet.call('find_guests', { min_mem_percent: least });
    expect(new Set(namesOf(found))).toEqual(
      new Set(measured.filter(({ mem_percent }) => mem_percent >= least).map(({ name }) => name)),
    );
  });

  it('leaves VMs out of a filter by disk, and says so', async () => {
    const { guests, note } = await fleet.call('find_guests', { min_disk_percent: 0, status: 'running' });
    expect((guests as Row[]).every(({ type }) => type === 'lxc')).toBe(true);
    expect((guests as Row[]).length).toBeGreaterThan(0);
    expect(note).toMatch(/Left out: \d VMs, .*disks/);
  });

  it.each([
    ['name', 'name'],
    ['vmid', 'vmid'],
    ['cpu', 'cpu_percent'],
    ['mem', 'mem_percent'],
    ['uptime', 'uptime_seconds'],
    ['cluster', 'cluster'],
  ])('sorts by %s, both ways', async (sort, field) => {
    for (const descending of [false, true]) {
      const { guests } = await fleet.call('find_guests', { sort, descending, status: 'running' });
      const values = (guests as Row[]).map((row) => row[field] as string | number);
      const sorted = [...values].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
      expect(values).toEqual(descending ? sorted.reverse() : sorted);
    }
  });

  it('pages over all clusters without losing or doubling a guest', async () => {
    const seen: string[] = [];
    let cursor: unknown;
    do {
      const page = await fleet.call('find_guests', { limit: 5, sort: 'vmid', ...(cursor ? { cursor } : {}) });
      expect(page.total).toBe(18);
      seen.push(...(page.guests as Row[]).map((row) => `${row.cluster}/${row.vmid}`));
      cursor = page.next_cursor;
    } while (cursor !== undefined);
    expect(seen).toHaveLength(18);
    expect(new Set(seen).size).toBe(18);
  });

  it('refuses a cursor of another query or of nobody before it asks anyone', async () => {
    const { next_cursor } = await fleet.call('find_guests', { limit: 1, tag: 'web' });
    const before = simulator.clusters.map(resourceReads);
    for (const args of [
      { limit: 1, tag: 'database', cursor: next_cursor },
      { cursor: 'bm9uc2Vuc2U' },
      { cursor: 'A'.repeat(100_000) },
    ]) {
      expect(await fleet.call('find_guests', { ...args, fresh: true })).toMatchObject({
        error: { code: 'INVALID_ARGUMENTS', hint: expect.stringContaining('cursor') },
      });
    }
    expect(simulator.clusters.map(resourceReads)).toEqual(before);
  });

  it('keeps the fields asked for, and the cluster', async () => {
    const { guests } = await fleet.call('find_guests', { fields: ['name', 'vmid'], name: 'web-01' });
    expect(guests).toEqual([{ cluster: 'production', name: 'web-01', vmid: 100 }]);
    const { note } = await fleet.call('find_guests', { fields: ['nmae'] });
    expect(note).toContain('nmae');
  });

  it('asks each cluster once for ten seconds, and anew for `fresh`', async () => {
    await using own = await fleetClient(simulator.clusters.map((cluster) => configFor(cluster)));
    const before = simulator.clusters.map(resourceReads);
    await own.call('find_guests');
    await own.call('list_nodes');
    await own.call('list_storage', { cluster: 'staging' });
    await own.call('get_cluster_resources', { cluster: 'staging' });
    expect(simulator.clusters.map((cluster, index) => resourceReads(cluster) - (before[index] ?? 0))).toEqual(
      [1, 1, 1],
    );
    await own.call('find_guests', { cluster: 'staging', fresh: true });
    expect(simulator.clusters.map((cluster, index) => resourceReads(cluster) - (before[index] ?? 0))).toEqual(
      [1, 2, 1],
    );
  });

  it('sees what a write through the service changed', async () => {
    const stopped = { name: 'staging-db', fields: ['status'] };
    expect((await fleet.call('find_guests', stopped)).guests).toEqual([
      { cluster: 'staging', status: 'stopped' },
    ]);
    const path = '/nodes/stg2/qemu/101/status';
    const send = (verb: string) =>
      fleet.call('proxmox_api_call', { cluster: 'staging', method: 'POST', path: `${path}/${verb}` });
    expect(await send('start')).not.toHaveProperty('error');
    expect((await fleet.call('find_guests', stopped)).guests).toEqual([
      { cluster: 'staging', status: 'running' },
    ]);
    await send('stop');
    expect((await fleet.call('find_guests', stopped)).guests).toEqual([
      { cluster: 'staging', status: 'stopped' },
    ]);
  });
});

describe('find_guests no_backup_days', () => {
  it('finds guests without a recent backup, no templates', async () => {
    const { guests, note } = await fleet.call('find_guests', { no_backup_days: 5 });
    expect(namesOf(guests)).toEqual([
      'build-01',
      'cache-01',
      'dr-archive',
      'dr-dns',
      'dr-monitor',
      'dr-web-standby',
      'legacy-mail',
      'staging-db',
      'staging-queue',
    ]);
    expect(note).toBeUndefined();
    const rows = guests as Row[];
    expect(rows.find(({ name }) => name === 'dr-archive')).toHaveProperty('last_backup');
    expect(rows.find(({ name }) => name === 'dr-dns')).not.toHaveProperty('last_backup');
  });
});

describe('list_nodes', () => {
  it('lists the nodes of all clusters, with totals', async () => {
    const listed = await fleet.call('list_nodes');
    expect(listed).toMatchObject({ selected_by: 'all', total: 6, as_of: expect.any(String) });
    expect((listed.nodes as Row[]).map(({ cluster, node }) => `${cluster}/${node}`)).toEqual([
      'disaster-recovery/dr1',
      'production/pve1',
      'production/pve2',
      'production/pve3',
      'staging/stg1',
      'staging/stg2',
    ]);
    expect(listed.clusters).toMatchObject([{ nodes: 3, online: 3 }, { nodes: 2 }, { nodes: 1 }]);
  });

  it('one cluster as before', async () => {
    expect(await fleet.call('list_nodes', { cluster: 'staging' })).toMatchObject({
      cluster: 'staging',
      selected_by: 'explicit',
      nodes: [
        { node: 'stg1', status: 'online', cpu_fraction: expect.any(Number), max_mem_bytes: 64 * 2 ** 30 },
        { node: 'stg2' },
      ],
      total: 2,
    });
    expect(await fleet.text('list_nodes', { cluster: 'staging' })).toBe(
      'staging has 2 nodes: stg1 (online), stg2 (online).',
    );
  });
});

describe('list_storage', () => {
  it('shows a shared storage once, with its nodes, and a local one on each', async () => {
    const { storages } = await fleet.call('list_storage', { cluster: 'production' });
    const rows = storages as Row[];
    expect(rows.filter(({ storage }) => storage === 'nas')).toEqual([
      {
        storage: 'nas',
        type: 'nfs',
        content: ['images', 'backup'],
        shared: true,
        nodes: ['pve1', 'pve2', 'pve3'],
        status: 'available',
        used_bytes: expect.any(Number),
        total_bytes: expect.any(Number),
        used_percent: expect.any(Number),
      },
    ]);
    expect(rows.filter(({ storage }) => storage === 'local').map(({ nodes }) => nodes)).toEqual([
      ['pve1'],
      ['pve2'],
      ['pve3'],
    ]);
  });

  it.each([
    [{ type: 'nfs' }, ['backup-nfs', 'dr-nfs', 'nas']],
    [{ content: 'backup', shared: true }, ['backup-nfs', 'dr-nfs', 'nas']],
    [{ name: '*-nfs' }, ['backup-nfs', 'dr-nfs']],
    [{ node: 'pve2', shared: true }, ['backup-nfs', 'nas']],
    [{ node: 'stg1' }, ['local', 'local-lvm']],
    [{ min_used_percent: 100 }, []],
  ])('filters by %j', async (filter, expected) => {
    const { storages, total } = await fleet.call('list_storage', filter);
    expect([...new Set((storages as Row[]).map(({ storage }) => storage))]).toEqual(expected);
    expect(total).toBe((storages as Row[]).length);
  });

  it.each([{}, { min_used_percent: 30 }, { shared: true }, { node: 'pve2' }])(
    'totals over %j are those of the rows',
    async (filter) => {
      const { storages, clusters } = await fleet.call('list_storage', filter);
      const rows = storages as { cluster: string; used_bytes: number; total_bytes: number }[];
      const totals = clusters as {
        cluster: string;
        matching: number;
        used_bytes: number;
        total_bytes: number;
      }[];
      for (const { cluster, matching, used_bytes, total_bytes } of totals) {
        const own = rows.filter((row) => row.cluster === cluster);
        expect(matching).toBe(own.length);
        expect(used_bytes).toBe(own.reduce((sum, row) => sum + row.used_bytes, 0));
        expect(total_bytes).toBe(own.reduce((sum, row) => sum + row.total_bytes, 0));
      }
    },
  );

  it('sorts by room, the most first', async () => {
    const { storages } = await fleet.call('list_storage', { sort: 'free_bytes', descending: true });
    const free = (storages as { total_bytes: number; used_bytes: number }[]).map(
      ({ total_bytes, used_bytes }) => total_bytes - used_bytes,
    );
    expect(free).toEqual([...free].sort((a, b) => b - a));
  });
});

describe('get_cluster_resources', () => {
  it('over all clusters, page by page', async () => {
    const ids: string[] = [];
    let cursor: unknown;
    do {
      const args = { limit: 10, fields: ['id'], ...(cursor ? { cursor } : {}) };
      const page = await fleet.call('get_cluster_resources', args);
      ids.push(...(page.resources as Row[]).map(({ cluster, id }) => `${cluster} ${id}`));
      cursor = page.next_cursor;
      if (cursor === undefined) expect(page.total).toBe(ids.length);
    } while (cursor !== undefined);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.indexOf('production qemu/9000')).toBeGreaterThan(ids.indexOf('production qemu/100'));
  });

  it('filters over all clusters', async () => {
    const { resources, clusters } = await fleet.call('get_cluster_resources', { vmid: 100 });
    expect((resources as Row[]).map(({ cluster }) => cluster)).toEqual([...NAMES].sort());
    expect(clusters).toMatchObject([{ matching: 1 }, { matching: 1 }, { matching: 1 }]);
  });
});

describe('list_tasks', () => {
  it('shows what a time looks like', async () => {
    expect(await fleet.call('list_tasks', { since: 'yesterday' })).toMatchObject({
      error: { message: expect.stringContaining('since: must be a time such as 2026-') },
    });
  });

  it('lists the tasks of all clusters, newest first, page by page', async () => {
    for (const [cluster, node] of [
      ['production', 'pve1'],
      ['staging', 'stg1'],
    ]) {
      for (let round = 0; round < 2; round++) {
        const path = `/nodes/${node}/qemu/100/snapshot`;
        const data = { snapname: `fleet${round}x${Date.now()}` };
        expect(
          await fleet.call('proxmox_api_call', { cluster, method: 'POST', path, data }),
        ).not.toHaveProperty('error');
      }
    }
    const all = await fleet.call('list_tasks', { type: 'qmsnapshot' });
    const tasks = all.tasks as { cluster: string; started_at: string; upid: string }[];
    expect(new Set(tasks.map(({ cluster }) => cluster))).toEqual(new Set(['production', 'staging']));
    expect(tasks.map(({ started_at }) => started_at)).toEqual(
      tasks
        .map(({ started_at }) => started_at)
        .sort()
        .reverse(),
    );
    expect(all).toMatchObject({ running: 0, failed_tasks: 0, total: tasks.length });
    expect(all.clusters).toHaveLength(3);
    const seen: string[] = [];
    let cursor: unknown;
    do {
      const page = await fleet.call('list_tasks', {
        type: 'qmsnapshot',
        limit: 1,
        ...(cursor ? { cursor } : {}),
      });
      seen.push(...(page.tasks as Row[]).map(({ upid }) => String(upid)));
      cursor = page.next_cursor;
    } while (cursor !== undefined);
    expect(seen).toEqual(tasks.map(({ upid }) => upid));
  });

  it('says where a log is longer than what was read of it', async () => {
    const { tasks } = simulator.cluster('disaster-recovery').state;
    for (let round = 0; round < 501; round++) {
      tasks.archive({ node: 'dr1', type: 'vzdump', id: '300', owner: 'root@pam' }, 1_700_000_000, 1, []);
    }
    const there = tasks.list().filter(({ node }) => node === 'dr1').length;
    const { total, note } = await fleet.call('list_tasks', { cluster: 'disaster-recovery', node: 'dr1' });
    expect(total).toBe(500);
    expect(note).toContain(`Only the newest 500 of ${there} tasks on dr1 of disaster-recovery were read`);
    const few = await fleet.call('list_tasks', { cluster: 'disaster-recovery', node: 'dr1', vmid: 100 });
    expect(few).not.toHaveProperty('note');
  });

  it('of a node asks the clusters that have it', async () => {
    const { clusters, selected_by } = await fleet.call('list_tasks', { node: 'stg1' });
    expect(selected_by).toBe('all');
    expect(clusters).toMatchObject([{ cluster: 'staging' }]);
    expect(await fleet.call('list_tasks', { node: 'nowhere' })).toMatchObject({
      error: { code: 'NOT_FOUND' },
    });
  });
});
