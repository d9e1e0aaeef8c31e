import { describe, expect, it } from 'vitest';
import type { ClusterSpec } from '../../../src/simulator/estate.ts';
import { type ToolClient, type ToolClientOptions, toolClient } from '../../support/tool-client.ts';

const ESTATE: ClusterSpec[] = [
  {
    name: 'production',
    nodes: [{ name: 'a1' }],
    guests: [{ vmid: 100, type: 'qemu', node: 'a1', name: 'web' }],
  },
];

const client = (options: ToolClientOptions = {}): Promise<ToolClient> =>
  toolClient({ ...options, simulator: { clusters: ESTATE, ...options.simulator } });

const accessOf = ({ production }: ToolClient) => production.state.access;

async function withAnn(options: ToolClientOptions = {}): Promise<ToolClient> {
  const tools = await client(options);
  accessOf(tools).users.set('ann@pve', { userid: 'ann@pve' });
  accessOf(tools).groups.set('ops', { groupid: 'ops', members: new Set(['ann@pve']) });
  return tools;
}

describe('set_acl', () => {
  it('grants to users, groups and tokens at once, and shows what they gained', async () => {
    const tools = await withAnn();
    accessOf(tools).tokens.push({ user: 'ann@pve', name: 'ci', secret: 'x', privsep: true });
    const who = ['ann@pve', '@ops', 'ann@pve!ci'];
    const answer = await tools.call('set_acl', {
      action: 'grant',
      path: 'vms/100/',
      roles: ['PVEVMUser'],
      who,
    });
    expect(answer).toMatchObject({ path: '/vms/100', removed: [] });
    expect(answer.added).toHaveLength(3);
    expect(answer.effect).toMatchObject([
      { who: 'ann@pve', gained: expect.arrayContaining(['VM.PowerMgmt']), lost: [] },
      { who: 'ann@pve!ci', gained: expect.arrayContaining(['VM.PowerMgmt']), lost: [] },
    ]);
    expect(accessOf(tools).acl).toEqual(
      expect.arrayContaining([
        { path: '/vms/100', ugid: 'ann@pve', role: 'PVEVMUser' },
        { path: '/vms/100', ugid: 'ops', role: 'PVEVMUser' },
        { path: '/vms/100', ugid: 'ann@pve!ci', role: 'PVEVMUser' },
      ]),
    );
  });

  it('shows the privileges that a grant takes, as it replaces what is inherited', async () => {
    const tools = await withAnn();
    accessOf(tools).acl.push({ path: '/', ugid: 'ann@pve', role: 'Administrator' });
    const answer = await tools.call('set_acl', {
      action: 'grant',
      path: '/vms/100',
      roles: ['PVEAuditor'],
      who: ['ann@pve'],
      propagate: false,
    });
    expect(answer.added).toMatchObject([{ propagate: false }]);
    expect(answer.effect).toMatchObject([{ who: 'ann@pve', lost: expect.arrayContaining(['VM.Allocate']) }]);
  });

  it('revokes, and only what stands there', async () => {
    const tools = await withAnn();
    accessOf(tools).acl.push({ path: '/vms', ugid: 'ann@pve', role: 'PVEVMUser' });
    const revoke = (path: string, role = 'PVEVMUser') => ({
      action: 'revoke',
      path,
      roles: [role],
      who: ['ann@pve'],
    });
    expect(await tools.refused('set_acl', revoke('/vms/100'))).toMatchObject({
      code: 'NOT_FOUND',
      hint: expect.stringContaining('list_acl'),
    });
    expect((await tools.refused('set_acl', revoke('/vms', 'PVEVMUsr'))).message).toContain('"PVEVMUser"');
    expect(tools.writes()).toEqual([]);
    const answer = await tools.call('set_acl', revoke('/vms'));
    expect(answer).toMatchObject({ added: [], removed: [{ who: 'ann@pve', role: 'PVEVMUser' }] });
    expect(answer.effect).toMatchObject([{ gained: [], lost: expect.arrayContaining(['VM.PowerMgmt']) }]);
    expect(accessOf(tools).acl.some(({ ugid }) => ugid === 'ann@pve')).toBe(false);
  });

  it('needs the scope of what holds beside this service', async () => {
    const tools = await withAnn({ scope: 'proxmox:read proxmox:change' });
    const error = await tools.refused('set_acl', {
      action: 'grant',
      path: '/',
      roles: ['Administrator'],
      who: ['ann@pve'],
    });
    expect(error.code).toBe('POLICY_DENIED');
    expect(tools.writes()).toEqual([]);
  });
});

describe('list_acl and get_permissions', () => {
  it('tell who holds what on a path, inherited too, and what is missing', async () => {
    const tools = await withAnn();
    accessOf(tools).acl.push(
      { path: '/vms', ugid: 'ops', role: 'PVEVMUser' },
      { path: '/vms/100', ugid: 'ann@pve!ci', role: 'PVEAuditor', propagate: false },
      { path: '/storage', ugid: 'ops', role: 'PVEAuditor' },
    );
    expect((await tools.call('list_acl')).total).toBe(4);
    const here = await tools.call('list_acl', { path: '/vms/100' });
    expect(here.entries).toMatchObject([
      { path: '/', who: 'mcp@pve', inherited: true },
      { path: '/vms', who: 'ops', kind: 'group', inherited: true },
      { path: '/vms/100', who: 'ann@pve!ci', kind: 'token', propagate: false },
    ]);
    expect((await tools.call('list_acl', { who: '@ops', role: 'PVEAuditor' })).entries).toMatchObject([
      { path: '/storage' },
    ]);
    const asked = { who: 'ann@pve', path: '/vms/100', needs: ['VM.PowerMgmt', 'VM.Allocate'] };
    expect(await tools.call('get_permissions', asked)).toMatchObject({
      missing: ['VM.Allocate'],
      permissions: { '/vms/100': expect.arrayContaining(['VM.PowerMgmt']) },
    });
    expect(await tools.text('get_permissions', asked)).toContain('ann@pve lacks VM.Allocate');
    const own = await tools.call('get_permissions');
    expect(own.permissions['/']).toContain('Sys.Modify');
    expect(own).not.toHaveProperty('missing');
  });
});

describe('tokens', () => {
  it('shows a new secret once, and only in the answer', async () => {
    const tools = await withAnn();
    const answer = await tools.call('create_token', {
      token: 'ann@pve!ci',
      expire: '2031-01-01T00:00:00Z',
      comment: 'builds',
    });
    const token = accessOf(tools).tokens.find(({ name }) => name === 'ci');
    expect(answer).toMatchObject({
      token: {
        token: 'ann@pve!ci',
        privsep: true,
        expires_at: '2031-01-01T00:00:00.000Z',
        comment: 'builds',
      },
      secret: token?.secret,
    });
    expect(token).toMatchObject({ privsep: true, expire: 1_924_992_000 });
    expect(JSON.stringify(await tools.call('list_tokens', { user: 'ann@pve' }))).not.toContain(token?.secret);
    expect(await tools.call('list_tokens')).toMatchObject({ total: 3 });
    const writes = tools.writes().length;
    expect((await tools.refused('create_token', { token: 'ann@pve!ci' })).code).toBe('CONFLICT');
    expect((await tools.refused('create_token', { token: 'ann!ci' })).code).toBe('INVALID_ARGUMENTS');
    expect(tools.writes()).toHaveLength(writes);
    const text = await tools.text('create_token', { token: 'ann@pve!cd', privsep: false });
    const second = accessOf(tools).tokens.find(({ name }) => name === 'cd');
    expect(second?.privsep).toBe(false);
    expect(text).not.toContain(second?.secret);
  });

  it('changes a token, and gives it a new secret where asked', async () => {
    const tools = await withAnn();
    await tools.call('create_token', { token: 'ann@pve!ci', expire: '2031-01-01T00:00:00Z' });
    const token = accessOf(tools).tokens.find(({ name }) => name === 'ci');
    const old = token?.secret;
    const changed = await tools.call('update_token', { token: 'ann@pve!ci', expire: 'never', comment: 'x' });
    expect(changed).not.toHaveProperty('secret');
    expect(token).toMatchObject({ expire: 0, comment: 'x', secret: old });
    const renewed = await tools.call('update_token', { token: 'ann@pve!ci', regenerate: true });
    expect(renewed.secret).toBe(token?.secret);
    expect(renewed.secret).not.toBe(old);
    const writes = tools.writes().length;
    expect((await tools.refused('update_token', { token: 'ann@pve!ci' })).message).toContain('Nothing is');
    expect((await tools.refused('update_token', { token: 'ann@pve!no', comment: 'x' })).code).toBe(
      'NOT_FOUND',
    );
    expect(tools.writes()).toHaveLength(writes);
  });

  it('needs the scopes of what hands out a credential', async () => {
    const tools = await withAnn({ scope: 'proxmox:read proxmox:change proxmox:destroy' });
    expect((await tools.refused('create_token', { token: 'ann@pve!ci' })).code).toBe('POLICY_DENIED');
    expect(tools.writes()).toEqual([]);
  });
});
