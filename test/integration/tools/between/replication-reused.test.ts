import { expect, it, onTestFinished, vi } from 'vitest';
import { replicationSite } from '../../../support/replication-site.ts';

const [A, B] = [900_000, 900_001];
const drop = (vmid: number) => `DELETE /nodes/dr1/qemu/${vmid}`;

/** What was begun is certain to have left no task by then. */
function aMinuteLater() {
  const now = Date.now;
  const later = vi.spyOn(Date, 'now').mockImplementation(() => now() + 60_000);
  onTestFinished(() => later.mockRestore());
}

it('a replica that somebody took over, while the request of its deletion was lost', async () => {
  const { save, run, refused, acts, replica, target } = await replicationSite();
  await save();
  await run();
  const cut = target.faults.add({ kind: 'close', match: /^DELETE / });
  expect(await refused('run_cluster_replication', { job: 'build' })).toMatchObject({ code: /./ });
  await cut.remove();
  const made = replica(A);
  if (made === undefined) throw new Error('no replica');
  made.config.memory = 4096;
  aMinuteLater();
  expect(await run()).toMatchObject({
    last_good: { vmid: B },
    note: expect.stringContaining('was changed since'),
  });
  expect(acts()).not.toContain(drop(A));
  expect(replica(A)).toBe(made);
});

it('a replica of somebody else, that came while the request of the restore was lost', async () => {
  const { save, refused, acts, replica, target, call } = await replicationSite();
  await save();
  const cut = target.faults.add({ kind: 'close', match: /^POST .*\/qemu$/ });
  await refused('run_cluster_replication', { job: 'build' });
  await cut.remove();
  const path = '/nodes/dr1/qemu';
  const disk = { scsi0: 'local-lvm:4', tags: 'proxmox-mcp-replica', description: 'Replica of another' };
  const data = { vmid: A, name: 'build-01-replica', memory: 512, ...disk };
  await call('proxmox_api_call', { cluster: 'disaster-recovery', method: 'POST', path, data });
  aMinuteLater();
  const error = await refused('run_cluster_replication', { job: 'build' });
  expect(error.code).toMatch(/CONFLICT|TASK_FAILED|UPSTREAM_ERROR|INVALID_ARGUMENTS/);
  expect(await call('list_cluster_replication', { job: 'build' })).not.toHaveProperty('jobs.0.last_good');
  expect(replica(A)?.config.description).toBe('Replica of another');
  expect(acts()).not.toContain(drop(A));
});

it('a replication that is deleted while it runs makes nothing more', async () => {
  const { save, run, call, acts, production } = await replicationSite({ simulator: { taskSeconds: 2 } });
  await save();
  const running = run().catch((error: unknown) => error);
  await vi.waitFor(() => expect(production.state.guests.get(103)?.lock).toBe('backup'), { timeout: 5000 });
  await call('save_cluster_replication', { job: 'build', delete: true });
  await running;
  expect(acts()).toEqual(['POST /nodes/pve2/vzdump']);
}, 20_000);
