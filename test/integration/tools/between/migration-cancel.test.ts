import { describe, expect, it } from 'vitest';
import { type MigrationClient, migrationClient, TOOL } from '../../../support/migration-site.ts';

const POST = 'POST /nodes/h1/qemu/100/remote_migrate';
const START = { vmid: 100, action: 'start', wait_seconds: 0 };
const CANCEL = { vmid: 100, action: 'cancel', wait_seconds: 10 };
const TASK_SECONDS = 600;

/** Moves of VM 100 that take as long as the test says. */
async function slowMoves() {
  const time = { skew: 0 };
  const clock = () => Date.now() + time.skew;
  const client = await migrationClient({ simulator: { taskSeconds: TASK_SECONDS, clock } });
  const before = untouched(client);
  return {
    client,
    away: client.simulator.cluster('away'),
    /** Every task that runs comes to its end. */
    endTasks: () => {
      time.skew += TASK_SECONDS * 1000;
      for (const { state } of client.simulator.clusters) state.tasks.settle();
    },
    expectUntouched: () => expect(untouched(client)).toEqual(before),
  };
}

function untouched({ home }: MigrationClient) {
  const { status, lock, config, startedAt } = home(100);
  return { status, lock, config: { ...config }, startedAt };
}

describe('a move that fails', () => {
  it('leaves the source as it was, says so, and can be started again', async () => {
    const client = await migrationClient();
    const before = untouched(client);
    const { faults } = client.simulator.cluster('home');
    faults.add({
      kind: 'task-error',
      message: 'storage migration failed',
      match: /remote_migrate/,
      times: 1,
    });
    const { plan } = await client.fails(START);
    const failure = await client.fails({ ...START, wait_seconds: 10, handle: plan.handle });
    expect(failure).toMatchObject({ code: 'TASK_FAILED' });
    expect(failure.message).toContain('storage migration failed');
    expect(failure.message).toContain('The source, VM 100 of home, is running.');
    expect(failure.message).toContain('At the target there is no guest 101');
    expect(untouched(client)).toEqual(before);
    expect(client.away(101)).toBeUndefined();
    expect(await client.approved({ vmid: 100, action: 'start' })).toMatchObject({ status: 'moved' });
    expect(client.lines()).toEqual([POST, POST]);
  });

  it('where the start at the target fails, too', async () => {
    const { client, away, endTasks, expectUntouched } = await slowMoves();
    await client.approved(START);
    // Downgraded under way: what the check saw holds no more.
    away.state.release = { version: '8.4.11', networkRows: false };
    endTasks();
    const failure = await client.fails(START);
    expect(failure.message).toContain('unsupported machine type');
    expectUntouched();
    expect(client.away(101)).toBeUndefined();
  });

  it('with the target gone under way: what is left is named, unlocked by a person, removed by cancel', async () => {
    const { client, away, endTasks, expectUntouched } = await slowMoves();
    expect(await client.approved(START)).toMatchObject({
      status: 'running',
      target_task: { status: 'running' },
    });
    await away.stop();
    endTasks();
    const failure = await client.fails(START);
    expect(failure).toMatchObject({ code: 'TASK_FAILED' });
    expect(failure.message).toContain('What is left at the target is not known');
    expectUntouched();

    await away.start();
    const refused = await client.fails(START);
    expect(refused).toMatchObject({ code: 'CONFLICT' });
    expect(refused.message).toContain('The unfinished copy 101 on a2 of away is locked (create)');
    expect(refused.message).toContain('as root, qm unlock 101');
    expect(await client.move(CANCEL)).toMatchObject({
      status: 'left_over',
      next: expect.stringContaining('qm unlock 101'),
    });
    expect(client.lines()).toEqual([POST]);

    delete client.away(101)?.lock;
    const { plan } = await client.fails(CANCEL);
    expect(plan.warnings[0]).toContain('unfinished copy that the move of home has left');
    expect(client.lines()).toEqual([POST]);
    const cleaning = client.move({ ...CANCEL, handle: plan.handle });
    await expect.poll(() => client.lines().length, { timeout: 5000 }).toBe(2);
    endTasks();
    expect(await cleaning).toMatchObject({
      status: 'cancelled',
      next: expect.stringContaining('was removed'),
    });
    expect(client.away(101)).toBeUndefined();
    expect(client.lines()).toEqual([POST, 'DELETE /nodes/a2/qemu/101']);
    expectUntouched();
  });

  it('never removes a guest that another has made under that VMID', async () => {
    const { client, away, endTasks } = await slowMoves();
    await client.approved(START);
    await away.stop();
    endTasks();
    await client.fails(START);
    await away.start();
    const copy = client.away(101);
    if (copy === undefined) throw new Error('no copy');
    delete copy.lock;
    copy.config = { name: 'somebody-elses', net0: 'virtio=AA:AA:AA:00:00:01,bridge=vmbr0' };
    const answer = await client.move(CANCEL);
    expect(answer).toMatchObject({ status: 'cancelled', next: expect.stringContaining('left alone') });
    expect(client.away(101)).toBe(copy);
    expect(client.lines()).toEqual([POST]);
  });
});

describe('cancel', () => {
  it('stops the task with an approval, the copy is gone, and the source is as it was', async () => {
    const { client, expectUntouched } = await slowMoves();
    const { task } = await client.approved(START);
    expect(client.home(100).lock).toBe('migrate');
    const other = await client.fails({ ...START, target_node: 'a1' });
    expect(other).toMatchObject({ code: 'CONFLICT', message: expect.stringContaining('under way') });

    const { plan } = await client.fails(CANCEL);
    expect(plan.calls).toMatchObject([{ method: 'DELETE', path: expect.stringContaining(task.upid) }]);
    expect(client.lines()).toEqual([POST]);
    const answer = await client.move({ ...CANCEL, handle: plan.handle });
    expect(answer).toMatchObject({ status: 'cancelled', next: expect.stringContaining('is running') });
    expectUntouched();
    expect(client.away(101)).toBeUndefined();
    expect(client.lines()).toEqual([POST, expect.stringContaining('DELETE /nodes/h1/tasks/UPID')]);
    expect(await client.fails(CANCEL)).toMatchObject({ code: 'NOT_FOUND' });
  });

  it('stops a move that another call follows, which tells of both tasks and then of the end', async () => {
    const { client } = await slowMoves();
    const { plan } = await client.fails(START);
    const told: string[] = [];
    const args = { cluster: 'home', to: 'away', ...START, wait_seconds: 60, handle: plan.handle };
    const onprogress = ({ message }: { message?: string | undefined }) => void told.push(message ?? '');
    const following = client.client.callTool({ name: TOOL, arguments: args }, undefined, { onprogress });
    await expect.poll(() => told.join('\n'), { timeout: 10_000 }).toContain('qmtunnel on a2: running');
    expect(told.join('\n')).toContain('the move runs on h1');
    const { plan: stop } = await client.fails(CANCEL);
    expect(await client.move({ ...CANCEL, handle: stop.handle })).toMatchObject({ status: 'cancelled' });
    const { isError, structuredContent } = await following;
    expect(isError).toBe(true);
    expect(structuredContent).toMatchObject({ error: { code: 'TASK_FAILED' } });
  });

  it('refuses where the guest has arrived, and where no move is under way', async () => {
    const { client, endTasks } = await slowMoves();
    expect(await client.fails(CANCEL)).toMatchObject({ code: 'NOT_FOUND' });
    await client.approved(START);
    endTasks();
    expect(await client.fails(CANCEL)).toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('has arrived'),
    });
    expect(client.lines()).toEqual([POST]);
    expect(await client.move(START)).toMatchObject({ status: 'moved' });
    expect(await client.fails(CANCEL)).toMatchObject({ code: 'NOT_FOUND' });
  });
});
