import { describe, expect, it } from 'vitest';
import { balanceSite, container, vm } from '../../../support/balance-site.ts';

const heavy = { memoryMib: 12_288 };
const uneven = () => [100, 101, 102, 103].map((vmid) => vm(vmid, 'n1', heavy));

describe('rebalance_plan', () => {
  it('plans without sending, moves after one approval, and is even then', async () => {
    const site = await balanceSite(uneven());
    const plan = await site.call('rebalance_plan');
    expect(plan).toMatchObject({ state: 'planned', nodes: [{ node: 'n1' }, { node: 'n2' }, { node: 'n3' }] });
    expect(plan.gap_points_after).toBeLessThan(plan.gap_points);
    expect(plan.rests_on).toMatchObject({ timeframe: 'day', cf: 'AVERAGE', recorded: 4 });
    expect(plan.moves[0].reason).toMatch(/It takes .* n1 has .*% of its memory/);
    expect(site.writes()).toEqual([]);

    const { answer, plan: shown } = await site.approved('rebalance_plan', { apply: true });
    expect(shown.calls).toHaveLength(plan.moves.length);
    expect(answer.state).toBe('moved');
    const moves = plan.moves.map(
      ({ vmid, from, to }: { vmid: number; from: string; to: string }) => `${vmid} ${from} ${to}`,
    );
    expect(site.moved().sort()).toEqual(moves.sort());
    expect(
      (await site.call('rebalance_plan', { tolerance: Math.ceil(plan.gap_points_after) + 1 })).state,
    ).toBe('balanced');
    const sent = site.moved().length;
    const again = await site.call('rebalance_plan', { apply: true, tolerance: 50 });
    expect(again).toMatchObject({ state: 'balanced', moves: [] });
    expect(site.moved()).toHaveLength(sent);
  });

  it('leaves alone what can not move live, and says why', async () => {
    const site = await balanceSite([
      container(100, 'n1', heavy),
      vm(101, 'n1', { ...heavy, storage: 'local-lvm' }),
      vm(102, 'n1', { ...heavy, config: { hostpci0: '0000:01:00.0' } }),
      vm(103, 'n1', { ...heavy, lock: 'backup' }),
    ]);
    const { state, moves, stays, stays_total } = await site.call('rebalance_plan');
    expect([state, moves, stays_total]).toEqual(['no_better', [], 4]);
    const why = Object.fromEntries(stays.map((one: { vmid: number; why: string }) => [one.vmid, one.why]));
    expect(why).toMatchObject({
      100: expect.stringContaining('container'),
      101: expect.stringContaining('local disks'),
      102: expect.stringContaining('hostpci0'),
      103: expect.stringContaining('locked'),
    });
    expect((await site.call('rebalance_plan', { include_local: true })).moves).toMatchObject([{ vmid: 101 }]);
  });

  it('keeps guests apart and together, and what HA prefers', async () => {
    const site = await balanceSite([
      ...[100, 101].map((vmid) => vm(vmid, 'n1', { ...heavy, tags: ['keep-together-a'] })),
      vm(102, 'n1', { ...heavy, tags: ['keep-apart-b'] }),
      vm(103, 'n2', { memoryMib: 1024, tags: ['keep-apart-b'] }),
    ]);
    const { moves } = await site.call('rebalance_plan');
    const to = Object.fromEntries(moves.map((move: { vmid: number; to: string }) => [move.vmid, move.to]));
    expect(to[102]).not.toBe('n2');
    expect(to[100]).toBe(to[101]);
    expect(moves.length).toBeGreaterThan(0);
  });

  it('leaves out nodes that are down', async () => {
    const site = await balanceSite(uneven());
    await site.production.faults.add({ kind: 'node-down', node: 'n3' });
    const plan = await site.call('rebalance_plan');
    expect(plan.left_out).toMatchObject([{ node: 'n3' }]);
    for (const { to } of plan.moves) expect(to).toBe('n2');
  });

  it('a plan is made as it was seen, though figures move on, and goes on over calls', async () => {
    const site = await balanceSite(uneven(), { simulator: { taskSeconds: 1 } });
    const { answer } = await site.approved('rebalance_plan', { apply: true, tolerance: 1, wait_seconds: 0 });
    expect(answer).toMatchObject({
      state: 'unfinished',
      moves: [{ result: 'moving' }, { result: 'not_begun' }],
    });
    const { answer: rest } = await site.approved('rebalance_plan', {
      apply: true,
      tolerance: 1,
      wait_seconds: 20,
    });
    expect(rest).toMatchObject({ state: 'moved', moves: [{ result: 'moved' }, { result: 'moved' }] });
    expect(site.moved()).toHaveLength(2);
  });
});
