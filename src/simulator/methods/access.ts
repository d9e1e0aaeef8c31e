import { ApiError, forbidden } from '../errors.ts';
import { type AccessControl, ALL_PRIVILEGES, type Identity } from '../state/access.ts';
import { type Call, flag, type Method, optional, optionalText, string, text } from './method.ts';

/** The branches PVE reports permissions for even where no ACL entry names them. */
const REPORTED_PATHS = ['/', '/access', '/nodes', '/pool', '/sdn', '/storage', '/vms'];

function logIn(call: Call): unknown {
  const { access, tickets, name, nodes } = call.state;
  const realm = optionalText(call, 'realm');
  const userid = realm === undefined ? text(call, 'username') : `${text(call, 'username')}@${realm}`;
  const user = access.users.get(userid);
  const password = text(call, 'password');
  // A valid ticket in place of the password renews the login.
  const known = user?.password !== undefined && user.password === password;
  if (!user || !(known || tickets.verify(password) === userid)) {
    throw new ApiError(401, 'authentication failure');
  }
  const { ticket, csrf } = tickets.issue(userid);
  const cluster = nodes.length > 1 ? { clustername: name } : {};
  return { username: userid, ticket, CSRFPreventionToken: csrf, ...cluster };
}

function permissionsOf(call: Call): unknown {
  const { access } = call.state;
  const subject = optionalText(call, 'userid') ?? call.identity.id;
  const [user = '', token] = subject.split('!');
  const own =
    user === call.identity.user && (call.identity.token === undefined || subject === call.identity.id);
  if (!own && !access.has(call.identity, '/access', 'Sys.Audit')) throw forbidden('/access, Sys.Audit');
  const identity: Identity = { id: subject, user, ...(token === undefined ? {} : { token }) };
  const asked = optionalText(call, 'path');
  const paths = asked === undefined ? [...REPORTED_PATHS, ...access.acl.map((entry) => entry.path)] : [asked];
  const granted = [...new Set(paths)].sort().map((path): [string, Record<string, number>] => {
    const held = access.privileges(identity, path);
    return [path, Object.fromEntries(ALL_PRIVILEGES.filter((p) => held.has(p)).map((p) => [p, 1]))];
  });
  return Object.fromEntries(granted.filter(([, privileges]) => Object.keys(privileges).length > 0));
}

function users(call: Call): unknown {
  const { access } = call.state;
  const all = access.has(call.identity, '/access/groups', 'User.Modify', 'Sys.Audit');
  const visible = [...access.users.values()].filter((user) => all || user.userid === call.identity.user);
  return visible.map(({ userid, comment }) => ({
    userid,
    enable: 1,
    expire: 0,
    'realm-type': userid.split('@')[1],
    ...(comment === undefined ? {} : { comment }),
    ...(flag(call, 'full') ? { tokens: tokensOf(access, userid) } : {}),
  }));
}

function tokensOf(access: AccessControl, userid: string): unknown[] {
  const tokens = access.tokens.filter((token) => token.user === userid);
  return tokens.map(({ name, privsep }) => ({ tokenid: name, privsep: privsep ? 1 : 0, expire: 0 }));
}

function userTokens(call: Call): unknown {
  const userid = text(call, 'userid');
  const { access } = call.state;
  if (call.identity.id !== userid && !access.has(call.identity, '/access/groups', 'User.Modify')) {
    throw forbidden('/access/groups, User.Modify');
  }
  return tokensOf(access, userid);
}

export const accessMethods: Method[] = [
  {
    method: 'POST',
    path: '/access/ticket',
    properties: {
      username: { type: 'string', maxLength: 64 },
      password: string,
      realm: { type: 'string', maxLength: 32, optional: 1 },
      'new-format': { type: 'boolean', optional: 1 },
    },
    permissions: { user: 'world' },
    allowtoken: 0,
    handler: logIn,
  },
  // Exists so that a browser can show a login form; answers nothing.
  { method: 'GET', path: '/access/ticket', permissions: { user: 'world' }, handler: () => null },
  {
    method: 'GET',
    path: '/access/domains',
    permissions: { user: 'world' },
    handler: () => [
      { realm: 'pam', type: 'pam', comment: 'Accounts of the host' },
      { realm: 'pve', type: 'pve', comment: 'Accounts of the cluster', default: 1 },
    ],
  },
  {
    method: 'GET',
    path: '/access/permissions',
    properties: { path: optional(string), userid: optional(string) },
    permissions: { user: 'all' },
    handler: permissionsOf,
  },
  {
    method: 'GET',
    path: '/access/users',
    properties: { enabled: { type: 'boolean', optional: 1 }, full: { type: 'boolean', optional: 1 } },
    permissions: { user: 'all' },
    handler: users,
  },
  {
    method: 'GET',
    path: '/access/users/{userid}/token',
    properties: { userid: { type: 'string', maxLength: 64 } },
    permissions: { user: 'all' },
    handler: userTokens,
  },
];
