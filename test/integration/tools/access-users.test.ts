import { describe, expect, it } from 'vitest';
import { Secret } from '../../../src/config/secret.ts';
import type { SimulatedCluster } from '../../../src/simulator/simulator.ts';
import { accessOf, accessClient as client } from '../../support/access-client.ts';

describe('save_user', () => {
  it('creates a user with groups, and changes what is given alone', async () => {
    const tools = await client();
    await tools.call('save_group', { group: 'ops', comment: 'operators' });
    const made = await tools.call('save_user', {
      user: 'ann@pve',
      password: 'c4n4ry-of-ann',
      firstname: 'Ann',
      lastname: 'Lee',
      email: 'ann@example.com',
      groups: ['@ops'],
      expire: '2031-01-01T00:00:00Z',
    });
    expect(made).toMatchObject({
      created: true,
      user: {
        user: 'ann@pve',
        enabled: true,
        name: 'Ann Lee',
        groups: ['ops'],
        tokens: 0,
        expires_at: '2031-01-01T00:00:00.000Z',
      },
    });
    expect(JSON.stringify(made)).not.toContain('c4n4ry');
    expect(accessOf(tools).users.get('ann@pve')).toMatchObject({
      password: 'c4n4ry-of-ann',
      expire: 1_924_992_000,
    });
    const changed = { user: 'ann@pve', enabled: false, groups: [], expire: 'never', comment: null };
    expect(await tools.call('save_user', changed)).toMatchObject({
      created: false,
      user: { enabled: false, groups: [], email: 'ann@example.com' },
    });
    expect(accessOf(tools).users.get('ann@pve')).toMatchObject({
      enable: false,
      expire: 0,
      firstname: 'Ann',
    });
    expect(accessOf(tools).groups.get('ops')?.members.size).toBe(0);
  });

  it('refuses what Proxmox would, or would obscurely, before anything leaves', async () => {
    const tools = await client();
    const refusal = (args: Record<string, unknown>) => tools.refused('save_user', args);
    expect((await refusal({ user: 'ann' })).code).toBe('INVALID_ARGUMENTS');
    expect((await refusal({ user: 'ann@ldap' })).hint).toContain('pam, pve');
    expect((await refusal({ user: 'mcp@pve' })).message).toContain('nothing is to be changed');
    expect((await refusal({ user: 'mcp@pve', password: 'long-enough' })).hint).toContain('change_password');
    expect((await refusal({ user: 'ann@pve', expire: '2020-01-01T00:00:00Z' })).message).toContain(
      'has passed',
    );
    expect((await refusal({ user: 'ann@pve', expire: 'tomorrow' })).code).toBe('INVALID_ARGUMENTS');
    expect(tools.writes()).toEqual([]);
  });

  it('takes away the lock of second factors', async () => {
    const tools = await client();
    const factor = { id: '1', type: 'totp' as const, description: 'phone', created: 1 };
    accessOf(tools).users.set('ann@pve', { userid: 'ann@pve', totpLocked: true, secondFactors: [factor] });
    expect((await tools.call('list_users', { search: 'ann' })).users).toMatchObject([{ locked: true }]);
    await tools.call('save_user', { user: 'ann@pve', unlock: true });
    expect(accessOf(tools).users.get('ann@pve')).not.toHaveProperty('totpLocked');
    expect(tools.writes()).toHaveLength(1);
    await tools.call('save_user', { user: 'ann@pve', unlock: true, comment: 'free' });
    expect(tools.writes()).toHaveLength(3);
  });
});

describe('list_users', () => {
  it('tells of groups, tokens, expiry and second factors', async () => {
    const tools = await client();
    const access = accessOf(tools);
    access.users.set('ann@pve', {
      userid: 'ann@pve',
      firstname: 'Ann',
      expire: 1_600_000_000,
      secondFactors: [
        { id: '1', type: 'totp', description: 'phone', created: 1 },
        { id: '2', type: 'webauthn', description: 'key', created: 1, enable: 0 },
      ],
    });
    access.tokens.push({ user: 'ann@pve', name: 'ci', secret: 'x', privsep: true });
    access.groups.set('ops', { groupid: 'ops', members: new Set(['ann@pve']) });
    const all = await tools.call('list_users');
    expect(all.total).toBe(3);
    const ann = { user: 'ann@pve', expired: true, groups: ['ops'], tokens: 1, second_factors: ['totp'] };
    expect(await tools.call('list_users', { search: 'ANN' })).toMatchObject({ total: 1, users: [ann] });
    expect(await tools.call('list_users', { group: 'ops' })).toMatchObject({ users: [ann] });
    const first = await tools.call('list_users', { limit: 2, fields: ['user'] });
    expect(first.users).toEqual([{ user: 'ann@pve' }, { user: 'mcp@pve' }]);
    const rest = await tools.call('list_users', { limit: 2, fields: ['user'], cursor: first.next_cursor });
    expect(rest.users).toEqual([{ user: 'root@pam' }]);
  });
});

describe('change_password', () => {
  it('sets it where the cluster logs in with a password, and says why a token can’t', async () => {
    const tools = await client();
    accessOf(tools).users.set('ann@pve', { userid: 'ann@pve', password: 'old' });
    const args = { user: 'ann@pve', password: 'c4n4ry-new-one' };
    const error = await tools.refused('change_password', args);
    expect(error).toMatchObject({ code: 'PERMISSION_DENIED', message: expect.stringContaining('API token') });
    expect(accessOf(tools).users.get('ann@pve')?.password).toBe('old');
    expect((await tools.refused('change_password', { ...args, user: 'a@nowhere' })).hint).toContain('pve');
  });

  it('is confirmed with the password of the service’s own user', async () => {
    const config = ({ user, password }: SimulatedCluster) => ({
      credentials: { kind: 'password' as const, user, password: new Secret(password) },
    });
    const tools = await client({ config });
    accessOf(tools).users.set('ann@pve', { userid: 'ann@pve', password: 'old' });
    const args = { user: 'ann@pve', password: 'c4n4ry-new-one' };
    expect((await tools.refused('change_password', args)).code).toBe('PERMISSION_DENIED');
    const own = tools.production.password;
    const answer = await tools.call('change_password', { ...args, confirmation_password: own });
    expect(answer).toMatchObject({ user: 'ann@pve' });
    expect(JSON.stringify(answer)).not.toContain('c4n4ry');
    expect(accessOf(tools).users.get('ann@pve')?.password).toBe('c4n4ry-new-one');
  });
});

describe('delete_access', () => {
  it('deletes each kind, and says what went with it', async () => {
    const tools = await client();
    const access = accessOf(tools);
    await tools.call('save_group', { group: 'ops' });
    await tools.call('save_role', { role: 'Own', privileges: ['VM.Audit'] });
    await tools.call('save_user', { user: 'ann@pve', groups: ['ops'] });
    await tools.call('create_token', { token: 'ann@pve!ci' });
    await tools.call('create_token', { token: 'ann@pve!cd' });
    await tools.call('set_acl', {
      action: 'grant',
      path: '/vms',
      roles: ['Own'],
      who: ['ann@pve', 'ann@pve!ci'],
    });
    const gone = async (kind: string, name: string) =>
      (await tools.call('delete_access', { kind, name })).gone;
    expect(await gone('token', 'ann@pve!ci')).toEqual({ acl_entries: 1 });
    expect(await gone('user', 'ann@pve')).toEqual({ tokens: ['ann@pve!cd'], acl_entries: 1 });
    expect(await gone('group', 'ops')).toEqual({});
    expect(await gone('role', 'Own')).toEqual({});
    expect(access.users.has('ann@pve')).toBe(false);
    expect(access.groups.size).toBe(0);
    expect(access.roles.size).toBe(0);
    await tools.call('save_pool', { pool: 'spare' });
    expect(await gone('pool', 'spare')).toEqual({});
    expect(tools.production.state.pools.map(({ poolid }) => poolid)).toEqual(['old']);
  });

  it('refuses what can’t go, before anything leaves', async () => {
    const tools = await client();
    const refusal = (kind: string, name: string) => tools.refused('delete_access', { kind, name });
    expect((await refusal('pool', 'old')).message).toContain('not empty: 100');
    expect((await refusal('user', 'root@pam')).message).toContain('belongs to Proxmox itself');
    expect((await refusal('role', 'PVEAdmin')).code).toBe('INVALID_ARGUMENTS');
    expect((await refusal('realm', 'pve')).code).toBe('INVALID_ARGUMENTS');
    for (const [kind, name] of [
      ['user', 'no@pve'],
      ['group', 'no'],
      ['role', 'no'],
      ['realm', 'no'],
      ['token', 'mcp@pve!no'],
      ['pool', 'no'],
    ] as const) {
      expect((await refusal(kind, name)).code).toBe('NOT_FOUND');
    }
    expect(tools.writes()).toEqual([]);
  });
});
