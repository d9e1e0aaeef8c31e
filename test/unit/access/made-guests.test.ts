import { describe, expect, it } from 'vitest';
import { ApprovalRequiredError } from '../../../src/access/approvals/plan.ts';
import type { GateRequest } from '../../../src/access/gate.ts';
import type { Policy } from '../../../src/access/policy/policy.ts';
import { parseApiPath } from '../../../src/proxmox/api-path.ts';
import type { HttpMethod } from '../../../src/proxmox/call.ts';
import { principal } from '../../support/approvals.ts';
import { gateFor, policyWith } from '../../support/gate.ts';
import { policyOf } from '../../support/policy.ts';
import { RecordingCluster } from '../../support/recording-cluster.ts';

const ROWS = [{ id: 'qemu/100', type: 'qemu', vmid: 100, node: 'pve1', name: 'web-1', pool: 'own' }];
const OF_TENANT = policyOf({
  principals: [{ match: { subject: 'alice' }, roles: 'admin', tenant: { pools: 'own' } }],
  approval: {},
});

function call(line: string, data?: Record<string, unknown>): GateRequest {
  const [method, path = ''] = line.split(' ') as [HttpMethod, string];
  return { method, path: parseApiPath(path), ...(data === undefined ? {} : { data }) };
}

function opened(policy: Policy, rows: () => readonly object[] = () => ROWS) {
  const cluster = new RecordingCluster('a');
  cluster.reply = ({ path }) => (path.toString() === '/cluster/resources' ? rows() : null);
  const origin = {
    requestId: 'r',
    tool: 'deploy_cloud_image',
    door: 'http',
    signal: new AbortController().signal,
  };
  const asking = { ...origin, principal: principal('alice', ['proxmox:admin']) };
  return gateFor(undefined, { policy }).open({ cluster, selectedBy: 'explicit' }, asking);
}

const create = (pool: string) => call('POST /nodes/pve1/qemu', { vmid: 300, name: 'new', pool });
const START = call('POST /nodes/pve1/qemu/300/status/start');

describe('calls about a guest that an earlier one of them makes', () => {
  it('are put into one plan, though the guest is not there yet', async () => {
    const error = await opened(policyWith('self'))
      .approve([create('own'), START])
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ApprovalRequiredError);
    expect((error as ApprovalRequiredError).plan.calls.map(({ path }) => path)).toEqual([
      '/nodes/pve1/qemu',
      '/nodes/pve1/qemu/300/status/start',
    ]);
  });

  it('are refused in any other order, and where nobody makes the guest', async () => {
    await expect(opened(policyWith('self')).approve([START])).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(opened(OF_TENANT).approve([START, create('own')])).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
  });

  it('are judged by what the guest will be', async () => {
    await expect(opened(OF_TENANT).approve([create('own'), START])).resolves.toBeUndefined();
    await expect(opened(OF_TENANT).approve([create('other'), START])).rejects.toMatchObject({
      code: 'POLICY_DENIED',
    });
    // One that is there is what the cluster says, whatever the call says.
    const taken = { ...create('own'), data: { vmid: 100, pool: 'own', name: 'x' } };
    const foreign = call('POST /nodes/pve1/qemu/101/status/start');
    await expect(opened(OF_TENANT).approve([taken, foreign])).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('are let through while the cluster has no statistics of it yet, or does not list it', async () => {
    const named = policyOf({
      roles: { fresh: { grants: [{ allow: ['read', 'change'], guests: { names: 'new*' } }] } },
      principals: [{ match: { subject: 'alice' }, roles: 'fresh' }],
    });
    // As Proxmox lists a guest that is some seconds old: without a name.
    const young = { id: 'qemu/300', type: 'qemu', vmid: 300, node: 'pve1', pool: 'own' };
    for (const policy of [named, OF_TENANT]) {
      for (const list of [[...ROWS, young], ROWS]) {
        let rows: readonly object[] = ROWS;
        const cluster = opened(policy, () => rows);
        await cluster.approve([create('own'), START]);
        await cluster.request(create('own'));
        rows = list;
        await expect(cluster.request(START)).resolves.toBeDefined();
      }
    }
  });

  it('are not, where nobody made it, the making failed, or it is in another pool by then', async () => {
    let rows: readonly object[] = ROWS;
    const cluster = opened(OF_TENANT, () => rows);
    await cluster.approve([create('own'), START]);
    await expect(cluster.request(START)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(cluster.request(create('other'))).rejects.toMatchObject({ code: 'POLICY_DENIED' });
    await expect(cluster.request(START)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await cluster.request(create('own'));
    rows = [...ROWS, { id: 'qemu/300', type: 'qemu', vmid: 300, node: 'pve1', pool: 'other' }];
    await expect(cluster.request(START)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    // Another tool call knows nothing of it.
    rows = [...ROWS, { id: 'qemu/300', type: 'qemu', vmid: 300, node: 'pve1', pool: 'own' }];
    await expect(opened(OF_TENANT, () => rows).request(START)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});
