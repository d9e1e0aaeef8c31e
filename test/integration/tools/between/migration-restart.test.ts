import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import type { ClusterSpec } from '../../../../src/simulator/estate.ts';
import type { Answer } from '../../../support/guarded-service.ts';
import { type Call, connectTo, jobsSite, soon } from '../../../support/jobs-site.ts';
import { TOOL, twoClusters } from '../../../support/migration-site.ts';
import { CliProcess } from '../../cli-process.ts';

const START = { cluster: 'home', vmid: 100, to: 'away', action: 'start', wait_seconds: 20 };
const DELETE = { cluster: 'home', vmid: 100, action: 'delete_source', wait_seconds: 20 };

/** Each on one node: the service knows the address of that alone. */
function oneNodeEach(): ClusterSpec[] {
  return twoClusters().map((spec) => ({ ...spec, nodes: spec.nodes.slice(0, 1) }));
}

async function movingSite() {
  const site = await jobsSite(oneNodeEach());
  let child: CliProcess | undefined;
  return {
    ...site,
    home: site.cluster('home'),
    away: site.cluster('away'),
    /** A process over the same folder, with a client. */
    async run(): Promise<Call> {
      child = new CliProcess(['serve'], { cwd: site.folder, env: { MCP_TOOLSETS: 'all' } });
      const [, url = ''] = await child.shows('stderr', /"mcp":"([^"]+)"/);
      return connectTo(new URL(url), 'alice');
    },
    async kill() {
      await child?.stop('SIGKILL');
    },
    posts: () => site.arrived('POST', 'remote_migrate'),
    deletions: () => site.arrived('DELETE', '/qemu/100'),
  };
}

/** A call whose process is killed before it answers. */
function begun(call: Call, args: Record<string, unknown>): void {
  void call(TOOL, args).catch(() => undefined);
}

const handleOf = ({ error }: Answer): string => {
  expect(error?.code, error?.message).toBe('APPROVAL_REQUIRED');
  return String(error?.plan?.handle);
};

async function planned(call: Call, args: Record<string, unknown>): Promise<Record<string, unknown>> {
  return { ...args, handle: handleOf(await call(TOOL, args)) };
}

it('killed before the write left: it is looked for, planned anew, and sent once', async () => {
  const { run, kill, home, away, posts, endTasks, arrived } = await movingSite();
  let isHeld = false;
  // The last question before the write: which certificate the target shows.
  const fault = away.faults.add({
    kind: 'hang',
    match: (call) => {
      const isLast = call.endsWith(' /cluster/status') && arrived('GET', '/nodes/h1/tasks').length > 0;
      isHeld ||= isLast;
      return isLast;
    },
  });
  const before = await run();
  begun(before, await planned(before, START));
  await vi.waitFor(() => expect(isHeld).toBe(true), soon);
  await kill();
  await fault.remove();
  expect(posts()).toEqual([]);
  expect(home.state.guests.get(100)).toMatchObject({ status: 'running' });

  const after = await run();
  const wish = await planned(after, START);
  expect(posts()).toEqual([]);
  const moving = after(TOOL, wish);
  await vi.waitFor(() => expect(posts()).toHaveLength(1), soon);
  endTasks();
  expect((await moving).data).toMatchObject({ status: 'moved' });
  expect(posts()).toHaveLength(1);
}, 180_000);

it('killed with the answer on its way, while the task runs, and before the verification: one write', async () => {
  const { run, kill, home, away, posts, endTasks, questions, folder } = await movingSite();
  const lost = home.faults.add({ kind: 'slow-headers', ms: 60_000, match: /remote_migrate/ });
  const first = await run();
  begun(first, await planned(first, START));
  await vi.waitFor(() => expect(home.state.guests.get(100)?.lock).toBe('migrate'), soon);
  await kill();
  await lost.remove();

  const second = await run();
  const asked = questions();
  begun(second, START);
  await vi.waitFor(() => expect(questions()).toBeGreaterThan(asked), soon);
  await kill();

  let isHeld = false;
  const verifying = away.faults.add({
    kind: 'hang',
    match: (call) => {
      const isIt = /GET \/nodes\/a1\/qemu\/101\/config/.test(call);
      isHeld ||= isIt;
      return isIt;
    },
  });
  const third = await run();
  endTasks();
  begun(third, START);
  await vi.waitFor(() => expect(isHeld).toBe(true), soon);
  await kill();
  await verifying.remove();

  const last = await run();
  expect((await last(TOOL, START)).data).toMatchObject({ status: 'moved' });
  expect(posts()).toHaveLength(1);
  expect(away.state.guests.get(101)).toMatchObject({ status: 'running' });
  // The endpoint of the target held its token: nothing of it is on disk.
  for (const file of ['audit.jsonl', 'state.db', 'state.db-wal']) {
    const path = join(folder, file);
    if (!existsSync(path)) continue;
    const text = readFileSync(path, 'latin1');
    expect(text, file).not.toContain(away.tokenSecret);
    expect(text, file).not.toContain(Buffer.from(away.tokenSecret).toString('base64'));
  }
}, 180_000);

it('killed before delete_source, and with its answer on its way: one deletion', async () => {
  const { run, kill, home, posts, deletions, endTasks } = await movingSite();
  const first = await run();
  const moving = first(TOOL, await planned(first, START));
  await vi.waitFor(() => expect(posts()).toHaveLength(1), soon);
  endTasks();
  expect((await moving).data).toMatchObject({ status: 'moved' });
  await kill();

  const second = await run();
  const lost = home.faults.add({ kind: 'slow-headers', ms: 60_000, match: /^DELETE .*qemu\/100$/ });
  begun(second, await planned(second, DELETE));
  await vi.waitFor(() => expect(home.state.tasks.list()[0]).toMatchObject({ type: 'qmdestroy' }), soon);
  await kill();
  await lost.remove();
  endTasks();

  const last = await run();
  expect((await last(TOOL, DELETE)).data).toMatchObject({ status: 'deleted' });
  expect(home.state.guests.has(100)).toBe(false);
  expect(deletions()).toHaveLength(1);
  expect(posts()).toHaveLength(1);
}, 180_000);
