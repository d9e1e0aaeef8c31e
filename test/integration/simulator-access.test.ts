import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ClusterApi, SimulatedApi } from '../support/simulated-api.ts';

let api: SimulatedApi;
let sim: ClusterApi;

beforeAll(async () => {
  api = await SimulatedApi.start();
  sim = api.on('production');
  await sim.ok('POST', '/access/groups', { groupid: 'ops', comment: 'On call' });
  await sim.ok('POST', '/access/users', { userid: 'ann@pve', password: 'ann-secret-1', groups: 'ops' });
});
afterAll(() => api.close());

async function token(name: string, privsep: 0 | 1): Promise<string> {
  const { row } = await sim.ok('POST', `/access/users/ann@pve/token/${name}`, { privsep });
  return `${row['full-tokenid']}=${row.value}`;
}

const grant = (body: Record<string, string | number>) => sim.ok('PUT', '/access/acl', body);

describe('users, groups and realms', () => {
  test('a user shows groups and tokens, and is refused twice', async () => {
    expect((await sim.ok('GET', '/access/users/ann@pve')).row).toMatchObject({ enable: 1, groups: ['ops'] });
    expect((await sim.ok('GET', '/access/groups/ops')).row).toEqual({
      comment: 'On call',
      members: ['ann@pve'],
    });
    const twice = await sim.call('POST', '/access/users', { userid: 'ann@pve' });
    expect(twice.reason).toContain("user 'ann@pve' already exists");
    expect((await sim.call('POST', '/access/users', { userid: 'x@nowhere' })).reason).toContain(
      'does not exist',
    );
  });

  test('a realm is made, changed and removed with its users', async () => {
    const realm = {
      realm: 'corp',
      type: 'ldap',
      server1: 'ldap.example.com',
      base_dn: 'dc=example',
      user_attr: 'uid',
    };
    await sim.ok('POST', '/access/domains', realm);
    await sim.ok('POST', '/access/users', { userid: 'bob@corp' });
    await sim.ok('PUT', '/access/domains/corp', { comment: 'Directory' });
    expect((await sim.ok('GET', '/access/domains/corp')).row).toMatchObject({
      server1: 'ldap.example.com',
      comment: 'Directory',
    });
    expect(await sim.work('POST', '/access/domains/corp/sync', { scope: 'both' })).toBe('OK');
    await sim.ok('DELETE', '/access/domains/corp');
    expect(sim.cluster.state.access.users.has('bob@corp')).toBe(false);
    expect((await sim.call('DELETE', '/access/domains/pam')).status).toBe(500);
  });

  test('a password is changed with a ticket, not with a token', async () => {
    const change = { userid: 'ann@pve', password: 'ann-secret-2', 'confirmation-password': 'ann-secret-1' };
    expect((await sim.call('PUT', '/access/password', change)).status).toBe(403);
    const login = (password: string) =>
      sim.call('POST', '/access/ticket', { username: 'ann@pve', password }, { as: {} });
    const { row } = await login('ann-secret-1');
    const as = {
      cookie: `PVEAuthCookie=${encodeURIComponent(String(row.ticket))}`,
      csrfpreventiontoken: String(row.CSRFPreventionToken),
    };
    const wrong = { ...change, 'confirmation-password': 'not this one' };
    expect((await sim.call('PUT', '/access/password', wrong, { as })).status).toBe(401);
    expect((await sim.call('PUT', '/access/password', change, { as })).status).toBe(200);
    expect((await login('ann-secret-1')).status).toBe(401);
    expect((await login('ann-secret-2')).status).toBe(200);
    const version = async () => (await sim.call('GET', '/version', undefined, { as })).status;
    expect(await version()).toBe(200);
    await sim.ok('PUT', '/access/users/ann@pve', { enable: 0 });
    expect((await login('ann-secret-2')).status).toBe(401);
    // The ticket from before has not expired, and is worth nothing.
    expect(await version()).toBe(401);
    await sim.ok('PUT', '/access/users/ann@pve', { enable: 1 });
  });
});

describe('roles', () => {
  test('the built-in ones can be neither changed nor deleted, own ones can', async () => {
    expect((await sim.call('DELETE', '/access/roles/PVEAuditor')).reason).toContain('cannot be deleted');
    await sim.ok('POST', '/access/roles', { roleid: 'Watcher', privs: 'VM.Audit' });
    await sim.ok('PUT', '/access/roles/Watcher', { privs: 'Sys.Audit', append: 1 });
    expect((await sim.ok('GET', '/access/roles/Watcher')).row).toEqual({ 'Sys.Audit': 1, 'VM.Audit': 1 });
    const bad = await sim.call('POST', '/access/roles', { roleid: 'Bad', privs: 'VM.Nonsense' });
    expect(bad).toMatchObject({ status: 400, body: { errors: { privs: expect.any(String) } } });
    await sim.ok('DELETE', '/access/roles/Watcher');
    const { rows } = await sim.ok('GET', '/access/roles');
    expect(rows.map(({ roleid }) => roleid)).not.toContain('Watcher');
    expect(rows.find(({ roleid }) => roleid === 'PVETemplateUser')).toMatchObject({
      privs: 'VM.Audit,VM.Clone',
      special: 1,
    });
  });
});

describe('the access control list', () => {
  test('grants through a group, and NoAccess below takes it back', async () => {
    const as = await token('whole', 0);
    await grant({ path: '/vms', groups: 'ops', roles: 'PVEVMAdmin' });
    await grant({ path: '/vms/102', users: 'ann@pve', roles: 'NoAccess' });
    expect((await sim.call('GET', '/nodes/pve1/qemu/100/config', undefined, { as })).status).toBe(200);
    const refused = await sim.call('GET', '/nodes/pve3/qemu/102/config', undefined, { as });
    expect(refused).toMatchObject({ status: 403, reason: 'Permission check failed (/vms/102, VM.Audit)' });
    const list = await sim.ok('GET', '/access/acl');
    expect(list.rows).toContainEqual({
      path: '/vms',
      type: 'group',
      ugid: 'ops',
      roleid: 'PVEVMAdmin',
      propagate: 1,
    });
    await grant({ path: '/vms', groups: 'ops', roles: 'PVEVMAdmin', delete: 1 });
    expect((await sim.call('GET', '/nodes/pve1/qemu/100/config', undefined, { as })).status).toBe(403);
    await grant({ path: '/vms/102', users: 'ann@pve', roles: 'NoAccess', delete: 1 });
  });

  test('a separated token has what it and its user both have', async () => {
    const as = await token('apart', 1);
    await grant({ path: '/vms/100', users: 'ann@pve', roles: 'PVEVMAdmin' });
    const config = () => sim.call('GET', '/nodes/pve1/qemu/100/config', undefined, { as });
    expect((await config()).status).toBe(403);
    await grant({ path: '/', tokens: 'ann@pve!apart', roles: 'PVEAuditor' });
    expect((await config()).status).toBe(200);
    const start = await sim.call('POST', '/nodes/pve1/qemu/100/status/stop', {}, { as });
    expect(start).toMatchObject({ status: 403, reason: 'Permission check failed (/vms/100, VM.PowerMgmt)' });
    const { row } = await sim.ok('GET', '/access/permissions?userid=ann@pve!apart&path=/vms/100');
    expect(row).toEqual({ '/vms/100': { 'VM.Audit': 1, 'VM.GuestAgent.Audit': 1 } });
  });

  test('without propagation it ends at its path, and a wrong path or role is refused', async () => {
    const as = await token('flat', 0);
    await grant({ path: '/nodes', users: 'ann@pve', roles: 'PVEAuditor', propagate: 0 });
    expect((await sim.call('GET', '/nodes/pve1/dns', undefined, { as })).status).toBe(403);
    await grant({ path: '/nodes', users: 'ann@pve', roles: 'PVEAuditor' });
    expect((await sim.call('GET', '/nodes/pve1/dns', undefined, { as })).status).toBe(200);
    const nowhere = await sim.call('PUT', '/access/acl', {
      path: '/nowhere',
      users: 'ann@pve',
      roles: 'PVEAuditor',
    });
    expect(nowhere.body.errors).toHaveProperty('path');
    const role = await sim.call('PUT', '/access/acl', { path: '/', users: 'ann@pve', roles: 'Nothing' });
    expect(role.reason).toBe("role 'Nothing' does not exist");
  });

  test('who administers a guest grants no more than he has', async () => {
    const as = await token('admin', 0);
    await grant({ path: '/vms/101', users: 'ann@pve', roles: 'PVEVMAdmin' });
    const give = (roles: string) =>
      sim.call('PUT', '/access/acl', { path: '/vms/101', users: 'ann@pve', roles }, { as });
    expect((await give('Administrator')).status).toBe(403);
    expect((await give('PVEVMUser')).status).toBe(200);
  });
});

describe('tokens', () => {
  test('the secret is shown once, renewed, and worth nothing after it', async () => {
    const as = await token('brief', 0);
    const shown = await sim.ok('GET', '/access/users/ann@pve/token/brief');
    expect(shown.row).toEqual({ privsep: 0, expire: 0 });
    expect((await sim.call('GET', '/version', undefined, { as })).status).toBe(200);
    const { row } = await sim.ok('PUT', '/access/users/ann@pve/token/brief', { regenerate: 1 });
    expect((await sim.call('GET', '/version', undefined, { as })).status).toBe(401);
    const renewed = `ann@pve!brief=${row.value}`;
    expect((await sim.call('GET', '/version', undefined, { as: renewed })).status).toBe(200);
    await sim.ok('DELETE', '/access/users/ann@pve/token/brief');
    expect((await sim.call('GET', '/version', undefined, { as: renewed })).status).toBe(401);
  });

  test('an expired one is refused', async () => {
    const as = await token('old', 0);
    await sim.ok('PUT', '/access/users/ann@pve/token/old', { expire: Math.floor(Date.now() / 1000) + 60 });
    expect((await sim.call('GET', '/version', undefined, { as })).status).toBe(200);
    api.pass(120);
    expect((await sim.call('GET', '/version', undefined, { as })).status).toBe(401);
  });

  test('go with their user', async () => {
    const as = await token('last', 0);
    await sim.ok('DELETE', '/access/users/ann@pve');
    expect((await sim.call('GET', '/version', undefined, { as })).status).toBe(401);
    expect(sim.cluster.state.access.acl.filter(({ ugid }) => ugid.startsWith('ann@pve'))).toEqual([]);
  });
});
