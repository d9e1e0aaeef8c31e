import { describe, expect, it } from 'vitest';
import { balanceSite, clusterOf, vm } from '../../../support/balance-site.ts';
import { type Answer, toolClient } from '../../../support/tool-client.ts';

const nodesOf = (rows: Answer[]) => rows.map(({ node }) => node);

describe('placement', () => {
  it('of a new guest: by load over time, with what it rests on', async () => {
    const site = await balanceSite([
      vm(100, 'n1', { memoryMib: 24_576 }),
      vm(101, 'n2', { memoryMib: 8192 }),
    ]);
    const answer = await site.call('placement', { cpus: 2, memory: '4G', disk: '20G', storage: 'san' });
    expect(nodesOf(answer.candidates)).toEqual(['n3', 'n2', 'n1']);
    expect(answer.candidates[0]).toMatchObject({
      measured: 'recorded',
      storage: 'san',
      cpu_p95_percent: expect.any(Number),
    });
    expect(answer.candidates[0].for.join()).toContain('p95 of the last day');
    expect(answer.rests_on).toMatchObject({ timeframe: 'day', recorded: 3, points: 1440 });
    const week = await site.call('placement', { memory: '4G', timeframe: 'week' });
    expect(week.rests_on).toMatchObject({ timeframe: 'week', points: 336 });
    expect(site.writes()).toEqual([]);
  });

  it('says what nodes lack that are ruled out', async () => {
    const site = await balanceSite([vm(100, 'n1', { memoryMib: 24_576 })]);
    await site.production.faults.add({ kind: 'node-down', node: 'n3' });
    const answer = await site.call('placement', { memory: '28G', cpus: 2 });
    expect(nodesOf(answer.candidates)).toEqual(['n2']);
    const why = Object.fromEntries(answer.ruled_out.map((row: Answer) => [row.node, row.why.join()]));
    expect(why).toMatchObject({
      n1: expect.stringContaining('of memory'),
      n3: expect.stringContaining('offline'),
    });
    expect(await site.text('placement', { memory: '300G' })).toMatch(/^The guest fits nowhere\. Nearest is/);
  });

  it('keeps tags: apart comes last, together first', async () => {
    const site = await balanceSite([
      vm(100, 'n1', { tags: ['keep-apart-db'] }),
      vm(101, 'n2', { tags: ['keep-apart-db', 'keep-together-web'] }),
    ]);
    const apart = await site.call('placement', { memory: '2G', tags: ['keep-apart-db'] });
    expect(nodesOf(apart.candidates)[0]).toBe('n3');
    expect(apart.candidates[1].against.join()).toContain('keep-apart-db');
    const together = await site.call('placement', { memory: '2G', tags: ['keep-together-web'] });
    expect(nodesOf(together.candidates)[0]).toBe('n2');
  });

  it('of an existing guest: its disks, bridges and devices, and rules of HA', async () => {
    const site = await balanceSite([
      vm(100, 'n1', { storage: 'local-lvm' }),
      vm(101, 'n1', { config: { hostpci0: '0000:01:00.0' } }),
      vm(102, 'n1', { config: { net0: 'virtio,bridge=vmbr77' } }),
      vm(103, 'n1'),
    ]);
    const local = await site.call('placement', { vmid: 100 });
    expect(local.guest).toMatchObject({ vmid: 100, node: 'n1' });
    const rowOf = (answer: Answer, node: string) =>
      answer.candidates.find((row: Answer) => row.node === node);
    expect(rowOf(local, 'n1').for).toContain('it is there now');
    expect(rowOf(local, 'n2').against.join()).toContain('8 GiB of local disks would be copied');
    const device = await site.call('placement', { vmid: 101 });
    expect(nodesOf(device.candidates)).toEqual(['n1']);
    expect(device.ruled_out[0].why.join()).toContain('hostpci0');
    const bridge = await site.call('placement', { vmid: 102 });
    expect([bridge.candidates_total, bridge.ruled_out[0].why.join()]).toEqual([
      0,
      expect.stringContaining('vmbr77'),
    ]);
    const { ha } = site.production.state.datacenter;
    ha.resources['vm:103'] = {
      sid: 'vm:103',
      type: 'vm',
      state: 'started',
      max_restart: 1,
      max_relocate: 1,
      failback: 1,
    };
    ha.rules.home = { type: 'node-affinity', resources: 'vm:103', nodes: 'n1,n2', strict: 1 };
    const ruled = await site.call('placement', { name: 'vm-103' });
    expect(nodesOf(ruled.candidates).sort()).toEqual(['n1', 'n2']);
    expect(ruled.ruled_out).toMatchObject([{ node: 'n3', why: [expect.stringContaining('home')] }]);
  });

  it('across clusters; one that does not answer costs its own part', async () => {
    const away = clusterOf([vm(200, 'm1')], {
      name: 'away',
      nodes: [{ name: 'm1', cpus: 64, memoryGib: 256 }],
    });
    const client = await toolClient({ simulator: { clusters: [clusterOf([vm(100, 'n1')]), away] } });
    const answer = await client.call('placement', { vmid: 100 });
    const best = answer.candidates.find((row: Answer) => row.cluster === 'away');
    expect(best.against.join()).toContain('migrate_guest_between_clusters');
    expect(new Set(answer.candidates.map((row: Answer) => row.cluster))).toEqual(new Set(['lab', 'away']));
    const only = await client.call('placement', { cluster: 'lab', memory: '1G' });
    expect(new Set(only.candidates.map((row: Answer) => row.cluster))).toEqual(new Set(['lab']));
    await client.simulator.cluster('away').stop();
    const partly = await client.call('placement', { memory: '1G' });
    expect(partly.failed).toMatchObject([{ cluster: 'away' }]);
    expect(partly.candidates.length).toBeGreaterThan(0);
  });

  it('falls back to this moment where nothing was recorded, and says so', async () => {
    const site = await balanceSite([vm(100, 'n1')]);
    site.production.faults.add({ kind: 'status', code: 500, message: 'no rrd', match: /rrddata/ });
    const answer = await site.call('placement', { memory: '1G' });
    expect(answer.rests_on).toMatchObject({ recorded: 0, by_now: 3 });
    expect(answer.candidates[0].measured).toBe('now');
    expect(await site.text('placement', { memory: '1G' })).toContain(
      'at this moment, as nothing was recorded',
    );
  });
});
