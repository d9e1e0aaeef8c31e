import { describe, expect, it } from 'vitest';
import { defaultPolicy } from '../../../../src/access/policy/policy.ts';
import { type MigrationClient, migrationClient, TOOL } from '../../../support/migration-site.ts';
import { policyOf } from '../../../support/policy.ts';
import { NO_APPROVAL } from '../../../support/tool-site.ts';

const REMOTE = 'POST /nodes/h1/qemu/100/remote_migrate';
const FREE = policyOf({ principals: [{ match: { subject: '*' }, roles: 'admin' }], approval: NO_APPROVAL });

const oks = (checks: { ok?: boolean }[]) => checks.map(({ ok }) => ok);
const notesIn = ({ plan }: { plan: { warnings: string[] } }) => plan.warnings.join('\n');
const sourceNow = ({ home }: MigrationClient, vmid: number) => {
  const { inside: _inside, ...guest } = home(vmid);
  return structuredClone(guest);
};

describe('a VM that runs', () => {
  it('is checked, planned, approved, moved live and verified; the source is deleted by a step of its own', async () => {
    const client = await migrationClient({ gateOptions: { policy: FREE } });
    const checked = await client.move({ vmid: 100 });
    expect(checked).toMatchObject({
      status: 'ready',
      cluster: 'home',
      target: { cluster: 'away', node: 'a2', vmid: 101 },
      storage_map: { 'local-lvm': 'local-lvm' },
      bridge_map: { vmbr0: 'vmbr0' },
    });
    const found = JSON.stringify(checked.findings);
    for (const part of ['pool web', 'jobs nightly', 'onboot', 'loopback', 'firewall'])
      expect(found).toContain(part);
    expect(checked.plan.join(' ')).toContain('EXPERIMENTAL');
    expect(client.sent()).toEqual([]);

    const wish = {
      ...{ vmid: 100, action: 'start', target_node: 'a1', target_vmid: 205 },
      ...{ storage_map: { 'local-lvm': 'tank' }, bwlimit_kib_s: 51_200 },
    };
    const { code, plan } = await client.fails(wish);
    expect(code).toBe('APPROVAL_REQUIRED');
    expect(plan.warnings[0]).toMatch(
      /^1\. h1 of home connects to a1 of away at .*20 GiB.*50 MiB a second\.$/,
    );
    expect(plan.calls[0].parameters).toMatchObject({
      'target-storage': 'local-lvm:tank',
      target: expect.stringContaining('node a1 of away'),
    });
    expect(client.sent()).toEqual([]);

    const moved = await client.move({ ...wish, handle: plan.handle });
    expect(moved).toMatchObject({ status: 'moved', task: { status: 'ok' }, target_task: { status: 'ok' } });
    expect(oks(moved.checks)).toEqual([true, true, true, true, true, true]);
    expect(client.lines()).toEqual([REMOTE]);
    expect(client.sent()[0]?.params).toMatchObject({ online: '1', bwlimit: '51200' });
    expect(client.sent()[0]?.params).not.toHaveProperty('delete');
    expect(client.away(205)).toMatchObject({ status: 'running', node: 'a1' });
    expect(client.away(205)?.config.scsi0).toContain('tank:');
    expect(client.home(100)).toMatchObject({ status: 'stopped' });

    // A repetition says where it is, and moves nothing.
    expect(await client.move(wish)).toMatchObject({ status: 'moved', target: { vmid: 205 } });
    const deleted = await client.approved({ vmid: 100, action: 'delete_source' });
    expect(deleted).toMatchObject({ status: 'deleted' });
    expect(client.lines()).toEqual([REMOTE, 'DELETE /nodes/h1/qemu/100']);
    expect(client.production.state.guests.has(100)).toBe(false);
    // And so does that, though the guest is gone.
    expect(await client.move({ vmid: 100, action: 'delete_source' })).toMatchObject({ status: 'deleted' });
    expect(client.lines()).toHaveLength(2);
  });

  it('says it in a sentence', async () => {
    const client = await migrationClient();
    const text = await client.text(TOOL, { name: 'web-01', to: 'away' });
    expect(text).toMatch(/^VM 100 \(web-01\) of home can go to 101 on a2 of away; \d warnings\./);
  });

  it('by default needs a person for the deletion', async () => {
    const client = await migrationClient({ gateOptions: { policy: defaultPolicy() } });
    await client.approved({ vmid: 100, action: 'start' });
    const { code, plan } = await client.fails({ vmid: 100, action: 'delete_source' });
    expect(code).toBe('APPROVAL_REQUIRED');
    expect(plan.approval).toBe('person');
    expect(notesIn({ plan })).toContain('the copy is 101 on a2 of away');
    expect(client.lines()).toEqual([REMOTE]);
  });
});

it('a stopped VM arrives stopped, and keeps its VMID where it is free', async () => {
  const client = await migrationClient();
  const answer = await client.approved({ vmid: 101, action: 'start' });
  expect(answer).toMatchObject({ status: 'moved', target: { vmid: 101 } });
  expect(client.away(101)).toMatchObject({ status: 'stopped' });
  expect(client.sent()[0]?.params).not.toHaveProperty('online');
});

it('a running container is shut down, moved and started', async () => {
  const client = await migrationClient();
  const answer = await client.approved({ vmid: 110, action: 'start', restart: true });
  expect(answer).toMatchObject({ status: 'moved', target: { vmid: 110 } });
  expect(client.away(110)).toMatchObject({ status: 'running', type: 'lxc' });
  expect(client.home(110)).toMatchObject({ status: 'stopped' });
  expect(client.sent()[0]?.params).toMatchObject({ restart: '1' });
});

it('a copy that is not as it was is not verified, and keeps the source from being deleted', async () => {
  const client = await migrationClient({ simulator: { taskSeconds: 60 } });
  const wish = { vmid: 101, action: 'start', wait_seconds: 0 };
  expect(await client.approved(wish)).toMatchObject({ status: 'running' });
  const { state } = client.simulator.cluster('home');
  const { state: away } = client.simulator.cluster('away');
  // The task comes to its end, and somebody is faster than the verification.
  const [task] = state.tasks.list();
  if (task === undefined) throw new Error('no task');
  const arrived = away.guests.get(101);
  if (arrived === undefined) throw new Error('no copy');
  task.endtime = task.starttime + 1;
  task.exitstatus = 'OK';
  arrived.config = { ...client.home(101).config, memory: '512', name: 'db-01' };
  delete arrived.lock;
  delete client.home(101).lock;
  const answer = await client.move(wish);
  expect(answer).toMatchObject({ status: 'unverified' });
  expect(answer.checks.filter(({ ok }: { ok: boolean }) => !ok)).toMatchObject([
    { check: 'its options are the same', found: expect.stringContaining('memory: 512 for 2048') },
  ]);
  const refusal = await client.fails({ vmid: 101, action: 'delete_source' });
  expect(refusal).toMatchObject({ code: 'CONFLICT', message: expect.stringContaining('not verified') });
  expect(client.lines()).toEqual(['POST /nodes/h1/qemu/101/remote_migrate']);
});

describe('delete_source', () => {
  it('refuses a guest that was not moved, that runs again, that is protected, or is another one by now', async () => {
    const client = await migrationClient({ gateOptions: { policy: FREE } });
    const wish = { vmid: 101, action: 'delete_source' };
    expect(await client.fails(wish)).toMatchObject({ code: 'NOT_FOUND' });
    await client.approved({ vmid: 101, action: 'start' });
    const before = client.lines();
    const source = client.home(101);

    source.status = 'running';
    source.config.protection = 1;
    const { code, message } = await client.fails(wish);
    expect(code).toBe('CONFLICT');
    for (const part of ['not stopped', 'protected', 'not verified']) expect(message).toContain(part);
    source.status = 'stopped';
    delete source.config.protection;

    source.config.net0 = 'virtio=AA:AA:AA:00:00:01,bridge=vmbr0';
    expect((await client.fails(wish)).message).toContain('other NICs');
    source.config.name = 'another';
    expect((await client.fails(wish)).message).toContain('another name');
    source.config.name = 'db-01';

    client.simulator.cluster('away').state.guests.delete(101);
    expect(await client.fails(wish)).toMatchObject({ code: 'CONFLICT' });
    expect(client.lines()).toEqual(before);
  });
});

it('the source is as it was when nothing but reads was asked', async () => {
  const client = await migrationClient();
  const before = sourceNow(client, 100);
  await client.move({ vmid: 100 });
  await client.fails({ vmid: 100, action: 'start' });
  expect(sourceNow(client, 100)).toEqual(before);
});
