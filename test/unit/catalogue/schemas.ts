import { Catalogue } from '../../../src/catalogue/catalogue.ts';
import { readMethods } from '../../../src/catalogue/schema.ts';

/** A node of an API tree as PVE writes it. */
export function node(
  path: string,
  info: Record<string, unknown>,
  children: unknown[] = [],
): Record<string, unknown> {
  return { path, text: path.split('/').at(-1), leaf: children.length === 0 ? 1 : 0, info, children };
}

/** A method that takes these parameters and nothing else. */
export function taking(properties: Record<string, unknown>, more: Record<string, unknown> = {}) {
  return {
    method: 'POST',
    name: 'made_up',
    description: 'A made-up method.',
    parameters: { additionalProperties: 0, properties },
    returns: { type: 'null' },
    ...more,
  };
}

export function catalogueOf(...tree: unknown[]): Catalogue {
  return new Catalogue({ source: 'file', label: 'a made-up schema', methods: readMethods(tree) });
}

/** A catalogue of one method, POST /thing. */
export function thingTaking(
  properties: Record<string, unknown>,
  more: Record<string, unknown> = {},
): Catalogue {
  return catalogueOf(node('/thing', { POST: taking(properties, more) }));
}
