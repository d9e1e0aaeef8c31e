import { compact, isObject, isTrue, type Json, number, readType, scalar, text } from './json.ts';
import type { ParameterSchema, PropertyFormat, PropertySchema } from './types.ts';

/** Reads one parameter, or one key of a property string, from PVE's JSON. */
export function readParameter(value: unknown): PropertySchema {
  if (!isObject(value)) return {};
  const alternatives = Array.isArray(value.oneOf) ? value.oneOf.map(readParameter) : undefined;
  return compact({
    type: readType(value.type),
    description: text(value.description),
    typeText: text(value.typetext),
    format: typeof value.format === 'string' ? value.format : readFormat(value.format),
    formatDescription: text(value.format_description),
    pattern: text(value.pattern),
    enum: Array.isArray(value.enum) ? value.enum.map(String) : undefined,
    minimum: number(value.minimum),
    maximum: number(value.maximum),
    minLength: number(value.minLength),
    maxLength: number(value.maxLength),
    default: scalar(value.default),
    optional: isOptional(value, alternatives) || undefined,
    requires: text(value.requires),
    items: isObject(value.items) ? readParameter(value.items) : undefined,
    oneOf: alternatives,
    typeProperty: text(value['type-property']),
    instanceTypes: Array.isArray(value['instance-types']) ? value['instance-types'].map(String) : undefined,
    alias: text(value.alias),
    keyAlias: text(value.keyAlias),
    defaultKey: isTrue(value.default_key) || undefined,
  });
}

// An alias is never required itself, `group` marks one of several that are required together, and where it
// depends on the alternative PVE decides.
function isOptional(value: Json, alternatives: readonly ParameterSchema[] | undefined): boolean {
  const depends = alternatives?.some((alternative) => alternative.optional) ?? false;
  return isTrue(value.optional) || value.alias !== undefined || value.group !== undefined || depends;
}

function readFormat(value: unknown): PropertyFormat | undefined {
  if (!isObject(value)) return undefined;
  return Object.fromEntries(Object.entries(value).map(([key, schema]) => [key, readParameter(schema)]));
}
