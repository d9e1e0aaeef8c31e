import { describe, expect, it } from 'vitest';
import { privilegesInWords, requiredPrivileges } from '../../../src/catalogue/permissions.ts';
import type { PermissionCheck } from '../../../src/catalogue/types.ts';

const AUDIT: PermissionCheck = ['perm', '/vms/{vmid}', ['VM.Audit']];
const ANY: PermissionCheck = ['perm', '/vms/{vmid}', ['VM.Snapshot', 'VM.Audit'], 'any', 1];
const CLONE: PermissionCheck = [
  'and',
  ['perm', '/vms/{vmid}', ['VM.Clone']],
  [
    'or',
    ['perm', '/vms/{newid}', ['VM.Allocate']],
    ['perm', '/pool/{pool}', ['VM.Allocate'], 'require_param', 'pool'],
  ],
];

describe('privilegesInWords', () => {
  it.each([
    [undefined, 'root@pam only, no API token'],
    [{ user: 'all' }, 'any authenticated user'],
    [{ user: 'world', description: 'You log in here.' }, 'no authentication. You log in here.'],
    [{ description: 'Only this.' }, 'root@pam only, no API token. Only this.'],
    [{ check: AUDIT }, 'VM.Audit on /vms/{vmid}'],
    [{ check: ['perm', '/', ['Sys.Audit', 'Sys.Modify']] }, 'Sys.Audit and Sys.Modify on /'],
    [{ check: ANY }, 'VM.Snapshot or VM.Audit on /vms/{vmid}'],
    [
      { check: CLONE },
      'VM.Clone on /vms/{vmid}, and (VM.Allocate on /vms/{newid}, or VM.Allocate on /pool/{pool} (where pool is given))',
    ],
    [
      { check: ['or', ['userid-param', 'self'], ['userid-group', ['User.Modify']]] },
      'being that user, or User.Modify on /access/groups or on a group of the user',
    ],
    [
      { check: ['userid-param', 'Realm.AllocateUser'] },
      "Realm.AllocateUser on the user's /access/realm/{realm}",
    ],
    [{ check: ['perm-modify', '{path}'] }, 'Permissions.Modify on {path}'],
    [{ check: ['new-test'] }, 'the test new-test'],
  ])('writes %j', (permissions, words) => {
    expect(privilegesInWords(permissions)).toBe(words);
  });
});

describe('requiredPrivileges', () => {
  const held = {
    '/': { 'Sys.Audit': 1 },
    '/vms': { 'VM.Audit': 1, 'VM.Clone': 0 },
    '/vms/100': { 'VM.PowerMgmt': 0 },
    '/access/groups': { 'User.Modify': 1 },
  };
  const verdict = (check: PermissionCheck, params: Record<string, unknown> = {}) =>
    requiredPrivileges({ check }, params, held).verdict;

  it('takes the nearest listed path, and above it what propagates alone', () => {
    expect(verdict(AUDIT, { vmid: 200 })).toBe('has');
    // /vms/100 is listed, so it holds what is listed there and nothing else.
    expect(verdict(AUDIT, { vmid: 100 })).toBe('missing');
    expect(verdict(['perm', '/vms/{vmid}', ['VM.PowerMgmt']], { vmid: 100 })).toBe('has');
    expect(verdict(['perm', '/vms', ['VM.Clone']])).toBe('has');
    expect(verdict(['perm', '/vms/{vmid}', ['VM.Clone']], { vmid: 200 })).toBe('missing');
    expect(verdict(['perm', '/storage/local', ['Sys.Audit']])).toBe('has');
    expect(verdict(['perm', '/', ['Sys.Modify']])).toBe('missing');
  });

  it('takes all privileges together unless any will do', () => {
    expect(verdict(ANY, { vmid: 200 })).toBe('has');
    expect(verdict(['perm', '/vms', ['VM.Audit', 'VM.Snapshot']])).toBe('missing');
  });

  it('names what is missing and where', () => {
    expect(requiredPrivileges({ check: CLONE }, { vmid: 100, newid: 200, pool: 'p' }, held)).toEqual({
      verdict: 'missing',
      missing: [
        { path: '/vms/100', privileges: ['VM.Clone'], any: false },
        { path: '/vms/200', privileges: ['VM.Allocate'], any: false },
        { path: '/pool/p', privileges: ['VM.Allocate'], any: false },
      ],
    });
  });

  it('does not count an alternative whose parameter is not given', () => {
    const check: PermissionCheck = ['perm', '/', ['Sys.Audit'], 'require_param', 'pool'];
    expect(verdict(check)).toBe('missing');
    expect(verdict(check, { pool: 'p' })).toBe('has');
  });

  it('says when it can not know', () => {
    expect(verdict(AUDIT)).toBe('unknown');
    expect(verdict(['userid-param', 'self'], { userid: 'a@pve' })).toBe('unknown');
    expect(verdict(['userid-group', ['Sys.Modify']])).toBe('unknown');
    expect(verdict(['perm-modify', '{path}'], { path: '/vms/1' })).toBe('unknown');
    expect(verdict(['and', ['perm', '/', ['Sys.Audit']], ['new-test']])).toBe('unknown');
    expect(verdict(['or', ['perm', '/', ['Sys.Modify']], ['new-test']])).toBe('unknown');
  });

  it('knows the tests about users where privileges answer them', () => {
    expect(verdict(['userid-group', ['User.Modify', 'Sys.Audit']])).toBe('has');
    expect(
      requiredPrivileges({ check: ['userid-param', 'Realm.AllocateUser'] }, { userid: 'a@pve' }, {}),
    ).toEqual({
      verdict: 'missing',
      missing: [{ path: '/access/realm/pve', privileges: ['Realm.AllocateUser'], any: false }],
    });
    expect(
      requiredPrivileges(
        { check: ['perm-modify', '{path}'] },
        { path: '/' },
        { '/': { 'Permissions.Modify': 1 } },
      ).verdict,
    ).toBe('has');
  });

  it('leaves to root@pam what declares no permissions, and to all what says all', () => {
    expect(requiredPrivileges(undefined, {}, held).verdict).toBe('missing');
    expect(requiredPrivileges({ description: 'x' }, {}, held).verdict).toBe('missing');
    expect(requiredPrivileges({ user: 'all' }, {}, {}).verdict).toBe('has');
  });
});
