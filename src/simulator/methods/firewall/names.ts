import { failure, invalidParameters } from '../../errors.ts';
import type { IpSet } from '../../state/firewall.ts';
import { digestOf, type Entry, optionsOf, refuseStale, requireEntry } from '../../state/section.ts';
import { served } from '../declare.ts';
import { type Call, flag, type Method, optionalText, text } from '../method.ts';
import { type Scope, WITH_NAMES } from './scope.ts';

const WHERE = ['vmid', 'name', 'rename', 'cidr', 'force'];

const noted = ({ comment }: { comment?: string | number | string[] }): Entry => {
  return comment === undefined ? {} : { comment };
};

function aliasMethods(scope: Scope): Method[] {
  const path = `${scope.path}/aliases`;
  const requireAlias = (call: Call): Entry => {
    const name = text(call, 'name');
    return requireEntry(scope.of(call).aliases, name, `no such alias '${name}'`);
  };
  const show = (name: string, alias: Entry): Entry => ({ name, ...alias, digest: digestOf(alias) });
  return [
    served('GET', path, (call) =>
      Object.entries(scope.of(call).aliases).map(([name, alias]) => show(name, alias)),
    ),
    served('POST', path, (call) => {
      const { aliases } = scope.of(call);
      const name = text(call, 'name');
      if (aliases[name]) throw invalidParameters({ name: `alias '${name}' already exists` });
      aliases[name] = { cidr: text(call, 'cidr'), ...noted(call.parameters) };
      return null;
    }),
    served('GET', `${path}/{name}`, (call) => show(text(call, 'name'), requireAlias(call))),
    served('PUT', `${path}/{name}`, (call) => {
      const { aliases } = scope.of(call);
      refuseStale(call.parameters, requireAlias(call));
      const name = optionalText(call, 'rename') ?? text(call, 'name');
      if (name !== text(call, 'name') && aliases[name])
        throw invalidParameters({ rename: `alias '${name}' already exists` });
      delete aliases[text(call, 'name')];
      aliases[name] = { cidr: text(call, 'cidr'), ...noted(call.parameters) };
      return null;
    }),
    served('DELETE', `${path}/{name}`, (call) => {
      refuseStale(call.parameters, requireAlias(call));
      delete scope.of(call).aliases[text(call, 'name')];
      return null;
    }),
  ];
}

function requireSet(scope: Scope, call: Call): IpSet {
  const name = text(call, 'name');
  return requireEntry(scope.of(call).ipsets, name, `no such IPSet '${name}'`);
}

/** Making and renaming a set are one method. */
function writeSet(scope: Scope, call: Call): null {
  const { ipsets } = scope.of(call);
  const name = text(call, 'name');
  const rename = optionalText(call, 'rename');
  const present =
    rename === undefined ? { entries: [] } : requireEntry(ipsets, rename, `IPSet '${rename}' does not exist`);
  if (rename !== name && ipsets[name]) throw invalidParameters({ name: `IPSet '${name}' already exists` });
  if (rename !== undefined) delete ipsets[rename];
  const comment = optionalText(call, 'comment');
  ipsets[name] = { ...present, ...(comment === undefined ? {} : { comment }) };
  return null;
}

function removeSet(scope: Scope, call: Call): null {
  if (requireSet(scope, call).entries.length > 0 && !flag(call, 'force')) {
    throw failure(`IPSet '${text(call, 'name')}' is not empty`);
  }
  delete scope.of(call).ipsets[text(call, 'name')];
  return null;
}

function setMethods(scope: Scope): Method[] {
  const path = `${scope.path}/ipset`;
  return [
    served('GET', path, (call) => {
      return Object.entries(scope.of(call).ipsets).map(([name, set]) => {
        return { name, ...noted(set), digest: digestOf(set) };
      });
    }),
    served('POST', path, (call) => writeSet(scope, call)),
    served('DELETE', `${path}/{name}`, (call) => removeSet(scope, call)),
  ];
}

function requireMember(scope: Scope, call: Call): { set: IpSet; member: Entry; position: number } {
  const set = requireSet(scope, call);
  const position = set.entries.findIndex(({ cidr }) => cidr === text(call, 'cidr'));
  const member = set.entries[position];
  if (!member) throw failure(`no such IP/Network '${text(call, 'cidr')}'`);
  return { set, member, position };
}

function addMember(scope: Scope, call: Call): null {
  const { entries } = requireSet(scope, call);
  const cidr = text(call, 'cidr');
  if (entries.some((member) => member.cidr === cidr)) {
    throw invalidParameters({ cidr: `address '${cidr}' already exists` });
  }
  if (/\/0+$/.test(cidr)) throw invalidParameters({ cidr: '0.0.0.0/0 is not allowed here' });
  entries.unshift({ cidr, ...optionsOf(call.parameters, ...WHERE) });
  return null;
}

function memberMethods(scope: Scope): Method[] {
  const path = `${scope.path}/ipset/{name}`;
  const one = `${path}/{cidr}`;
  return [
    served('GET', path, (call) => {
      const { entries } = requireSet(scope, call);
      return entries.map((member) => ({ ...member, digest: digestOf(entries) }));
    }),
    served('POST', path, (call) => addMember(scope, call)),
    served('GET', one, (call) => requireMember(scope, call).member),
    served('PUT', one, (call) => {
      const { set, member } = requireMember(scope, call);
      refuseStale(call.parameters, set.entries);
      Object.assign(member, optionsOf(call.parameters, ...WHERE));
      return null;
    }),
    served('DELETE', one, (call) => {
      const { set, position } = requireMember(scope, call);
      refuseStale(call.parameters, set.entries);
      set.entries.splice(position, 1);
      return null;
    }),
  ];
}

export const firewallNameMethods: Method[] = WITH_NAMES.flatMap((scope) => {
  return [...aliasMethods(scope), ...setMethods(scope), ...memberMethods(scope)];
});
