import { afterEach, describe, expect, it } from 'vitest';
import { type BalanceSite, balanceSite, container, vm } from '../../../support/balance-site.ts';

let site: BalanceSite;
/** Whatever is refused, nothing but questions was sent. */
afterEach(() => expect(site.writes()).toEqual([]));

const drain = { node: 'n1', action: 'drain' };
const down = async (...nodes: string[]) => {
  for (const node of nodes) await site.production.faults.add({ kind: 'node-down', node });
};

describe('drain_node refuses', () => {
  it('a node that is not there', async () => {
    site = await balanceSite([vm(100, 'n1')]);
    const error = await site.refused('drain_node', { ...drain, node: 'n9' });
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENTS', hint: expect.stringContaining('n1, n2, n3') });
  });

  it('the only node of a cluster', async () => {
    site = await balanceSite([vm(100, 'n1')], { cluster: { nodes: [{ name: 'n1' }] } });
    expect(await site.refused('drain_node', drain)).toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('no other node'),
    });
  });

  it('where the others can not hold the guests, with the figures', async () => {
    const large = { memoryMib: 65_536 };
    site = await balanceSite([vm(100, 'n1', large), vm(101, 'n2', large), vm(102, 'n3', large)]);
    const error = await site.refused('drain_node', drain);
    expect(error).toMatchObject({
      code: 'CONFLICT',
      message: expect.stringMatching(/can't hold 1 guest .* free are n2/),
    });
    expect(await site.call('drain_node', { node: 'n1' })).toMatchObject({ state: 'blocked', moves: [] });
  });

  it('without quorum, and from a node that is offline, with everything at once', async () => {
    site = await balanceSite([vm(100, 'n2')]);
    await down('n2', 'n3');
    const { code, message } = await site.refused('drain_node', { ...drain, node: 'n2' });
    expect(code).toBe('CONFLICT');
    expect(message).toContain('n2 is offline');
    expect(message).toContain('no quorum');
  });

  it('where no guest can be moved, and says for each what to do', async () => {
    site = await balanceSite([
      vm(100, 'n1', { config: { hostpci0: '0000:01:00.0' } }),
      vm(101, 'n1', { storage: 'local-lvm' }),
      container(102, 'n1'),
      vm(103, 'n1', { lock: 'backup' }),
    ]);
    const { code, message } = await site.refused('drain_node', drain);
    expect(code).toBe('CONFLICT');
    for (const part of ['hostpci0', 'include_local=true', 'restart_containers=true', 'locked']) {
      expect(message).toContain(part);
    }
  });

  it('to bring back what it never took away', async () => {
    site = await balanceSite([vm(100, 'n1')]);
    expect(await site.refused('drain_node', { node: 'n1', action: 'restore' })).toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('No drain'),
    });
  });

  it('who may only read', async () => {
    site = await balanceSite([vm(100, 'n1')], { scope: 'proxmox:read' });
    expect((await site.refused('drain_node', drain)).code).toBe('POLICY_DENIED');
    expect((await site.refused('rebalance_plan', { apply: true })).code).toBe('POLICY_DENIED');
    expect((await site.call('placement', { vmid: 100 })).candidates_total).toBe(3);
  });

  it('without the approval: the plan is shown, and nothing is sent', async () => {
    site = await balanceSite([vm(100, 'n1')]);
    expect((await site.refused('drain_node', drain)).code).toBe('APPROVAL_REQUIRED');
    expect((await site.refused('drain_node', { ...drain, handle: 'no-such-handle' })).code).toBe(
      'APPROVAL_REQUIRED',
    );
    expect(await site.call('drain_node', { node: 'n1', action: 'status' })).toMatchObject({ left: 1 });
  });
});

describe('rebalance_plan refuses', () => {
  const uneven = () => [100, 101, 102, 103].map((vmid) => vm(vmid, 'n1', { memoryMib: 12_288 }));

  it('to move anything without quorum, and a tolerance that is none', async () => {
    site = await balanceSite(uneven());
    expect((await site.refused('rebalance_plan', { tolerance: 0 })).code).toBe('INVALID_ARGUMENTS');
    expect((await site.refused('rebalance_plan', { tolerance: 51 })).code).toBe('INVALID_ARGUMENTS');
    await down('n2', 'n3');
    expect(await site.refused('rebalance_plan', { apply: true })).toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('no quorum'),
    });
  });

  it('to move before the plan was seen', async () => {
    site = await balanceSite(uneven());
    const { code, plan } = await site.refused('rebalance_plan', { apply: true });
    expect(code).toBe('APPROVAL_REQUIRED');
    expect(plan.warnings[0]).toContain('one after the other');
  });
});

describe('placement refuses', () => {
  it('nothing to place, and sizes for a guest that has its own', async () => {
    site = await balanceSite([vm(100, 'n1')]);
    expect((await site.refused('placement', {})).code).toBe('INVALID_ARGUMENTS');
    expect((await site.refused('placement', { vmid: 100, disk: '10G' })).code).toBe('INVALID_ARGUMENTS');
    expect((await site.refused('placement', { vmid: 999 })).code).toBe('NOT_FOUND');
  });
});
