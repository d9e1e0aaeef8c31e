import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { GatedCluster } from '../../../src/access/gate.ts';
import { type Run, RunBook } from '../../../src/access/runs/runs.ts';
import { openState } from '../../../src/access/state.ts';
import { apiPath } from '../../../src/proxmox/api-path.ts';
import type { ProxmoxCall } from '../../../src/proxmox/call.ts';
import { CallError, type ErrorCode } from '../../../src/proxmox/errors.ts';
import { formatUpid, parseUpid } from '../../../src/proxmox/upid.ts';
import type { ToolContext } from '../../../src/tools/define.ts';
import { type RunWrite, runWrite } from '../../../src/tools/run-write.ts';
import { principal } from '../../support/approvals.ts';
import { folderWith } from '../../support/config-folder.ts';
import { gateFor, policyWith } from '../../support/gate.ts';
import { RecordingCluster } from '../../support/recording-cluster.ts';

const BACKUP = apiPath`/nodes/pve1/vzdump`;
const START = 1_700_000_000;

/** A process was killed: nothing behind it is done. */
class Killed extends Error {}

interface PveTask {
  upid: string;
  status: string;
}

/** Proxmox as far as it starts backups, one step of time at a time. */
class Pve {
  readonly cluster = new RecordingCluster('a');
  readonly tasks: PveTask[] = [];
  /** Seconds that its clock is ahead of ours. */
  skew = 0;
  /** What happens to the next write: before it is carried out, and before its answer is read. */
  beforeWrite: () => void = () => undefined;
  beforeAnswer: () => void = () => undefined;
  /** Tasks show in the list so many milliseconds after their write arrived. */
  listedAfterMs = 0;
  #started = 0;
  now = START * 1000;

  constructor() {
    this.cluster.reply = (call) => this.#answer(call);
  }

  get writes(): number {
    return this.cluster.calls.filter(({ method }) => method !== 'GET').length;
  }

  /** Somebody starts a task. */
  start(change: Partial<ReturnType<typeof parseUpid>> = {}): string {
    const upid = formatUpid({
      node: 'pve1',
      pid: ++this.#started,
      processStart: 1,
      startTime: Math.floor(this.now / 1000) + this.skew,
      type: 'vzdump',
      id: '100',
      user: 'mcp@pve',
      tokenId: 'mcp',
      ...change,
    });
    this.tasks.push({ upid, status: 'running' });
    return upid;
  }

  end(status = 'OK'): void {
    for (const task of this.tasks) task.status = status;
  }

  #answer({ method, path, parameters }: ProxmoxCall): unknown {
    const [, , kind, upid, what] = path.segments;
    if (method !== 'GET') {
      this.beforeWrite();
      const started = this.start();
      this.beforeAnswer();
      return started;
    }
    if (kind !== 'tasks') return [];
    if (upid === undefined) {
      const { vmid, typefilter, source, limit } = parameters;
      expect({ vmid, typefilter, source, limit }).toEqual({
        vmid: '100',
        typefilter: 'vzdump',
        source: 'all',
        limit: '500',
      });
      const listed = this.tasks.filter(({ upid: one }) => {
        const startedMs = (parseUpid(one).startTime - this.skew) * 1000;
        return startedMs + this.listedAfterMs <= this.now;
      });
      return listed.map((task) => ({ upid: task.upid, type: 'vzdump', id: '100', status: task.status }));
    }
    const task = this.tasks.find((one) => one.upid === upid);
    if (what === 'log') return [{ n: 1, t: 'the log' }];
    const { node, id, type } = parseUpid(upid);
    const isOver = task?.status !== 'running';
    return {
      ...{ upid, node, id, type, user: 'mcp@pve', status: isOver ? 'stopped' : 'running' },
      ...(isOver ? { exitstatus: task?.status } : {}),
    };
  }
}

/** A service with a state file; `restart` is what comes after a kill. */
function service(pve = new Pve()) {
  const path = join(folderWith(), 'state.sqlite');
  const clock = () => pve.now;
  const start = () => {
    return new RunBook(openState(path), { clock }).of('alice');
  };
  const slept: number[] = [];
  const call = async (more: Partial<RunWrite> = {}, waitSeconds = 30) => {
    const ending = new AbortController();
    const origin = {
      principal: principal('alice', ['proxmox:admin']),
      requestId: 'r',
      tool: 't',
      door: 'http',
      signal: ending.signal,
    };
    const gate = gateFor(undefined, { policy: policyWith('none') });
    const cluster: GatedCluster = gate.open({ cluster: pve.cluster, selectedBy: 'explicit' }, origin);
    const context: Partial<ToolContext> = {
      signal: ending.signal,
      now: clock,
      progress: () => undefined,
      sleep: async (milliseconds) => {
        slept.push(milliseconds);
        pve.now += milliseconds;
      },
    };
    const runs = start();
    const run = await runs.begin('key', {});
    const write: RunWrite = {
      name: 'backup',
      cluster,
      request: { method: 'POST', path: BACKUP, data: { vmid: '100', storage: 'nas' } },
      task: { node: 'pve1', types: ['vzdump'], id: '100' },
      ...more,
    };
    const done = runWrite(run, write, waitSeconds, context as ToolContext);
    return { outcome: await done.catch((error: unknown) => error), run };
  };
  return { pve, call, start, slept, step: (run: Run) => run.step('backup') };
}

const failing = (code: ErrorCode) => () => {
  throw new CallError(code, `it says ${code}`, { hint: 'x' });
};
const killed = () => {
  throw new Killed();
};

describe('a write of a run', () => {
  it('is made once, and its task followed to its end', async () => {
    const { pve, call, step } = service();
    const { outcome, run } = await call({}, 5);
    expect(outcome).toMatchObject({ task: { status: 'running' } });
    expect(step(run)).toMatchObject({ state: 'begun', upid: pve.tasks[0]?.upid });
    pve.end();
    expect((await call()).outcome).toMatchObject({ task: { status: 'ok', upid: pve.tasks[0]?.upid } });
    expect(step(run)).toMatchObject({ state: 'done' });
    expect((await call()).outcome).toEqual({});
    expect(pve.writes).toBe(1);
  });

  it.each<[string, () => void]>([
    ['the answer is lost', failing('CLUSTER_UNREACHABLE')],
    ['the time is over', failing('TIMEOUT')],
    ['a proxy answers in its place', failing('UPSTREAM_ERROR')],
    ['the service breaks', failing('INTERNAL')],
    ['the process is killed', killed],
  ])('that was carried out is not made again where %s', async (_what, fate) => {
    const { pve, call, step } = service();
    pve.beforeAnswer = fate;
    const { run } = await call();
    expect(step(run)).toMatchObject({ state: 'begun' });
    expect(step(run)).not.toHaveProperty('upid');
    pve.beforeAnswer = () => undefined;
    pve.end();
    expect((await call()).outcome).toMatchObject({ task: { upid: pve.tasks[0]?.upid, status: 'ok' } });
    expect(pve.writes).toBe(1);
    expect((await call()).outcome).toEqual({});
    expect(pve.writes).toBe(1);
  });

  it.each<[string, () => void]>([
    ['the process is killed before', killed],
    ['nobody can be reached', failing('CLUSTER_UNREACHABLE')],
    ['the time is over', failing('TIMEOUT')],
    ['it failed in a way that says nothing', failing('UPSTREAM_ERROR')],
  ])('that never arrived is made again, once that is certain, where %s', async (_what, fate) => {
    const { pve, call, slept } = service();
    pve.beforeWrite = fate;
    await call();
    pve.beforeWrite = () => undefined;
    pve.beforeAnswer = () => pve.end();
    expect((await call()).outcome).toMatchObject({ task: { status: 'ok' } });
    expect(pve.tasks).toHaveLength(1);
    // It waits for a task that Proxmox may be about to start.
    expect(slept.reduce((sum, ms) => sum + ms, 0)).toBeGreaterThanOrEqual(15_000);
  });

  it.each<ErrorCode>([
    'CONFLICT',
    'INVALID_ARGUMENTS',
    'NOT_FOUND',
    'PERMISSION_DENIED',
    'POLICY_DENIED',
    'RATE_LIMITED',
    'UPSTREAM_AUTH',
  ])('that Proxmox refused with %s failed, and may be made at once', async (code) => {
    const { pve, call, step, slept } = service();
    pve.beforeWrite = failing(code);
    const { outcome, run } = await call();
    expect(outcome).toMatchObject({ code });
    expect(step(run)).toMatchObject({ state: 'failed', data: { problem: `it says ${code}` } });
    pve.beforeWrite = () => undefined;
    pve.beforeAnswer = () => pve.end();
    await call();
    expect(step(run)).toMatchObject({ state: 'done' });
    expect(slept).toEqual([]);
    expect(pve.writes).toBe(2);
  });

  it('whose task failed failed too, and the next call makes it anew', async () => {
    const { pve, call, step } = service();
    pve.beforeAnswer = () => pve.end('no space');
    const { outcome, run } = await call();
    expect(outcome).toMatchObject({ code: 'TASK_FAILED' });
    expect(step(run)).toMatchObject({ state: 'failed', upid: pve.tasks[0]?.upid });
    pve.beforeAnswer = () => {
      const last = pve.tasks.at(-1);
      if (last) last.status = 'OK';
    };
    await call();
    expect(step(run)).toMatchObject({ state: 'done', upid: pve.tasks[1]?.upid });
    expect(pve.writes).toBe(2);
  });

  it('whose answer was lost and whose task failed is not taken for the next one that is lost', async () => {
    const { pve, call, step } = service();
    pve.beforeAnswer = () => {
      pve.end('no space');
      killed();
    };
    await call();
    await call();
    // Begun anew; that one never arrives.
    pve.beforeWrite = killed;
    const { run } = await call();
    expect(step(run)).toMatchObject({ state: 'begun' });
    pve.beforeWrite = () => undefined;
    pve.beforeAnswer = () => {
      const last = pve.tasks.at(-1);
      if (last) last.status = 'OK';
    };
    expect((await call()).outcome).toMatchObject({ task: { status: 'ok', upid: pve.tasks[1]?.upid } });
    expect(pve.tasks).toHaveLength(2);
  });

  it.each<[string, number]>([
    ['ten minutes ahead', 600],
    ['ten minutes behind', -600],
  ])('is found though the clock of the node is %s', async (_what, skew) => {
    const { pve, call } = service();
    pve.skew = skew;
    pve.beforeAnswer = killed;
    await call();
    pve.beforeAnswer = () => undefined;
    pve.end();
    expect((await call()).outcome).toMatchObject({ task: { status: 'ok' } });
    expect(pve.writes).toBe(1);
  });

  it('is found though Proxmox waited for a lock before it began', async () => {
    const { pve, call } = service();
    pve.beforeAnswer = killed;
    await call();
    pve.listedAfterMs = 11_000;
    pve.beforeAnswer = () => undefined;
    const { outcome } = await call({}, 1);
    expect(outcome).toMatchObject({ task: { upid: pve.tasks[0]?.upid } });
    expect(pve.writes).toBe(1);
  });

  it.each<[string, (pve: Pve) => void, ((pve: Pve) => void) | undefined]>([
    ['of another guest', () => undefined, (pve) => void pve.start({ id: '1000' })],
    ['of another kind', () => undefined, (pve) => void pve.start({ type: 'qmstart' })],
    ['of somebody else', () => undefined, (pve) => void pve.start({ user: 'root@pam', tokenId: 'mcp' })],
    ['of our user by hand', () => undefined, (pve) => void pve.start({ tokenId: 'other' })],
    ['that was there before', (pve) => void pve.start(), undefined],
  ])('takes no task for its own %s', async (_whose, before, after) => {
    const { pve, call } = service();
    before(pve);
    pve.beforeWrite = killed;
    await call();
    after?.(pve);
    pve.beforeWrite = () => undefined;
    const foreign = pve.tasks.map(({ upid }) => upid);
    const { outcome } = await call({}, 1);
    expect(pve.writes).toBe(2);
    const { task } = outcome as { task: { upid: string } };
    expect(foreign).not.toContain(task.upid);
  });

  it('takes the first of several tasks for its own', async () => {
    const { pve, call } = service();
    pve.beforeAnswer = killed;
    await call();
    const own = pve.tasks[0]?.upid;
    pve.now += 30_000;
    pve.start();
    pve.beforeAnswer = () => undefined;
    expect((await call({}, 1)).outcome).toMatchObject({ task: { upid: own } });
  });

  it('is not begun where nobody can say which tasks there are', async () => {
    const { pve, call, step } = service();
    const { reply } = pve.cluster;
    pve.cluster.reply = failing('CLUSTER_UNREACHABLE');
    const { outcome, run } = await call();
    expect(outcome).toMatchObject({ code: 'CLUSTER_UNREACHABLE' });
    expect(step(run)).toBeUndefined();
    pve.beforeAnswer = killed;
    pve.cluster.reply = reply;
    await call();
    // Nor made a second time while nobody can.
    pve.cluster.reply = failing('CLUSTER_UNREACHABLE');
    expect((await call()).outcome).toMatchObject({ code: 'CLUSTER_UNREACHABLE' });
    expect(pve.writes).toBe(1);
  });
});

describe('a write that starts no task', () => {
  const PLAIN = { task: undefined, request: { method: 'PUT', path: apiPath`/pools/web`, data: {} } } as const;

  it('is done with its answer', async () => {
    const { pve, call, step } = service();
    pve.cluster.reply = () => null;
    const { outcome, run } = await call(PLAIN as never);
    expect(outcome).toEqual({});
    expect(step(run)).toMatchObject({ state: 'done' });
    await call(PLAIN as never);
    expect(pve.writes).toBe(1);
  });

  it.each([true, false])('whose answer was lost is looked for: done %s', async (isDone) => {
    const { pve, call, step } = service();
    pve.cluster.reply = killed;
    await call(PLAIN as never);
    pve.cluster.reply = () => null;
    const { run } = await call({ ...PLAIN, isDone: async () => isDone } as never);
    expect(step(run)).toMatchObject({ state: 'done' });
    expect(pve.writes).toBe(isDone ? 1 : 2);
  });
});

describe('a run that another process works on', () => {
  it('gets no second write from this one, which has stood still', async () => {
    const { pve, call, start } = service();
    const asleep = start();
    const run = await asleep.begin('key', {});
    const { signal } = new AbortController();
    await asleep.hold(run, signal, async () => {
      pve.now += 10_000;
      const other = start();
      await other.hold(await other.begin('key', {}), signal, async () => void (await call({}, 1)));
      await expect(run.begin('backup')).rejects.toThrow('Another call works on run');
    });
    expect(pve.writes).toBe(1);
  });
});
