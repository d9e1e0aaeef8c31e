import { describe, expect, it, vi } from 'vitest';
import { balanceSite, vm } from '../../../support/balance-site.ts';

const drain = { node: 'n1', action: 'drain' };

describe('a drain that does not come to its end at once', () => {
  it('a move that fails costs itself alone, and a repeated call tries it again', async () => {
    const site = await balanceSite([vm(100, 'n1'), vm(101, 'n1')]);
    site.production.faults.add({
      kind: 'task-error',
      message: 'no route to host',
      match: /POST .*qemu\/100\/migrate/,
      times: 1,
    });
    const { answer } = await site.approved('drain_node', drain);
    expect(answer).toMatchObject({ state: 'partly', left: 1 });
    expect(answer.moves.map(({ vmid, result }: { vmid: number; result: string }) => [vmid, result])).toEqual([
      [100, 'failed'],
      [101, 'moved'],
    ]);
    const again = await site.approved('drain_node', drain);
    expect(again.answer).toMatchObject({ state: 'empty', moves: [{ vmid: 100, result: 'moved' }], left: 0 });
    expect(site.moved()).toHaveLength(3);
  });

  it('goes on in the next call when its time is over, and stops where a node goes down', async () => {
    const site = await balanceSite([vm(100, 'n1'), vm(101, 'n1')], { simulator: { taskSeconds: 1 } });
    const { answer } = await site.approved('drain_node', { ...drain, wait_seconds: 0 });
    expect(answer).toMatchObject({
      state: 'unfinished',
      moves: [{ result: 'moving' }, { result: 'not_begun' }],
    });
    expect(site.moved()).toHaveLength(1);
    const [first, second] = answer.moves;
    expect(first.to).not.toBe(second.to);
    site.production.faults.add({ kind: 'node-down', node: second.to });
    const stopped = await site.call('drain_node', drain);
    expect(stopped.stopped).toContain(second.to);
    expect(stopped.moves[1]).toMatchObject({ vmid: second.vmid, result: 'not_begun' });
    expect(site.moved()).toHaveLength(1);
    // What is left is planned anew, around the node that is lost.
    await vi.waitFor(() => expect(site.nodeOf(first.vmid)).toBe(first.to), { timeout: 5000 });
    const { answer: rest } = await site.approved('drain_node', { ...drain, wait_seconds: 10 });
    expect(rest).toMatchObject({ moves: [{ vmid: second.vmid, to: first.to, result: 'moved' }], left: 0 });
    expect(site.moved()).toHaveLength(2);
  });

  it('never sends a move twice whose answer was lost', async () => {
    const site = await balanceSite([vm(100, 'n1')], { simulator: { clock: Date.now } });
    site.production.faults.add({ kind: 'commit-then-close', match: /POST .*qemu\/100\/migrate/, times: 1 });
    const { answer } = await site.approved('drain_node', drain);
    expect(answer.moves).toMatchObject([{ vmid: 100, result: 'moving' }]);
    const next = await site.call('drain_node', drain);
    expect(next.moves).toMatchObject([{ vmid: 100, result: 'moved' }]);
    expect(site.moved()).toHaveLength(1);
  });
});
