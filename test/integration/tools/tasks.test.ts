import { describe, expect, it } from 'vitest';
import { toolClient } from '../../support/tool-client.ts';

/** A production whose tasks run until they are stopped, and one that is started in it by another user. */
async function client(options: Parameters<typeof toolClient>[0] = {}) {
  const tools = await toolClient({ clusters: ['production'], simulator: { taskSeconds: 300 }, ...options });
  const { tasks } = tools.production.state;
  const begun = (log: string[], worker: { end?: () => void; abort?: () => void } = {}) =>
    tasks.start(
      { node: 'pve1', type: 'vzdump', id: '100', owner: 'root@pam' },
      { end: () => undefined, log, ...worker },
    );
  const archived = (log: string[], error?: string) => {
    const origin = { node: 'pve2', type: 'qmstart', id: '101', owner: 'root@pam' };
    tasks.archive(origin, 1_700_000_000, 5, log, error);
    const found = tasks.list().find(({ starttime }) => starttime === 1_700_000_000);
    if (!found) throw new Error('no task was archived');
    return found.upid;
  };
  return { ...tools, begun, archived, task: (upid: string) => tasks.find('pve1', upid) };
}

const numbered = (count: number) => Array.from({ length: count }, (_, index) => `line ${index + 1}`);

describe('get_task', () => {
  it('tells how far a running one is', async () => {
    const { call, text, begun, writes } = await client();
    const upid = begun(['INFO: starting', 'INFO:  12% (1 GiB of 8 GiB)', 'INFO:  25% (2 GiB of 8 GiB)', 'x']);
    const { task, cluster } = await call('get_task', { upid });
    expect(cluster).toBe('production');
    expect(task).toMatchObject({
      upid,
      node: 'pve1',
      type: 'vzdump',
      id: '100',
      status: 'running',
      progress_percent: 25,
      progress: ['INFO:  12% (1 GiB of 8 GiB)', 'INFO:  25% (2 GiB of 8 GiB)'],
    });
    expect(task.running_seconds).toBeGreaterThanOrEqual(0);
    expect(await text('get_task', { upid })).toBe(
      'vzdump of 100 on pve1 (production) runs, at 25 %; wait_task follows it.',
    );
    expect(writes()).toEqual([]);
  });

  it('answers how others ended, a failure included, with no word on progress', async () => {
    const { call, text, archived } = await client();
    const upid = archived(['INFO: 99%'], 'storage is full');
    const { task } = await call('get_task', { upid });
    expect(task).toMatchObject({ status: 'failed', exit_status: 'storage is full' });
    expect(task).not.toHaveProperty('progress');
    expect(task).not.toHaveProperty('running_seconds');
    expect(await text('get_task', { upid })).toContain('failed: storage is full. get_task_log');
  });

  it('refuses what is no UPID before anything leaves, and one that is unknown', async () => {
    const { refused, production } = await client();
    const before = production.requests.length;
    expect((await refused('get_task', { upid: 'UPID:pve1' })).code).toBe('INVALID_ARGUMENTS');
    expect(production.requests).toHaveLength(before);
    const unknown = 'UPID:pve1:00001234:00005678:65000000:qmstart:100:root@pam:';
    expect((await refused('get_task', { upid: unknown })).message).toContain('no such task');
  });
});

describe('get_task_log', () => {
  it('gives the end, and from there what is new', async () => {
    const { call, begun, task, text } = await client();
    const upid = begun(numbered(120));
    const end = await call('get_task_log', { upid, tail: 3 });
    expect(end).toMatchObject({ lines: ['line 118', 'line 119', 'line 120'], next_since: 120, total: 120 });
    const nothing = await call('get_task_log', { upid, since: end.next_since });
    expect(nothing).toMatchObject({ lines: [], next_since: 120 });
    task(upid)?.log.push('line 121', 'line 122');
    const news = await call('get_task_log', { upid, since: 120 });
    expect(news).toMatchObject({ lines: ['line 121', 'line 122'], next_since: 122, total: 122 });
    expect(await text('get_task_log', { upid, tail: 3 })).toBe('Lines 120 to 122 of 122.');
  });

  it('is whole where it is short, and empty where there is none', async () => {
    const { call, begun, archived } = await client();
    expect((await call('get_task_log', { upid: begun(['one']) })).lines).toEqual(['one']);
    expect((await call('get_task_log', { upid: archived(['a']) })).lines).toEqual(['a', 'TASK OK']);
    const empty = begun([]);
    expect(await call('get_task_log', { upid: empty })).toMatchObject({ lines: [], total: 0, next_since: 0 });
  });

  it('is bounded, says so, and is read whole in parts', async () => {
    const { call, begun } = await client();
    const upid = begun(numbered(2500).map((line) => `${line} ${'x'.repeat(60)}`));
    const seen: string[] = [];
    let since = 0;
    for (let round = 0; round < 20 && since < 2500; round += 1) {
      const part = await call('get_task_log', { upid, since });
      expect(JSON.stringify(part).length).toBeLessThan(45_000);
      if (part.next_since < 2500) expect(part.note).toBe(`Go on with since ${part.next_since}.`);
      seen.push(...part.lines);
      since = part.next_since;
    }
    expect(seen.map((line) => line.split(' x')[0])).toEqual(numbered(2500));
    const long = begun([...numbered(30).map((line) => line.repeat(2000)), 'the end']);
    const { lines, next_since } = await call('get_task_log', { upid: long, tail: 31 });
    expect(next_since).toBe(31);
    expect(lines.at(-1)).toBe('the end');
    expect(JSON.stringify(lines).length).toBeLessThan(45_000);
  });
});

describe('stop_task', () => {
  it('stops one that runs, and says what to look at', async () => {
    let undone = 0;
    const { call, begun, task, writes } = await client();
    const upid = begun(['going'], {
      abort: () => {
        undone += 1;
      },
    });
    const answer = await call('stop_task', { upid });
    expect(answer.task).toMatchObject({ upid, status: 'failed', exit_status: 'received interrupt' });
    expect(undone).toBe(1);
    expect(task(upid)?.exitstatus).toBe('received interrupt');
    expect(writes().map(({ method, path }) => [method, decodeURIComponent(path)])).toEqual([
      ['DELETE', `/api2/json/nodes/pve1/tasks/${upid}`],
    ]);
  });

  it('says of one that is over how it ended, and sends nothing', async () => {
    const { refused, archived, writes } = await client();
    const error = await refused('stop_task', { upid: archived([]) });
    expect(error).toMatchObject({ code: 'CONFLICT', retryable: false });
    expect(error.message).toBe('qmstart of 101 on pve2 is over: OK.');
    expect(writes()).toEqual([]);
  });

  it('is refused to one who may only read', async () => {
    const { refused, begun, task, writes } = await client({ scope: 'proxmox:read' });
    const upid = begun(['going']);
    expect((await refused('stop_task', { upid })).code).toBe('POLICY_DENIED');
    expect(task(upid)?.endtime).toBeUndefined();
    expect(writes()).toEqual([]);
  });
});

describe('list_tasks', () => {
  it('refuses a time that is none, in words', async () => {
    const { refused } = await client();
    const error = await refused('list_tasks', { since: 'yesterday' });
    expect(error.message).toContain('such as 2026-11-21T08:00:00Z');
  });

  it('shows what runs since a time, with its offset', async () => {
    const { call, begun, archived } = await client();
    archived([]);
    const upid = begun([]);
    const { tasks } = await call('list_tasks', { status: 'running', since: '2024-01-01T00:00:00+02:00' });
    expect(tasks.map((task: { upid: string }) => task.upid)).toEqual([upid]);
  });
});
