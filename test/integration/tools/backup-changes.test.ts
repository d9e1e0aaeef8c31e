import { describe, expect, it } from 'vitest';
import { backupsIn, backupClient as client, guestIn, newest } from '../../support/backup-estate.ts';
import type { Answer } from '../../support/tool-client.ts';

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

describe('what is not known of backups', () => {
  it('is not told as removed where a node could not prune', async () => {
    const tools = await client();
    const local = tools.production.state.storages.find(({ storage }) => storage === 'local');
    if (local) local.options['prune-backups'] = 'keep-last=1';
    const { volumes } = tools.production.state;
    const [other] = volumes.filter(({ vmid, content }) => vmid === 110 && content === 'backup');
    if (other === undefined) throw new Error('110 has no backup');
    const older = {
      ...other,
      volid: other.volid.replace(/-\d{4}_\d\d_\d\d-/, '-2020_01_01-'),
      ctime: 1_577_840_400,
    };
    volumes.push(older);
    const args = { cluster: 'production', storage: 'local', keep: 'keep-last=1' };
    const { removed } = await tools.call('prune_backups', args);
    expect(removed).toBeGreaterThan(1);
    const match = /\/nodes\/a2\/storage\/local\/prunebackups/;
    await tools.production.faults.add({ kind: 'task-error', match, message: 'is busy' }).ready;
    const answer = await tools.call('prune_backups', { ...args, apply: true });
    expect(answer).toMatchObject({ applied: true, removed: removed - 1 });
    expect(answer.tasks).toContainEqual(expect.objectContaining({ node: 'a2', error: expect.anything() }));
    expect(volumes).toContain(older);
  });

  it('is not counted as gone where another storage could not be read', async () => {
    const tools = await client();
    await tools.call('create_backup', { cluster: 'production', vmid: 100, storage: 'vault' });
    const match = /\/storage\/local\/content/;
    await tools.production.faults.add({ kind: 'status', code: 500, match, message: 'is offline' }).ready;
    const shared = backupsIn(tools, 100).find(({ volid }) => volid.startsWith('vault:'));
    const args = { cluster: 'production', volid: shared?.volid };
    const { remaining, note } = await tools.call('delete_backup', args);
    expect(remaining).toBe(0);
    expect(note).toContain('local of a1');
  });
});
