import { ApiError, failure, forbidden } from '../../errors.ts';
import { ALL_PRIVILEGES, type Identity } from '../../state/access.ts';
import { served, texts } from '../declare.ts';
import { type Call, type Method, optionalText, text } from '../method.ts';
import { refuseForeignRealm, requireUser } from './checks.ts';

/** The branches PVE reports permissions for even where no ACL entry names them. */
const REPORTED_PATHS = [
  '/',
  '/access',
  '/access/groups',
  '/mapping',
  '/nodes',
  '/pool',
  '/sdn',
  '/storage',
  '/vms',
];

function logIn(call: Call): unknown {
  const { access, tickets, name, nodes } = call.state;
  const realm = optionalText(call, 'realm');
  const userid = realm === undefined ? text(call, 'username') : `${text(call, 'username')}@${realm}`;
  const user = access.users.get(userid);
  const password = text(call, 'password');
  // A valid ticket in place of the password renews the login.
  const known = user?.password !== undefined && user.password === password;
  if (!user || !access.mayLogIn(userid) || !(known || tickets.verify(password) === userid)) {
    throw new ApiError(401, 'authentication failure');
  }
  const { ticket, csrf } = tickets.issue(userid);
  const cluster = nodes.length > 1 ? { clustername: name } : {};
  const cap = capabilities(call, { id: userid, user: userid });
  return { username: userid, ticket, CSRFPreventionToken: csrf, ...cluster, cap };
}

/** What the web interface asks for at login: the privileges per branch. */
function capabilities({ state }: Call, identity: Identity): Record<string, Record<string, number>> {
  const branches: Record<string, string> = {
    access: '/access',
    dc: '/',
    nodes: '/nodes',
    storage: '/storage',
    vms: '/vms',
    sdn: '/sdn',
    mapping: '/mapping',
  };
  return Object.fromEntries(
    Object.entries(branches).map(([name, path]) => [name, flags(state.access.privileges(identity, path))]),
  );
}

const flags = (held: Set<string>): Record<string, number> => {
  return Object.fromEntries(ALL_PRIVILEGES.filter((name) => held.has(name)).map((name) => [name, 1]));
};

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
  const granted = [...new Set(paths)].sort().map((path) => {
    return [path, flags(access.privileges(identity, path))] as const;
  });
  return Object.fromEntries(granted.filter(([, privileges]) => Object.keys(privileges).length > 0));
}

function changePassword(call: Call): null {
  const userid = text(call, 'userid');
  refuseForeignRealm(call, userid);
  const user = requireUser(call);
  const { access } = call.state;
  const { type } = access.realms.get(userid.split('@')[1] ?? '') ?? { type: 'pve' };
  if (type !== 'pam' && type !== 'pve') throw failure(`can't change password on auth type '${type}'`);
  const caller = access.users.get(call.identity.user);
  const confirmation = optionalText(call, 'confirmation-password');
  if (call.identity.id !== 'root@pam' && confirmation !== caller?.password) {
    throw new ApiError(401, 'authentication failure');
  }
  user.password = text(call, 'password');
  return null;
}

export const loginMethods: Method[] = [
  served('POST', '/access/ticket', logIn),
  // Exists so that a browser can show a login form; answers nothing.
  served('GET', '/access/ticket', () => null),
  served('PUT', '/access/password', changePassword, texts('confirmation-password')),
  served('GET', '/access/permissions', permissionsOf),
];
