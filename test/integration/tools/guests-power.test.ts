import { describe, expect, it } from 'vitest';
import { policyWith } from '../../support/gate.ts';
import { policyOf } from '../../support/policy.ts';
import { type ToolClient, toolClient } from '../../support/tool-client.ts';

const guestOf = ({ production }: ToolClient, vmid: number) => {
  const guest = production.state.guests.get(vmid);
  if (!guest) throw new Error(`no guest ${vmid}`);
  return guest;
};

describe('power_guest', () => {
  it('starts, suspends, resumes, reboots, resets, hibernates and stops a VM', async () => {
    const client = await toolClient({ clusters: ['production'] });
    const { call } = client;
    const guest = guestOf(client, 103);
    const power = (action: string, more = {}) => call('power_guest', { name: 'build-01', action, ...more });
    expect(await power('start')).toMatchObject({ action: 'start', task: { status: 'ok' } });
    expect(guest.status).toBe('running');
    await power('suspend');
    expect(guest.paused).toBe(true);
    await power('resume');
    expect(guest.paused).toBe(false);
    await power('reboot', { timeout_seconds: 5 });
    await power('reset');
    await power('hibernate');
    expect(guest).toMatchObject({ status: 'stopped', lock: 'suspended' });
    await power('resume');
    expect(guest.status).toBe('running');
    expect(guest.lock).toBeUndefined();
    await power('stop');
    expect(guest.status).toBe('stopped');
    expect(client.writes().map(({ path }) => path.split('/').at(-1))).toEqual([
      ...['start', 'suspend', 'resume', 'reboot', 'reset', 'suspend', 'resume', 'stop'],
    ]);
  });

  it('sends what shutdown and a forced stop take', async () => {
    const client = await toolClient({ clusters: ['production'] });
    const { call, writes } = client;
    await call('power_guest', { vmid: 100, action: 'shutdown', timeout_seconds: 60, force: true });
    await call('power_guest', { vmid: 110, action: 'stop', force: true });
    expect(guestOf(client, 100).status).toBe('stopped');
    expect(guestOf(client, 110).status).toBe('stopped');
    const [first, second] = writes().map(({ params }) => params);
    expect(first).toMatchObject({ timeout: '60', forceStop: '1' });
    expect(second).toMatchObject({ 'overrule-shutdown': '1' });
  });

  it('says so where there is nothing to do, and refuses what can not be, without a write', async () => {
    const { call, text, refused, writes } = await toolClient({ clusters: ['production'] });
    const done = [
      ['start', 100, 'running'],
      ['shutdown', 103, 'stopped'],
      ['stop', 112, 'stopped'],
      ['resume', 100, 'running'],
    ] as const;
    for (const [action, vmid, state] of done) {
      const answer = await call('power_guest', { vmid, action });
      expect(answer.note).toBe(`It is ${state} already; nothing was sent.`);
      expect(answer.task).toBeUndefined();
    }
    expect(await text('power_guest', { vmid: 100, action: 'start' })).toContain('nothing was sent');
    const wrong = [
      [{ action: 'reset', vmid: 110 }, 'INVALID_ARGUMENTS', 'VMs alone can be reset'],
      [{ action: 'hibernate', vmid: 110 }, 'INVALID_ARGUMENTS', 'VMs alone'],
      [{ action: 'start', vmid: 9000 }, 'CONFLICT', 'template'],
      [{ action: 'reboot', vmid: 103 }, 'CONFLICT', 'is stopped'],
      [{ action: 'suspend', vmid: 112 }, 'CONFLICT', 'is stopped'],
      [{ action: 'start', vmid: 103, force: true }, 'INVALID_ARGUMENTS', 'force goes with'],
      [{ action: 'stop', vmid: 100, timeout_seconds: 5 }, 'INVALID_ARGUMENTS', 'timeout_seconds goes with'],
      [{ action: 'explode', vmid: 100 }, 'INVALID_ARGUMENTS', 'action'],
      [{ action: 'stop', vmid: 100, name: 'db-01' }, 'INVALID_ARGUMENTS', "don't belong to one guest"],
    ] as const;
    for (const [args, code, says] of wrong) {
      const error = await refused('power_guest', args);
      expect(error.code, says).toBe(code);
      expect(`${error.message} ${error.hint}`).toContain(says);
    }
    expect(writes()).toEqual([]);
  });

  it('the state decides, not the inventory that lags', async () => {
    const client = await toolClient({ clusters: ['production'], simulator: { resourcesLagSeconds: 3600 } });
    await client.call('find_guests', { name: 'build-01' });
    await client.call('power_guest', { vmid: 103, action: 'start' });
    const again = await client.call('power_guest', { vmid: 103, action: 'start' });
    expect(again.note).toContain('running already');
    expect(client.writes()).toHaveLength(1);
  });

  it('a guest under HA is not said to be started: HA was asked', async () => {
    const client = await toolClient({ clusters: ['production'] });
    const { resources } = client.production.state.datacenter.ha;
    const limits = { max_restart: 1, max_relocate: 1, failback: 1 };
    resources['vm:103'] = { sid: 'vm:103', type: 'vm', state: 'stopped', ...limits };
    const answer = await client.call('power_guest', { vmid: 103, action: 'start' });
    expect(answer.note).toContain('HA was asked');
    expect(resources['vm:103']?.state).toBe('started');
  });

  it('a failed task is an error with the end of its log', async () => {
    const client = await toolClient({ clusters: ['production'] });
    guestOf(client, 103).lock = 'backup';
    const error = await client.refused('power_guest', { vmid: 103, action: 'start' });
    expect(['TASK_FAILED', 'CONFLICT']).toContain(error.code);
    expect(error.message).toContain('locked');
  });
});

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
    expect(writes()).toEqual([]);
  });

  it('with wait_seconds 0 all are sent, and the tasks are named', async () => {
    const { call, writes } = await toolClient({ clusters: ['production'], simulator: { taskSeconds: 60 } });
    const answer = await call('bulk_power', { tag: 'web', action: 'shutdown', wait_seconds: 0 });
    expect(answer.counts).toEqual({ running: 2 });
    for (const { upid } of answer.guests) expect(upid).toMatch(/^UPID:/);
    expect(writes()).toHaveLength(2);
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
