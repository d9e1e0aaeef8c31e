import { describe, expect, it } from 'vitest';
import type { StandingApproval } from '../../../src/access/approving.ts';
import type { CallOrigin, GateRequest } from '../../../src/access/gate.ts';
import type { Asked } from '../../../src/access/policy/policy.ts';
import type { AuditLog } from '../../../src/audit/audit-log.ts';
import type { Approval } from '../../../src/config/policy-schema.ts';
import { parseApiPath } from '../../../src/proxmox/api-path.ts';
import type { HttpMethod } from '../../../src/proxmox/call.ts';
import { handleOf, planOf, principal } from '../../support/approvals.ts';
import { gateFor, policyWith } from '../../support/gate.ts';
import { RecordingCluster } from '../../support/recording-cluster.ts';

const ROWS = [
  { id: 'qemu/900', type: 'qemu', vmid: 900, node: 'pve1', name: 'a-replica', status: 'stopped' },
  { id: 'qemu/901', type: 'qemu', vmid: 901, node: 'pve1', name: 'b-replica', status: 'stopped' },
];

function call(line: string, data?: Record<string, unknown>): GateRequest {
  const [method, path = ''] = line.split(' ') as [HttpMethod, string];
  return { method, path: parseApiPath(path), ...(data === undefined ? {} : { data }) };
}

const DELETE_A = call('DELETE /nodes/pve1/qemu/900', { purge: 1 });
const DELETE_B = call('DELETE /nodes/pve1/qemu/901', { purge: 1 });

/** A gate whose policy a test changes, over one cluster. */
function site(kind: Approval = 'self') {
  let now = policyWith(kind);
  const policy = Object.assign(policyWith(kind), { decide: (asked: Asked) => now.decide(asked) });
  const audit: Record<string, unknown>[] = [];
  const log: AuditLog = {
    begin: async (entry) => void audit.push({ ...entry }),
    end: async () => undefined,
    task: async () => undefined,
    healthy: () => ({ ok: true }),
    head: () => ({ seq: 0, hash: '' }),
    close: async () => undefined,
  };
  const gate = gateFor(undefined, { policy, audit: log });
  const cluster = new RecordingCluster('a');
  cluster.reply = ({ path }) => (path.toString() === '/cluster/resources' ? ROWS : null);
  const open = (more: Partial<CallOrigin> = {}, of = cluster) =>
    gate.open(
      { cluster: of, selectedBy: 'explicit' },
      {
        principal: principal('alice', ['proxmox:admin']),
        requestId: 'r',
        tool: 'save_cluster_replication',
        door: 'http',
        signal: new AbortController().signal,
        ...more,
      },
    );
  const approved = async (requests: readonly GateRequest[]): Promise<StandingApproval> => {
    const planHandle = await handleOf(open().approveStanding(requests, { atLeast: 'self' }));
    const standing = await open({ planHandle }).approveStanding(requests, { atLeast: 'self' });
    if (standing === undefined) throw new Error('no approval was needed');
    return standing;
  };
  const deleted = () =>
    cluster.calls.filter(({ method }) => method === 'DELETE').map(({ path }) => path.wire);
  const setPolicy = (next: Approval) => {
    now = policyWith(next);
  };
  return { cluster, audit, open, approved, deleted, setPolicy };
}

describe('an approval for calls that the service makes by itself', () => {
  it('is put to the caller in one plan, and lets each call through as often as its time comes', async () => {
    const { open, approved, deleted, audit } = site();
    const standing = await approved([DELETE_A, DELETE_B]);
    expect(standing).toMatchObject({ kind: 'self', number: 1, by: 'self' });
    expect(deleted()).toEqual([]);
    for (const _time of [1, 2]) {
      const cluster = open({ standing });
      await cluster.request(DELETE_A);
      await cluster.request(DELETE_B);
    }
    expect(deleted()).toHaveLength(4);
    const left = audit.filter(({ decision }) => decision === 'allowed');
    expect(left.filter(({ approval }) => approval === 'plan 1 by self')).toHaveLength(4);
  });

  it('holds for these calls alone', async () => {
    const { cluster, open, approved, deleted } = site();
    const standing = await approved([DELETE_A]);
    const gated = open({ standing });
    const others = [
      DELETE_B,
      call('DELETE /nodes/pve1/qemu/900'),
      call('DELETE /nodes/pve1/qemu/900', { purge: 1, 'destroy-unreferenced-disks': 1 }),
      call('DELETE /nodes/localhost/qemu/900', { purge: 1 }),
      call('POST /nodes/pve1/qemu/900/status/start'),
    ];
    for (const other of others) await planOf(gated.request(other));
    await planOf(gated.approve([DELETE_A, DELETE_B]));
    const elsewhere = new RecordingCluster('b');
    elsewhere.reply = cluster.reply;
    await planOf(open({ standing }, elsewhere).request(DELETE_A));
    expect(deleted()).toEqual([]);
    expect(elsewhere.calls.every(({ method }) => method === 'GET')).toBe(true);
  });

  it('is worth nothing to a call that brings none', async () => {
    const { open, approved, deleted } = site();
    await approved([DELETE_A]);
    await planOf(open().request(DELETE_A));
    expect(deleted()).toEqual([]);
  });

  it.each<[Approval, boolean]>([
    ['none', true],
    ['self', true],
    ['person', false],
    ['second', false],
  ])('given by the caller, where the policy wants %s by now: covered %s', async (later, isCovered) => {
    const { open, approved, deleted, setPolicy } = site('self');
    const standing = await approved([DELETE_A]);
    setPolicy(later);
    if (isCovered) await open({ standing }).request(DELETE_A);
    else expect((await planOf(open({ standing }).request(DELETE_A))).plan.approval).toBe(later);
    expect(deleted()).toHaveLength(isCovered ? 1 : 0);
  });

  it('is judged anew each time: a token that may no longer is refused', async () => {
    const { open, approved, deleted } = site();
    const standing = await approved([DELETE_A]);
    const less = principal('alice', ['proxmox:read', 'proxmox:change']);
    await expect(open({ standing, principal: less }).request(DELETE_A)).rejects.toMatchObject({
      code: 'POLICY_DENIED',
    });
    await expect(open({ standing, readOnly: true }).request(DELETE_A)).rejects.toMatchObject({
      code: 'POLICY_DENIED',
    });
    expect(deleted()).toEqual([]);
  });

  it('is none where none is needed, unless the tool wants the plan seen', async () => {
    const { open } = site('none');
    await expect(open().approveStanding([DELETE_A])).resolves.toBeUndefined();
    await expect(open().approveStanding([])).resolves.toBeUndefined();
    await planOf(open().approveStanding([DELETE_A], { atLeast: 'self' }));
  });
});
