import { failure } from '../../errors.ts';
import type { AccessControl, User } from '../../state/access.ts';
import { items, served } from '../declare.ts';
import { type Call, flag, type Method, optionalText, text } from '../method.ts';
import { mayOnUser, refuseForeignRealm, requireUser } from './checks.ts';
import { tokenRow } from './tokens.ts';

const DETAILS = ['comment', 'email', 'firstname', 'lastname', 'keys'] as const;

function row(user: User): Record<string, unknown> {
  const details = DETAILS.filter((key) => user[key] !== undefined).map((key) => [key, user[key]]);
  return { enable: user.enable === false ? 0 : 1, expire: user.expire ?? 0, ...Object.fromEntries(details) };
}

function tokensOf(access: AccessControl, userid: string): unknown[] {
  return access.tokens.filter((token) => token.user === userid).map(tokenRow);
}

function list(call: Call): unknown {
  const { access } = call.state;
  const visible = [...access.users.values()].filter(({ userid }) => {
    return userid === call.identity.user || mayOnUser(call, userid, 'User.Modify', 'Sys.Audit');
  });
  const wanted = call.parameters.enabled;
  return visible
    .filter((user) => wanted === undefined || (user.enable === false ? 0 : 1) === wanted)
    .map((user) => ({
      userid: user.userid,
      'realm-type': access.realms.get(user.userid.split('@')[1] ?? '')?.type ?? 'pve',
      ...row(user),
      ...(flag(call, 'full')
        ? { tokens: tokensOf(access, user.userid), groups: access.groupsOf(user.userid).join(',') }
        : {}),
    }));
}

function show(call: Call): unknown {
  const { access } = call.state;
  const user = requireUser(call);
  const tokens = access.tokens.filter((token) => token.user === user.userid);
  return {
    ...row(user),
    groups: access.groupsOf(user.userid),
    tokens: Object.fromEntries(
      tokens.map((token) => {
        const { tokenid: _tokenid, ...rest } = tokenRow(token);
        return [token.name, rest];
      }),
    ),
  };
}

function setDetails(call: Call, user: User): void {
  for (const key of DETAILS) {
    const value = optionalText(call, key);
    if (value !== undefined) user[key] = value;
  }
  const { enable, expire } = call.parameters;
  if (enable !== undefined) user.enable = enable === 1;
  if (expire !== undefined) user.expire = Number(expire);
}

/** Groups are given as a list; without `append` they replace those the user is in. */
function setGroups(call: Call, userid: string): void {
  const { access } = call.state;
  const given = optionalText(call, 'groups');
  if (given === undefined) return;
  const wanted = items(given);
  for (const group of wanted) {
    if (!access.groups.has(group)) throw failure(`no such group '${group}'`);
  }
  for (const { groupid, members } of access.groups.values()) {
    if (wanted.includes(groupid)) members.add(userid);
    else if (!flag(call, 'append')) members.delete(userid);
  }
}

function create(call: Call): null {
  const userid = text(call, 'userid');
  const { access } = call.state;
  refuseForeignRealm(call, userid);
  if (access.users.has(userid)) throw failure(`create user failed: user '${userid}' already exists`);
  const user: User = { userid };
  const password = optionalText(call, 'password');
  if (password !== undefined) user.password = password;
  setDetails(call, user);
  setGroups(call, userid);
  access.users.set(userid, user);
  return null;
}

function update(call: Call): null {
  const user = requireUser(call);
  if (user.userid === 'root@pam' && call.parameters.enable === 0) throw failure("can't disable 'root@pam'");
  setDetails(call, user);
  setGroups(call, user.userid);
  return null;
}

function remove(call: Call): null {
  const userid = text(call, 'userid');
  requireUser(call);
  if (userid === 'root@pam') throw failure("delete user failed: can't remove 'root@pam'");
  call.state.access.users.delete(userid);
  call.state.access.forget(userid);
  return null;
}

function secondFactors(call: Call): unknown {
  const types = (requireUser(call).secondFactors ?? []).map(({ type }) => type);
  if (flag(call, 'multiple')) return { types: [...new Set(types)] };
  return types[0] === undefined ? {} : { type: types[0] };
}

/** Of all users, or of the caller alone. */
function allSecondFactors(call: Call): unknown {
  const { access } = call.state;
  return [...access.users.values()].flatMap(({ userid, totpLocked, secondFactors: entries = [] }) => {
    const isVisible = userid === call.identity.user || mayOnUser(call, userid, 'User.Modify', 'Sys.Audit');
    const locked = totpLocked ? { 'totp-locked': 1 } : {};
    return entries.length > 0 && isVisible ? [{ userid, entries, ...locked }] : [];
  });
}

/** Whether there was a lock to take away. */
function unlock(call: Call): number {
  const user = requireUser(call);
  const wasLocked = user.totpLocked ?? false;
  delete user.totpLocked;
  return wasLocked ? 1 : 0;
}

const one = '/access/users/{userid}';

export const userMethods: Method[] = [
  served('GET', '/access/users', list),
  served('POST', '/access/users', create),
  served('GET', one, show),
  served('PUT', one, update),
  served('DELETE', one, remove),
  served('GET', `${one}/tfa`, secondFactors),
  served('PUT', `${one}/unlock-tfa`, unlock),
  served('GET', '/access/tfa', allSecondFactors),
];
