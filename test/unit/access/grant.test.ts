import { describe, expect, it } from 'vitest';
import { ApprovalRequiredError } from '../../../src/access/approvals/plan.ts';
import type { CallOrigin, GateRequest } from '../../../src/access/gate.ts';
import { parseApiPath } from '../../../src/proxmox/api-path.ts';
import type { HttpMethod } from '../../../src/proxmox/call.ts';
import { principal } from '../../support/approvals.ts';
import { gateFor, policyWith, type TestGate } from '../../support/gate.ts';
import { policyOf } from '../../support/policy.ts';
import { RecordingCluster } from '../../support/recording-cluster.ts';

const ROWS = [100, 101, 102].map((vmid) => ({
  id: `qemu/${vmid}`,
  type: 'qemu',
  vmid,
  node: 'pve1',
  name: `web-${vmid}`,
  status: 'running',
}));
const STOP_100 = call('POST /nodes/pve1/qemu/100/status/stop');
const STOP_101 = call('POST /nodes/pve1/qemu/101/status/stop');

function call(line: string, data?: Record<string, unknown>): GateRequest {
  const [method, path = ''] = line.split(' ') as [HttpMethod, string];
  return { method, path: parseApiPath(path), ...(data === undefined ? {} : { data }) };
}

/** A gate over one cluster; each `open` is one tool call. */
function opened(gate: TestGate) {
  const cluster = new RecordingCluster('a');
  cluster.reply = ({ path }) => (path.toString() === '/cluster/resources' ? ROWS : null);
  const theGate = gateFor(undefined, gate);
  const open = (more: Partial<CallOrigin> = {}) =>
    theGate.open(
      { cluster, selectedBy: 'explicit' },
      {
        principal: principal('alice', ['proxmox:admin']),
        requestId: 'r',
        tool: 'bulk_power',
        door: 'http',
        signal: new AbortController().signal,
        ...more,
      },
    );
  const writes = () =>
    cluster.calls
      .filter(({ method }) => method !== 'GET')
      .map(({ method, path }) => `${method} ${path.toString()}`);
  return { open, writes, cluster };
}

async function planned(work: Promise<unknown>) {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof ApprovalRequiredError)) throw new Error(`no plan: ${String(error)}`);
  return error.plan;
}

describe('one approval for several calls', () => {
  it('is asked for before the first, and then lets each through once', async () => {
    const { open, writes } = opened({ policy: policyWith('self') });
    const plan = await planned(open().approve([STOP_100, STOP_101]));
    expect(plan.calls).toMatchObject([
      { method: 'POST', path: '/nodes/pve1/qemu/100/status/stop' },
      { method: 'POST', path: '/nodes/pve1/qemu/101/status/stop' },
    ]);
    expect(plan.guests.map(({ vmid }) => vmid)).toEqual([100, 101]);
    expect(writes()).toEqual([]);
    const cluster = open({ planHandle: plan.handle });
    await cluster.approve([STOP_100, STOP_101]);
    await cluster.request(STOP_101);
    await cluster.request(STOP_100);
    expect(writes()).toEqual([
      'POST /nodes/pve1/qemu/101/status/stop',
      'POST /nodes/pve1/qemu/100/status/stop',
    ]);
    await planned(cluster.request(STOP_100));
    expect(writes()).toHaveLength(2);
  });

  it.each<[string, GateRequest]>([
    ['another guest', call('POST /nodes/pve1/qemu/102/status/stop')],
    ['another method', call('POST /nodes/pve1/qemu/100/status/reset')],
    ['other parameters', call('POST /nodes/pve1/qemu/100/status/stop', { timeout: 1 })],
    ['another node', call('DELETE /nodes/pve1/qemu/100')],
  ])('covers no call for %s', async (_what, other) => {
    const { open, writes } = opened({ policy: policyWith('self') });
    const { handle } = await planned(open().approve([STOP_100, STOP_101]));
    const cluster = open({ planHandle: handle });
    await cluster.approve([STOP_100, STOP_101]);
    await planned(cluster.request(other));
    expect(writes()).toEqual([]);
  });

  it('asks the cluster once for the guests of all of them', async () => {
    const { open, cluster } = opened({ policy: policyWith('none') });
    await open().approve(
      [100, 101, 102].map((vmid) => ({
        ...call(`POST /nodes/pve1/qemu/${vmid}/status/stop`),
        expectName: `web-${vmid}`,
      })),
    );
    expect(cluster.calls.map(({ path }) => path.toString())).toEqual(['/cluster/resources']);
  });

  it('is not asked for again with further calls beside those that a person declined', async () => {
    let asked = 0;
    const ask = () => {
      asked += 1;
      return 'declined' as const;
    };
    const { open, writes } = opened({ policy: policyWith('person') });
    const declined = { code: 'POLICY_DENIED', message: expect.stringContaining('declined plan 1') };
    const STOP_102 = call('POST /nodes/pve1/qemu/102/status/stop');
    await expect(open({ ask }).approve([STOP_100, STOP_101])).rejects.toMatchObject(declined);
    await expect(open({ ask }).approve([STOP_101, STOP_100])).rejects.toMatchObject(declined);
    await expect(open({ ask }).approve([STOP_100, STOP_101, STOP_102])).rejects.toMatchObject(declined);
    expect(asked).toBe(1);
    // Less than that is another question.
    await expect(open({ ask }).approve([STOP_100])).rejects.toMatchObject({ code: 'POLICY_DENIED' });
    expect(asked).toBe(2);
    expect(writes()).toEqual([]);
  });

  it('is none for another tool call, nor for the same handle again', async () => {
    const { open, writes } = opened({ policy: policyWith('self') });
    const { handle } = await planned(open().approve([STOP_100, STOP_101]));
    const cluster = open({ planHandle: handle });
    await cluster.approve([STOP_100, STOP_101]);
    await planned(open({ planHandle: handle }).request(STOP_100));
    await planned(open({ planHandle: handle }).approve([STOP_100, STOP_101]));
    await planned(cluster.alone().request(STOP_100));
    expect(writes()).toEqual([]);
  });

  it('is needed for several guests where one alone needs none, and bound by the policy’s number', async () => {
    const roles = { ops: { grants: [{ allow: ['read', 'change'] }], limits: { bulk: 2 } } };
    const policy = policyOf({ roles, principals: [{ match: { subject: 'alice' }, roles: ['ops'] }] });
    const { open, writes } = opened({ policy });
    const cluster = open();
    await cluster.approve([STOP_100]);
    const plan = await planned(cluster.approve([STOP_100, STOP_101]));
    expect(plan.approval).toBe('self');
    const three = [100, 101, 102].map((vmid) => call(`POST /nodes/pve1/qemu/${vmid}/status/start`));
    await expect(cluster.approve(three)).rejects.toMatchObject({ code: 'POLICY_DENIED' });
    expect(writes()).toEqual([]);
  });

  it('counts the guests that parameters list as those in paths', async () => {
    const roles = { ops: { grants: [{ allow: ['read', 'change'] }], limits: { bulk: 2 } } };
    const policy = policyOf({ roles, principals: [{ match: { subject: 'alice' }, roles: ['ops'] }] });
    const { open, writes } = opened({ policy });
    const backup = (node: string, vmid: string) => call(`POST /nodes/${node}/vzdump`, { vmid, remove: 0 });
    // One call for two guests and two calls for one each are the same bulk.
    expect((await planned(open().request(backup('pve1', '100,101')))).approval).toBe('self');
    const { approval, handle } = await planned(
      open().approve([backup('pve1', '100'), backup('pve2', '101')]),
    );
    expect(approval).toBe('self');
    const three = [backup('pve1', '100,101'), backup('pve2', '102')];
    await expect(open().approve(three)).rejects.toMatchObject({ code: 'POLICY_DENIED' });
    expect(writes()).toEqual([]);
    // Several changes of one guest are none.
    await open().approve([backup('pve1', '100'), STOP_100]);
    const cluster = open({ planHandle: handle });
    await cluster.approve([backup('pve1', '100'), backup('pve2', '101')]);
    await cluster.request(backup('pve1', '100'));
    await cluster.request(backup('pve2', '101'));
    expect(writes()).toEqual(['POST /nodes/pve1/vzdump', 'POST /nodes/pve2/vzdump']);
  });

  it('counts a guest once, and owners of volumes not', async () => {
    const policy = policyOf({
      roles: { ops: { grants: [{ allow: ['read', 'change'] }] } },
      principals: [{ match: { subject: 'alice' }, roles: ['ops'] }],
    });
    const { open } = opened({ policy });
    const backup = call('POST /nodes/pve1/vzdump', { vmid: '100', remove: 0 });
    expect(await open().approve([backup, STOP_100, backup])).toBeUndefined();
    const owner = call('PUT /nodes/pve1/qemu/100/config', { scsi1: 'lvm:vm-101-disk-0' });
    expect(await open().approve([owner, STOP_100])).toBeUndefined();
  });

  it('asks for nothing where nothing is needed', async () => {
    const { open, writes } = opened({});
    const cluster = open();
    await cluster.approve([]);
    await cluster.approve([STOP_100, STOP_101]);
    await cluster.request(STOP_100);
    expect(writes()).toHaveLength(1);
  });
});

describe('the approval of a program in a guest', () => {
  const EXEC = call('POST /nodes/pve1/qemu/100/agent/exec', { command: ['id'] });
  const status = (pid: number, vmid = 100) => call(`GET /nodes/pve1/qemu/${vmid}/agent/exec-status`, { pid });

  /** A gate that asks for the approval of everything but the inventory. */
  function started(statusApproval?: 'second') {
    const policy = policyOf({
      roles: { ops: { grants: [{ allow: ['read', 'change', 'execute'] }] } },
      principals: [{ match: { subject: 'alice' }, roles: ['ops'] }],
    });
    const decide = policy.decide.bind(policy);
    policy.decide = (asked) => {
      const kind = asked.path.endsWith('exec-status') ? (statusApproval ?? 'self') : 'self';
      const value = asked.path.includes('/agent/') ? kind : 'none';
      return Object.defineProperty(decide(asked), 'approval', { value });
    };
    const tested = opened({ policy });
    tested.cluster.reply = ({ path }) => {
      const asked = path.toString();
      if (asked === '/cluster/resources') return ROWS;
      return asked.endsWith('/exec') ? { pid: 77 } : { exited: 0 };
    };
    return tested;
  }

  it('covers reading its end, as often as it takes, in the same tool call', async () => {
    const { open } = started();
    const { handle } = await planned(open().request(EXEC));
    const guest = open({ planHandle: handle });
    await guest.request(EXEC);
    await guest.request(status(77));
    await guest.request(status(77));
    await planned(guest.request(EXEC));
  });

  it('covers nothing else, and no other tool call', async () => {
    const { open } = started();
    const { handle } = await planned(open().request(EXEC));
    const guest = open({ planHandle: handle });
    await planned(guest.request(status(77)));
    await guest.request(EXEC);
    await planned(guest.request(status(78)));
    await planned(guest.request(status(77, 101)));
    await planned(guest.request(call('GET /nodes/pve1/qemu/100/agent/file-read', { file: '/etc/shadow' })));
    await planned(open().request(status(77)));
    await planned(guest.alone().request(status(77)));
  });

  it('is none where reading needs a stricter one', async () => {
    const { open } = started('second');
    const { handle } = await planned(open().request(EXEC));
    const guest = open({ planHandle: handle });
    await guest.request(EXEC);
    expect((await planned(guest.request(status(77)))).approval).toBe('second');
  });

  it('of one that runs already covers asking again', async () => {
    const { open } = started();
    const { handle } = await planned(open().request(status(77)));
    const guest = open({ planHandle: handle });
    await guest.request(status(77));
    await guest.request(status(77));
    await planned(guest.request(status(78)));
  });
});
