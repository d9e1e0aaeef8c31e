import { failure } from '../../errors.ts';
import type { Realm, User } from '../../state/access.ts';
import { type Call, text } from '../method.ts';

/** Whether the caller holds a privilege on all groups, or on one group of the user. */
export function mayOnUser({ state, identity }: Call, userid: string, ...privileges: string[]): boolean {
  if (state.access.has(identity, '/access/groups', ...privileges)) return true;
  return state.access
    .groupsOf(userid)
    .some((group) => state.access.has(identity, `/access/groups/${group}`, ...privileges));
}

export function requireUser(call: Call): User {
  const userid = text(call, 'userid');
  const user = call.state.access.users.get(userid);
  if (!user) throw failure(`no such user ('${userid}')`);
  return user;
}

export function requireRealm(call: Call, name: string): Realm {
  const realm = call.state.access.realms.get(name);
  if (!realm) throw failure(`domain '${name}' does not exist`);
  return realm;
}

export function refuseForeignRealm(call: Call, userid: string): void {
  requireRealm(call, userid.slice(userid.lastIndexOf('@') + 1));
}
