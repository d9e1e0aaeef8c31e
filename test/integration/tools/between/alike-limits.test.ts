import { describe, expect, it } from 'vitest';
import { type AlikeClient, alikeClient, applied, FROM, PAIR } from '../../../support/alike-client.ts';
import type { Answer } from '../../../support/tool-client.ts';

describe('sync_definitions does not copy, and says why', () => {
  const blockedOf = async (tools: AlikeClient, args: object, name: string) => {
    const answer = await tools.call('sync_definitions', { ...PAIR, apply: true, ...args });
    expect(tools.target.writes()).toEqual([]);
    return answer.rows.find((row: Answer) => row.name === name)?.blocked?.join(' ');
  };
  const job = (options: object, id = 'job') => ({
    id,
    enabled: true,
    options: { schedule: '02:00', all: 1, storage: 'backup-nfs', ...options },
  });

  it.each([
    ['VMIDs', { all: undefined, vmid: '100' }, 'names guests by VMIDs'],
    ['VMIDs that are left out', { exclude: '100' }, 'leaves out guests by VMIDs'],
    ['a storage that is not there', {}, 'has no storage backup-nfs that holds backups: say in storage_map'],
    ['a node that is not there', { node: 'pve1' }, 'the node pve1 alone'],
    ['a pool that is not there', { all: undefined, pool: 'data' }, 'The pool data is not there'],
    ['a file of the host', { script: '/root/hook' }, 'script can be set by root@pam alone'],
    [
      'a storage for fleecing that is not there',
      { fleecing: 'enabled=1,storage=fast' },
      'no storage fast that holds disks',
    ],
  ])('a job with %s', async (_what, options, reason) => {
    const tools = await alikeClient();
    const given = Object.fromEntries(
      Object.entries(job(options).options).filter(([, value]) => value !== undefined),
    );
    tools.source.state.backupJobs = [{ ...job({}), options: given as never }];
    expect(await blockedOf(tools, { kinds: ['backup_jobs'] }, 'job')).toContain(reason);
  });

  it('a role with privileges that the other version does not know, and one that Proxmox has itself', async () => {
    const tools = await alikeClient();
    tools.source.state.access.roles.set('Strange', ['VM.Audit', 'VM.Fly']);
    expect(await blockedOf(tools, { kinds: ['roles'] }, 'Strange')).toContain('knows no privilege VM.Fly');
  });

  it('a set and a group that name what is not copied with them', async () => {
    const tools = await alikeClient();
    tools.source.datacenter.aliases.office = { cidr: '192.0.2.0/24' };
    tools.source.datacenter.ipsets.admins = { entries: [{ cidr: 'office' }] };
    tools.source.groups.web = {
      rules: [{ type: 'in', action: 'ACCEPT', enable: 1, source: '+dc/admins,office', macro: 'NoSuchMacro' }],
    };
    expect(await blockedOf(tools, { kinds: ['ipsets'] }, 'admins')).toBe(
      'There is no alias "office", and none is copied with it.',
    );
    const reasons = await blockedOf(tools, { kinds: ['groups'] }, 'web');
    expect(reasons).toContain('no IP set "+dc/admins"');
    expect(reasons).toContain('no alias "office"');
    expect(reasons).toContain('no macro NoSuchMacro');
  });

  it('a pool whose parent is not copied', async () => {
    const tools = await alikeClient();
    tools.source.state.pools.push({ poolid: 'web/shop', vmids: new Set(), storages: new Set() });
    expect(await blockedOf(tools, { kinds: ['pools'], names: ['web/shop'] }, 'web/shop')).toContain(
      'The pool web that it lies in is not there',
    );
    const done = await applied(tools, { kinds: ['pools'] });
    expect(done.targets[0]).toMatchObject({ applied: 3 });
    expect(tools.target.state.pools.map(({ poolid }) => poolid)).toContain('web/shop');
  });
});

describe('sync_definitions with delete_extra', () => {
  const extra = { delete_extra: true };

  it('deletes jobs, empty pools and unused roles, and nothing without it', async () => {
    const tools = await alikeClient();
    const { state } = tools.target;
    state.pools.push({ poolid: 'empty', vmids: new Set(), storages: new Set() });
    state.pools.push({ poolid: 'empty/in', vmids: new Set(), storages: new Set() });
    state.access.roles.set('Leftover', ['VM.Audit']);
    state.backupJobs = [
      { id: 'old', enabled: true, options: { pool: 'empty', schedule: '01:00', storage: 'dr-nfs' } },
    ];
    const kinds = {
      kinds: ['pools', 'roles', 'backup_jobs'],
      names: ['empty*', 'Leftover', 'old', 'standby'],
    };
    await tools.call('sync_definitions', { ...PAIR, apply: true, ...kinds });
    expect(tools.target.writes()).toEqual([]);
    const answer = await applied(tools, { ...kinds, ...extra });
    expect(tools.target.writes()).toEqual([
      'DELETE /cluster/backup/old',
      'DELETE /access/roles/Leftover',
      'DELETE /pools',
      'DELETE /pools',
    ]);
    expect(state.pools.map(({ poolid }) => poolid)).toEqual(['standby']);
    expect(answer.rows.find(({ name }: Answer) => name === 'standby').blocked[0]).toContain(
      'It is not empty: 300, 311',
    );
  });

  it('leaves what others rest on, and says so', async () => {
    const tools = await alikeClient();
    const { state, datacenter, groups } = tools.target;
    state.pools.push({ poolid: 'backed', vmids: new Set(), storages: new Set() });
    state.pools.push({ poolid: 'granted', vmids: new Set(), storages: new Set() });
    state.access.roles.set('Used', ['VM.Audit']);
    state.access.acl.push({ path: '/pool/granted', ugid: 'root@pam', role: 'Used' } as never);
    state.backupJobs = [
      { id: 'nightly', enabled: true, options: { pool: 'backed', schedule: '01:00', storage: 'dr-nfs' } },
    ];
    datacenter.aliases.old = { cidr: '192.0.2.1' };
    datacenter.ipsets.old = { entries: [] };
    groups.old = { rules: [] };
    const answer = await tools.call('sync_definitions', {
      ...PAIR,
      apply: true,
      ...extra,
      names: ['backed', 'granted', 'Used', 'old'],
    });
    const why = Object.fromEntries(
      answer.rows.map((row: Answer) => [`${row.kind} ${row.name}`, row.blocked?.[0]]),
    );
    expect(why).toMatchObject({
      'pools backed': 'The backup job nightly backs it up.',
      'pools granted': expect.stringContaining('Rights rest on the pool: root@pam'),
      'roles Used': expect.stringContaining('Rights rest on the role: root@pam on "/pool/granted"'),
      'aliases old': expect.stringContaining('delete_firewall_object'),
      'ipsets old': expect.stringContaining('delete_firewall_object'),
      'groups old': expect.stringContaining('delete_firewall_object'),
    });
    expect(tools.target.writes()).toEqual([]);
  });

  it('deletes nothing that the source may have and its token does not see', async () => {
    const tools = await alikeClient();
    const { state } = tools.source;
    for (const entry of state.access.acl)
      if (entry.ugid.includes(tools.source.cluster.user)) entry.path = '/vms';
    tools.target.state.pools.push({ poolid: 'empty', vmids: new Set(), storages: new Set() });
    const answer = await tools.call('sync_definitions', {
      ...PAIR,
      apply: true,
      ...extra,
      kinds: ['pools'],
      names: ['empty'],
    });
    expect(answer.rows[0].blocked).toEqual(['The source may have it, too: its token does not see all.']);
    expect(answer.unread).toEqual([
      { cluster: FROM, kind: 'pools', problem: expect.stringContaining('Pool.Audit') },
    ]);
    expect(tools.target.writes()).toEqual([]);
  });
});
