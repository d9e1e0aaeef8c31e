import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import {
  type Asked,
  bounded,
  expectEnding,
  faultTest,
  useSimulator,
  WRITE,
  warm,
} from '../../support/fault-cases.ts';
import type { FaultEstate, ToolAnswer } from '../../support/fault-estate.ts';

const simulated = useSimulator();

/** Starts a task and waits for it, as one would; bounded, with the other clusters answering meanwhile. */
async function carryOut(estate: FaultEstate, asked: Asked): Promise<ToolAnswer> {
  const started = await bounded(estate, () => estate.ask(...asked));
  expectEnding(started, { answers: { task: { status: 'running' } } }, estate);
  // A task takes 30 ms, and who asks too early asks again after a second.
  await sleep(60);
  return follow(estate, String(started.data));
}

function follow(estate: FaultEstate, upid: string): Promise<ToolAnswer> {
  return bounded(estate, () =>
    estate.call('wait_task', { cluster: estate.target.name, upid, wait_seconds: 5 }),
  );
}

const BACKUP: Asked = ['POST', '/nodes/pve2/vzdump', { data: { vmid: '103', storage: 'nas', mode: 'stop' } }];

faultTest(simulated, 'a storage that is full: the task fails, and says so', async (estate) => {
  await warm(estate);
  const { remove } = estate.target.faults.add({ kind: 'storage-full', storage: 'nas' });
  expectEnding(await carryOut(estate, BACKUP), { code: 'TASK_FAILED', says: [/space|full/i, '103'] }, estate);
  expect(estate.writes).toHaveLength(1);
  await remove();
  expectEnding(await carryOut(estate, BACKUP), { answers: { task: { status: 'ok' } } }, estate);
  expect(estate.writes).toHaveLength(2);
});

faultTest(simulated, 'a task that ends in an error', async (estate) => {
  await warm(estate);
  const { remove } = estate.target.faults.add({ kind: 'task-error', message: 'out of luck' });
  const ending = {
    code: 'TASK_FAILED',
    retryable: false,
    says: ['out of luck', 'pve2', 'TASK ERROR'],
  } as const;
  expectEnding(await carryOut(estate, WRITE), ending, estate);
  expect(estate.writes).toHaveLength(1);
  await remove();
  expectEnding(await carryOut(estate, WRITE), { answers: { task: { status: 'ok' } } }, estate);
});

faultTest(
  simulated,
  'a task that ends with WARNINGS: it has succeeded, and the warnings are told',
  async (estate) => {
    await warm(estate);
    const { remove } = estate.target.faults.add({ kind: 'task-warnings', count: 2 });
    const answers = { task: { status: 'warnings', exit_status: 'WARNINGS: 2' } };
    expectEnding(await carryOut(estate, WRITE), { answers }, estate);
    expect(estate.writes).toHaveLength(1);
    await remove();
    expectEnding(await carryOut(estate, WRITE), { answers: { task: { status: 'ok' } } }, estate);
  },
);

faultTest(simulated, 'a configuration file that is locked when the task begins', async (estate) => {
  await warm(estate);
  const { remove } = estate.target.faults.add({ kind: 'lock-held', vmid: 103 });
  const started: Asked = ['POST', '/nodes/pve2/qemu/103/status/start'];
  const ending = { code: 'TASK_FAILED', says: ["can't lock file", 'lock-103'] } as const;
  expectEnding(await carryOut(estate, started), ending, estate);
  await remove();
  expectEnding(await carryOut(estate, started), { answers: { task: { status: 'ok' } } }, estate);
  expect(estate.writes).toHaveLength(2);
});

faultTest(
  simulated,
  'a task log of 100,000 lines: its end is there at once, and all of it by parts',
  async (estate) => {
    await warm(estate);
    estate.target.faults.add({ kind: 'task-log', lines: 100_000 });
    const waited = await carryOut(estate, WRITE);
    expectEnding(waited, { answers: { task: { status: 'ok' } } }, estate);
    expect(waited.log_tail).toHaveLength(10);
    expect(String((waited.log_tail as string[]).at(-1))).toBe('TASK OK');
    expect(JSON.stringify(waited).length).toBeLessThan(5_000);

    const { upid } = waited.task as { upid: string };
    const log: Asked = ['GET', `/nodes/pve2/tasks/${upid}/log`, { data: { limit: 0 } }];
    const part = (await bounded(estate, () => estate.ask(...log))) as {
      data: unknown[];
      total: number;
      truncated: { next_offset: number };
    };
    expect(part.total).toBeGreaterThanOrEqual(100_000);
    expect(JSON.stringify(part).length).toBeLessThan(60_000);
    expect(part.truncated.next_offset).toBe(part.data.length);
    expect(estate.writes).toHaveLength(1);
  },
);

faultTest(simulated, 'a task that Proxmox does not know', async (estate) => {
  await warm(estate);
  const upid = 'UPID:pve2:0000DEAD:0000BEEF:65F00000:qmstart:103:mcp@pve!mcp:';
  const ending = { code: 'NOT_FOUND', retryable: false, says: ['no such task', 'UPID'] } as const;
  expectEnding(await follow(estate, upid), ending, estate);
  expect(estate.writes).toEqual([]);
  expectEnding(await carryOut(estate, WRITE), {}, estate);
});

faultTest(simulated, 'a node that goes down while its task is waited for', async (estate) => {
  await warm(estate);
  const started = await estate.ask(...WRITE);
  const { ready, remove } = estate.target.faults.add({ kind: 'node-down', node: 'pve2' });
  await ready;
  await sleep(60);
  const ending = { code: 'UPSTREAM_ERROR', status: 595, retryable: true, says: ['Node pve2'] } as const;
  expectEnding(await follow(estate, String(started.data)), ending, estate);
  await remove();
  expectEnding(await follow(estate, String(started.data)), { answers: { task: { status: 'ok' } } }, estate);
  expect(estate.writes).toHaveLength(1);
});
