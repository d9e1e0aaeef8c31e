import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, it, vi } from 'vitest';
import { type ClusterSpec, LOCAL_STORAGES, type StorageSpec } from '../../../../src/simulator/estate.ts';
import { type Call, connectTo, jobsSite, soon } from '../../../support/jobs-site.ts';
import { CliProcess } from '../../cli-process.ts';

const RUN = 'run_cluster_replication';
const SAVE = {
  ...{ job: 'shop', cluster: 'home', vmid: 100, to: 'away' },
  ...{ every_minutes: 60, vmids: [901, 902] },
};
/** The next process waits for the lease of the killed one. */
const LATER = { timeout: 40_000, interval: 100 };

const share = (storage: string): StorageSpec => ({
  ...{ storage, type: 'nfs', content: ['backup'], shared: true, totalGib: 4000 },
  options: { server: '192.0.2.9', export: '/export/dumps', path: `/mnt/pve/${storage}` },
});

/** Each of one node: the service knows the address of that alone. */
const SPECS: ClusterSpec[] = [
  {
    name: 'home',
    nodes: [{ name: 'h1' }],
    storages: [...LOCAL_STORAGES, share('dumps')],
    guests: [{ vmid: 100, type: 'qemu', node: 'h1', name: 'shop', status: 'running', diskGib: 4 }],
  },
  { name: 'away', nodes: [{ name: 'a1' }], storages: [...LOCAL_STORAGES, share('from-home')] },
];

async function site() {
  const { folder, arrived, cluster, endTasks } = await jobsSite(SPECS);
  let child: CliProcess | undefined;
  return {
    home: cluster('home'),
    away: cluster('away'),
    endTasks,
    backups: () => arrived('POST', '/vzdump'),
    restores: () => arrived('POST', '/nodes/a1/qemu'),
    deletions: () => arrived('DELETE', '/nodes/a1/qemu'),
    /** A process over the same folder, with a client. */
    async run(): Promise<Call> {
      child = new CliProcess(['serve'], { cwd: folder, env: { MCP_TOOLSETS: 'all' } });
      const [, url = ''] = await child.shows('stderr', /"mcp":"([^"]+)"/);
      return connectTo(new URL(url), 'alice');
    },
    async kill() {
      await child?.stop('SIGKILL');
    },
    /** Its time has come. */
    due() {
      const state = new DatabaseSync(join(folder, 'state.db'), { timeout: 5000 });
      state.exec('UPDATE schedules SET due_at = 0');
      state.close();
    },
  };
}

async function saved(call: Call): Promise<void> {
  const { error } = await call('save_cluster_replication', SAVE);
  const { data } = await call('save_cluster_replication', { ...SAVE, handle: error?.plan?.handle });
  expect(data).toMatchObject({ outcome: 'saved' });
  expect(data).not.toHaveProperty('note');
}

const shown = async (call: Call) => {
  const { data } = await call('list_cluster_replication');
  return (data.jobs as Record<string, unknown>[])[0];
};

it('killed with the answer of the backup on its way, and while it restores: the next process goes on by itself', async () => {
  const { run, kill, home, away, backups, restores, deletions, endTasks } = await site();
  const lost = home.faults.add({ kind: 'slow-headers', ms: 60_000, match: /vzdump$/ });
  await saved(await run());
  await vi.waitFor(() => expect(home.state.guests.get(100)?.lock).toBe('backup'), LATER);
  await kill();
  await lost.remove();

  const second = await run();
  expect(await shown(second)).toMatchObject({ running: { step: 'backup' } });
  endTasks();
  await vi.waitFor(() => expect(restores()).toHaveLength(1), LATER);
  await kill();

  const third = await run();
  endTasks();
  await vi.waitFor(async () => expect(await shown(third)).toMatchObject({ last_result: 'ok' }), LATER);
  expect(await shown(third)).toMatchObject({ last_good: { vmid: 901 }, replicas: [{ is: 'as_made' }] });
  expect(away.state.guests.get(901)).toMatchObject({ status: 'stopped' });
  expect([backups(), restores(), deletions()].map(({ length }) => length)).toEqual([1, 1, 0]);
}, 150_000);

it('killed with the answer of the restore, and of the deletion, on its way: each is sent once', async () => {
  const { run, kill, away, backups, restores, deletions, endTasks, due } = await site();
  const first = await run();
  await saved(first);
  await vi.waitFor(() => expect(backups()).toHaveLength(1), LATER);
  endTasks();
  await vi.waitFor(() => expect(restores()).toHaveLength(1), soon);
  endTasks();
  await vi.waitFor(async () => expect(await shown(first)).toMatchObject({ last_good: { vmid: 901 } }), soon);

  const lostRestore = away.faults.add({ kind: 'slow-headers', ms: 60_000, match: /^POST .*a1\/qemu$/ });
  due();
  await vi.waitFor(() => expect(backups()).toHaveLength(2), LATER);
  endTasks();
  await vi.waitFor(() => expect(away.state.guests.get(902)?.lock).toBe('create'), soon);
  await kill();
  await lostRestore.remove();

  const second = await run();
  const lostDeletion = away.faults.add({ kind: 'slow-headers', ms: 60_000, match: /^DELETE .*901$/ });
  endTasks();
  void second(RUN, { job: 'shop', wait_seconds: 60 }).catch(() => undefined);
  await vi.waitFor(() => expect(deletions()).toHaveLength(1), LATER);
  await vi.waitFor(() => expect(away.state.tasks.list()[0]).toMatchObject({ type: 'qmdestroy' }), soon);
  await kill();
  await lostDeletion.remove();
  endTasks();

  const third = await run();
  await vi.waitFor(async () => expect(await shown(third)).toMatchObject({ last_good: { vmid: 902 } }), LATER);
  await vi.waitFor(
    async () => expect(await shown(third)).toMatchObject({ replicas: [{ vmid: 902 }] }),
    LATER,
  );
  expect(await shown(third)).not.toHaveProperty('running');
  expect(away.state.guests.has(901)).toBe(false);
  expect([backups(), restores(), deletions()].map(({ length }) => length)).toEqual([2, 2, 1]);
}, 150_000);
