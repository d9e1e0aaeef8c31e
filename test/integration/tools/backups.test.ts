import { describe, expect, it } from 'vitest';
import { type ClusterSpec, LOCAL_STORAGES } from '../../../src/simulator/estate.ts';
import type { Volume } from '../../../src/simulator/state/cluster-state.ts';
import {
  type Answer,
  type ToolClient,
  type ToolClientOptions,
  toolClient,
} from '../../support/tool-client.ts';

const ESTATE: ClusterSpec[] = [
  {
    name: 'production',
    nodes: [{ name: 'a1' }, { name: 'a2' }],
    storages: [
      ...LOCAL_STORAGES,
      {
        storage: 'vault',
        type: 'pbs',
        content: ['backup'],
        shared: true,
        totalGib: 500,
        options: { server: 'pbs.test', datastore: 'main' },
      },
    ],
    pools: [{ poolid: 'web' }],
    guests: [
      {
        vmid: 100,
        type: 'qemu',
        node: 'a1',
        name: 'web',
        status: 'running',
        pool: 'web',
        config: { cipassword: '$5$canary$secret' },
        backups: [{ ageDays: 1, notes: 'web' }, { ageDays: 2 }, { ageDays: 9, protected: true }],
      },
      { vmid: 101, type: 'qemu', node: 'a2', name: 'db' },
      {
        vmid: 110,
        type: 'lxc',
        node: 'a2',
        name: 'dns',
        diskGib: 4,
        backups: [{ ageDays: 3, notes: 'dns' }],
      },
    ],
  },
  {
    name: 'staging',
    nodes: [{ name: 'b1' }],
    guests: [{ vmid: 300, type: 'lxc', node: 'b1', name: 'stage' }],
  },
];

const client = (options: ToolClientOptions = {}): Promise<ToolClient> =>
  toolClient({ ...options, simulator: { clusters: ESTATE, ...options.simulator } });

const backupsIn = ({ production }: ToolClient, vmid?: number): Volume[] =>
  production.state.volumes
    .filter((volume) => volume.content === 'backup' && (vmid === undefined || volume.vmid === vmid))
    .sort((a, b) => b.ctime - a.ctime);

/** The name of the newest backup of a guest. */
const newest = (tools: ToolClient, vmid: number): string => String(backupsIn(tools, vmid)[0]?.volid);

const guestIn = ({ production }: ToolClient, vmid: number) => {
  const guest = production.state.guests.get(vmid);
  if (!guest) throw new Error(`there is no guest ${vmid}`);
  return guest;
};

describe('create_backup', () => {
  it('backs one up by name, with notes and protection, and prunes nothing', async () => {
    const tools = await client();
    const before = backupsIn(tools, 100).length;
    const answer = await tools.call('create_backup', {
      name: 'web',
      storage: 'local',
      notes: 'before {{guestname}}\nupgrade',
      protected: true,
      mode: 'stop',
    });
    expect(answer).toMatchObject({
      cluster: 'production',
      guests: [{ vmid: 100, name: 'web', node: 'a1' }],
      tasks: [{ node: 'a1', task: { status: 'ok' } }],
      backups: [{ vmid: 100, protected: true, notes: 'before web\nupgrade', storage: 'local', node: 'a1' }],
    });
    expect(backupsIn(tools, 100)).toHaveLength(before + 1);
    expect(backupsIn(tools, 100)[0]).toMatchObject({ protected: true, volid: answer.backups[0].volid });
    expect(tools.writes().map(({ params }) => params)).toEqual([
      expect.objectContaining({ vmid: '100', remove: '0', mode: 'stop', compress: 'zstd' }),
    ]);
  });

  it('backs several up on their nodes, in one call', async () => {
    const tools = await client();
    const answer = await tools.call('create_backup', {
      cluster: 'production',
      guests: ['web', 110, '101'],
      storage: 'vault',
    });
    expect(answer.tasks.map((row: Answer) => row.node).sort()).toEqual(['a1', 'a2']);
    expect(answer.backups.map((row: Answer) => row.vmid).sort()).toEqual([100, 101, 110]);
    expect(backupsIn(tools, 101)).toMatchObject([{ storage: 'vault' }]);
    expect(tools.writes()).toHaveLength(2);
  });

  it('refuses before anything leaves', async () => {
    const tools = await client();
    const refusal = async (args: Record<string, unknown>) => tools.refused('create_backup', args);
    expect(await refusal({ vmid: 100, storage: 'local-lvm' })).toMatchObject({
      code: 'INVALID_ARGUMENTS',
      message: expect.stringContaining('takes no backups'),
      hint: expect.stringContaining('local, vault'),
    });
    expect(await refusal({ vmid: 100 })).toMatchObject({ message: expect.stringContaining('local, vault') });
    expect((await refusal({ vmid: 100, guests: [101] })).code).toBe('INVALID_ARGUMENTS');
    expect((await refusal({ vmid: 101, name: 'web' })).code).toBe('INVALID_ARGUMENTS');
    expect((await refusal({ guests: [100, 'stage'] })).message).toContain('several clusters');
    expect((await refusal({ vmid: 100, storage: 'vault', notes: '{{user}}' })).message).toContain('{{vmid}}');
    guestIn(tools, 100).lock = 'snapshot';
    expect(await refusal({ vmid: 100, storage: 'vault' })).toMatchObject({ code: 'CONFLICT' });
    expect(tools.writes()).toEqual([]);
  });

  it('returns at once where asked, with the task to follow', async () => {
    const tools = await client({ simulator: { taskSeconds: 300 } });
    const args = { vmid: 101, storage: 'vault', wait_seconds: 0 };
    const answer = await tools.call('create_backup', args);
    expect(answer.tasks).toMatchObject([{ node: 'a2', task: { status: 'running' } }]);
    expect(answer).not.toHaveProperty('backups');
    const again = await tools.refused('create_backup', args);
    expect(again).toMatchObject({ code: 'CONFLICT', message: expect.stringContaining('101 (backup)') });
    expect(tools.writes()).toHaveLength(1);
  });

  it('says what failed on one node, and goes on with the other', async () => {
    const tools = await client();
    const storage = tools.production.state.storages.find((row) => row.storage === 'local');
    if (storage) storage.foreignBytes = storage.total - 5 * 1024 ** 3;
    const answer = await tools.call('create_backup', { guests: [100, 110], storage: 'local' });
    const byNode = Object.fromEntries(answer.tasks.map((row: Answer) => [row.node, row]));
    expect(byNode.a2.task.status).toBe('ok');
    expect(byNode.a1.error).toMatchObject({ code: 'TASK_FAILED' });
    expect(answer.backups.map((row: Answer) => row.vmid)).toEqual([110]);
  });
});

describe('list_backups', () => {
  it('lists all of a cluster, newest first, and goes on by the cursor', async () => {
    const tools = await client();
    const first = await tools.call('list_backups', { cluster: 'production', limit: 3 });
    expect(first).toMatchObject({
      total: 4,
      backups: [{ vmid: 100, guest: 'web' }, { vmid: 100 }, { vmid: 110 }],
    });
    expect(first.backups[0]).toMatchObject({ notes: 'web', storage: 'local', node: 'a1', format: 'vma.zst' });
    expect(first.backups[0].age_days).toBeGreaterThan(0);
    expect(first.total_bytes).toBe(backupsIn(tools).reduce((sum, { size }) => sum + size, 0));
    const rest = await tools.call('list_backups', {
      cluster: 'production',
      limit: 3,
      cursor: first.next_cursor,
    });
    expect(rest.backups).toMatchObject([{ vmid: 100, protected: true }]);
    expect(rest).not.toHaveProperty('next_cursor');
  });

  it('finds those of a guest by name, wherever it is', async () => {
    const tools = await client();
    expect(await tools.call('list_backups', { name: 'dns' })).toMatchObject({
      cluster: 'production',
      selected_by: 'lookup',
      total: 1,
    });
  });

  it('finds those of a guest that is gone by its VMID', async () => {
    const tools = await client();
    tools.production.state.guests.delete(110);
    const gone = await tools.call('list_backups', { cluster: 'production', vmid: 110 });
    expect(gone.backups).toMatchObject([{ vmid: 110, guest_exists: false }]);
    expect((await tools.refused('list_backups', { name: 'dns' })).hint).toContain('by its vmid');
  });

  it('tells what a backup server verified and encrypted', async () => {
    const tools = await client();
    await tools.call('create_backup', { vmid: 100, storage: 'vault' });
    const [made] = backupsIn(tools, 100);
    Object.assign(made ?? {}, { verification: { state: 'ok', upid: 'UPID:x' }, encrypted: 'aa:bb' });
    const { backups } = await tools.call('list_backups', { vmid: 100, storage: 'vault' });
    expect(backups).toMatchObject([{ verification: 'ok', encrypted: true, type: 'qemu' }]);
    expect(backups[0]).not.toHaveProperty('node');
  });

  it('names a storage that can not be read, and one that does not exist', async () => {
    const tools = await client();
    const match = /\/storage\/vault\/content/;
    tools.production.faults.add({ kind: 'status', code: 500, message: 'datastore is offline', match });
    const answer = await tools.call('list_backups', { cluster: 'production' });
    expect(answer).toMatchObject({ total: 4, unread: [{ storage: 'vault' }] });
    expect(answer.note).toContain('there may be more backups');
    expect(await tools.refused('list_backups', { cluster: 'production', storage: 'nope' })).toMatchObject({
      code: 'INVALID_ARGUMENTS',
      message: expect.stringContaining('these do: local'),
    });
  });
});

describe('with a token that has few rights', () => {
  const narrowed = async (...roles: [path: string, role: string][]) => {
    const tools = await client({ clusters: ['production'] });
    const { tokens, acl } = tools.production.state.access;
    const token = tokens.find(({ name }) => name === tools.production.tokenId);
    if (token) token.privsep = true;
    for (const [path, role] of roles) acl.push({ path, ugid: `${token?.user}!${token?.name}`, role });
    return tools;
  };

  it('a list that Proxmox leaves empty is not told as if there were no backups', async () => {
    const tools = await narrowed(['/', 'PVEAuditor']);
    const answer = await tools.call('list_backups');
    expect(answer).toMatchObject({ total: 0, note: expect.stringContaining('could not be read') });
    expect(answer.unread[0].problem).toContain('Datastore.AllocateSpace');
    const { guests } = await tools.call('backup_coverage');
    expect(guests.flatMap(({ reasons }: Answer) => reasons)).not.toContain('last backup');
  });

  it('says that it sees the backups of some guests alone', async () => {
    const tools = await narrowed(
      ['/', 'PVEAuditor'],
      ['/storage', 'PVEDatastoreUser'],
      ['/vms/100', 'PVEVMUser'],
    );
    const answer = await tools.call('list_backups');
    expect(answer).toMatchObject({ total: 3, note: expect.stringContaining('VM.Backup') });
    const args = { volid: newest(tools, 110) };
    expect((await tools.refused('delete_backup', args)).code).toBe('NOT_FOUND');
    const own = { volid: newest(tools, 100) };
    expect(await tools.call('delete_backup', own)).toMatchObject({ remaining: 2 });
    const verified = await tools.call('verify_backups', { vmid: 100 });
    expect(verified).toMatchObject({ checked: 1, failed: 0 });
  });
});

describe('get_backup_config', () => {
  it('shows the configuration without its secrets', async () => {
    const tools = await client();
    const volid = newest(tools, 100);
    const answer = await tools.call('get_backup_config', { cluster: 'production', volid });
    expect(answer).toMatchObject({
      vmid: 100,
      type: 'qemu',
      guest: 'web',
      config: { name: 'web', cipassword: '[redacted]' },
      disks: [{ key: 'scsi0', storage: 'local-lvm', size: '8G' }],
    });
    expect(JSON.stringify(answer)).not.toContain('canary');
    const unknown = { cluster: 'production', volid: volid.replace('100', '199') };
    expect((await tools.refused('get_backup_config', unknown)).code).toBe('NOT_FOUND');
    const nonsense = { cluster: 'production', volid: 'nonsense' };
    expect((await tools.refused('get_backup_config', nonsense)).code).toBe('INVALID_ARGUMENTS');
  });
});

describe('verify_backups', () => {
  it('tells verified, readable, damaged and empty ones apart', async () => {
    const tools = await client();
    await tools.call('create_backup', { guests: [100, 101, 110], storage: 'vault' });
    const [web, db, dns] = [100, 101, 110].map((vmid) => backupsIn(tools, vmid)[0]);
    Object.assign(web ?? {}, { verification: { state: 'ok', upid: 'UPID:x' }, encrypted: 'aa:bb' });
    Object.assign(db ?? {}, { verification: { state: 'failed', upid: 'UPID:x' } });
    Object.assign(dns ?? {}, { size: 0 });
    const answer = await tools.call('verify_backups', { cluster: 'production', storage: 'vault' });
    const verdicts = Object.fromEntries(answer.backups.map((row: Answer) => [row.vmid, row]));
    expect(verdicts[100]).toMatchObject({ verdict: 'verified', disks: 1, key_fingerprint: 'aa:bb' });
    expect(verdicts[101]).toMatchObject({
      verdict: 'failed',
      problems: ['The backup server found it damaged.'],
    });
    expect(verdicts[110]).toMatchObject({ verdict: 'failed', problems: ['It is empty.'] });
    expect(answer).toMatchObject({ checked: 3, failed: 2, unknown: 0 });
    expect(answer.note).toContain('Whether its data restores is known only of `verified` ones');
  });

  it('says which can not be read, and checks no more than asked', async () => {
    const tools = await client();
    delete backupsIn(tools, 100)[0]?.archive;
    const answer = await tools.call('verify_backups', { vmid: 100, newest: 2 });
    expect(answer.backups).toMatchObject([{ verdict: 'failed' }, { verdict: 'readable', disks: 1 }]);
    expect(answer).toMatchObject({ checked: 2, total: 2, failed: 1 });
    expect(tools.writes()).toHaveLength(0);
  });
});

describe('restore_backup', () => {
  it('makes a new VM under the next free VMID, with what is given in place of what was', async () => {
    const tools = await client();
    const mac = guestIn(tools, 100).config.net0;
    const answer = await tools.call('restore_backup', {
      cluster: 'production',
      volid: newest(tools, 100),
      name: 'web-copy',
      memory: '2G',
      cores: 2,
      start: true,
    });
    expect(answer).toMatchObject({
      guest: { vmid: 102, name: 'web-copy', node: 'a1' },
      task: { status: 'ok' },
    });
    const made = guestIn(tools, 102);
    expect(made).toMatchObject({ status: 'running', config: { name: 'web-copy', memory: '2048', cores: 2 } });
    expect(made.config.net0).not.toBe(mac);
    expect(guestIn(tools, 100).config.name).toBe('web');
  });

  it('brings back a container that is gone, under its own VMID and address', async () => {
    const tools = await client();
    const { config } = guestIn(tools, 110);
    const volid = newest(tools, 110);
    tools.production.state.guests.delete(110);
    const answer = await tools.call('restore_backup', { cluster: 'production', volid, vmid: 110 });
    expect(answer.guest).toEqual({ vmid: 110, name: 'dns', type: 'lxc', node: 'a2' });
    expect(guestIn(tools, 110)).toMatchObject({
      type: 'lxc',
      config: { hostname: 'dns', net0: config.net0 },
    });
  });

  it('replaces a guest only by `overwrite`, and only while it is stopped', async () => {
    const tools = await client();
    const volid = newest(tools, 100);
    const args = { cluster: 'production', volid, vmid: 100 };
    expect(await tools.refused('restore_backup', args)).toMatchObject({
      code: 'CONFLICT',
      hint: expect.stringContaining('overwrite: true'),
    });
    const over = { ...args, overwrite: true };
    expect((await tools.refused('restore_backup', over)).message).toContain('only a stopped guest');
    const guest = guestIn(tools, 100);
    guest.status = 'stopped';
    guest.config.protection = 1;
    expect((await tools.refused('restore_backup', over)).message).toContain('protected');
    expect(tools.writes()).toEqual([]);
    guest.config.protection = 0;
    guest.config.cores = 7;
    expect(await tools.call('restore_backup', over)).toMatchObject({
      overwrote: 'web',
      guest: { vmid: 100 },
    });
    expect(guestIn(tools, 100).config.cores).toBe(1);
    expect(tools.writes().map(({ params }) => params)).toEqual([
      expect.objectContaining({ force: '1', vmid: '100' }),
    ]);
  });

  it('refuses what would only fail in the task, before anything leaves', async () => {
    const tools = await client();
    const refusal = (args: Record<string, unknown>) =>
      tools.refused('restore_backup', { cluster: 'production', volid: newest(tools, 100), ...args });
    expect((await refusal({ storage: 'local' })).hint).toContain('local-lvm');
    expect((await refusal({ node: 'a2' })).message).toContain("can't read");
    expect((await refusal({ vmid: 101, overwrite: true, node: 'a1' })).message).toContain('is on a2');
    expect((await refusal({ vmid: 555, overwrite: true })).message).toBe(
      'There is no guest 555 to overwrite.',
    );
    expect((await refusal({ live_restore: true })).message).toContain('Proxmox Backup Server');
    const dns = { volid: newest(tools, 110), vmid: 101, overwrite: true };
    expect((await refusal(dns)).message).toContain('101 is a VM, and the backup holds a container');
    expect(tools.writes()).toEqual([]);
  });

  it('refuses to restore disks to where there is no such storage any more', async () => {
    const tools = await client();
    const { state } = tools.production;
    for (const vmid of [100, 110]) {
      const config = backupsIn(tools, vmid)[0]?.archive?.config ?? {};
      const key = vmid === 100 ? 'scsi0' : 'rootfs';
      config[key] = String(config[key]).replace('local-lvm', 'sold');
      const args = { cluster: 'production', volid: newest(tools, vmid) };
      const error = await tools.refused('restore_backup', args);
      expect(error.message).toContain('The disks in the backup were on sold');
      expect(error.hint).toContain('local-lvm');
      await tools.call('restore_backup', { ...args, storage: 'local-lvm' });
    }
    expect([...state.guests.keys()].sort()).toEqual([100, 101, 102, 103, 110]);
  });

  it('is not for a token that may not destroy, where it replaces', async () => {
    const tools = await client({ scope: 'proxmox:read proxmox:change' });
    guestIn(tools, 100).status = 'stopped';
    const args = { cluster: 'production', volid: newest(tools, 100) };
    const over = { ...args, vmid: 100, overwrite: true };
    expect((await tools.refused('restore_backup', over)).code).toBe('POLICY_DENIED');
    expect(await tools.call('restore_backup', args)).toMatchObject({ guest: { vmid: 102 } });
  });
});

describe('protect_backup', () => {
  it('protects, annotates, and takes both away', async () => {
    const tools = await client();
    const args = { cluster: 'production', volid: newest(tools, 100) };
    const kept = await tools.call('protect_backup', { ...args, protected: true, notes: 'keep' });
    expect(kept.backup).toMatchObject({ protected: true, notes: 'keep' });
    expect(backupsIn(tools, 100)[0]).toMatchObject({ protected: true, notes: 'keep' });
    expect(await tools.refused('delete_backup', args)).toMatchObject({ code: 'CONFLICT' });
    await tools.call('protect_backup', { ...args, protected: false, notes: '' });
    expect(backupsIn(tools, 100)[0]).not.toMatchObject({ protected: true });
    expect(backupsIn(tools, 100)[0]).not.toHaveProperty('notes');
    expect((await tools.refused('protect_backup', args)).code).toBe('INVALID_ARGUMENTS');
  });
});

describe('delete_backup', () => {
  it('deletes the one that is named, and tells what is left', async () => {
    const tools = await client();
    const volid = newest(tools, 100);
    const args = { cluster: 'production', volid };
    expect(await tools.call('delete_backup', args)).toMatchObject({ remaining: 2, task: { status: 'ok' } });
    expect(backupsIn(tools, 100).map((row) => row.volid)).not.toContain(volid);
    expect(backupsIn(tools)).toHaveLength(3);
    expect((await tools.refused('delete_backup', args)).code).toBe('NOT_FOUND');
    expect(tools.writes()).toHaveLength(1);
  });

  it('deletes no volume that is no backup', async () => {
    const tools = await client();
    const volid = 'local-lvm:vm-100-disk-0';
    expect((await tools.refused('delete_backup', { cluster: 'production', volid })).code).toBe(
      'INVALID_ARGUMENTS',
    );
    const iso = 'local:iso/debian-13.1.0-amd64-netinst.iso';
    expect((await tools.refused('delete_backup', { cluster: 'production', volid: iso })).code).toBe(
      'NOT_FOUND',
    );
    expect(tools.writes()).toEqual([]);
  });
});

describe('prune_backups', () => {
  it('shows what would go and why, and changes nothing', async () => {
    const tools = await client();
    const args = { name: 'web', storage: 'local', keep: 'last=1' };
    const answer = await tools.call('prune_backups', args);
    expect(answer).toMatchObject({ applied: false, rule: 'keep-last=1', total: 3, removed: 1 });
    expect(answer.backups.map(({ mark, why }: Answer) => [mark, why])).toEqual([
      ['remove', 'no part of the rule keeps it'],
      ['keep', 'keep-last'],
      ['protected', 'protected; it counts for no rule'],
    ]);
    expect(tools.writes()).toEqual([]);
    expect(backupsIn(tools, 100)).toHaveLength(3);
  });

  it('removes with `apply`, of the guest alone', async () => {
    const tools = await client();
    const args = { vmid: 100, storage: 'local', keep: 'keep-last=1', apply: true };
    expect(await tools.call('prune_backups', args)).toMatchObject({ applied: true, removed: 1 });
    expect(backupsIn(tools, 100)).toHaveLength(2);
    expect(backupsIn(tools, 110)).toHaveLength(1);
    expect(await tools.call('prune_backups', args)).toMatchObject({ applied: false, removed: 0 });
    expect(tools.writes()).toHaveLength(1);
  });

  it("goes by the storage's own rule where none is given, on each node that has it", async () => {
    const tools = await client();
    const local = tools.production.state.storages.find(({ storage }) => storage === 'local');
    if (local) local.options['prune-backups'] = 'keep-daily=1';
    const answer = await tools.call('prune_backups', { cluster: 'production', storage: 'local' });
    expect(answer).toMatchObject({ rule: 'keep-daily=1', total: 4, removed: 1 });
    expect(answer.backups).toContainEqual(
      expect.objectContaining({ vmid: 110, node: 'a2', why: 'keep-daily' }),
    );
    if (local) delete local.options['prune-backups'];
    const all = await tools.call('prune_backups', { cluster: 'production', storage: 'local', apply: true });
    expect(all).toMatchObject({ rule: 'keep-all=1', removed: 0, applied: false });
    expect(tools.writes()).toEqual([]);
  });

  it('refuses rules that are none', async () => {
    const tools = await client();
    const args = { cluster: 'production', storage: 'local' };
    for (const keep of ['keep-last=0', 'last', 'keep-all=1,keep-last=2', 'keep-forever=1']) {
      expect((await tools.refused('prune_backups', { ...args, keep })).code).toBe('INVALID_ARGUMENTS');
    }
    expect((await tools.refused('prune_backups', { ...args, storage: 'local-lvm' })).code).toBe(
      'INVALID_ARGUMENTS',
    );
  });
});
