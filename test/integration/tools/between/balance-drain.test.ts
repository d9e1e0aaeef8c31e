import { describe, expect, it } from 'vitest';
import { type BalanceSite, balanceSite, container, vm } from '../../../support/balance-site.ts';

const LAB = () => [vm(100, 'n1'), vm(101, 'n1'), vm(102, 'n2'), vm(103, 'n1', { status: 'stopped' })];
const drain = { node: 'n1', action: 'drain' };
const restore = { node: 'n1', action: 'restore' };

const underHa = ({ production }: BalanceSite, sid: string) => {
  const type = sid.startsWith('vm') ? 'vm' : 'ct';
  const { resources } = production.state.datacenter.ha;
  resources[sid] = { sid, type, state: 'started', max_restart: 1, max_relocate: 1, failback: 1 };
};

describe('drain_node', () => {
  it('checks, empties and brings back, with one approval each', async () => {
    const site = await balanceSite(LAB());
    const check = await site.call('drain_node', { node: 'n1' });
    expect(check).toMatchObject({
      state: 'ready',
      moves: [{ how: 'live' }, { how: 'live' }],
      stays: [],
      left: 3,
    });
    expect(check.rests_on).toMatchObject({ timeframe: 'day', cf: 'AVERAGE and MAX', recorded: 4 });
    expect(check.note).toContain('down and left there');
    expect(site.writes()).toEqual([]);

    const { answer, plan } = await site.approved('drain_node', drain);
    expect(plan.calls).toHaveLength(2);
    expect(plan.warnings).toEqual([
      'Empties n1 of lab, one guest after the other; running VMs go on running.',
      expect.stringMatching(/^1\. 100 \(vm-100\) from n1 to n[23]$/),
      expect.stringMatching(/^2\. 101 \(vm-101\) from n1 to n[23]$/),
      expect.stringContaining('action=restore'),
    ]);
    expect(answer).toMatchObject({
      state: 'empty',
      moves: [{ result: 'moved' }, { result: 'moved' }],
      left: 1,
    });
    expect(site.moved()).toHaveLength(2);
    for (const vmid of [100, 101]) {
      expect(site.nodeOf(vmid)).not.toBe('n1');
      expect(site.production.state.guests.get(vmid)?.status).toBe('running');
    }
    expect(site.nodeOf(103)).toBe('n1');
    const status = await site.call('drain_node', { node: 'n1', action: 'status' });
    expect(status).toMatchObject({ state: 'partly', moves: [{ vmid: 100 }, { vmid: 101 }], left: 1 });

    const back = await site.approved('drain_node', restore);
    expect(back.answer).toMatchObject({ state: 'restored', left: 3 });
    expect([100, 101, 102, 103].map(site.nodeOf)).toEqual(['n1', 'n1', 'n2', 'n1']);
    expect(site.moved()).toHaveLength(4);
    expect(await site.call('drain_node', { node: 'n1', action: 'status' })).toMatchObject({
      state: 'untouched',
    });
  });

  it('does not call a node empty on which a guest was started behind the plan', async () => {
    const site = await balanceSite(LAB());
    const { plan } = await site.refused('drain_node', drain);
    const late = site.production.state.guests.get(103);
    if (late !== undefined) late.status = 'running';
    const answer = await site.call('drain_node', { ...drain, handle: plan.handle });
    expect(answer).toMatchObject({ state: 'partly', left: 1, note: expect.stringContaining('103') });
    expect(site.moved()).toHaveLength(2);
  });

  it('brings back what is still where it was put, and nothing else', async () => {
    const site = await balanceSite([vm(100, 'n1'), vm(101, 'n1'), vm(102, 'n1')]);
    await site.approved('drain_node', drain);
    const elsewhere = site.nodeOf(101) === 'n2' ? 'n3' : 'n2';
    await site.call('migrate_guest', { vmid: 101, target: elsewhere });
    site.production.state.guests.delete(102);
    const { answer } = await site.approved('drain_node', restore);
    expect(answer.moves).toMatchObject([{ vmid: 100, to: 'n1', result: 'moved' }]);
    expect(answer.stays.map(({ vmid, why }: { vmid: number; why: string }) => [vmid, why])).toEqual([
      [101, expect.stringContaining(elsewhere)],
      [102, expect.stringContaining('no guest any more')],
    ]);
    expect([site.nodeOf(100), site.nodeOf(101)]).toEqual(['n1', elsewhere]);
    expect((await site.refused('drain_node', restore)).code).toBe('CONFLICT');
  });

  it('moves containers with a restart, guests that are down, and copies local disks, when told to', async () => {
    const site = await balanceSite([
      container(110, 'n1'),
      vm(111, 'n1', { status: 'stopped' }),
      vm(112, 'n1', { storage: 'local-lvm' }),
      vm(113, 'n1', { template: true, status: 'stopped' }),
    ]);
    const check = await site.call('drain_node', { node: 'n1' });
    expect(check.stays).toMatchObject([
      { vmid: 110, do: expect.stringContaining('restart_containers=true') },
      {
        vmid: 112,
        why: expect.stringContaining('local disks'),
        do: expect.stringContaining('include_local=true'),
      },
    ]);
    const all = { ...drain, restart_containers: true, include_local: true, stopped: true };
    const { answer, plan } = await site.approved('drain_node', all);
    expect(plan.warnings.join()).toContain('shut down for it and started again');
    expect(answer.moves.map(({ result }: { result: string }) => result)).toEqual(['moved', 'moved', 'moved']);
    expect([110, 111, 112].map((vmid) => site.production.state.guests.get(vmid)?.status)).toEqual([
      ...['running', 'stopped', 'running'],
    ]);
    expect(site.nodeOf(113)).toBe('n1');
    const back = await site.approved('drain_node', restore);
    expect(back.answer.state).toBe('restored');
    expect([110, 111, 112].map(site.nodeOf)).toEqual(['n1', 'n1', 'n1']);
  });

  it('asks HA for guests under HA, keeps its rules and waits for it', async () => {
    const site = await balanceSite([vm(100, 'n1'), vm(101, 'n1'), vm(102, 'n2')]);
    for (const vmid of [100, 101, 102]) underHa(site, `vm:${vmid}`);
    Object.assign(site.production.state.datacenter.ha.rules, {
      apart: { type: 'resource-affinity', affinity: 'negative', resources: 'vm:100,vm:102' },
      home: { type: 'node-affinity', resources: 'vm:101', nodes: 'n1', strict: 1 },
    });
    const check = await site.call('drain_node', { node: 'n1' });
    expect(check.moves).toMatchObject([{ vmid: 100, to: 'n3' }]);
    expect(check.stays).toMatchObject([
      { vmid: 101, do: expect.stringContaining('node-maintenance enable n1') },
    ]);
    expect(check.findings).toMatchObject([
      { severity: 'warns', do: expect.stringContaining('no maintenance mode') },
    ]);
    const { answer } = await site.approved('drain_node', drain);
    expect(answer).toMatchObject({ state: 'partly', moves: [{ vmid: 100, result: 'moved' }] });
    expect([site.nodeOf(100), site.nodeOf(101)]).toEqual(['n3', 'n1']);
  });

  it('keeps to tags as far as it can, and says where it can not', async () => {
    const tags = ['keep-apart-db'];
    const site = await balanceSite([vm(100, 'n1', { tags }), vm(101, 'n2', { tags })]);
    expect((await site.call('drain_node', { node: 'n1' })).moves).toMatchObject([{ to: 'n3' }]);
    const crowded = await balanceSite([
      vm(100, 'n1', { tags }),
      vm(101, 'n2', { tags }),
      vm(102, 'n3', { tags }),
    ]);
    const check = await crowded.call('drain_node', { node: 'n1' });
    expect(check).toMatchObject({ state: 'ready', moves: [{ vmid: 100 }] });
    expect(check.findings).toMatchObject([
      { severity: 'warns', what: expect.stringContaining('keep-apart-db') },
    ]);
  });
});
