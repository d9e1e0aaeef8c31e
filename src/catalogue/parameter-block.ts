import { isObject, isTrue, type Json, text } from './json.ts';
import { readParameter } from './parameter.ts';
import type { ParameterSchema } from './types.ts';

/** The parameters of a method, flattened. */
interface ParameterBlock {
  readonly parameters: Record<string, ParameterSchema>;
  readonly additionalProperties: boolean;
}

const NONE: ParameterBlock = { parameters: {}, additionalProperties: false };

/**
 * Flattens a method's parameter block into one list.
 *
 * Since pve-common 9.2.4 a block may be `allOf` (every part holds) or `oneOf` (one variant holds, chosen by
 * the parameter that `type-property` names), with the properties within. Of `allOf`, a parameter is required
 * where any part requires it; of `oneOf`, where every variant does, the rest being left for PVE to judge.
 */
export function readParameterBlock(block: unknown, depth = 0): ParameterBlock {
  if (!isObject(block) || depth > 8) return { ...NONE, additionalProperties: !isObject(block) };
  const parts: ParameterBlock[] = [];
  if (isObject(block.properties)) parts.push(readProperties(block.properties));
  for (const part of Array.isArray(block.allOf) ? block.allOf : []) {
    parts.push(readParameterBlock(part, depth + 1));
  }
  if (Array.isArray(block.oneOf)) parts.push(readVariants(block, block.oneOf, depth));
  const merged = parts.reduce(both, NONE);
  const open = isTrue(block.additionalProperties) || isObject(block.additionalProperties);
  return { ...merged, additionalProperties: open || merged.additionalProperties };
}

// Where a block does not say whether more is allowed, PVE lets it through unread. An invented parameter that
// is silently ignored is worse than a refusal, so only an explicit permission counts.
function readProperties(properties: Json): ParameterBlock {
  const entries = Object.entries(properties).map(([name, schema]) => [name, readParameter(schema)] as const);
  return { parameters: Object.fromEntries(entries), additionalProperties: false };
}

function readVariants(block: Json, variants: readonly unknown[], depth: number): ParameterBlock {
  const typeProperty = text(block['type-property']);
  const blocks = variants.map((variant) => {
    const read = readParameterBlock(variant, depth + 1);
    const instance = isObject(variant) ? text(variant['instance-type']) : undefined;
    return typeProperty && instance ? tagged(read, typeProperty, instance) : read;
  });
  const merged = blocks.length === 0 ? NONE : blocks.reduce(either);
  if (typeProperty === undefined) return merged;
  const type = readParameter(block['type-property-schema']);
  const schema = withOptional(type, isTrue(block.optional));
  return both({ parameters: { [typeProperty]: schema }, additionalProperties: false }, merged);
}

function tagged(block: ParameterBlock, typeProperty: string, instance: string): ParameterBlock {
  const entries = Object.entries(block.parameters).map(
    ([name, schema]) => [name, { ...schema, typeProperty, instanceTypes: [instance] }] as const,
  );
  return { ...block, parameters: Object.fromEntries(entries) };
}

function both(a: ParameterBlock, b: ParameterBlock): ParameterBlock {
  return combine(a, b, (left, right) => {
    if (left === undefined || right === undefined) return left ?? right;
    return withOptional(left, isOptional(left) && isOptional(right));
  });
}

function either(a: ParameterBlock, b: ParameterBlock): ParameterBlock {
  return combine(a, b, (left, right) => {
    if (left && right) return withOptional(alternatives(left, right), isOptional(left) || isOptional(right));
    const only = left ?? right;
    return only && withOptional(only, true);
  });
}

type Merge = (
  left: ParameterSchema | undefined,
  right: ParameterSchema | undefined,
) => ParameterSchema | undefined;

function combine(a: ParameterBlock, b: ParameterBlock, merge: Merge): ParameterBlock {
  const merged: [string, ParameterSchema][] = [];
  for (const name of new Set([...Object.keys(a.parameters), ...Object.keys(b.parameters)])) {
    const schema = merge(own(a.parameters, name), own(b.parameters, name));
    if (schema) merged.push([name, schema]);
  }
  // Not by assignment: a schema from elsewhere may name a parameter __proto__.
  return {
    parameters: Object.fromEntries(merged),
    additionalProperties: a.additionalProperties || b.additionalProperties,
  };
}

function alternatives(a: ParameterSchema, b: ParameterSchema): ParameterSchema {
  if (sameButForType(a, b)) {
    const instances = [...(a.instanceTypes ?? []), ...(b.instanceTypes ?? [])];
    return instances.length > 0 ? { ...a, instanceTypes: instances } : a;
  }
  const { type, typeProperty } = a;
  return {
    oneOf: [...(a.oneOf ?? [a]), b],
    ...(type !== undefined && type === b.type ? { type } : {}),
    ...(typeProperty === undefined ? {} : { typeProperty }),
    ...(a.description === undefined ? {} : { description: a.description }),
  };
}

function sameButForType(a: ParameterSchema, b: ParameterSchema): boolean {
  const plain = (schema: ParameterSchema) =>
    JSON.stringify({ ...schema, instanceTypes: undefined, optional: undefined });
  return plain(a) === plain(b);
}

function withOptional(schema: ParameterSchema, optional: boolean): ParameterSchema {
  const { optional: _, ...rest } = schema;
  return optional ? { ...rest, optional } : rest;
}

function isOptional(schema: ParameterSchema): boolean {
  return schema.optional === true;
}

function own(
  parameters: Readonly<Record<string, ParameterSchema>>,
  name: string,
): ParameterSchema | undefined {
  return Object.hasOwn(parameters, name) ? parameters[name] : undefined;
}
