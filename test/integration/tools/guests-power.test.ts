import { describe, expect, it } from 'vitest';
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

  it('says that an argument is missing, and what it may be', async () => {
    const client = await toolClient({ clusters: ['production'] });
    const { message } = await client.refused('power_guest', { vmid: 103 });
    expect(message).toMatch(/^The arguments do not fit: action is required: expected one of "start"\|/);
    const wrong = await client.refused('power_guest', { vmid: 103, action: 'explode' });
    expect(wrong.message).toMatch(/: action: Invalid option/);
    expect(client.writes()).toEqual([]);
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

  it('acts in the cluster that has the guest, and in none where several have one', async () => {
    const { call, refused, simulator, writes } = await toolClient();
    const answer = await call('power_guest', { name: 'staging-db', action: 'start' });
    expect(answer).toMatchObject({
      cluster: 'staging',
      selected_by: 'lookup',
      guest: { vmid: 101, node: 'stg2' },
    });
    expect(simulator.cluster('staging').state.guests.get(101)?.status).toBe('running');
    expect((await refused('power_guest', { vmid: 100, action: 'stop' })).code).toBe('CLUSTER_AMBIGUOUS');
    expect(writes()).toEqual([]);
  });

  it('a failed task is an error with the end of its log', async () => {
    const client = await toolClient({ clusters: ['production'] });
    guestOf(client, 103).lock = 'backup';
    const error = await client.refused('power_guest', { vmid: 103, action: 'start' });
    expect(['TASK_FAILED', 'CONFLICT']).toContain(error.code);
    expect(error.message).toContain('locked');
  });
});
