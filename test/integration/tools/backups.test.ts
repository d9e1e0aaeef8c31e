import { describe, expect, it } from 'vitest';
import { defaultPolicy } from '../../../src/access/policy/policy.ts';
import { backupsIn, backupClient as client, guestIn, newest } from '../../support/backup-estate.ts';
import type { Answer } from '../../support/tool-client.ts';

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

  it.each([
    ['one node', [101, 110], 1],
    ['two nodes', [100, 110], 2],
  ])('of several guests on %s is a bulk, which loses nothing', async (_where, guests, calls) => {
    const tools = await client({ gateOptions: { policy: defaultPolicy() } });
    const args = { cluster: 'production', guests, storage: 'vault' };
    const { code, plan } = await tools.refused('create_backup', args);
    expect({ code, approval: plan?.approval }).toEqual({ code: 'APPROVAL_REQUIRED', approval: 'self' });
    expect(plan).toMatchObject({
      lost: [],
      undo: expect.stringMatching(/^Delete the new backup: delete_backup, /),
    });
    expect(plan?.calls).toHaveLength(calls);
    expect(tools.writes()).toEqual([]);
    const answer = await tools.call('create_backup', { ...args, handle: plan?.handle });
    expect(answer.backups.map((row: Answer) => row.vmid).sort()).toEqual(guests);
    expect(tools.writes()).toHaveLength(calls);
  });

  it('of one guest asks for nothing', async () => {
    const tools = await client({ gateOptions: { policy: defaultPolicy() } });
    await tools.call('create_backup', { vmid: 100, storage: 'vault' });
    await tools.call('create_backup', { guests: [101], storage: 'vault' });
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
    const reasons = guests.flatMap((row: Answer) => row.reasons);
    expect(reasons).toContain('backups not visible to the token');
    expect(reasons).not.toContain('no backup');
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

  it('without the scope for secrets tells all but what is in them, and says why once', async () => {
    const tools = await client({ scope: 'proxmox:read proxmox:change' });
    await tools.call('create_backup', { guests: [100, 101, 110], storage: 'vault' });
    const [web] = backupsIn(tools, 100);
    Object.assign(web ?? {}, { verification: { state: 'ok', upid: 'UPID:x' } });
    const answer = await tools.call('verify_backups', { cluster: 'production', storage: 'vault' });
    const verdicts = Object.fromEntries(answer.backups.map((row: Answer) => [row.vmid, row.verdict]));
    expect(verdicts).toEqual({ 100: 'verified', 101: 'unknown', 110: 'unknown' });
    expect(answer.note.match(/were not read/g)).toHaveLength(1);
    expect(answer.note).toContain('proxmox:secret');
    const args = { cluster: 'production', volid: newest(tools, 100) };
    expect((await tools.refused('get_backup_config', args)).code).toBe('POLICY_DENIED');
    expect(tools.production.requests.map(({ path }) => path).join()).not.toContain('extractconfig');
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
