import { failure, invalidParameters } from '../../errors.ts';
import { ALL_PRIVILEGES, BUILT_IN_ROLES } from '../../state/privileges.ts';
import { items, served } from '../declare.ts';
import { type Call, flag, type Method, optionalText, text } from '../method.ts';

function list(call: Call): unknown {
  const own = [...call.state.access.roles].map(([roleid, privileges]) => ({
    roleid,
    privileges,
    special: 0,
  }));
  const builtIn = Object.entries(BUILT_IN_ROLES).map(([roleid, privileges]) => {
    return { roleid, privileges, special: 1 };
  });
  return [...builtIn, ...own].map(({ roleid, privileges, special }) => {
    return { roleid, privs: [...privileges].sort().join(','), special };
  });
}

/** @returns the privileges that the call names, all of which must exist */
function given(call: Call): string[] {
  const privileges = items(optionalText(call, 'privs'));
  const unknown = privileges.find((privilege) => !ALL_PRIVILEGES.includes(privilege));
  if (unknown !== undefined) {
    throw invalidParameters({ privs: `invalid format - invalid privilege '${unknown}'\n` });
  }
  return privileges;
}

function create(call: Call): null {
  const roleid = text(call, 'roleid');
  const { access } = call.state;
  if (/^PVE/i.test(roleid)) {
    throw invalidParameters({
      roleid: "cannot use role ID starting with the (case-insensitive) 'PVE' namespace",
    });
  }
  if (access.privilegesOfRole(roleid)) throw failure(`role '${roleid}' already exists`);
  access.roles.set(roleid, given(call));
  return null;
}

/** A built-in role is refused, whatever is asked of it. */
function requireOwnRole(call: Call, action: string): string[] {
  const roleid = text(call, 'roleid');
  if (Object.hasOwn(BUILT_IN_ROLES, roleid))
    throw failure(`auto-generated role '${roleid}' cannot be ${action}`);
  const privileges = call.state.access.roles.get(roleid);
  if (!privileges) throw failure(`role '${roleid}' does not exist`);
  return privileges;
}

function update(call: Call): null {
  const present = requireOwnRole(call, 'modified');
  const privileges = given(call);
  const next = flag(call, 'append') ? [...new Set([...present, ...privileges])] : privileges;
  call.state.access.roles.set(text(call, 'roleid'), next);
  return null;
}

function remove(call: Call): null {
  requireOwnRole(call, 'deleted');
  const { access } = call.state;
  const roleid = text(call, 'roleid');
  access.roles.delete(roleid);
  access.acl.splice(0, access.acl.length, ...access.acl.filter((entry) => entry.role !== roleid));
  return null;
}

function show(call: Call): unknown {
  const roleid = text(call, 'roleid');
  const privileges = call.state.access.privilegesOfRole(roleid);
  if (!privileges) throw failure(`role '${roleid}' does not exist`);
  return Object.fromEntries(privileges.map((privilege) => [privilege, 1]));
}

const one = '/access/roles/{roleid}';

export const roleMethods: Method[] = [
  served('GET', '/access/roles', list),
  served('POST', '/access/roles', create),
  served('GET', one, show),
  served('PUT', one, update),
  served('DELETE', one, remove),
];
