import { failure, invalidParameters } from '../../errors.ts';
import { enact, guestOfSid, type HaResource, haState, move, sidOf } from '../../state/ha.ts';
import { digestOf, optionsOf, refuseStale } from '../../state/section.ts';
import { booleans, items, requireNode, served } from '../declare.ts';
import { type Call, type Method, optionalText, text } from '../method.ts';

/** A resource may be named by its guest's number alone. */
function resolve(call: Call): string {
  const given = text(call, 'sid');
  const [, type, number] = /^(?:(vm|ct):)?(\d+)$/.exec(given) ?? [];
  const guest = number === undefined ? undefined : call.state.guests.get(Number(number));
  if (number === undefined)
    throw invalidParameters({ sid: `invalid format - unable to parse HA resource '${given}'\n` });
  return type === undefined && guest ? sidOf(guest) : `${type ?? 'vm'}:${number}`;
}

function requireResource(call: Call): HaResource {
  const sid = resolve(call);
  const resource = call.state.datacenter.ha.resources[sid];
  if (!resource) throw failure(`no such resource '${sid}'`);
  return resource;
}

const row = (resource: HaResource): Record<string, unknown> => ({ ...resource, digest: digestOf(resource) });

function list(call: Call): unknown {
  const type = optionalText(call, 'type');
  const all = Object.values(call.state.datacenter.ha.resources);
  return all.filter((resource) => type === undefined || resource.type === type).map(row);
}

/** `enabled` is an old name of `started`. */
const wantedState = (given: string | undefined): HaResource['state'] => {
  if (given === 'stopped' || given === 'disabled' || given === 'ignored') return given;
  return 'started';
};

function setOptions(call: Call, resource: HaResource): void {
  const { group } = call.parameters;
  if (group !== undefined && !call.state.datacenter.ha.groups[String(group)]) {
    throw failure(`ha group '${group}' does not exist`);
  }
  Object.assign(resource, optionsOf(call.parameters, 'sid', 'type', 'state'));
  const state = optionalText(call, 'state');
  if (state !== undefined) resource.state = wantedState(state);
}

function create(call: Call): null {
  const sid = resolve(call);
  const { resources } = call.state.datacenter.ha;
  const guest = guestOfSid(call.state, sid);
  if (!guest || sidOf(guest) !== sid) throw failure(`unable to add service '${sid}' - resource not found`);
  if (resources[sid]) throw failure(`resource ID '${sid}' already defined`);
  const type = sid.startsWith('vm') ? 'vm' : 'ct';
  const resource: HaResource = { sid, type, state: 'started', max_restart: 1, max_relocate: 1, failback: 1 };
  setOptions(call, resource);
  resources[sid] = resource;
  enact(call.state, resource);
  return null;
}

function update(call: Call): null {
  const resource = requireResource(call);
  refuseStale(call.parameters, resource);
  for (const key of items(optionalText(call, 'delete'))) {
    if (key === 'group' || key === 'comment') delete resource[key];
  }
  setOptions(call, resource);
  enact(call.state, resource);
  return null;
}

/** With `purge`, the default, rules lose the resource too. */
function remove(call: Call): null {
  const { sid } = requireResource(call);
  const { ha } = call.state.datacenter;
  delete ha.resources[sid];
  if (call.parameters.purge === 0) return null;
  for (const [id, rule] of Object.entries(ha.rules)) {
    const left = items(String(rule.resources)).filter((resource) => resource !== sid);
    if (left.length === 0) delete ha.rules[id];
    else rule.resources = left.join(',');
  }
  return null;
}

/** The request is queued; the resource manager moves the guest on its own. */
function transfer(call: Call, relocate: boolean): unknown {
  const resource = requireResource(call);
  const target = requireNode(call.state, text(call, 'node')).name;
  const guest = guestOfSid(call.state, resource.sid);
  if (guest?.node === target) throw failure(`service '${resource.sid}' is already on node '${target}'`);
  if (haState(call.state, resource) === 'error') throw failure(`service '${resource.sid}' in error state`);
  const answer = { sid: resource.sid, 'requested-node': target };
  const blocking = blockedBy(call, resource.sid, target);
  if (blocking.length > 0) return { ...answer, 'blocking-resources': blocking };
  const along = together(call, resource.sid, 'positive');
  for (const sid of [resource.sid, ...along]) {
    const one = call.state.datacenter.ha.resources[sid];
    if (one) move(call.state, one, target, relocate);
  }
  return { ...answer, ...(along.length > 0 ? { 'comigrated-resources': along } : {}) };
}

/** The other resources of the rules that keep them together with this one, or apart from it. */
function together(call: Call, sid: string, affinity: 'positive' | 'negative'): string[] {
  const rules = Object.values(call.state.datacenter.ha.rules).filter((rule) => {
    return rule.type === 'resource-affinity' && rule.affinity === affinity && rule.disable !== 1;
  });
  const sets = rules.map((rule) => items(String(rule.resources))).filter((set) => set.includes(sid));
  return [...new Set(sets.flat())].filter((other) => other !== sid);
}

/** What keeps a resource from a node: one there that it has to be apart from, or a strict rule of its own. */
function blockedBy(call: Call, sid: string, target: string): { sid: string; cause: string }[] {
  const apart = together(call, sid, 'negative').filter((other) => {
    return guestOfSid(call.state, other)?.node === target;
  });
  const strict = Object.values(call.state.datacenter.ha.rules).some((rule) => {
    const nodes = items(String(rule.nodes ?? '')).map((item) => item.split(':')[0]);
    const isStrict = rule.type === 'node-affinity' && rule.strict === 1 && rule.disable !== 1;
    return isStrict && items(String(rule.resources)).includes(sid) && !nodes.includes(target);
  });
  return [
    ...apart.map((other) => ({ sid: other, cause: 'resource-affinity' })),
    ...(strict ? [{ sid, cause: 'node-affinity' }] : []),
  ];
}

const one = '/cluster/ha/resources/{sid}';

export const haResourceMethods: Method[] = [
  served('GET', '/cluster/ha/resources', list),
  served('POST', '/cluster/ha/resources', create, booleans('auto-rebalance', 'failback')),
  served('GET', one, (call) => row(requireResource(call))),
  served('PUT', one, update, booleans('auto-rebalance', 'failback')),
  served('DELETE', one, remove, booleans('purge')),
  served('POST', `${one}/migrate`, (call) => transfer(call, false)),
  served('POST', `${one}/relocate`, (call) => transfer(call, true)),
];
