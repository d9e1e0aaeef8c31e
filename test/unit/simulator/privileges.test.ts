import { beforeEach, describe, expect, test } from 'vitest';
import { AccessControl, type Identity } from '../../../src/simulator/state/access.ts';
import { ALL_PRIVILEGES, BUILT_IN_ROLES } from '../../../src/simulator/state/privileges.ts';

const ann: Identity = { id: 'ann@pve', user: 'ann@pve' };
let now = 0;
let access: AccessControl;

beforeEach(() => {
  now = 1_800_000_000_000;
  access = new AccessControl((vmid) => (vmid === 101 ? 'web/front' : undefined), {
    clock: () => now,
    poolOfStorage: (storage) => (storage === 'nas' ? 'web' : undefined),
  });
  access.users.set('ann@pve', { userid: 'ann@pve' });
  access.groups.set('ops', { groupid: 'ops', members: new Set(['ann@pve']) });
});

const grant = (ugid: string, path: string, role: string, propagate = true) => {
  access.acl.push({ ugid, path, role, propagate });
};

describe('roles', () => {
  test('hold known privileges only', () => {
    for (const privileges of Object.values(BUILT_IN_ROLES)) {
      expect(privileges.filter((name) => !ALL_PRIVILEGES.includes(name))).toEqual([]);
    }
    expect(new Set(ALL_PRIVILEGES).size).toBe(ALL_PRIVILEGES.length);
  });

  test('administrators of the cluster alone may change permissions', () => {
    expect(BUILT_IN_ROLES.PVEAdmin).not.toContain('Permissions.Modify');
    expect(BUILT_IN_ROLES.PVEAdmin).toContain('VM.Allocate');
  });
});

describe('grants', () => {
  test('to a user replace those to its groups on the same path', () => {
    grant('ops', '/vms', 'PVEVMAdmin');
    expect(access.has(ann, '/vms/100', 'VM.PowerMgmt')).toBe(true);
    grant('ann@pve', '/vms', 'PVEAuditor');
    expect(access.has(ann, '/vms/100', 'VM.PowerMgmt')).toBe(false);
    expect(access.has(ann, '/vms/100', 'VM.Audit')).toBe(true);
  });

  test('with NoAccess among them are none', () => {
    grant('ann@pve', '/vms/100', 'PVEVMAdmin');
    grant('ann@pve', '/vms/100', 'NoAccess');
    expect(access.privileges(ann, '/vms/100').size).toBe(0);
  });

  test('without propagation leave those from above in force below', () => {
    grant('ann@pve', '/', 'PVEAuditor');
    grant('ann@pve', '/vms', 'NoAccess', false);
    expect(access.has(ann, '/vms', 'VM.Audit')).toBe(false);
    expect(access.has(ann, '/vms/100', 'VM.Audit')).toBe(true);
  });

  test('on a pool reach nested pools, guests and storages', () => {
    grant('ann@pve', '/pool/web', 'PVEAdmin');
    expect(access.has(ann, '/vms/101', 'VM.PowerMgmt')).toBe(true);
    expect(access.has(ann, '/storage/nas', 'Datastore.Audit')).toBe(true);
    expect(access.has(ann, '/storage/local', 'Datastore.Audit')).toBe(false);
  });
});

describe('tokens', () => {
  test('may log in until they or their user expire', () => {
    access.tokens.push({
      user: 'ann@pve',
      name: 'bot',
      secret: 'x',
      privsep: false,
      expire: now / 1000 + 10,
    });
    expect(access.findToken('ann@pve', 'bot')).toBeDefined();
    now += 11_000;
    expect(access.findToken('ann@pve', 'bot')).toBeUndefined();
  });

  test('and memberships go with their user', () => {
    access.tokens.push({ user: 'ann@pve', name: 'bot', secret: 'x', privsep: true });
    grant('ann@pve!bot', '/', 'PVEAuditor');
    access.forget('ann@pve');
    expect([access.tokens, access.acl, access.groupsOf('ann@pve')]).toEqual([[], [], []]);
  });
});
