import { failure, invalidParameters } from '../../errors.ts';
import {
  digestOf,
  type Entry,
  optionsOf,
  refuseStale,
  requireEntry,
  updateEntry,
} from '../../state/section.ts';
import type { Properties } from '../../verify.ts';
import {
  booleans,
  choice,
  declare,
  items,
  on,
  required,
  requireNode,
  served,
  texts,
  UPDATE,
} from '../declare.ts';
import { type Call, type Method, optionalText, string, text } from '../method.ts';

/** `pve1:2,pve2`: nodes with priorities. */
function requireNodes(call: Call): void {
  for (const item of items(optionalText(call, 'nodes'))) requireNode(call.state, item.split(':')[0] ?? '');
}

function listGroups(call: Call): unknown {
  const groups = Object.entries(call.state.datacenter.ha.groups);
  return groups.map(([group, entry]) => ({ group, type: 'group', ...entry, digest: digestOf(entry) }));
}

function requireGroup(call: Call): Entry {
  const group = text(call, 'group');
  return requireEntry(call.state.datacenter.ha.groups, group, `no such ha group '${group}'`);
}

function createGroup(call: Call): null {
  const group = text(call, 'group');
  const { groups } = call.state.datacenter.ha;
  if (groups[group]) throw failure(`ha group ID '${group}' already defined`);
  requireNodes(call);
  groups[group] = optionsOf(call.parameters, 'group', 'type');
  return null;
}

function updateGroup(call: Call): null {
  const entry = requireGroup(call);
  refuseStale(call.parameters, entry);
  requireNodes(call);
  updateEntry(entry, call.parameters, 'group');
  return null;
}

function deleteGroup(call: Call): null {
  requireGroup(call);
  const group = text(call, 'group');
  const { ha } = call.state.datacenter;
  if (Object.values(ha.resources).some((resource) => resource.group === group)) {
    throw failure(`ha group is used by a resource`);
  }
  delete ha.groups[group];
  return null;
}

function requireRule(call: Call): Entry {
  const rule = text(call, 'rule');
  return requireEntry(call.state.datacenter.ha.rules, rule, `no such ha rule '${rule}'`);
}

function listRules(call: Call): unknown {
  const { type, resource } = call.parameters;
  return Object.entries(call.state.datacenter.ha.rules)
    .filter(([, entry]) => type === undefined || entry.type === type)
    .filter(
      ([, entry]) => resource === undefined || items(String(entry.resources)).includes(String(resource)),
    )
    .map(([rule, entry], order) => ({ rule, order: order + 1, ...entry, digest: digestOf(entry) }));
}

/** What makes a rule impossible is refused before it is written. */
function refuseImpossible(call: Call, entry: Entry): void {
  requireNodes(call);
  const resources = items(String(entry.resources ?? ''));
  const { ha } = call.state.datacenter;
  const unknown = resources.find((sid) => !ha.resources[sid]);
  if (unknown !== undefined) throw failure(`cannot use unmanaged resource(s) ${unknown}.`);
  if (entry.type === 'node-affinity' && entry.nodes === undefined) {
    throw invalidParameters({ nodes: 'property is missing and it is not optional' });
  }
  if (entry.type === 'resource-affinity' && entry.affinity === undefined) {
    throw invalidParameters({ affinity: 'property is missing and it is not optional' });
  }
  if (entry.type === 'resource-affinity' && resources.length < 2) {
    throw invalidParameters({ resources: 'rule must specify at least two resources' });
  }
  const tooMany = entry.affinity === 'negative' && resources.length > call.state.nodes.length;
  if (tooMany) throw invalidParameters({ resources: 'rule defines more resources than available nodes' });
}

function createRule(call: Call): null {
  const rule = text(call, 'rule');
  const { rules } = call.state.datacenter.ha;
  if (rules[rule]) throw failure(`HA rule '${rule}' already exists`);
  const entry = optionsOf(call.parameters, 'rule');
  refuseImpossible(call, entry);
  rules[rule] = entry;
  return null;
}

function updateRule(call: Call): null {
  const entry = requireRule(call);
  refuseStale(call.parameters, entry);
  if (entry.type !== text(call, 'type')) throw invalidParameters({ type: `rule is of type '${entry.type}'` });
  const next = { ...entry };
  updateEntry(next, call.parameters, 'rule');
  refuseImpossible(call, next);
  call.state.datacenter.ha.rules[text(call, 'rule')] = next;
  return null;
}

function deleteRule(call: Call): null {
  requireRule(call);
  delete call.state.datacenter.ha.rules[text(call, 'rule')];
  return null;
}

const audit = on('/', 'Sys.Audit');
const console = on('/', 'Sys.Console');
const group = '/cluster/ha/groups/{group}';
const rule = '/cluster/ha/rules/{rule}';
const RULE: Properties = {
  ...texts('comment', 'nodes'),
  ...booleans('disable', 'strict'),
  affinity: choice('positive', 'negative'),
};
const ruleType = choice('node-affinity', 'resource-affinity');

export const haRuleMethods: Method[] = [
  served('GET', '/cluster/ha/groups', listGroups),
  served('POST', '/cluster/ha/groups', createGroup),
  served('GET', group, (call) => {
    const entry = requireGroup(call);
    return { group: text(call, 'group'), type: 'group', ...entry, digest: digestOf(entry) };
  }),
  served('PUT', group, updateGroup),
  served('DELETE', group, deleteGroup),
  declare('GET', '/cluster/ha/rules', audit, { type: ruleType, ...texts('resource') }, listRules),
  declare(
    'POST',
    '/cluster/ha/rules',
    console,
    { rule: string, type: required(ruleType), resources: string, ...RULE },
    createRule,
  ),
  declare('GET', rule, audit, { rule: string }, (call) => {
    const entry = requireRule(call);
    return { rule: text(call, 'rule'), ...entry, digest: digestOf(entry) };
  }),
  declare(
    'PUT',
    rule,
    console,
    { rule: string, type: required(ruleType), ...texts('resources'), ...RULE, ...UPDATE },
    updateRule,
  ),
  declare('DELETE', rule, console, { rule: string }, deleteRule),
];
