import type { ApiMethod, ParameterSchema, PropertySchema, ReturnSchema } from '../../catalogue/types.ts';

type Json = Record<string, unknown>;

/** A node of api-viewer's tree: one path, what each verb does on it, and the paths below. */
export interface TreeNode {
  path: string;
  text: string;
  leaf: 0 | 1;
  info?: Record<string, Json>;
  children?: TreeNode[];
}

export function methodKey({ method, path }: { method: string; path: string }): string {
  return `${method} ${path}`;
}

/** Calls on a node's path that the node which was asked does itself; what they need, every node has. */
const DONE_ANYWHERE =
  /\/\{vmid\}\/firewall(?:$|\/(?:rules|aliases|ipset|refs))|\/(?:rrd|rrddata|vncproxy|termproxy|vncshell|vncwebsocket|mtunnel|mtunnelwebsocket|wakeonlan|upload)$/;

/** Whether a method is done on the node in its path: what a schema without `proxyto` leaves to guess. */
export function isProxied(path: string): boolean {
  return path.startsWith('/nodes/{node}/') && !DONE_ANYWHERE.test(path);
}

/** Visits every method of a tree, in the tree's order. */
export function walkTree(
  tree: readonly TreeNode[],
  visit: (method: string, path: string, info: Json) => void,
): void {
  for (const node of tree) {
    for (const [method, info] of Object.entries(node.info ?? {})) visit(method, node.path, info);
    walkTree(node.children ?? [], visit);
  }
}

/** Puts a list of methods back into the form of api-viewer's tree. */
export function toTree(methods: readonly ApiMethod[]): TreeNode[] {
  const root: TreeNode = { path: '', text: '', leaf: 0 };
  const nodes = new Map([['', root]]);
  const nodeAt = (path: string): TreeNode => {
    const known = nodes.get(path);
    if (known) return known;
    const cut = path.lastIndexOf('/');
    const parent = nodeAt(path.slice(0, cut));
    const made: TreeNode = { path, text: path.slice(cut + 1), leaf: 1 };
    nodes.set(path, made);
    parent.leaf = 0;
    parent.children = [...(parent.children ?? []), made];
    return made;
  };
  for (const method of methods) {
    const node = nodeAt(method.path);
    node.info = { ...node.info, [method.method]: toInfo(method) };
  }
  return root.children ?? [];
}

function toInfo(method: ApiMethod): Json {
  return clean({
    allowtoken: method.allowToken ? 1 : 0,
    description: method.description,
    method: method.method,
    name: method.name,
    parameters: {
      additionalProperties: method.additionalProperties ? 1 : 0,
      properties: mapped(method.parameters, toParameter),
    },
    permissions: method.permissions,
    proxyto: isProxied(method.path) ? 'node' : undefined,
    returns: method.returns && toReturns(method.returns),
  });
}

function toParameter(schema: ParameterSchema | PropertySchema): Json {
  const {
    typeText,
    formatDescription,
    typeProperty,
    instanceTypes,
    optional,
    items,
    oneOf,
    format,
    ...rest
  } = schema as PropertySchema;
  const { keyAlias, defaultKey, ...plain } = rest;
  return clean({
    ...plain,
    typetext: typeText,
    format: typeof format === 'object' ? mapped(format, toParameter) : format,
    format_description: formatDescription,
    'type-property': typeProperty,
    'instance-types': instanceTypes,
    optional: optional ? 1 : undefined,
    items: items && toParameter(items),
    oneOf: oneOf?.map(toParameter),
    keyAlias,
    default_key: defaultKey ? 1 : undefined,
  });
}

function toReturns({ optional, properties, items, ...rest }: ReturnSchema): Json {
  return clean({
    ...rest,
    optional: optional ? 1 : undefined,
    properties: properties && mapped(properties, toReturns),
    items: items && toReturns(items),
  });
}

function mapped<T>(record: Readonly<Record<string, T>>, change: (value: T) => Json): Json {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}

function clean(value: Json): Json {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined));
}
