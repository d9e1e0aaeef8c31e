import { describe, expect, it } from 'vitest';
import { accessOf, accessClient as client } from '../../support/access-client.ts';

describe('save_group and save_role', () => {
  it('make them, change them, and tell which privileges came and went', async () => {
    const tools = await client();
    expect(await tools.call('save_group', { group: 'ops' })).toMatchObject({ created: true });
    expect(await tools.call('save_group', { group: 'ops', comment: 'all' })).toMatchObject({
      created: false,
    });
    expect(accessOf(tools).groups.get('ops')?.comment).toBe('all');
    const role = (privileges: string[], append = false) =>
      tools.call('save_role', { role: 'Power', privileges, append });
    expect(await role(['VM.PowerMgmt', 'VM.Audit'])).toMatchObject({ created: true, lost: [] });
    expect(await role(['VM.Console'], true)).toMatchObject({ gained: ['VM.Console'], lost: [] });
    expect(await role(['VM.Audit'])).toMatchObject({ gained: [], lost: ['VM.Console', 'VM.PowerMgmt'] });
    expect(accessOf(tools).roles.get('Power')).toEqual(['VM.Audit']);
    const writes = tools.writes().length;
    const wrong = await tools.refused('save_role', { role: 'Power', privileges: ['VM.PowerMgnt'] });
    expect(wrong.message).toContain('Did you mean "VM.PowerMgmt"?');
    const own = await tools.refused('save_role', { role: 'PVEAdmin', privileges: [] });
    expect(own.message).toContain('Proxmox itself');
    expect(tools.writes()).toHaveLength(writes);
  });
});

describe('save_realm and sync_realm', () => {
  const LDAP = {
    realm: 'corp',
    type: 'ldap',
    options: {
      server1: 'ldap.example.com',
      base_dn: 'dc=example,dc=com',
      user_attr: 'uid',
      password: 'c4n4ry-bind',
    },
  };

  it('creates, changes and synchronises a realm, with its secret shown nowhere', async () => {
    const tools = await client();
    expect(await tools.call('save_realm', LDAP)).toMatchObject({ created: true, type: 'ldap' });
    expect(
      await tools.call('save_realm', { realm: 'corp', options: { comment: 'HQ', port: 636 } }),
    ).toMatchObject({
      created: false,
    });
    expect(await tools.call('save_realm', { realm: 'corp', remove: ['port'] })).toMatchObject({
      created: false,
    });
    expect(accessOf(tools).realms.get('corp')).toMatchObject({ server1: 'ldap.example.com', comment: 'HQ' });
    expect(accessOf(tools).realms.get('corp')).not.toHaveProperty('port');
    // A host of before 7 keeps the password with the rest.
    Object.assign(accessOf(tools).realms.get('corp') ?? {}, { 'client-key': 'c4n4ry-key' });
    const shown = await tools.call('list_access', { kind: 'realms', name: 'corp' });
    expect(shown.rows).toMatchObject([
      { name: 'corp', options: { base_dn: 'dc=example,dc=com', 'client-key': 'set' } },
    ]);
    expect(JSON.stringify(shown)).not.toContain('c4n4ry');
    const synced = await tools.call('sync_realm', {
      realm: 'corp',
      dry_run: false,
      remove_vanished: ['entry', 'acl'],
    });
    expect(synced).toMatchObject({ realm: 'corp', task: { status: 'ok' } });
    const sync = tools.writes().at(-1);
    expect(sync).toMatchObject({ path: expect.stringContaining('/access/domains/corp/sync') });
    expect(sync?.params).toMatchObject({ 'dry-run': '0', 'remove-vanished': 'entry;acl', scope: 'both' });
  });

  it('refuses what a type needs or does not know, before anything leaves', async () => {
    const tools = await client();
    expect((await tools.refused('save_realm', { realm: 'new' })).message).toContain('needs a `type`');
    const bare = await tools.refused('save_realm', {
      realm: 'sso',
      type: 'openid',
      options: { 'client-id': 'x' },
    });
    expect(bare.message).toContain('issuer-url');
    const misspelt = { ...LDAP, options: { ...LDAP.options, bind_nd: 'cn=x' } };
    expect((await tools.refused('save_realm', misspelt)).message).toContain('bind_nd');
    expect((await tools.refused('sync_realm', { realm: 'pve' })).message).toContain('only ldap and ad');
    expect(accessOf(tools).realms.has('corp')).toBe(false);
    expect(tools.writes()).toEqual([]);
  });
});

describe('save_pool', () => {
  it('creates a pool, moves guests into it by name, and takes them out', async () => {
    const tools = await client();
    const taken = await tools.refused('save_pool', { pool: 'web', add_guests: ['web'] });
    expect(taken).toMatchObject({ code: 'CONFLICT', message: expect.stringContaining('100 in old') });
    expect(tools.writes()).toEqual([]);
    const made = {
      pool: 'web',
      comment: 'shop',
      add_guests: ['web', 101],
      add_storages: ['local'],
      move: true,
    };
    expect(await tools.call('save_pool', made)).toMatchObject({
      created: true,
      guests: [100, 101],
      storages: ['local'],
    });
    const pool = () => tools.production.state.pools.find(({ poolid }) => poolid === 'web');
    expect([...(pool()?.vmids ?? [])]).toEqual([100, 101]);
    const changed = { pool: 'web', add_guests: ['dns'], remove_guests: [100], remove_storages: ['local'] };
    expect(await tools.call('save_pool', changed)).toMatchObject({
      created: false,
      guests: [101, 110],
      storages: [],
    });
    expect((await tools.refused('save_pool', { pool: 'web', add_guests: [101] })).message).toContain(
      'is so already',
    );
    expect((await tools.refused('save_pool', { pool: 'web', add_guests: ['nobody'] })).code).toBe(
      'NOT_FOUND',
    );
  });
});

describe('list_access', () => {
  it('shows a realm without what only a reader of secrets may ask for', async () => {
    const tools = await client({ scope: 'proxmox:read' });
    const one = await tools.call('list_access', { kind: 'realms', name: 'pve' });
    expect(one.rows).toEqual([{ name: 'pve', type: 'pve', comment: expect.any(String), default: true }]);
    expect(one.note).toContain('POLICY_DENIED');
  });

  it('lists groups, roles, realms and pools, and gives one with all', async () => {
    const tools = await client();
    await tools.call('save_group', { group: 'ops' });
    expect((await tools.call('list_access', { kind: 'groups' })).rows).toEqual([
      { name: 'ops', members: [] },
    ]);
    const roles = await tools.call('list_access', { kind: 'roles', name: 'PVEAuditor' });
    expect(roles.rows).toMatchObject([{ built_in: true, privileges: expect.arrayContaining(['VM.Audit']) }]);
    expect((await tools.call('list_access', { kind: 'realms' })).rows).toMatchObject([
      { name: 'pam' },
      { default: true },
    ]);
    expect((await tools.call('list_access', { kind: 'pools' })).rows).toEqual([
      { name: 'old', guests: [100] },
    ]);
    const one = await tools.call('list_access', { kind: 'pools', name: 'old' });
    expect(one.rows).toEqual([{ name: 'old', guests: [100], storages: [] }]);
    expect((await tools.refused('list_access', { kind: 'pools', name: 'none' })).hint).toContain('old');
  });
});
