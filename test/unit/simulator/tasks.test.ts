import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { TaskBoard } from '../../../src/simulator/state/tasks.ts';

const origin = { node: 'pve1', type: 'qmstart', id: '100', owner: 'mcp@pve!mcp' };
let now = 0;
let board: TaskBoard;

beforeEach(() => {
  now = 1_800_000_000_000;
  board = new TaskBoard(() => now, 2000);
});
afterEach(() => board.close());

function statusOf(upid: string): string | undefined {
  return board.find('pve1', upid)?.exitstatus;
}

describe('a task', () => {
  test('changes nothing until its time has come', () => {
    const end = vi.fn();
    const upid = board.start(origin, { end, log: ['working'] });
    now += 1999;
    board.settle();
    expect(end).not.toHaveBeenCalled();
    expect(statusOf(upid)).toBeUndefined();
    now += 1;
    board.settle();
    expect(end).toHaveBeenCalledOnce();
    expect(board.find('pve1', upid)).toMatchObject({ exitstatus: 'OK', log: ['working', 'TASK OK'] });
  });

  test('whose end throws fails with that text and is undone', () => {
    const abort = vi.fn();
    const end = () => {
      throw new Error('VM 100 already running');
    };
    const upid = board.start(origin, { end, abort });
    now += 2000;
    board.settle();
    expect(abort).toHaveBeenCalledOnce();
    expect(board.find('pve1', upid)).toMatchObject({
      exitstatus: 'VM 100 already running',
      log: ['TASK ERROR: VM 100 already running'],
    });
  });

  test('that may not begin ends at once and touches nothing', () => {
    const worker = { begin: vi.fn(), end: vi.fn(), abort: vi.fn() };
    const check = () => {
      throw new Error('VM is locked (backup)');
    };
    expect(statusOf(board.start(origin, { ...worker, check }))).toBe('VM is locked (backup)');
    for (const step of Object.values(worker)) expect(step).not.toHaveBeenCalled();
  });

  test('that is stopped is undone and never ends', () => {
    const worker = { end: vi.fn(), abort: vi.fn() };
    const upid = board.start(origin, worker);
    const task = board.find('pve1', upid);
    if (task) board.stop(task);
    now += 5000;
    board.settle();
    expect(statusOf(upid)).toBe('received interrupt');
    expect(worker.abort).toHaveBeenCalledOnce();
    expect(worker.end).not.toHaveBeenCalled();
  });

  test('is known on its own node alone', () => {
    const upid = board.start(origin, { end: () => undefined });
    expect(board.find('pve2', upid)).toBeUndefined();
  });
});

test('without a duration a task has ended when its UPID is returned', () => {
  const instant = new TaskBoard(() => now, 0);
  const upid = instant.start(origin, { end: () => undefined });
  expect(instant.find('pve1', upid)?.exitstatus).toBe('OK');
});

test('by the real clock a timer ends it, without anyone asking', async () => {
  const real = new TaskBoard(Date.now, 20);
  const upid = real.start(origin, { end: () => undefined });
  await vi.waitFor(() => expect(real.find('pve1', upid)?.exitstatus).toBe('OK'));
  real.close();
});

test('the list is newest first, two tasks of one second have two UPIDs', () => {
  const first = board.start(origin, { end: () => undefined });
  const second = board.start(origin, { end: () => undefined });
  expect(board.list().map((task) => task.upid)).toEqual([second, first]);
});
