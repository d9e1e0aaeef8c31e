import { failure, forbidden } from '../errors.ts';
import { type ClusterState, findNode, type Node } from '../state/cluster-state.ts';
import type { Worker } from '../state/tasks.ts';
import type { ParameterSchema, Properties } from '../verify.ts';
import { type Call, type Method, type Permissions, text } from './method.ts';

/** Shorthand for the long lists of options that most datacenter objects have. */
const family = (schema: ParameterSchema, names: string[]): Properties => {
  return Object.fromEntries(names.map((name) => [name, schema]));
};
export const texts = (...names: string[]): Properties => family({ type: 'string', optional: 1 }, names);
export const booleans = (...names: string[]): Properties => family({ type: 'boolean', optional: 1 }, names);
export const integers = (...names: string[]): Properties => family({ type: 'integer', optional: 1 }, names);
export const numbers = (...names: string[]): Properties => family({ type: 'number', optional: 1 }, names);
export const arrays = (...names: string[]): Properties => family({ type: 'array', optional: 1 }, names);
export const choice = (...values: string[]): ParameterSchema => {
  return { type: 'string', enum: values, optional: 1 };
};
export const required = (schema: ParameterSchema): ParameterSchema => {
  const { optional: _optional, ...rest } = schema;
  return rest;
};

/** Of the processors that hosts have, or VMs are given. */
export const ARCHITECTURE = choice('x86_64', 'aarch64');

/** What every update of a section takes beside the options themselves. */
export const UPDATE: Properties = {
  ...texts('delete'),
  digest: { type: 'string', maxLength: 64, optional: 1 },
};

export const ANYONE: Permissions = { user: 'all' };
export const on = (path: string, ...privileges: string[]): Permissions => {
  return { check: ['perm', path, privileges] };
};
export const onAny = (path: string, ...privileges: string[]): Permissions => {
  return { check: ['perm', path, privileges, 'any', 1] };
};

/** Of each place one of its privileges: `['/nodes/{node}', 'Sys.Audit', 'Sys.Modify']`. */
export const allOf = (...places: [path: string, ...privileges: string[]][]): Permissions => {
  const checks = places.map(([path, ...privileges]) => ['perm', path, privileges, 'any', 1] as const);
  return { check: ['and', ...checks] };
};

type Handler = Method['handler'];

export function declare(
  method: Method['method'],
  path: string,
  permissions: Permissions,
  properties: Properties,
  handler: Handler,
): Method {
  return { method, path, permissions, properties, handler };
}

/**
 * A method whose parameters and permissions every schema has, so that they need not be written here again.
 * A schema without it would leave it to root@pam.
 * @param newer parameters that the built-in schema is too old for
 */
export function served(
  method: Method['method'],
  path: string,
  handler: Handler,
  newer: Properties = {},
): Method {
  return { method, path, properties: newer, permissions: { check: ['or'] }, handler };
}

/** Throws PVE's 403 unless the caller holds one of the privileges on the path. */
export function require(call: Call, path: string, ...anyOf: string[]): void {
  if (!call.state.access.has(call.identity, path, ...anyOf)) throw forbidden(`${path}, ${anyOf.join('|')}`);
}

export function requireNode(state: ClusterState, name: string): Node {
  const found = findNode(state, name);
  if (!found) throw failure(`no such cluster node '${name}'`);
  return found;
}

/** Starts a task on the node that the call is for, or on the one that answers. */
export function startNodeTask(call: Call, type: string, id: string, worker: Worker): string {
  const node = call.parameters.node === undefined ? call.localNode : text(call, 'node');
  return call.state.tasks.start({ node, type, id, owner: call.identity.id }, worker);
}

/** The items of PVE's lists in one string, which may be split by commas, semicolons or spaces. */
export function items(value: string | undefined): string[] {
  return value?.split(/[,; \0]+/).filter(Boolean) ?? [];
}

/** A number between 0 and 1 that depends on nothing but its seeds. */
export function scatter(...seeds: (string | number)[]): number {
  let hash = 2166136261;
  for (const character of seeds.join('/')) {
    hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 16777619) >>> 0;
  }
  return hash / 2 ** 32;
}
