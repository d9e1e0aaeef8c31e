import { ApidocError } from './apidoc.ts';
import { compact, isObject, isTrue, type Json, readType, text } from './json.ts';
import { readParameterBlock } from './parameter-block.ts';
import {
  type ApiMethod,
  HTTP_METHODS,
  type HttpMethod,
  type Permissions,
  pathParameterNames,
  type ReturnSchema,
} from './types.ts';

/** The official schemas of 9.2 have 675 methods. */
const MOST_METHODS = 10_000;

/**
 * Reads the methods out of PVE's API tree (nodes of `path`, `info` per verb and `children`).
 *
 * What a schema says in another way than expected is left out; a method itself never is, since a method that
 * is not known can't be called.
 *
 * @throws ApidocError where there is no method at all, or an absurd number of them.
 */
export function readMethods(tree: readonly unknown[]): ApiMethod[] {
  const methods: ApiMethod[] = [];
  const waiting: unknown[] = [...tree].reverse();
  while (waiting.length > 0) {
    const node = waiting.pop();
    if (!isObject(node)) continue;
    if (typeof node.path === 'string' && isObject(node.info)) {
      for (const method of HTTP_METHODS) {
        const info = node.info[method];
        if (isObject(info)) methods.push(readMethod(method, node.path, info));
      }
    }
    if (methods.length > MOST_METHODS)
      throw new ApidocError('the API schema has more methods than is credible');
    if (Array.isArray(node.children)) waiting.push(...[...node.children].reverse());
  }
  if (methods.length === 0) throw new ApidocError('the API schema holds no method');
  return methods;
}

/** Reads one method from the `info` of its verb. */
export function readMethod(method: HttpMethod, path: string, info: Json): ApiMethod {
  const block = readParameterBlock(info.parameters);
  const missing = pathParameterNames(path).filter((name) => !Object.hasOwn(block.parameters, name));
  const returns = readReturns(info.returns);
  const permissions = readPermissions(info.permissions);
  return {
    method,
    path,
    ...(typeof info.name === 'string' ? { name: info.name } : {}),
    description: text(info.description) ?? '',
    parameters: {
      ...block.parameters,
      ...Object.fromEntries(missing.map((name) => [name, { type: 'string' }])),
    },
    additionalProperties: block.additionalProperties,
    ...(returns ? { returns } : {}),
    ...(permissions ? { permissions } : {}),
    allowToken: info.allowtoken === undefined || isTrue(info.allowtoken),
  };
}

function readReturns(value: unknown, depth = 0): ReturnSchema | undefined {
  if (!isObject(value) || depth > 6) return undefined;
  const properties = isObject(value.properties) ? Object.entries(value.properties) : undefined;
  return compact({
    type: readType(value.type),
    description: text(value.description),
    optional: isTrue(value.optional) || undefined,
    properties:
      properties &&
      Object.fromEntries(properties.map(([key, item]) => [key, readReturns(item, depth + 1) ?? {}])),
    items: readReturns(value.items, depth + 1),
  });
}

function readPermissions(value: unknown): Permissions | undefined {
  if (!isObject(value)) return undefined;
  return compact({
    user: text(value.user),
    check: Array.isArray(value.check) ? value.check : undefined,
    description: text(value.description),
  });
}
