import { describe, expect, it, vi } from 'vitest';
import { verifyRecord } from '../../src/audit/verify.ts';
import { type Call, jobsSite, type Line, listedJobs, type Row, soon, startVm } from '../support/jobs-site.ts';

describe('a task that this server started', () => {
  it('has its end in the record and in list_jobs though nobody asked the cluster', async () => {
    const { serve: run, lines, audit, arrived, questions, endTasks } = await jobsSite();
    const { connect, stop } = await run();
    const alice = await connect('alice');
    const upid = await startVm(alice, 100);
    const [begin] = lines('begin').filter(({ method }) => method === 'POST');
    expect(await listedJobs(alice)).toMatchObject([
      {
        ...{ cluster: 'one', upid, type: 'qmstart', vmid: 100, status: 'running' },
        ...{ by: 'alice', tool: 'proxmox_api_call', started_at: expect.stringMatching(/^20/) },
      },
    ]);
    await vi.waitFor(() => expect(questions()).toBeGreaterThan(0), soon);
    expect(lines('task')).toEqual([]);
    endTasks();
    await vi.waitFor(() => expect(lines('task')).toHaveLength(1), soon);
    expect(lines('task')).toMatchObject([{ id: begin?.id, upid, task_status: 'OK' }]);
    expect(await listedJobs(alice)).toMatchObject([{ upid, status: 'ok', exit_status: 'OK' }]);
    // Whoever asks later sees it, and it is recorded no second time.
    await alice('wait_task', { cluster: 'one', upid });
    await stop();
    expect(lines('task')).toHaveLength(1);
    expect(arrived('POST')).toHaveLength(1);
    expect((await verifyRecord({ path: audit })).finding).toBeUndefined();
  });

  it('with warnings has succeeded; one that failed has its text', async () => {
    const { serve: run, lines, cluster, endTasks } = await jobsSite();
    const alice = await (await run()).connect('alice');
    const { faults } = cluster('one');
    const warned = faults.add({ kind: 'task-warnings', count: 2 });
    await startVm(alice, 100);
    await warned.remove();
    faults.add({ kind: 'task-error', message: 'out of luck' });
    await startVm(alice, 101);
    endTasks();
    await vi.waitFor(() => expect(lines('task')).toHaveLength(2), soon);
    const statuses = lines('task').map(({ task_status }) => task_status);
    expect(new Set(statuses)).toEqual(new Set(['WARNINGS: 2', 'out of luck']));
    expect(await listedJobs(alice)).toMatchObject([
      { vmid: 101, status: 'failed', exit_status: 'out of luck' },
      { vmid: 100, status: 'warnings', exit_status: 'WARNINGS: 2' },
    ]);
    expect(await listedJobs(alice, { status: 'failed' })).toHaveLength(1);
    expect(await listedJobs(alice, { vmid: 100 })).toMatchObject([{ status: 'warnings' }]);
  });

  it('goes on when the client that waits for it goes away', async () => {
    const { serve: run, lines, arrived, endTasks } = await jobsSite();
    const { connect, service } = await run();
    let progressed = 0;
    const alice = await connect('alice', '/mcp', () => {
      progressed += 1;
    });
    const upid = await startVm(alice, 100);
    const waiting = alice('wait_task', { cluster: 'one', upid, wait_seconds: 60 });
    await vi.waitFor(() => expect(progressed).toBeGreaterThan(1), soon);
    service.core.dispatcher.cancelWhere(() => true);
    expect((await waiting).error?.message).toContain('cancelled');
    expect(arrived('DELETE')).toEqual([]);
    endTasks();
    await vi.waitFor(() => expect(lines('task')).toMatchObject([{ upid, task_status: 'OK' }]), soon);
    expect(arrived('POST')).toHaveLength(1);
  });

  it('is listed by pages', async () => {
    const { serve: run } = await jobsSite();
    const alice = await (await run()).connect('alice');
    const upids = [await startVm(alice, 100), await startVm(alice, 101, 'two'), await startVm(alice, 102)];
    const first = await alice('list_jobs', { limit: 2 });
    expect(first.data).toMatchObject({ total: 3, running: 3, failed_jobs: 0 });
    const rest = await alice('list_jobs', { limit: 2, cursor: first.data.next_cursor });
    expect(rest.data.next_cursor).toBeUndefined();
    const rows = [...(first.data.jobs as Row[]), ...(rest.data.jobs as Row[])];
    expect(rows.map(({ upid }) => upid)).toEqual(upids.reverse());
    expect(await listedJobs(alice, { cluster: 'two' })).toMatchObject([{ cluster: 'two', vmid: 101 }]);
    expect(await listedJobs(alice, { fields: ['vmid'], limit: 1 })).toEqual([{ cluster: 'one', vmid: 102 }]);
  });
});

describe('jobs of others', () => {
  it('are seen by who reads the lists of tasks, by no tenant, and at no door to another cluster', async () => {
    const { serve: run } = await jobsSite();
    const { connect } = await run();
    const [alice, bob, tenant] = [await connect('alice'), await connect('bob'), await connect('tenant')];
    await startVm(alice, 100);
    await startVm(bob, 101, 'two');
    const own = await startVm(tenant, 102);
    const vmids = async (call: Call, args: Line = {}) =>
      (await listedJobs(call, args)).map(({ vmid }) => vmid);
    expect(await vmids(alice)).toEqual([102, 101, 100]);
    expect(await vmids(alice, { mine: true })).toEqual([100]);
    expect(await vmids(bob, { cluster: 'one' })).toEqual([102, 100]);
    expect(await vmids(await connect('alice', '/mcp/two'))).toEqual([101]);

    const answer = await tenant('list_jobs');
    expect(answer.data).toMatchObject({ total: 1, running: 1, jobs: [{ upid: own, by: 'tenant' }] });
    expect(answer.raw).not.toMatch(/alice|bob|\b10[01]\b/);
    for (const args of [{ vmid: 100 }, { cluster: 'two' }, { status: 'running', vmid: 101 }]) {
      expect((await tenant('list_jobs', args)).data).toMatchObject({ total: 0, jobs: [] });
    }
  });
});
