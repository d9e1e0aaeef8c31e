import { describe, expect, it } from 'vitest';
import { policyWith } from '../../support/gate.ts';
import { policyOf } from '../../support/policy.ts';
import { type ToolClient, toolClient } from '../../support/tool-client.ts';

const guestOf = ({ production }: ToolClient, vmid: number) => {
  const guest = production.state.guests.get(vmid);
  if (!guest) throw new Error(`no guest ${vmid}`);
  return guest;
};

describe('bulk_power', () => {
  it('does the same to many guests, with a result for each', async () => {
    const client = await toolClient({ clusters: ['production'] });
    const answer = await client.call('bulk_power', {
      guests: ['web-*', '103', 'dns-01', '9000'],
      action: 'shutdown',
    });
    const results = Object.fromEntries(
      answer.guests.map((row: { vmid: number; result: string }) => [row.vmid, row.result]),
    );
    expect(results).toEqual({ 100: 'ok', 101: 'ok', 103: 'already', 110: 'ok', 9000: 'failed' });
    expect(answer.counts).toEqual({ ok: 3, already: 1, failed: 1 });
    for (const vmid of [100, 101, 110]) expect(guestOf(client, vmid).status).toBe('stopped');
    expect(guestOf(client, 102).status).toBe('running');
    expect(client.writes()).toHaveLength(3);
  });

  it('by tag, pool and node; one that fails costs itself alone', async () => {
    const client = await toolClient({ clusters: ['production'] });
    guestOf(client, 100).lock = 'backup';
    const args = { tag: 'Production', node: 'pve1', action: 'stop' };
    const answer = await client.call('bulk_power', args);
    expect(answer.counts).toEqual({ ok: 1, failed: 1 });
    expect(answer.guests[0]).toMatchObject({
      vmid: 100,
      result: 'failed',
      message: expect.stringContaining('locked'),
    });
    expect(guestOf(client, 110).status).toBe('stopped');
    expect(await client.text('bulk_power', { pool: 'web', action: 'start' })).toMatch(
      /^production: 0 of 2 guests started; 2 already so\.$/,
    );
  });

  it('refuses what fits nobody, or says nothing of whom', async () => {
    const { refused, writes } = await toolClient({ clusters: ['production'] });
    expect((await refused('bulk_power', { action: 'start' })).code).toBe('INVALID_ARGUMENTS');
    const missing = await refused('bulk_power', { action: 'start', guests: ['103', 'no-such'] });
    expect(missing).toMatchObject({ code: 'NOT_FOUND', message: expect.stringContaining('no-such') });
    expect((await refused('bulk_power', { action: 'start', tag: 'nothing' })).code).toBe('NOT_FOUND');
    expect((await refused('bulk_power', { action: 'start', tag: 'web', force: true })).code).toBe(
      'INVALID_ARGUMENTS',
    );
    expect((await refused('bulk_power', { action: 'start', guests: ['debian-*'] })).code).toBe('NOT_FOUND');
    expect(writes()).toEqual([]);
  });

  it('with wait_seconds 0 all are sent, and the tasks are named', async () => {
    const { call, writes } = await toolClient({ clusters: ['production'], simulator: { taskSeconds: 60 } });
    const answer = await call('bulk_power', { tag: 'web', action: 'shutdown', wait_seconds: 0 });
    expect(answer.counts).toEqual({ running: 2 });
    for (const { upid } of answer.guests) expect(upid).toMatch(/^UPID:/);
    expect(writes()).toHaveLength(2);
  });

  it('a task that fails is named, and so is what HA was only asked for', async () => {
    const client = await toolClient({ clusters: ['production'] });
    const { resources } = client.production.state.datacenter.ha;
    resources['vm:101'] = {
      sid: 'vm:101',
      type: 'vm',
      state: 'started',
      max_restart: 1,
      max_relocate: 1,
      failback: 1,
    };
    client.production.faults.add({ kind: 'task-error', message: 'disk full', match: /qemu\/100\/status/ });
    const { guests } = await client.call('bulk_power', { tag: 'web', action: 'stop' });
    expect(guests[0]).toMatchObject({ vmid: 100, result: 'failed', code: 'TASK_FAILED' });
    expect(guests[0].message).toContain('disk full');
    expect(guests[0].upid).toMatch(/^UPID:.*:$/);
    expect(guests[1]).toMatchObject({
      vmid: 101,
      result: 'ok',
      message: expect.stringContaining('HA was asked'),
    });
  });

  it('takes one approval for all, before anything is sent', async () => {
    const client = await toolClient({
      clusters: ['production'],
      gateOptions: { policy: policyWith('self') },
    });
    const args = { guests: ['100', '101', '103'], action: 'stop' };
    const { code, plan } = await client.refused('bulk_power', args);
    expect(code).toBe('APPROVAL_REQUIRED');
    expect(plan.calls).toHaveLength(2);
    expect(client.writes()).toEqual([]);
    const answer = await client.call('bulk_power', { ...args, handle: plan.handle });
    expect(answer.counts).toEqual({ ok: 2, already: 1 });
    expect(client.writes()).toHaveLength(2);
  });

  it('keeps to the number of changes that the policy allows at once', async () => {
    const policy = policyOf({
      roles: { few: { extends: 'admin', limits: { bulk: 2 } } },
      principals: [{ match: { subject: 'alice' }, roles: 'few' }],
      approval: { change: 'none', bulk: 'none' },
    });
    const client = await toolClient({ clusters: ['production'], gateOptions: { policy } });
    const error = await client.refused('bulk_power', { guests: ['100', '101', '102'], action: 'stop' });
    expect(error).toMatchObject({ code: 'POLICY_DENIED', message: expect.stringContaining('3 changes') });
    expect(client.writes()).toEqual([]);
    const answer = await client.call('bulk_power', { guests: ['100', '101'], action: 'stop' });
    expect(answer.counts).toEqual({ ok: 2 });
  });
});
