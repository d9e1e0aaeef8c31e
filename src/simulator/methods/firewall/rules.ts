import { failure, invalidParameters } from '../../errors.ts';
import type { SecurityGroup } from '../../state/firewall.ts';
import {
  digestOf,
  type Entry,
  optionsOf,
  refuseStale,
  requireEntry,
  updateEntry,
} from '../../state/section.ts';
import type { Properties } from '../../verify.ts';
import { ANYONE, choice, declare, integers, required, served, texts, UPDATE } from '../declare.ts';
import { type Call, type Method, number, string, text } from '../method.ts';
import { ALL_SCOPES, LOG_LEVEL, VNET } from './scope.ts';

const WHERE = ['pos', 'moveto', 'vmid', 'vnet', 'group'];

type Rules = (call: Call, change?: 'change') => Entry[];

function list(rules: Entry[]): unknown {
  const digest = digestOf(rules);
  return rules.map((rule, pos) => ({ pos, ...rule, digest }));
}

function requireRule(call: Call, rules: Entry[]): { pos: number; rule: Entry } {
  const pos = number(call, 'pos');
  const rule = rules[pos];
  if (!rule) throw failure(`no rule at position ${pos}`);
  return { pos, rule };
}

function refuseImpossible(call: Call, rule: Entry): void {
  const ports = rule.dport !== undefined || rule.sport !== undefined;
  if (ports && rule.proto === undefined && rule.macro === undefined) {
    throw invalidParameters({ proto: 'missing property - required by dport/sport' });
  }
  const { groups } = call.state.datacenter.firewalls;
  if (rule.type === 'group' && !groups[String(rule.action)]) {
    throw invalidParameters({ action: `security group '${rule.action}' does not exist` });
  }
  if (rule.type !== 'group' && !['ACCEPT', 'DROP', 'REJECT'].includes(String(rule.action))) {
    throw invalidParameters({ action: 'unknown action' });
  }
}

/** New rules come first: PVE takes `pos` and the digest and looks at neither (PVE::API2::Firewall::Rules). */
function create(call: Call, rules: Entry[]): null {
  const rule = { enable: 0, ...optionsOf(call.parameters, ...WHERE) };
  // The group's own name is a parameter of the path there; a rule in it names its action as any other.
  refuseImpossible(call, rule);
  rules.unshift(rule);
  return null;
}

/** With `moveto` the rule only moves, to the place before the one that has that position now. */
function update(call: Call, rules: Entry[]): null {
  const { pos, rule } = requireRule(call, rules);
  refuseStale(call.parameters, rules);
  if (call.parameters.moveto === undefined) {
    const next = { ...rule };
    updateEntry(next, call.parameters, ...WHERE);
    refuseImpossible(call, next);
    rules[pos] = next;
    return null;
  }
  const target = Math.min(number(call, 'moveto'), rules.length);
  rules.splice(pos, 1);
  rules.splice(target > pos ? target - 1 : target, 0, rule);
  return null;
}

function remove(call: Call, rules: Entry[]): null {
  const { pos } = requireRule(call, rules);
  refuseStale(call.parameters, rules);
  rules.splice(pos, 1);
  return null;
}

/** Written out for the firewalls of vnets alone, which are newer than the built-in schema. */
const RULE: Properties = {
  ...texts('comment', 'dest', 'dport', 'icmp-type', 'iface', 'macro', 'proto', 'source', 'sport', 'digest'),
  ...integers('enable', 'pos'),
  log: LOG_LEVEL,
};

function ruleMethods(path: string, rules: Rules, declared?: Properties): Method[] {
  const type = choice('in', 'out', 'forward', 'group');
  const method = (
    verb: Method['method'],
    at: string,
    properties: Properties,
    handler: Method['handler'],
  ): Method => {
    return declared
      ? declare(verb, at, ANYONE, { ...declared, ...properties }, handler)
      : served(verb, at, handler);
  };
  const one = `${path}/{pos}`;
  return [
    method('GET', path, {}, (call) => list(rules(call))),
    method('POST', path, { ...RULE, type: required(type), action: string }, (call) =>
      create(call, rules(call, 'change')),
    ),
    method('GET', one, integers('pos'), (call) => {
      const { pos, rule } = requireRule(call, rules(call));
      return { pos, ...rule };
    }),
    method('PUT', one, { ...RULE, ...UPDATE, type, ...texts('action'), ...integers('moveto') }, (call) =>
      update(call, rules(call, 'change')),
    ),
    method('DELETE', one, { ...integers('pos'), ...texts('digest') }, (call) =>
      remove(call, rules(call, 'change')),
    ),
  ];
}

function requireGroup(call: Call): SecurityGroup {
  const group = text(call, 'group');
  const { groups } = call.state.datacenter.firewalls;
  return requireEntry(groups, group, `no such security group '${group}'`);
}

function listGroups(call: Call): unknown {
  const { groups } = call.state.datacenter.firewalls;
  return Object.entries(groups).map(([group, { comment, rules }]) => {
    return { group, ...(comment === undefined ? {} : { comment }), digest: digestOf(rules) };
  });
}

/** One method makes a group, changes its comment, and with `rename` its name. */
function writeGroup(call: Call): null {
  const group = text(call, 'group');
  const { groups } = call.state.datacenter.firewalls;
  const { rename, comment } = call.parameters;
  if (rename === undefined) {
    if (groups[group]) throw invalidParameters({ group: `Security group '${group}' already exists` });
    groups[group] = { rules: [], ...(comment === undefined ? {} : { comment: String(comment) }) };
    return null;
  }
  const present = requireEntry(groups, String(rename), `Security group '${rename}' does not exist`);
  delete groups[String(rename)];
  groups[group] = { ...present, ...(comment === undefined ? {} : { comment: String(comment) }) };
  return null;
}

function removeGroup(call: Call): null {
  if (requireGroup(call).rules.length > 0) {
    throw failure(`Security group '${text(call, 'group')}' is not empty`);
  }
  delete call.state.datacenter.firewalls.groups[text(call, 'group')];
  return null;
}

const groups = '/cluster/firewall/groups';

export const firewallRuleMethods: Method[] = [
  ...ALL_SCOPES.flatMap((scope) => {
    const declared = scope === VNET ? { vnet: string } : undefined;
    return ruleMethods(`${scope.path}/rules`, (call, change) => scope.of(call, change).rules, declared);
  }),
  ...ruleMethods(`${groups}/{group}`, (call) => requireGroup(call).rules),
  served('GET', groups, listGroups),
  served('POST', groups, writeGroup),
  served('DELETE', `${groups}/{group}`, removeGroup),
];
