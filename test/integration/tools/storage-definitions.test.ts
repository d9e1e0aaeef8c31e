import { describe, expect, it } from 'vitest';
import { policyWith } from '../../support/gate.ts';
import { toolClient } from '../../support/tool-client.ts';

const definitionOf = (production: { state: { storages: { storage: string }[] } }, name: string) =>
  production.state.storages.find(({ storage }) => storage === name);

describe('get_storage', () => {
  it('shows the definition, what it could hold, and each node now', async () => {
    const { call, text, production } = await toolClient();
    const answer = await call('get_storage', { cluster: 'production', storage: 'local' });
    expect(answer).toMatchObject({
      cluster: 'production',
      storage: 'local',
      type: 'dir',
      enabled: true,
      shared: false,
      content: ['iso', 'vztmpl', 'backup', 'import', 'snippets'],
      could_hold: ['images', 'rootdir'],
      options: { path: '/var/lib/vz' },
      total: 3,
    });
    expect(answer.on_nodes.map(({ node }: { node: string }) => node)).toEqual(['pve1', 'pve2', 'pve3']);
    const [row] = answer.on_nodes;
    expect(row).toMatchObject({ active: true });
    expect(row.used_bytes + row.free_bytes).toBe(row.total_bytes);
    expect(answer.nodes).toBeUndefined();
    expect(await text('get_storage', { cluster: 'production', storage: 'local' })).toContain(
      'dir storage on 3 nodes',
    );
    expect(production.requests.every(({ method }) => method === 'GET')).toBe(true);
  });

  it('loses the row of a node alone that does not answer', async () => {
    const { call, production } = await toolClient();
    production.faults.add({
      kind: 'status',
      code: 500,
      message: 'stale NFS handle',
      match: /pve2\/storage\/nas/,
    });
    const { on_nodes } = await call('get_storage', { cluster: 'production', storage: 'nas' });
    expect(on_nodes[1]).toMatchObject({ node: 'pve2', active: false });
    expect(on_nodes[1].problem).toContain('stale NFS handle');
    expect(on_nodes[2]).toMatchObject({ node: 'pve3', active: true });
  });

  it('asks no node for a disabled one, and names those that there are for an unknown one', async () => {
    const { call, refused, production } = await toolClient();
    const nas = production.state.storages.find(({ storage }) => storage === 'nas');
    if (nas) nas.disabled = true;
    expect(await call('get_storage', { cluster: 'production', storage: 'nas' })).toMatchObject({
      enabled: false,
      on_nodes: [],
      total: 3,
    });
    const error = await refused('get_storage', { cluster: 'production', storage: 'nass' });
    expect(error).toMatchObject({ code: 'NOT_FOUND' });
    expect(error.hint).toContain('backup-nfs');
  });
});

/** What makes a storage of each type, and what is missing without it. */
const KINDS: [type: string, options: Record<string, unknown>, needed: string[]][] = [
  ['dir', { path: '/srv/data' }, ['path']],
  ['nfs', { server: '192.0.2.50', export: '/export/x' }, ['server', 'export']],
  ['cifs', { server: '192.0.2.51', share: 's', username: 'u', password: 'canary-cifs' }, ['server', 'share']],
  ['lvm', { vgname: 'vg0' }, ['vgname']],
  ['lvmthin', { vgname: 'vg0', thinpool: 'thin' }, ['vgname', 'thinpool']],
  ['zfspool', { pool: 'tank/vms', sparse: true }, ['pool']],
  [
    'pbs',
    {
      server: '192.0.2.52',
      datastore: 'd',
      username: 'b@pbs',
      password: 'canary-pbs-pw',
      'encryption-key': 'autogen',
    },
    ['server', 'datastore', 'username', 'password'],
  ],
  ['cephfs', { monhost: '192.0.2.53', keyring: 'canary-keyring-1', fs_name: 'fs' }, []],
  ['rbd', { pool: 'rbd', monhost: '192.0.2.53', keyring: 'canary-keyring-2', krbd: true }, ['pool']],
  ['iscsi', { portal: '192.0.2.54', target: 'iqn.2026-11.test:x' }, ['portal', 'target']],
];

const REFUSED: [args: Record<string, unknown>, message: string, more: string][] = [
  [{ type: 'dir', options: { path: '/x', pathh: '/y' } }, 'no option "pathh"', 'Did you mean "path"?'],
  [{ type: 'lvm', options: { vgname: 'x' }, content: ['iso'] }, "can't hold iso", 'images, rootdir'],
  [
    { type: 'cifs', options: { server: 'a', share: 'b', password: 'canary-x' } },
    'needs username',
    'server, share',
  ],
  [{ type: 'dir', options: { path: '/x' }, nodes: ['pve9'] }, 'no node "pve9"', 'pve1, pve2, pve3'],
  [{ type: 'dir', options: { path: '/x' }, prune_backups: 'sometimes' }, 'prune_backups', 'keep-last=3'],
  [
    { storage: 'local', type: 'dir', options: { path: '/x' } },
    'has a storage local already',
    'update_storage',
  ],
  [{ storage: '9x', type: 'dir', options: { path: '/x' } }, 'storage', 'must begin with a letter'],
];

describe('create_storage', () => {
  it('makes one of each type, and says first what it lacks', async () => {
    const { call, refused, production, writes } = await toolClient({ clusters: ['production'] });
    for (const [index, [type, options, needed]] of KINDS.entries()) {
      const storage = `new-${type}`;
      if (needed.length > 0) {
        const error = await refused('create_storage', { storage, type });
        expect(error).toMatchObject({ code: 'INVALID_ARGUMENTS' });
        expect(error.message).toContain(`needs ${needed.join(', ')}`);
      }
      expect(writes()).toHaveLength(index);
      const answer = await call('create_storage', { storage, type, options });
      expect(answer).toMatchObject({ storage, type });
      expect(JSON.stringify(answer)).not.toContain('canary');
      expect(definitionOf(production, storage)).toMatchObject({ type });
      const shown = await call('get_storage', { storage });
      expect(JSON.stringify(shown)).not.toContain('canary');
    }
  });

  it('takes content, nodes and a prune policy, and reads fs_name as fs-name', async () => {
    const { call, production } = await toolClient({ clusters: ['production'] });
    const place = { server: '192.0.2.50', export: '/export/y' };
    await call('create_storage', {
      storage: 'vault',
      type: 'nfs',
      options: place,
      content: ['backup', 'iso'],
      nodes: ['pve1', 'pve3'],
      prune_backups: 'daily=7,keep-last=3',
      enabled: false,
    });
    expect(definitionOf(production, 'vault')).toMatchObject({
      content: ['backup', 'iso'],
      nodes: ['pve1', 'pve3'],
      disabled: true,
      options: { ...place, 'prune-backups': 'keep-last=3,keep-daily=7' },
    });
    await call('create_storage', { storage: 'ceph-files', type: 'cephfs', options: { fs_name: 'second' } });
    expect(definitionOf(production, 'ceph-files')).toMatchObject({ options: { 'fs-name': 'second' } });
  });

  it('refuses what is wrong before anything leaves', async () => {
    const { refused, writes } = await toolClient({ clusters: ['production'] });
    for (const [args, message, more] of REFUSED) {
      const error = await refused('create_storage', { storage: 'new-one', ...args });
      expect(`${error.message} ${error.hint}`).toContain(message);
      expect(`${error.message} ${error.hint}`).toContain(more);
      expect(JSON.stringify(error)).not.toContain('canary');
    }
    expect(writes()).toEqual([]);
  });
});

describe('update_storage', () => {
  it('changes content, nodes, policy and options, against the digest it read', async () => {
    const { call, production, writes } = await toolClient({ clusters: ['production'] });
    const args = {
      storage: 'nas',
      content: ['images', 'iso'],
      nodes: ['pve1'],
      options: { options: 'vers=4.2' },
    };
    expect(await call('update_storage', args)).toMatchObject({ changed: ['options', 'content', 'nodes'] });
    const nas = definitionOf(production, 'nas');
    expect(nas).toMatchObject({
      content: ['images', 'iso'],
      nodes: ['pve1'],
      options: { options: 'vers=4.2' },
    });
    expect(writes()[0]?.params.digest).toMatch(/^[0-9a-f]{40}$/);
    await call('update_storage', { storage: 'nas', nodes: [], enabled: false, reset: ['options'] });
    expect(nas).toMatchObject({ disabled: true });
    expect(nas).not.toHaveProperty('nodes');
    expect(nas).not.toHaveProperty('options.options');
    await call('update_storage', { storage: 'nas', enabled: true });
    expect(nas).not.toHaveProperty('disabled');
  });

  it('refuses what says where the data is, stale digests, and nothing at all', async () => {
    const { refused, writes } = await toolClient({ clusters: ['production'] });
    const fixed = await refused('update_storage', { storage: 'nas', options: { server: '192.0.2.99' } });
    expect(fixed.message).toContain("server of a storage can't be changed");
    const stale = await refused('update_storage', { storage: 'nas', enabled: false, digest: 'abc' });
    expect(stale).toMatchObject({ code: 'CONFLICT' });
    expect(await refused('update_storage', { storage: 'nas' })).toMatchObject({ code: 'INVALID_ARGUMENTS' });
    const held = await refused('update_storage', { storage: 'local-lvm', content: ['backup'] });
    expect(held.message).toContain("can't hold backup");
    expect(writes()).toEqual([]);
  });
});

const BACKUP = {
  volid: 'backup-nfs:backup/vzdump-qemu-100-2026_01_01-00_00_00.vma.zst',
  storage: 'backup-nfs',
  content: 'backup',
  format: 'vma.zst',
  size: 1000,
  vmid: 100,
  ctime: 1,
};

describe('delete_storage', () => {
  it('takes an unused definition away, leaves its data, and names the jobs that will fail', async () => {
    const { call, text, production } = await toolClient({ clusters: ['production'] });
    production.state.volumes.push(BACKUP);
    const before = production.state.volumes.filter(({ storage }) => storage === 'backup-nfs').length;
    const answer = await call('delete_storage', { storage: 'backup-nfs' });
    expect(answer).toMatchObject({ storage: 'backup-nfs', type: 'nfs' });
    expect(answer.volumes_left).toBeGreaterThanOrEqual(before);
    expect(definitionOf(production, 'backup-nfs')).toBeUndefined();
    expect(production.state.volumes.filter(({ storage }) => storage === 'backup-nfs')).toHaveLength(before);
    const jobs = (production.state.backupJobs ?? []).filter(
      ({ options }) => options.storage === 'backup-nfs',
    );
    expect(answer.backup_jobs ?? []).toEqual(jobs.map(({ id }) => id));
    expect(await text('get_storage', { storage: 'backup-nfs' })).toContain('no storage');
  });

  it('refuses one that guests have disks on, and names them', async () => {
    const { refused, production, writes } = await toolClient({ clusters: ['production'] });
    const error = await refused('delete_storage', { storage: 'local-lvm' });
    expect(error).toMatchObject({ code: 'CONFLICT' });
    expect(error.message).toContain('VM 100 (web-01)');
    expect(writes()).toEqual([]);
    expect(definitionOf(production, 'local-lvm')).toBeDefined();
  });

  it('asks a person, who is told what uses it', async () => {
    const { refused, production, writes } = await toolClient({
      clusters: ['production'],
      gateOptions: { policy: policyWith('person') },
    });
    production.state.volumes.push(BACKUP);
    const error = await refused('delete_storage', { storage: 'backup-nfs' });
    expect(error).toMatchObject({ code: 'APPROVAL_REQUIRED' });
    expect(error.plan.dependents.join(' ')).toContain('1 volumes on the storage');
    expect(writes()).toEqual([]);
  });

  it('says so where what is on it could not be looked at', async () => {
    const { call, production } = await toolClient({ clusters: ['production'] });
    production.faults.add({
      kind: 'status',
      code: 500,
      message: 'mount error',
      match: /backup-nfs\/content/,
    });
    const answer = await call('delete_storage', { storage: 'backup-nfs' });
    expect(answer.note).toContain('mount error');
    expect(definitionOf(production, 'backup-nfs')).toBeUndefined();
  });
});
