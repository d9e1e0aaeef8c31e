import { describe, expect, it, vi } from 'vitest';
import { connectTo, jobsSite, listedJobs, soon, startVm } from '../support/jobs-site.ts';
import { CliProcess } from './cli-process.ts';

describe('a restart', () => {
  it('follows again what ran, and sends nothing again', async () => {
    const { serve: run, lines, arrived, questions, endTasks } = await jobsSite();
    const before = await run();
    const upid = await startVm(await before.connect('alice'), 100);
    await vi.waitFor(() => expect(questions()).toBeGreaterThan(0), soon);
    await before.stop();
    const asked = questions();

    endTasks();
    const after = await run();
    await vi.waitFor(() => expect(lines('task')).toMatchObject([{ upid, task_status: 'OK' }]), soon);
    const alice = await after.connect('alice');
    expect(await listedJobs(alice)).toMatchObject([{ upid, status: 'ok', by: 'alice' }]);
    expect(questions()).toBe(asked + 1);
    expect(arrived('POST')).toHaveLength(1);
    const [begin] = lines('begin').filter(({ method }) => method === 'POST');
    expect(lines('task')[0]?.id).toBe(begin?.id);
  });
});

describe('a crash', () => {
  it('loses no job: the next process takes it over, and sends nothing again', async () => {
    const { folder, lines, arrived, questions, endTasks } = await jobsSite();
    const run = async () => {
      const child = new CliProcess(['serve'], { cwd: folder });
      const [, url = ''] = await child.shows('stderr', /"mcp":"([^"]+)"/);
      return { child, alice: await connectTo(new URL(url), 'alice') };
    };
    const before = await run();
    const upid = await startVm(before.alice, 100);
    await vi.waitFor(() => expect(questions()).toBeGreaterThan(0), soon);
    await before.child.stop('SIGKILL');

    const { alice, child } = await run();
    expect(await listedJobs(alice)).toMatchObject([{ upid, status: 'running' }]);
    endTasks();
    await vi.waitFor(() => expect(lines('task')).toMatchObject([{ upid, task_status: 'OK' }]), {
      timeout: 30_000,
      interval: 100,
    });
    expect(await listedJobs(alice)).toMatchObject([{ upid, status: 'ok' }]);
    expect(arrived('POST')).toHaveLength(1);
    expect((await child.stop()).code).toBe(0);
    expect(lines('task')).toHaveLength(1);
  }, 60_000);
});

describe('a cluster that can not be reached', () => {
  it('keeps its jobs, which say so, until it is back', async () => {
    const { serve: run, lines, cluster, endTasks } = await jobsSite();
    const alice = await (await run()).connect('alice');
    const one = cluster('one');
    const upid = await startVm(alice, 100);
    await one.stop();
    await vi.waitFor(
      async () =>
        expect(await listedJobs(alice)).toMatchObject([{ status: 'running', problem: expect.any(String) }]),
      soon,
    );
    expect(lines('task')).toEqual([]);
    endTasks();
    await one.start();
    await vi.waitFor(() => expect(lines('task')).toMatchObject([{ upid, task_status: 'OK' }]), {
      timeout: 20_000,
      interval: 50,
    });
    expect((await listedJobs(alice))[0]).not.toHaveProperty('problem');
  }, 40_000);
});
