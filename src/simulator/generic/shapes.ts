import type { ReturnSchema } from '../../catalogue/types.ts';

const DEEPEST = 4;

/** The least that fits what a method says it returns: required properties alone, empty lists, zero. */
export function minimalValue(returns: ReturnSchema | undefined, depth = 0): unknown {
  if (!returns || depth > DEEPEST) return null;
  switch (returns.type) {
    case 'array':
      return [];
    case 'object':
      return Object.fromEntries(
        Object.entries(returns.properties ?? {})
          .filter(([, property]) => !property.optional)
          .map(([key, property]) => [key, minimalValue(property, depth + 1)]),
      );
    case 'integer':
    case 'number':
    case 'boolean':
      return 0;
    case 'string':
      return '';
    default:
      return null;
  }
}

/** The key under which the rows of an index name what is below. */
export function indexKey(returns: ReturnSchema | undefined): string {
  const names = Object.keys(returns?.items?.properties ?? {});
  const [only] = names;
  if (only !== undefined && names.length === 1) return only;
  return names.find((name) => name === 'subdir' || name === 'name' || name === 'cmd') ?? 'name';
}
