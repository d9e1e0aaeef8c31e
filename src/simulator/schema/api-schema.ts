import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { extractSchema } from '../../catalogue/apidoc.ts';
import { loadBuiltInCatalogue } from '../../catalogue/builtin.ts';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import { readMethods } from '../../catalogue/schema.ts';
import type { ApiMethod } from '../../catalogue/types.ts';
import { isProxied, methodKey, type TreeNode, toTree, walkTree } from './tree.ts';

/** The API that a simulated cluster has, and serves as its own apidoc.js. */
export interface ApiSchema {
  label: string;
  /** Of PVE, such as `9.2`; unknown for most files. */
  version?: string;
  methods: readonly ApiMethod[];
  /** As api-viewer has it. */
  tree: readonly TreeNode[];
  /** Methods, as `GET /nodes/{node}/status`, that run on the node in their path, whichever node is asked. */
  proxied: ReadonlySet<string>;
  /** The key of an index's rows that names what is below, by method, where the schema says it. */
  links: ReadonlyMap<string, string>;
  /** Whether methods that only the simulator describes are served too: those newer than the schema. */
  open: boolean;
}

/** The schema of a simulator that is given none: about PVE 8.2, with what the simulator itself knows of later. */
export function builtInSchema(): ApiSchema {
  return { ...schemaFromCatalogue(loadBuiltInCatalogue()), open: true };
}

export function schemaFromCatalogue(catalogue: Catalogue): ApiSchema {
  const { methods, label, version } = catalogue;
  const proxied = methods.filter(({ path }) => isProxied(path)).map(methodKey);
  return {
    label,
    methods,
    tree: toTree(methods),
    proxied: new Set(proxied),
    links: new Map(),
    open: false,
    ...(version === undefined ? {} : { version }),
  };
}

/** @param file an apidoc.js, or the tree in it alone as JSON. Throws for anything else. */
export function schemaFromFile(file: string): ApiSchema {
  const tree = extractSchema(readFileSync(file, 'utf8')) as TreeNode[];
  const proxied = new Set<string>();
  const links = new Map<string, string>();
  walkTree(tree, (method, path, info) => {
    if (info.proxyto === 'node') proxied.add(methodKey({ method, path }));
    const key = /"href":"\{([^}]+)\}"/.exec(JSON.stringify(info.returns ?? {}))?.[1];
    if (key !== undefined) links.set(methodKey({ method, path }), key);
  });
  const version = /(\d+\.\d+)/.exec(basename(file))?.[1];
  return {
    label: file,
    methods: readMethods(tree),
    tree,
    proxied,
    links,
    open: false,
    ...(version === undefined ? {} : { version }),
  };
}

/** Since 9.1 the inventory also lists zones and fabrics as rows of type `network`. */
export function hasNetworkRows(schema: ApiSchema): boolean {
  const resources = schema.methods.find(
    ({ method, path }) => method === 'GET' && path === '/cluster/resources',
  );
  return Object.hasOwn(resources?.returns?.items?.properties ?? {}, 'network-type');
}
