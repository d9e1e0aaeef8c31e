import { failure } from '../../errors.ts';
import type { Group } from '../../state/access.ts';
import { served } from '../declare.ts';
import { type Call, type Method, optionalText, text } from '../method.ts';

function requireGroup(call: Call): Group {
  const groupid = text(call, 'groupid');
  const group = call.state.access.groups.get(groupid);
  if (!group) throw failure(`group '${groupid}' does not exist`);
  return group;
}

const comment = (group: Group): { comment?: string } => {
  return group.comment === undefined ? {} : { comment: group.comment };
};

function list(call: Call): unknown {
  const { access } = call.state;
  const visible = [...access.groups.values()].filter(({ groupid }) => {
    const path = `/access/groups/${groupid}`;
    return access.has(call.identity, path, 'User.Modify', 'Sys.Audit', 'Group.Allocate');
  });
  return visible.map((group) => {
    return { groupid: group.groupid, ...comment(group), users: [...group.members].sort().join(',') };
  });
}

function create(call: Call): null {
  const groupid = text(call, 'groupid');
  const { groups } = call.state.access;
  if (groups.has(groupid)) throw failure(`group '${groupid}' already exists`);
  const given = optionalText(call, 'comment');
  groups.set(groupid, {
    groupid,
    members: new Set(),
    ...(given === undefined ? {} : { comment: given }),
  });
  return null;
}

function update(call: Call): null {
  const group = requireGroup(call);
  const given = optionalText(call, 'comment');
  if (given !== undefined) group.comment = given;
  return null;
}

function remove(call: Call): null {
  const { groupid } = requireGroup(call);
  call.state.access.groups.delete(groupid);
  call.state.access.forget(groupid);
  return null;
}

function show(call: Call): unknown {
  const group = requireGroup(call);
  return { ...comment(group), members: [...group.members].sort() };
}

const one = '/access/groups/{groupid}';

export const groupMethods: Method[] = [
  served('GET', '/access/groups', list),
  served('POST', '/access/groups', create),
  served('GET', one, show),
  served('PUT', one, update),
  served('DELETE', one, remove),
];
