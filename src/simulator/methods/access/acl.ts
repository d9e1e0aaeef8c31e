import { failure, forbidden, invalidParameters } from '../../errors.ts';
import { type AclEntry, aclType } from '../../state/access.ts';
import { items, served } from '../declare.ts';
import { type Call, flag, type Method, optionalText, text } from '../method.ts';

const BRANCHES = /^\/(?:access|mapping|nodes|pool|sdn|storage|vms)(?:\/[\w.@:-]+)*$/;

function maySee({ state, identity }: Call, path: string): boolean {
  return (
    state.access.has(identity, '/access', 'Sys.Audit') ||
    state.access.has(identity, path, 'Permissions.Modify')
  );
}

function list(call: Call): unknown {
  const { acl } = call.state.access;
  return acl
    .filter(({ path }) => maySee(call, path))
    .map((entry) => ({
      path: entry.path,
      type: aclType(entry),
      ugid: entry.ugid,
      roleid: entry.role,
      propagate: entry.propagate === false ? 0 : 1,
    }));
}

function normalize(given: string): string {
  const path = `/${given.split('/').filter(Boolean).join('/')}`;
  if (path !== '/' && !BRANCHES.test(path)) throw invalidParameters({ path: `invalid ACL path '${given}'` });
  return path;
}

/** Who administers a branch without Permissions.Modify can grant no more than he has himself. */
function refuseEscalation(call: Call, path: string, roles: string[]): void {
  const { access } = call.state;
  const held = access.privileges(call.identity, path);
  if (held.has('Permissions.Modify')) return;
  for (const role of roles) {
    const missing = (access.privilegesOfRole(role) ?? []).filter((privilege) => !held.has(privilege));
    if (missing.length > 0) throw forbidden(`${path}, ${missing.join(', ')}`);
  }
}

function subjects(call: Call): string[] {
  const { access } = call.state;
  const users = items(optionalText(call, 'users'));
  const groups = items(optionalText(call, 'groups'));
  const tokens = items(optionalText(call, 'tokens'));
  if (users.length + groups.length + tokens.length === 0) {
    throw invalidParameters({
      users: "either 'users', 'groups' or 'tokens' is required.",
    });
  }
  if (flag(call, 'delete')) return [...users, ...groups, ...tokens];
  for (const user of users) if (!access.users.has(user)) throw failure(`no such user ('${user}')`);
  for (const group of groups) if (!access.groups.has(group)) throw failure(`no such group ('${group}')`);
  for (const token of tokens) {
    const [user, name] = token.split('!');
    if (!access.tokens.some((known) => known.user === user && known.name === name)) {
      throw failure(`no such token '${name}' for user '${user}'`);
    }
  }
  return [...users, ...groups, ...tokens];
}

function change(call: Call): null {
  const path = normalize(text(call, 'path'));
  const { access } = call.state;
  const roles = items(text(call, 'roles'));
  for (const role of roles) {
    if (!access.privilegesOfRole(role)) throw failure(`role '${role}' does not exist`);
  }
  refuseEscalation(call, path, roles);
  const named = subjects(call);
  const touched = (entry: AclEntry): boolean => {
    return entry.path === path && named.includes(entry.ugid) && roles.includes(entry.role);
  };
  access.acl.splice(0, access.acl.length, ...access.acl.filter((entry) => !touched(entry)));
  if (flag(call, 'delete')) return null;
  const propagate = call.parameters.propagate === 0 ? { propagate: false } : {};
  for (const ugid of named) for (const role of roles) access.acl.push({ path, ugid, role, ...propagate });
  return null;
}

export const aclMethods: Method[] = [
  served('GET', '/access/acl', list),
  served('PUT', '/access/acl', change),
];
