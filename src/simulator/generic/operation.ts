import type { ApiMethod } from '../../catalogue/types.ts';
import type { Method } from '../methods/method.ts';
import type { ApiSchema } from '../schema/api-schema.ts';
import { isProxied, methodKey, toTree } from '../schema/tree.ts';
import { type Role, RoleReader, startsTask } from './roles.ts';
import { indexKey } from './shapes.ts';

/** One method as it is served: what the schema says of it, and what does it. */
export interface Operation extends ApiMethod {
  openEnded: boolean;
  /** Runs on the node in its path, whichever node is asked. */
  proxied: boolean;
  role: Role;
  /** Answers with the id of a task. */
  task: boolean;
  /** The literal names right below its path. */
  children: string[];
  /** The key under which an index names them. */
  indexKey: string;
  /** Without one, the role says what it does. */
  handler?: Method['handler'];
}

/** Volume names and networks hold slashes, so PVE takes all that is left of the path for them. */
const OPEN_ENDED = /\/\{volume\}$|\/ipset\/\{name\}\/\{cidr\}$/;

/** Adds to an open schema what only the simulator describes; the root is in no schema. */
export function completeSchema(schema: ApiSchema, methods: readonly Method[]): ApiSchema {
  if (!schema.open) return schema;
  const described = new Map(methods.map((method) => [methodKey(method), toApiMethod(method)]));
  const known = schema.methods.map((method) => renewed(method, described.get(methodKey(method))));
  const places = new Set([{ method: 'GET', path: '/' }, ...known].map(placeOf));
  const own = [...described.values()].filter((method) => !places.has(placeOf(method)));
  const all = [...known, ...own];
  const proxied = own.filter(({ path }) => isProxied(path)).map(methodKey);
  return { ...schema, methods: all, tree: toTree(all), proxied: new Set([...schema.proxied, ...proxied]) };
}

/** Versions differ in what they call a placeholder. */
function placeOf(method: { method: string; path: string }): string {
  return methodKey(method).replaceAll(/\{[^}]+\}/g, '{}');
}

/** A method that later versions changed: what handlers know of its parameters and permissions is newer. */
function renewed(method: ApiMethod, newer: ApiMethod | undefined): ApiMethod {
  if (!newer) return method;
  const { permissions } = newer;
  // Handlers that leave permissions to the schema declare a check that nothing passes.
  const left = permissions?.check?.[0] === 'or' && permissions.check.length === 1;
  // Only the words beside a check tell what the code of a method checks besides; handlers have none of their own.
  const { description } = method.permissions ?? {};
  const described = description === undefined ? {} : { description };
  return {
    ...method,
    parameters: { ...method.parameters, ...renewedParameters(method.parameters, newer.parameters) },
    ...(permissions && !left ? { permissions: { ...described, ...permissions } } : {}),
  };
}

/** Their descriptions and patterns stay. */
function renewedParameters(
  known: ApiMethod['parameters'],
  newer: ApiMethod['parameters'],
): ApiMethod['parameters'] {
  const merged = Object.entries(newer).map(([name, schema]) => {
    const { optional: _optional, ...older } = known[name] ?? {};
    return [name, { ...older, ...schema }] as const;
  });
  return Object.fromEntries(merged);
}

export function makeOperations(schema: ApiSchema, methods: readonly Method[]): Operation[] {
  const handlers = new Map(methods.map((method) => [methodKey(method), method]));
  const root = methods.filter(({ path }) => path === '/').map(toApiMethod);
  const all = [...root, ...schema.methods];
  const reader = new RoleReader(all);
  return all.map((method) => {
    const own = handlers.get(methodKey(method));
    return {
      ...method,
      openEnded: own?.openEnded ?? OPEN_ENDED.test(method.path),
      proxied: schema.proxied.has(methodKey(method)),
      role: reader.roleOf(method),
      task: startsTask(method),
      children: reader.childrenOf(method.path),
      indexKey: schema.links.get(methodKey(method)) ?? indexKey(method.returns),
      ...(own ? { handler: own.handler } : {}),
    };
  });
}

function toApiMethod({ method, path, properties = {}, permissions, allowtoken }: Method): ApiMethod {
  const parameters = Object.entries(properties).map(([name, { optional, ...schema }]) => {
    return [name, optional ? { ...schema, optional: true } : schema] as const;
  });
  return {
    method,
    path,
    description: '',
    parameters: Object.fromEntries(parameters),
    additionalProperties: false,
    permissions,
    allowToken: allowtoken !== 0,
  };
}
