import { describe, expect, it, onTestFinished } from 'vitest';
import { startSimulator } from '../../../../src/simulator/simulator.ts';
import { GuardedService } from '../../../support/guarded-service.ts';
import { BUILD, replicationSite } from '../../../support/replication-site.ts';
import { toolClient } from '../../../support/tool-client.ts';

const { job: _job, ...REST } = BUILD;

/** What is refused before a plan is made, and what the refusal says. */
const REFUSALS: [what: string, change: object, why: RegExp][] = [
  ['an interval below a quarter of an hour', { every_minutes: 14 }, /every_minutes/],
  ['a time that is none', { every_minutes: undefined, daily_at: '25:00' }, /daily_at/],
  ['two times', { daily_at: '02:30' }, /exclude each other/],
  ['no time', { every_minutes: undefined }, /needs every_minutes or daily_at/],
  ['no target', { to: undefined }, /needs `to`/],
  ['itself for a target', { to: 'production' }, /can't be its own target/],
  [
    'a cluster that shares no storage',
    { to: 'staging', target_node: 'stg1' },
    /no storage for backups in common/,
  ],
  ['a template', { vmid: 9000 }, /is a template/],
  ['a node that is none', { target_node: 'nope' }, /"?nope"? of disaster-recovery is not online/],
  ['a storage that takes no disks', { storage: 'local' }, /Pass storage: local-lvm/],
  ['backups where only one looks', { backup_storage: 'nas' }, /nas"? of production is none that both see/],
  ['one VMID alone', { vmids: [901] }, /2 VMIDs are needed/],
  ['a VMID that is taken', { vmids: [901, 310] }, /310 of disaster-recovery can't be had/],
  ['a guest that is not there', { vmid: 777 }, /777/],
  ['a name that says something else', { job: 'a b' }, /job/],
];

describe('saving a replication', () => {
  it('shows once what every run will do, and saves nothing before that was applied', async () => {
    const { refused, call, acts } = await replicationSite();
    const { code, plan } = await refused('save_cluster_replication', BUILD);
    expect(code).toBe('APPROVAL_REQUIRED');
    expect(
      plan.calls.map(({ method, path }: { method: string; path: string }) => `${method} ${path}`),
    ).toEqual([
      'POST /nodes/dr1/qemu',
      'DELETE /nodes/dr1/qemu/900000',
      'POST /nodes/dr1/qemu',
      'DELETE /nodes/dr1/qemu/900001',
    ]);
    const notes = plan.warnings.join('\n');
    for (const said of [
      /every 60 minutes/,
      /backs 103 \(build-01\) of production up to backup-nfs/,
      /dr-nfs/,
    ])
      expect(notes).toMatch(said);
    expect(notes).toMatch(/The backups stay on backup-nfs: no run prunes them/);
    expect((await call('list_cluster_replication')).total).toBe(0);
    const saved = await call('save_cluster_replication', { ...BUILD, handle: plan.handle });
    expect(saved).toMatchObject({ outcome: 'saved', reserved_vmids: [900_000, 900_001] });
    expect(saved.note).toMatch(/STATE_FILE/);
    expect(acts()).toEqual([]);
  });

  it('its plan is for its terms: another thing needs another one', async () => {
    const { refused, call } = await replicationSite();
    const changes = [{ every_minutes: 15 }, { keep: 2 }, { vmid: 101 }, { job: 'other' }, { backup: false }];
    for (const change of changes) {
      const { plan } = await refused('save_cluster_replication', BUILD);
      const other = { ...BUILD, ...change, handle: plan.handle };
      expect((await refused('save_cluster_replication', other)).code).toBe('APPROVAL_REQUIRED');
    }
    expect((await call('list_cluster_replication')).total).toBe(0);
  });

  it.each([0, 1, 2])('refuses what can not be, and sends nothing (part %i)', async (part) => {
    const { refused, simulator } = await toolClient();
    for (const [what, change, why] of REFUSALS.filter((_case, index) => index % 3 === part)) {
      const given = Object.entries({ ...BUILD, ...change }).filter(([, value]) => value !== undefined);
      const error = await refused('save_cluster_replication', Object.fromEntries(given));
      expect(error.code, what).not.toBe('APPROVAL_REQUIRED');
      expect(error.message, what).toMatch(why);
    }
    const writes = simulator.clusters.flatMap(({ requests }) =>
      requests.filter(({ method }) => method !== 'GET'),
    );
    expect(writes).toEqual([]);
  });

  it('says all that is wrong at once', async () => {
    const { refused } = await replicationSite();
    const wrong = { ...BUILD, vmid: 9000, target_node: 'nope', vmids: [310, 311], backup_storage: 'nas' };
    const { message } = await refused('save_cluster_replication', wrong);
    expect(message).toMatch(/^4 findings/);
    for (const said of [/template/, /nope/, /310, 311/, /nas/]) expect(message).toMatch(said);
  });

  it('changes what may change, asks for it again, and keeps the good state', async () => {
    const { save, run, refused, row } = await replicationSite();
    await save();
    await run();
    const daily = { job: 'build', daily_at: '02:30' };
    expect(await save(daily)).toMatchObject({ schedule: 'daily at 02:30 UTC', vmid: 103 });
    expect(await row()).toMatchObject({ last_good: { vmid: 900_000 }, schedule: 'daily at 02:30 UTC' });
    for (const change of [{ keep: 2 }, { vmid: 101 }, { vmids: [901, 902] }]) {
      const error = await refused('save_cluster_replication', { ...BUILD, ...change });
      expect(error).toMatchObject({ code: 'INVALID_ARGUMENTS', message: expect.stringContaining('fixed') });
    }
  });

  it('reserves no VMID twice', async () => {
    const { save } = await replicationSite();
    await save();
    expect(await save({ ...BUILD, job: 'second', vmid: 111 })).toMatchObject({
      reserved_vmids: [900_002, 900_003],
    });
  });

  it('switches off and deletes without a plan; the replicas stay', async () => {
    const { save, run, call, refused, row, replica } = await replicationSite();
    await save();
    await run();
    expect(await call('save_cluster_replication', { job: 'build', enabled: false })).toMatchObject({
      outcome: 'disabled',
    });
    expect(await row()).toMatchObject({ enabled: false });
    expect(await row()).not.toHaveProperty('next_run_at');
    const deleted = await call('save_cluster_replication', { job: 'build', delete: true });
    expect(deleted).toMatchObject({ outcome: 'deleted', note: expect.stringContaining('900000') });
    expect(replica(900_000)).toBeDefined();
    for (const tool of ['run_cluster_replication', 'list_cluster_replication'])
      expect(await refused(tool, { job: 'build' })).toMatchObject({ code: 'NOT_FOUND' });
  });
});

describe('a replication belongs to who saved it', () => {
  async function site() {
    const quick = { taskSeconds: 0, authDelaySeconds: 0, resourcesLagSeconds: 0 };
    const simulator = await startSimulator(quick);
    onTestFinished(() => simulator.close());
    const guarded = await GuardedService.start(simulator);
    onTestFinished(() => guarded.close());
    const alice = await guarded.connect();
    const { error } = await alice.call('save_cluster_replication', { ...BUILD });
    const handle = error?.plan?.handle;
    expect((await alice.call('save_cluster_replication', { ...BUILD, handle })).isError).toBe(false);
    guarded.mark();
    return { guarded, alice };
  }

  it('nobody else sees, runs, changes or deletes it', async () => {
    const { guarded, alice } = await site();
    const bob = await guarded.connect({ subject: 'bob' });
    expect((await bob.call('list_cluster_replication')).data).toMatchObject({ jobs: [], total: 0 });
    for (const [tool, args] of [
      ['list_cluster_replication', { job: 'build' }],
      ['run_cluster_replication', { job: 'build' }],
      ['save_cluster_replication', { job: 'build', enabled: false }],
      ['save_cluster_replication', { job: 'build', delete: true }],
    ] as const)
      expect((await bob.call(tool, args)).error?.code, tool).toBe('NOT_FOUND');
    expect(guarded.writes()).toEqual([]);
    expect((await alice.call('list_cluster_replication')).data).toMatchObject({
      jobs: [{ job: 'build', enabled: true }],
    });
  });

  it('a request that only reads runs, changes and deletes nothing', async () => {
    const { guarded } = await site();
    const reading = await guarded.connect({ headers: { 'x-mcp-readonly': 'true' } });
    for (const [tool, args] of [
      ['run_cluster_replication', { job: 'build' }],
      ['save_cluster_replication', { job: 'second', ...REST }],
      ['save_cluster_replication', { job: 'build', enabled: false }],
      ['save_cluster_replication', { job: 'build', delete: true }],
    ] as const)
      expect((await reading.call(tool, args)).error?.code, tool).toBe('POLICY_DENIED');
    expect(guarded.writes()).toEqual([]);
    expect((await reading.call('list_cluster_replication')).data).toMatchObject({
      jobs: [{ job: 'build', enabled: true }],
    });
  });

  it('a token without the right to destroy can not have replicas deleted by it', async () => {
    const { guarded } = await site();
    const weak = await guarded.connect({ subject: 'carol', scope: 'proxmox:read proxmox:change' });
    const { error } = await weak.call('save_cluster_replication', { ...BUILD });
    expect(error).toMatchObject({
      code: 'POLICY_DENIED',
      message: expect.stringContaining('proxmox:destroy'),
    });
  });
});
