import { describe, expect, it } from 'vitest';
import { allocateDisk } from '../../../src/simulator/state/disks.ts';
import { toolClient } from '../../support/tool-client.ts';

async function client(options: Parameters<typeof toolClient>[0] = {}) {
  const tools = await toolClient({ clusters: ['production'], ...options });
  const guest = (vmid: number) => {
    const found = tools.production.state.guests.get(vmid);
    if (!found) throw new Error(`there is no guest ${vmid}`);
    return found;
  };
  return { ...tools, guest };
}

describe('list_snapshots', () => {
  it('shows the tree with depths, RAM, times and where the guest stands', async () => {
    const { call, guest, text, writes } = await client();
    const { snapshots, total, guest: shown, cluster } = await call('list_snapshots', { name: 'web-01' });
    expect({ cluster, total, shown }).toEqual({
      cluster: 'production',
      total: 4,
      shown: { vmid: 100, name: 'web-01', type: 'qemu', node: 'pve1' },
    });
    const rows = snapshots.map((row: Record<string, unknown>) => [row.snapshot, row.depth, row.with_ram]);
    expect(rows).toEqual([
      ['installed', 0, undefined],
      ['before-upgrade', 1, undefined],
      ['after-upgrade', 2, true],
      ['experiment', 2, undefined],
    ]);
    const current = snapshots.filter((row: { is_current?: boolean }) => row.is_current);
    expect(current.map((row: { snapshot: string }) => row.snapshot)).toEqual([guest(100).parent]);
    expect(snapshots[0].description).toBe('Fresh from the template');
    expect(snapshots[0].taken_at).toMatch(/^\d{4}-\d\d-\d\dT/);
    expect(snapshots[0]).not.toHaveProperty('size_bytes');
    expect(await text('list_snapshots', { vmid: 100 })).toContain(
      'VM 100 (web-01) of production has 4 snapshots',
    );
    expect(writes()).toEqual([]);
  });

  it('says of a guest without any that it has none', async () => {
    const { call, text } = await client();
    expect((await call('list_snapshots', { vmid: 101 })).snapshots).toEqual([]);
    expect(await text('list_snapshots', { vmid: 101 })).toBe(
      'VM 101 (web-02) of production has no snapshots.',
    );
  });

  it('bounds a list that a machine has made, keeps the newest and says so', async () => {
    const { call, guest } = await client();
    const { snapshots } = guest(101);
    for (let index = 0; index < 130; index += 1) {
      const parent = index === 0 ? {} : { parent: `auto${index - 1}` };
      const base = { name: `auto${index}`, description: 'x'.repeat(1000), snaptime: 1_700_000_000 + index };
      snapshots.set(`auto${index}`, { ...base, ...parent, vmstate: false, config: {} });
    }
    const { snapshots: rows, total, note } = await call('list_snapshots', { vmid: 101 });
    expect(total).toBe(130);
    expect(rows).toHaveLength(100);
    expect(rows.at(-1)).toMatchObject({ snapshot: 'auto129', depth: 129 });
    expect(rows[0].snapshot).toBe('auto30');
    expect(rows[0].description.length).toBeLessThan(310);
    expect(note).toContain('newest 100 of 130');
  });
});

describe('create_snapshot', () => {
  it('takes one of a running VM with its RAM', async () => {
    const { call, guest, text } = await client();
    const before = guest(100).parent;
    const answer = await call('create_snapshot', {
      vmid: 100,
      name: 'web-01',
      snapshot: 'before_patch',
      description: 'Line one\nand two',
      with_ram: true,
    });
    expect(answer).toMatchObject({ snapshot: 'before_patch', task: { status: 'ok' } });
    expect(answer).not.toHaveProperty('note');
    const made = guest(100).snapshots.get('before_patch');
    expect(made).toMatchObject({ vmstate: true, parent: before, description: 'Line one\nand two' });
    expect(guest(100).parent).toBe('before_patch');
    expect(await text('create_snapshot', { vmid: 101, snapshot: 's1' })).toMatch(
      /^Snapshot s1 of VM 101 \(web-02\) of production was taken\. Without its RAM: the guest agent/,
    );
  });

  it('sends no vmstate for a VM that is stopped, and says that there was none', async () => {
    const { call, guest, writes } = await client();
    const { note } = await call('create_snapshot', { vmid: 103, snapshot: 'cold', with_ram: true });
    expect(note).toContain('not running');
    expect(guest(103).snapshots.get('cold')).toMatchObject({ vmstate: false });
    expect(JSON.stringify(writes())).not.toContain('vmstate');
  });

  it('takes one of a container', async () => {
    const { call, guest } = await client();
    await call('create_snapshot', { vmid: 110, snapshot: 'weekly' });
    expect(guest(110).snapshots.has('weekly')).toBe(true);
  });

  it('refuses what can’t be done, and nothing leaves', async () => {
    const { refused, writes } = await client();
    const cases = [
      ['a name that begins with a digit', { vmid: 100, snapshot: '1st' }, 'must begin with a letter'],
      ['a name with a blank', { vmid: 100, snapshot: 'my snap' }, 'must begin with a letter'],
      ['a name of one character', { vmid: 100, snapshot: 'x' }, 'at least 2'],
      ['a reserved name', { vmid: 100, snapshot: 'Current' }, 'keeps for itself'],
      ['a name of 41 characters', { vmid: 100, snapshot: 's'.repeat(41) }, 'longer than 40'],
      ['no guest', { snapshot: 'ok' }, 'Neither name nor vmid'],
      ['a name that is taken', { vmid: 100, snapshot: 'installed' }, 'already'],
      ['a guest of another name', { vmid: 100, name: 'web-02', snapshot: 'ok' }, 'belong'],
      ['a template', { vmid: 9000, snapshot: 'ok' }, 'it is a template'],
    ] as const;
    for (const [what, args, message] of cases) {
      const error = await refused('create_snapshot', args);
      expect(`${error.message} ${error.hint}`, what).toContain(message);
    }
    expect(writes()).toEqual([]);
  });

  it('refuses RAM of a container, a locked guest, and vzdump as a name of a container’s', async () => {
    const { refused, guest, writes } = await client();
    const withRam = await refused('create_snapshot', { vmid: 110, snapshot: 'ok', with_ram: true });
    expect(withRam.message).toContain('VMs alone');
    expect((await refused('create_snapshot', { vmid: 110, snapshot: 'vzdump' })).message).toContain('vzdump');
    guest(100).lock = 'backup';
    expect(await refused('create_snapshot', { vmid: 100, snapshot: 'ok' })).toMatchObject({
      code: 'CONFLICT',
      message: 'Guest 100 is locked (backup).',
    });
    expect(writes()).toEqual([]);
  });

  it('refuses a disk that can’t be snapshotted before the task would', async () => {
    const { refused, guest, writes, production } = await client();
    guest(101).config.scsi1 =
      `${allocateDisk(production.state, guest(101), 'nas', 4, { format: 'raw' })},size=4G`;
    const error = await refused('create_snapshot', { vmid: 101, snapshot: 'ok' });
    expect(error.message).toContain("can't have snapshots");
    expect(writes()).toEqual([]);
  });

  it('leaves it to Proxmox where the token may not look first', async () => {
    const { call, guest, production } = await client();
    const message = 'Permission check failed (/vms/101, VM.Audit)\n';
    production.faults.add({
      kind: 'status',
      code: 403,
      message,
      match: /^GET .*(snapshot|feature|current)$/,
    });
    const answer = await call('create_snapshot', { vmid: 101, snapshot: 'blind' });
    expect(answer.task.status).toBe('ok');
    expect(answer).not.toHaveProperty('note');
    expect(guest(101).snapshots.has('blind')).toBe(true);
  });

  it('is an error with the end of the log where the task fails, and is sent once', async () => {
    const { refused, production, writes } = await client();
    production.faults.add({ kind: 'task-error', message: 'out of space', match: /POST .*snapshot$/ });
    const error = await refused('create_snapshot', { vmid: 101, snapshot: 'doomed' });
    expect(error).toMatchObject({ code: 'TASK_FAILED', message: expect.stringContaining('out of space') });
    expect(writes()).toHaveLength(1);
  });

  it('returns at once where asked to, and the task goes on', async () => {
    const { call, guest } = await client({ simulator: { taskSeconds: 30 } });
    const { task } = await call('create_snapshot', { vmid: 101, snapshot: 'later', wait_seconds: 0 });
    expect(task).toMatchObject({ status: 'running' });
    expect(task.upid).toMatch(/^UPID:pve2:.*:qmsnapshot:101:/);
    expect(guest(101).lock).toBe('snapshot');
  });
});

describe('rollback_snapshot', () => {
  it('says what is lost and how the guest is then', async () => {
    const { call, guest } = await client();
    guest(100).config.cores = 16;
    const answer = await call('rollback_snapshot', { vmid: 100, name: 'web-01', snapshot: 'before-upgrade' });
    expect(guest(100)).toMatchObject({ parent: 'before-upgrade', status: 'stopped', config: { cores: 4 } });
    const taken = guest(100).snapshots.get('before-upgrade')?.snaptime ?? 0;
    expect(answer.rolled_back).toEqual({
      snapshot: 'before-upgrade',
      lost_since: new Date(taken * 1000).toISOString(),
      status: 'stopped',
    });
    expect(answer.task.status).toBe('ok');
  });

  it('starts the guest where asked to, and one with saved RAM runs anyway', async () => {
    const { call, guest, text } = await client();
    const sentence = await text('rollback_snapshot', { vmid: 100, snapshot: 'installed', start: true });
    expect(sentence).toMatch(
      /rolled back to installed\. What it wrote since .* is lost\. It is running now\.$/,
    );
    expect(guest(100).status).toBe('running');
    const { rolled_back } = await call('rollback_snapshot', { vmid: 100, snapshot: 'after-upgrade' });
    expect(rolled_back.status).toBe('running');
  });

  it('names the snapshots there are where the one is not, and sends nothing', async () => {
    const { refused, writes, guest } = await client();
    const error = await refused('rollback_snapshot', { vmid: 100, snapshot: 'before_upgrade' });
    expect(error).toMatchObject({ code: 'NOT_FOUND' });
    expect(error.hint).toContain('before-upgrade');
    guest(100).lock = 'migrate';
    expect((await refused('rollback_snapshot', { vmid: 100, snapshot: 'installed' })).code).toBe('CONFLICT');
    expect(writes()).toEqual([]);
  });
});

describe('delete_snapshot', () => {
  it('removes it, and its children move up', async () => {
    const { call, guest } = await client();
    const answer = await call('delete_snapshot', { vmid: 100, snapshot: 'before-upgrade' });
    expect(answer).toMatchObject({ snapshot: 'before-upgrade', task: { status: 'ok' } });
    expect(guest(100).snapshots.has('before-upgrade')).toBe(false);
    expect(guest(100).snapshots.get('experiment')?.parent).toBe('installed');
  });

  it('passes force on only where it is asked for', async () => {
    const { call, production } = await client();
    await call('delete_snapshot', { vmid: 100, snapshot: 'experiment', force: true });
    await call('delete_snapshot', { vmid: 100, snapshot: 'after-upgrade' });
    const sent = production.requests
      .filter(({ method }) => method === 'DELETE')
      .map(({ params }) => params.force);
    expect(sent).toEqual(['1', undefined]);
  });

  it('sends nothing for one that is not there, nor without the right to change', async () => {
    const { refused, writes } = await client();
    expect((await refused('delete_snapshot', { vmid: 100, snapshot: 'gone' })).code).toBe('NOT_FOUND');
    const reader = await client({ scope: 'proxmox:read' });
    const error = await reader.refused('delete_snapshot', { vmid: 100, snapshot: 'experiment' });
    expect(error.code).toBe('POLICY_DENIED');
    expect([...writes(), ...reader.writes()]).toEqual([]);
  });
});

describe('update_snapshot', () => {
  it('changes and empties the description', async () => {
    const { call, guest, text } = await client();
    const { description } = await call('update_snapshot', {
      name: 'web-01',
      snapshot: 'experiment',
      description: 'Kept',
    });
    expect(description).toBe('Kept');
    expect(guest(100).snapshots.get('experiment')?.description).toBe('Kept');
    expect(await text('update_snapshot', { vmid: 100, snapshot: 'experiment', description: '' })).toBe(
      'Snapshot experiment of VM 100 (web-01) of production has no description now.',
    );
    expect(guest(100).snapshots.get('experiment')?.description).toBe('');
  });
});
