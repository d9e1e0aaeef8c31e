import { describe, expect, it } from 'vitest';
import { ApprovalRequiredError, DeclinedError, type ShownPlan } from '../../../src/access/approvals/plan.ts';
import { checkGuest, lateRefusal } from '../../../src/access/late-checks.ts';
import type { RecordedCall } from '../../../src/access/record.ts';
import type { GuestRow } from '../../../src/clusters/inventory.ts';
import { CallError, type ErrorCode } from '../../../src/proxmox/errors.ts';

const GUESTS = [
  { vmid: 112, node: 'pve3', type: 'qemu' },
  { vmid: 200, node: 'pve1', type: 'lxc' },
] as unknown as readonly GuestRow[];

function thrownFor(path: string, guests = GUESTS): CallError | undefined {
  try {
    checkGuest('production', path, guests);
    return undefined;
  } catch (error) {
    if (error instanceof CallError) return error;
    throw error;
  }
}

describe('a call on a guest that needs an approval', () => {
  it.each([
    ['/nodes/pve3/qemu/112', 'itself'],
    ['/nodes/pve3/qemu/112/agent/exec', 'something below it'],
    ['/nodes/localhost/qemu/112', 'the node that every node answers to'],
    ['/nodes/pve1/lxc/200/status/stop', 'a container'],
    ['/nodes/pve2/qemu', 'no guest'],
    ['/cluster/backup', 'no node'],
  ])('goes on: %s (%s)', (path) => {
    expect(thrownFor(path)).toBeUndefined();
  });

  it.each([
    ['/nodes/pve2/qemu/112', 'Guest 112 is on pve3, not on pve2; nothing was sent.', '/nodes/pve3/qemu/112'],
    [
      '/nodes/pve2/qemu/112/snapshot/a',
      'Guest 112 is on pve3, not on pve2; nothing was sent.',
      '/nodes/pve3/',
    ],
    [
      '/nodes/pve3/lxc/112',
      'Guest 112 is a VM (qemu), not a container (lxc); nothing was sent.',
      '/qemu/112',
    ],
    [
      '/nodes/localhost/qemu/200',
      'Guest 200 is a container (lxc), not a VM (qemu); nothing was sent.',
      '/lxc/',
    ],
    ['/nodes/pve3/qemu/999', 'There is no guest 999; nothing was sent.', 'resolve_guest'],
  ])('is refused before anybody is asked: %s', (path, message, hint) => {
    expect(thrownFor(path)).toMatchObject({
      code: 'NOT_FOUND',
      message,
      hint: expect.stringContaining(hint),
      cluster: 'production',
    });
  });

  it('goes on where no guest can be seen', () => {
    expect(thrownFor('/nodes/pve2/qemu/112', [])).toBeUndefined();
  });
});

describe('a call that is stopped behind the policy’s yes', () => {
  const recorded = { decision: 'allowed', rule: 'role ops', path: '/x' } as RecordedCall;
  const failure = (code: ErrorCode) => new CallError(code, 'no', { hint: '' });

  it.each<[string, CallError, string, string]>([
    [
      'no plan yet',
      new ApprovalRequiredError('x', { hint: '', cluster: 'a', plan: { number: 7 } as ShownPlan }),
      'awaits approval',
      'awaits approval: plan 7',
    ],
    [
      'a no',
      new DeclinedError('x', { hint: '', cluster: 'a', number: 8, by: 'carol' }),
      'denied',
      'plan 8 declined by carol',
    ],
    ['another guest', failure('CONFLICT'), 'denied', 'expect_name'],
    ['no guest', failure('NOT_FOUND'), 'denied', 'no such guest'],
    ['the policy after all', failure('POLICY_DENIED'), 'denied', 'role ops'],
  ])('is recorded with what stopped it: %s', (_what, error, decision, rule) => {
    expect(lateRefusal(recorded, error)).toEqual({ decision, rule, path: '/x' });
  });

  it('is no refusal where the cluster failed', () => {
    expect(lateRefusal(recorded, failure('UPSTREAM_ERROR'))).toBeUndefined();
    expect(lateRefusal(recorded, new Error('x'))).toBeUndefined();
  });
});
