import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { Approvals } from '../../src/access/approvals/approvals.ts';
import { defaultPolicy } from '../../src/access/policy/policy.ts';
import { openState } from '../../src/access/state.ts';
import { Redaction } from '../../src/observability/redaction.ts';
import { principal } from '../support/approvals.ts';
import { type Answer, type ToolClient, toolClient } from '../support/tool-client.ts';

const TEMPLATE = 'local:vztmpl/debian-12-standard_12.12-1_amd64.tar.zst';
const IMAGE = 'https://cloud.example.org/noble-server-cloudimg-amd64.img';
const KEY = `ssh-ed25519 ${'AAAAC3NzaC1lZDI1NTE5AAAAI'.padEnd(68, 'x')} ada@example.org`;

type Args = Record<string, unknown>;

interface Day extends ToolClient {
  /** Calls what a person has to approve: refused with a plan and nothing sent, approved by another, called again. */
  approved(name: string, args: Args): Promise<Answer>;
  /** Calls what the model itself has to confirm: refused with a plan and a handle, called again with that. */
  confirmed(name: string, args: Args): Promise<Answer>;
}

/** The service as it runs by default: what destroys waits for a person, what touches many for a second look. */
async function day(): Promise<Day> {
  const approvals = new Approvals({
    state: openState(undefined),
    logger: pino({ level: 'silent' }),
    redaction: new Redaction(),
  });
  const tools = await toolClient({ gateOptions: { policy: defaultPolicy(), approvals } });
  const planFor = async (name: string, args: Args, approval: 'person' | 'self'): Promise<Answer> => {
    const before = tools.writes().length;
    const { code, plan } = await tools.refused(name, args);
    expect({ name, code, approval: plan?.approval }).toEqual({ name, code: 'APPROVAL_REQUIRED', approval });
    expect(tools.writes(), name).toHaveLength(before);
    return plan;
  };
  return {
    ...tools,
    async approved(name, args) {
      const { number } = await planFor(name, args, 'person');
      await approvals.decide(number, principal('carol', ['proxmox:approve']), 'approved');
      const answer = await tools.call(name, args);
      // The approval was for once: the same again sends nothing.
      const sent = tools.writes().length;
      await tools.refused(name, args);
      expect(tools.writes(), name).toHaveLength(sent);
      return answer;
    },
    async confirmed(name, args) {
      const { handle } = await planFor(name, args, 'self');
      return tools.call(name, { ...args, handle });
    },
  };
}

const stateOf = ({ production }: Day) => production.state;
const guestOf = (one: Day, vmid: number) => {
  const guest = stateOf(one).guests.get(vmid);
  if (guest === undefined) throw new Error(`no guest ${vmid}`);
  return guest;
};
const volidsOf = (one: Day) => stateOf(one).volumes.map(({ volid }) => volid);
const volumesOf = (one: Day, vmid: number) => stateOf(one).volumes.filter((volume) => volume.vmid === vmid);
const vmidsOf = (answer: Answer): number[] => answer.guests.map(({ vmid }: { vmid: number }) => vmid);

/** Finds a guest without backup and backs it up; gives the backup. */
async function backUp(one: Day): Promise<string> {
  const found = await one.call('find_guests', { cluster: 'production', no_backup_days: 1000 });
  expect(vmidsOf(found).sort()).toEqual([103, 111]);
  const made = await one.call('create_backup', { name: 'build-01', storage: 'backup-nfs', notes: 'first' });
  const { volid } = made.backups[0];
  expect(stateOf(one).volumes.find((volume) => volume.volid === volid)).toMatchObject({ vmid: 103 });
  const left = await one.call('find_guests', { cluster: 'production', no_backup_days: 1000 });
  expect(vmidsOf(left)).toEqual([111]);
  return volid;
}

/** Clones the guest, gives the clone more room and moves it; gives its VMID. */
async function cloneAndMove(one: Day): Promise<number> {
  const { clone } = await one.call('clone_guest', { name: 'build-01', new_name: 'build-02' });
  expect(guestOf(one, clone.vmid)).toMatchObject({ node: 'pve2', config: { name: 'build-02' } });
  await one.call('resize_disk', { name: 'build-02', disk: 'scsi0', size: '+10G' });
  expect(String(guestOf(one, clone.vmid).config.scsi0)).toContain('size=130G');
  expect(String(guestOf(one, 103).config.scsi0)).toContain('size=120G');
  const moved = await one.call('migrate_guest', { name: 'build-02', target: 'pve1' });
  expect(moved.guest.node).toBe('pve1');
  expect(guestOf(one, clone.vmid).node).toBe('pve1');
  expect(volumesOf(one, clone.vmid).map(({ node }) => node)).toEqual(['pve1']);
  return clone.vmid;
}

/** Breaks the running clone after a snapshot, and brings it back. */
async function breakAndRollBack(one: Day, vmid: number): Promise<void> {
  await one.call('create_snapshot', { name: 'build-02', snapshot: 'before-change' });
  await one.call('power_guest', { name: 'build-02', action: 'start' });
  expect(guestOf(one, vmid).status).toBe('running');
  const { nics } = (await one.call('get_guest', { name: 'build-02' })).config;
  const broken = await one.call('update_guest', { name: 'build-02', memory: '512M', delete: ['net0'] });
  expect(broken.pending).toMatchObject([{ key: 'memory', next: '512' }]);
  expect(guestOf(one, vmid).config).not.toHaveProperty('net0');
  const args = { name: 'build-02', snapshot: 'before-change', start: true };
  const back = await one.approved('rollback_snapshot', args);
  expect(back.rolled_back).toMatchObject({ snapshot: 'before-change', status: 'running' });
  const { config, status } = guestOf(one, vmid);
  expect({ status, memory: String(config.memory) }).toEqual({ status: 'running', memory: '16384' });
  expect((await one.call('get_guest', { name: 'build-02' })).config.nics).toEqual(nics);
  expect((await one.call('get_guest', { name: 'build-02' })).pending).toEqual([]);
}

/** Deletes the snapshot, the clone and the backup, each with the approval of another person. */
async function cleanUp(one: Day, vmid: number, volid: string): Promise<void> {
  await one.approved('delete_snapshot', { name: 'build-02', snapshot: 'before-change' });
  expect((await one.call('list_snapshots', { name: 'build-02' })).total).toBe(0);
  expect((await one.refused('delete_guest', { name: 'build-02' })).message).toContain('is running');
  await one.call('power_guest', { name: 'build-02', action: 'shutdown' });
  expect(guestOf(one, vmid).status).toBe('stopped');
  await one.approved('delete_guest', { name: 'build-02' });
  expect(stateOf(one).guests.has(vmid)).toBe(false);
  expect(volumesOf(one, vmid)).toEqual([]);
  expect((await one.refused('get_guest', { name: 'build-02' })).code).toBe('NOT_FOUND');
  const deleted = await one.approved('delete_backup', { cluster: 'production', volid });
  expect(deleted.remaining).toBe(0);
  expect(volidsOf(one)).not.toContain(volid);
  expect(guestOf(one, 103).config.name).toBe('build-01');
}

/** Makes a container of a template and a VM of a cloud image; gives both VMIDs. */
async function makeGuests(one: Day): Promise<number[]> {
  const place = { cluster: 'production', node: 'pve1', storage: 'local-lvm' };
  const wanted = { ...place, name: 'proxy-01', template: TEMPLATE, start: true, tags: ['edge'] };
  expect((await one.refused('create_container', wanted)).hint).toContain('download_appliance');
  await one.call('download_appliance', {
    ...{ cluster: 'production', node: 'pve1', template: 'debian-12-standard' },
  });
  expect(volidsOf(one)).toContain(TEMPLATE);
  const container = (await one.call('create_container', wanted)).guest.vmid;
  expect(guestOf(one, container)).toMatchObject({
    ...{ type: 'lxc', node: 'pve1', status: 'running' },
    config: { hostname: 'proxy-01', tags: 'edge', unprivileged: 1 },
  });
  const answer = await one.call('deploy_cloud_image', {
    ...{ ...place, name: 'shop-01', image: IMAGE, disk: '20G', user: 'ada', ssh_keys: [KEY] },
  });
  expect(answer.status).toBe('ready');
  const { vmid } = answer.guest;
  expect(guestOf(one, vmid)).toMatchObject({ status: 'running', config: { ciuser: 'ada', name: 'shop-01' } });
  expect(String(guestOf(one, vmid).config.scsi0)).toContain('size=20G');
  return [container, vmid];
}

/** Puts the new guests into a backup job, and sees the coverage follow. */
async function coverThem(one: Day, vmids: number[]): Promise<void> {
  const reasons = async () => {
    const { guests } = await one.call('backup_coverage', { cluster: 'production' });
    return guests
      .filter(({ vmid }: { vmid: number }) => vmids.includes(vmid))
      .map((row: { reasons: string[] }) => row.reasons.join('; '));
  };
  expect(await reasons()).toEqual(['no backup; no job', 'no backup; no job']);
  const { job } = await one.approved('save_backup_job', {
    ...{ cluster: 'production', guests: ['proxy-01', 'shop-01'], schedule: '03:00', storage: 'backup-nfs' },
    keep: 'keep-daily=7',
  });
  expect(stateOf(one).backupJobs?.find(({ id }) => id === job.id)?.options).toMatchObject({
    ...{ vmid: vmids.join(','), schedule: '03:00', 'prune-backups': 'keep-daily=7' },
  });
  expect(await reasons()).toEqual(['no backup', 'no backup']);
  for (const vmid of vmids)
    await one.call('create_backup', { vmid, cluster: 'production', storage: 'backup-nfs' });
  expect(await reasons()).toEqual([]);
}

/** Looks at figures, shuts the web servers down at once, and at what this server started all day. */
async function endTheDay(one: Day): Promise<void> {
  const { metrics } = await one.call('get_metrics', { name: 'db-01', metrics: ['cpu_fraction'] });
  expect(metrics[0].max).toBeGreaterThan(0);
  const args = { cluster: 'production', tag: 'web', action: 'shutdown' };
  const { counts, guests } = await one.confirmed('bulk_power', args);
  expect(counts).toEqual({ ok: guests.length });
  expect(vmidsOf({ guests })).toEqual([100, 101]);
  for (const vmid of [100, 101]) expect(guestOf(one, vmid).status).toBe('stopped');
  expect(guestOf(one, 102).status).toBe('running');
  const { jobs, total } = await one.call('list_jobs', { limit: 100 });
  expect(total).toBe(jobs.length);
  const tools = new Set(jobs.map(({ tool }: { tool: string }) => tool));
  for (const tool of [
    'clone_guest',
    'rollback_snapshot',
    'delete_guest',
    'deploy_cloud_image',
    'bulk_power',
  ]) {
    expect(tools, tool).toContain(tool);
  }
  expect(jobs.filter(({ status }: { status: string }) => status === 'failed')).toEqual([]);
}

describe("an administrator's day, through the tools alone", () => {
  it('finds, backs up, clones, grows, moves, breaks, rolls back, cleans up, makes, covers, shuts down', async () => {
    const one = await day();
    const before = new Set(stateOf(one).guests.keys());
    const volid = await backUp(one);
    const clone = await cloneAndMove(one);
    await breakAndRollBack(one, clone);
    await cleanUp(one, clone, volid);
    expect(new Set(stateOf(one).guests.keys())).toEqual(before);
    const made = await makeGuests(one);
    await coverThem(one, made);
    await endTheDay(one);
    expect(new Set(stateOf(one).guests.keys())).toEqual(new Set([...before, ...made]));
    // Nothing of it touched another cluster.
    for (const name of ['staging', 'disaster-recovery']) {
      expect(one.simulator.cluster(name).requests.filter(({ method }) => method !== 'GET')).toEqual([]);
    }
  }, 60_000);
});
