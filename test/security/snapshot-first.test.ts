import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Approvals } from '../../src/access/approvals/approvals.ts';
import { defaultPolicy } from '../../src/access/policy/policy.ts';
import { openState } from '../../src/access/state.ts';
import { Redaction } from '../../src/observability/redaction.ts';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { type GuardedClient, GuardedService } from '../support/guarded-service.ts';
import { tokenFor } from '../support/service.ts';

let simulator: Simulator;
let guarded: GuardedService;
let alice: GuardedClient;

beforeAll(async () => {
  simulator = await startSimulator({ taskSeconds: 0, authDelaySeconds: 0, resourcesLagSeconds: 0 });
  const approvals = new Approvals({
    state: openState(undefined),
    logger: pino({ level: 'silent' }),
    redaction: new Redaction(),
  });
  guarded = await GuardedService.start(simulator, {
    approvals,
    gateOptions: { policy: defaultPolicy(), approvals },
  });
  alice = await guarded.connect({ subject: 'alice' });
});
beforeEach(() => guarded.mark());
afterAll(async () => {
  await guarded.close();
  await simulator.close();
});

const call = (path: string, method: string, data?: object, snapshot_first = 'before') =>
  alice.call('proxmox_api_call', {
    cluster: 'production',
    path,
    method,
    snapshot_first,
    ...(data === undefined ? {} : { data }),
  });

/** Writes that arrived since the test began, in order. */
const writes = (): string[] => guarded.writes();

async function approve(number: number): Promise<void> {
  const token = await tokenFor('carol', 'proxmox:read proxmox:approve');
  const answer = await fetch(new URL(`/approvals/${number}/approve`, guarded.url), {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
  });
  expect(answer.status).toBe(200);
}

describe('snapshot_first', () => {
  it('takes the snapshot, waits for it, and then sends the call', async () => {
    const answer = await call('/nodes/pve1/qemu/100/config', 'PUT', { description: 'new' }, 'one');
    expect(answer.error).toBeUndefined();
    expect(writes()).toEqual(['POST /nodes/pve1/qemu/100/snapshot', 'PUT /nodes/pve1/qemu/100/config']);
  });

  it('is part of the plan, and neither is sent before the approval', async () => {
    const rollback = '/nodes/pve1/qemu/100/snapshot/one/rollback';
    const { error } = await call(rollback, 'POST', undefined, 'two');
    expect(error).toMatchObject({
      code: 'APPROVAL_REQUIRED',
      plan: { calls: [{ path: '/nodes/pve1/qemu/100/snapshot' }, { path: rollback }] },
    });
    expect(writes()).toEqual([]);
    await approve(error?.plan?.number ?? 0);
    // Another name is another plan.
    expect((await call(rollback, 'POST', undefined, 'other')).error).toMatchObject({
      code: 'APPROVAL_REQUIRED',
    });
    expect(writes()).toEqual([]);
    expect((await call(rollback, 'POST', undefined, 'two')).error).toBeUndefined();
    expect(writes()).toEqual(['POST /nodes/pve1/qemu/100/snapshot', `POST ${rollback}`]);
  });

  it('keeps the call back where the snapshot fails', async () => {
    const fault = simulator.cluster('production').faults.add({ kind: 'task-error', match: /snapshot$/ });
    const { error } = await call('/nodes/pve1/qemu/100/config', 'PUT', { description: 'x' }, 'three');
    fault.remove();
    expect(error).toMatchObject({ message: expect.stringMatching(/snapshot/i) });
    expect(writes().filter((write) => write.startsWith('PUT'))).toEqual([]);
  });

  it.each([
    ['a guest that is destroyed takes its snapshots with it', '/nodes/pve1/qemu/100', 'DELETE'],
    ['a call about no guest', '/cluster/options', 'PUT'],
    ['a read', '/nodes/pve1/qemu/100/config', 'GET'],
  ])('is refused with %s', async (_why, path, method) => {
    const { error } = await call(path, method);
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENTS' });
    expect(writes()).toEqual([]);
  });
});
