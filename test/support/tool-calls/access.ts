import { secretOf } from '../canary-parameters.ts';
import type { SetupCall, ToolCallTable } from './table.ts';

const cluster = 'production';

export const ACCESS_SETUP: readonly SetupCall[] = [
  { line: 'POST /access/groups', data: { groupid: 'ops' } },
  {
    line: 'POST /access/users',
    data: { userid: 'ann@pve', groups: 'ops', password: secretOf('the password of a new user') },
  },
  { line: 'POST /access/users/ann@pve/token/ci' },
  {
    line: 'POST /access/domains',
    data: { realm: 'corp', type: 'ldap', server1: 'ldap.example.org', base_dn: 'dc=x', user_attr: 'uid' },
  },
  { cluster: 'staging', line: 'POST /access/users', data: { userid: 'ann@pve' } },
];

export const ACCESS_CALLS: ToolCallTable = {
  list_users: { cluster },
  list_access: { cluster, kind: 'groups' },
  list_acl: { cluster },
  list_tokens: { cluster },
  get_permissions: { cluster, who: 'ann@pve' },
  save_user: { cluster, user: 'eve@pve', password: secretOf('the password of a new user'), groups: ['ops'] },
  // The one that is set up with a login: Proxmox lets no token do it.
  change_password: { cluster: 'staging', user: 'ann@pve', password: secretOf('a changed password') },
  save_group: { cluster, group: 'watchers', comment: 'they look' },
  save_role: { cluster, role: 'Power', privileges: ['VM.PowerMgmt', 'VM.Audit'] },
  save_realm: {
    cluster,
    realm: 'other',
    type: 'openid',
    options: {
      'issuer-url': 'https://id.example.org',
      'client-id': 'x',
      'client-key': secretOf('an OpenID client key'),
    },
  },
  sync_realm: { cluster, realm: 'corp', dry_run: false, remove_vanished: ['entry'] },
  save_pool: { cluster, pool: 'fresh', add_guests: ['build-01'] },
  set_acl: { cluster, action: 'grant', path: '/vms/103', roles: ['PVEVMUser'], who: ['ann@pve'] },
  create_token: { cluster, token: 'ann@pve!made' },
  update_token: { cluster, token: 'ann@pve!ci', regenerate: true },
  delete_access: { cluster, kind: 'user', name: 'ann@pve' },
};
