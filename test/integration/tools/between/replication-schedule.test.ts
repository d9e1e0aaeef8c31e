import { pino } from 'pino';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { Approvals } from '../../../../src/access/approvals/approvals.ts';
import { defaultPolicy, type Policy } from '../../../../src/access/policy/policy.ts';
import { ScheduleBook } from '../../../../src/access/schedules/book.ts';
import { openState } from '../../../../src/access/state.ts';
import { Scheduler } from '../../../../src/mcp/scheduler.ts';
import { Redaction } from '../../../../src/observability/redaction.ts';
import { startSimulator } from '../../../../src/simulator/simulator.ts';
import { principal } from '../../../support/approvals.ts';
import { GuardedService } from '../../../support/guarded-service.ts';
import { policyOf } from '../../../support/policy.ts';
import { actsOf, BUILD } from '../../../support/replication-site.ts';

const HOUR = 3_600_000;
const [A, B] = [900_000, 900_001];
const VZDUMP = 'POST /nodes/pve2/vzdump';
const RESTORE = 'POST /nodes/dr1/qemu';
const drop = (vmid: number) => `DELETE /nodes/dr1/qemu/${vmid}`;
const logger = pino({ level: 'silent' });

/** Everybody may do what is granted, and what is said needs an approval. */
const policyWith = (approval: object, grants: object[] = [{ allow: '*' }]) =>
  policyOf({
    roles: { all: { grants } },
    principals: [{ match: { subject: '*' }, roles: 'all' }],
    approval: { change: 'none', secret: 'none', destroy: 'person', bulk: 'none', ...approval },
  });

/** One that a test puts another in the place of. */
function switchable(first: Policy) {
  let policy = first;
  const get = (_first: object, name: string | symbol): unknown => {
    const value: unknown = Reflect.get(policy, name);
    return typeof value === 'function' ? value.bind(policy) : value;
  };
  return {
    policy: new Proxy<Policy>(first, { get }),
    use: (next: Policy) => {
      policy = next;
    },
  };
}

/** The service with its scheduler, and a replication that alice saved once a person had approved it. */
async function site() {
  const quick = { taskSeconds: 0, authDelaySeconds: 0, resourcesLagSeconds: 0 };
  const simulator = await startSimulator(quick);
  onTestFinished(() => simulator.close());
  const state = openState(undefined);
  const approvals = new Approvals({ state, logger, redaction: new Redaction() });
  const book = new ScheduleBook(state);
  const { policy, use } = switchable(defaultPolicy());
  const guarded = await GuardedService.start(simulator, {
    gateOptions: { approvals, schedules: book, policy },
  });
  onTestFinished(() => guarded.close());
  const alice = await guarded.connect();
  const { error } = await alice.call('save_cluster_replication', { ...BUILD });
  expect(error?.plan?.approval).toBe('person');
  await approvals.decide(error?.plan?.number ?? 0, principal('boss', ['proxmox:approve']), 'approved');
  expect((await alice.call('save_cluster_replication', { ...BUILD })).isError).toBe(false);
  const row = () => state.database.prepare('SELECT due_at, last FROM schedules').get();
  let hours = 0;
  return {
    simulator,
    guarded,
    alice,
    use,
    acts: () => simulator.clusters.flatMap((cluster) => actsOf(cluster)),
    /** What the tool shows of it. */
    shown: async () => ((await alice.call('list_cluster_replication')).data.jobs as object[])[0],
    /** An hour goes by, and what is due is called. @returns how that ended */
    async hour(): Promise<{ isOk: boolean; text: string }> {
      const skew = HOUR * hours++;
      const before = row()?.due_at;
      const scheduler = new Scheduler({
        book,
        dispatcher: guarded.service.dispatcher,
        directory: guarded.manager,
        revocations: guarded.service.credentials.revocations,
        logger,
        clock: () => Date.now() + skew,
      });
      scheduler.start();
      const isOver = () => expect(row()?.due_at).not.toBe(before);
      await vi.waitFor(isOver, { timeout: 15_000, interval: 20 });
      await scheduler.close();
      return JSON.parse(String(row()?.last));
    },
  };
}

describe('the service by itself', () => {
  it('replicates at the time, and deletes the older replica by the one approval that a person gave', async () => {
    const { hour, acts, shown, guarded } = await site();
    expect(await hour()).toMatchObject({ isOk: true, text: expect.stringContaining(`${A} on`) });
    expect(await hour()).toMatchObject({ isOk: true, text: expect.stringContaining(`${B} on`) });
    expect(await hour()).toMatchObject({ isOk: true, text: expect.stringContaining(`${A} on`) });
    const wanted = [VZDUMP, VZDUMP, VZDUMP, RESTORE, RESTORE, RESTORE, drop(A), drop(B)];
    expect(acts().sort()).toEqual(wanted.sort());
    expect(await shown()).toMatchObject({ last_good: { vmid: A }, last_result: 'ok' });
    const calls = guarded.service.lines.filter((line) => line.includes('"door":"schedule"'));
    expect(calls.some((line) => line.includes('"subject":"alice"') && line.includes('"outcome":"ok"'))).toBe(
      true,
    );
  });

  it('has an approval for these deletions that no caller has', async () => {
    const { hour, alice, acts } = await site();
    await hour();
    const more = { cluster: 'disaster-recovery' };
    const { error } = await alice.api(`DELETE /nodes/dr1/qemu/${A}`, undefined, more);
    expect(error?.code).toBe('APPROVAL_REQUIRED');
    const { data } = await alice.call('run_cluster_replication', { job: 'build' });
    expect(data).toMatchObject({ status: 'replicated', note: expect.stringContaining(`${A} stays`) });
    expect(acts()).not.toContain(drop(A));
    // The next run by itself makes up for it, and does its own.
    expect(await hour()).toMatchObject({ isOk: true, text: expect.stringContaining(`${A} on`) });
    expect(acts().filter((line) => line.startsWith('DELETE'))).toEqual([drop(A), drop(B)]);
  });

  it.each<[string, Policy, RegExp]>([
    ['each change needs an approval', policyWith({ change: 'person' }), /^APPROVAL_REQUIRED: /],
    ['changes are forbidden', policyWith({}, [{ allow: ['read', 'secret'] }]), /^POLICY_DENIED: /],
    ['reading is forbidden', policyWith({}, [{ allow: ['change', 'destroy'] }]), /^POLICY_DENIED: /],
  ])('obeys the policy of now: %s', async (_what, next, text) => {
    const { hour, acts, use, shown } = await site();
    await hour();
    const before = acts();
    use(next);
    expect(await hour()).toMatchObject({ isOk: false, text: expect.stringMatching(text) });
    expect(acts()).toEqual(before);
    use(policyWith({}));
    expect(await shown()).toMatchObject({
      last_result: 'failed',
      last_text: expect.stringMatching(text),
      last_good: { vmid: A },
    });
    expect(await hour()).toMatchObject({ isOk: true });
  });

  it('deletes nothing where the policy wants a stricter approval by now', async () => {
    const { hour, acts, use, shown } = await site();
    await hour();
    use(policyWith({ destroy: 'second' }));
    expect(await hour()).toMatchObject({ isOk: true, text: expect.stringContaining(`${A} stays`) });
    expect(await hour()).toMatchObject({ isOk: false, text: expect.stringContaining(`${A} holds`) });
    expect(acts().filter((line) => line.startsWith('DELETE'))).toEqual([]);
    expect(await shown()).toMatchObject({ last_good: { vmid: B } });
  });

  it('calls nothing for a credential that was revoked, and says so', async () => {
    const { hour, acts, guarded } = await site();
    await hour();
    const before = acts();
    await guarded.service.credentials.revocations.revoke({ subject: 'alice' });
    expect(await hour()).toMatchObject({ isOk: false, text: expect.stringContaining('was revoked') });
    expect(acts()).toEqual(before);
  });

  it('keeps the good state while a cluster is down, and goes on once it is back', async () => {
    const { hour, simulator, shown } = await site();
    await hour();
    const target = simulator.cluster('disaster-recovery');
    await target.stop();
    expect(await hour()).toMatchObject({ isOk: false, text: expect.stringContaining('CLUSTER_UNREACHABLE') });
    await target.start();
    expect(await shown()).toMatchObject({ last_result: 'failed', last_good: { vmid: A } });
    expect(await hour()).toMatchObject({ isOk: true, text: expect.stringContaining(`${B} on`) });
  });
});
