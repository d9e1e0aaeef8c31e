import type { ParameterSchema as CatalogueParameter } from '../catalogue/types.ts';
import { invalidParameters } from './errors.ts';
import { MISSING, UNKNOWN } from './verify-property-string.ts';
import { verifyValue } from './verify-value.ts';

export type ParameterValue = string | number | string[];
export type Parameters = Record<string, ParameterValue>;

/** One parameter, as the API's schema describes it; written by hand, `optional` may be PVE's own 0 or 1. */
export interface ParameterSchema extends Omit<CatalogueParameter, 'optional'> {
  readonly optional?: boolean | 0 | 1;
}

/** A key that ends in `[n]` stands for a numbered family: `net[n]` takes net0, net1, … */
export type Properties = Readonly<Record<string, ParameterSchema>>;

/** @returns the schema of a parameter, of its own or of its numbered family */
export function schemaOf(properties: Properties, key: string): ParameterSchema | undefined {
  const family = key.replace(/(0|[1-9]\d*)$/, '[n]');
  // Such as `shares`, which stands beside `net[n]`: a name of its own comes first.
  if (!key.endsWith('[n]') && Object.hasOwn(properties, key)) return properties[key];
  if (family === key || !Object.hasOwn(properties, family)) return undefined;
  const schema = properties[family];
  return Number(/\d+$/.exec(key)?.[0]) <= highestIndex(schema) ? schema : undefined;
}

/** The schema has no field for it, but the descriptions of disks and ports end so. */
function highestIndex(schema: ParameterSchema | undefined): number {
  const range = /\(n is 0 to (\d+)\)/.exec(schema?.description ?? '');
  return range ? Number(range[1]) : Number.POSITIVE_INFINITY;
}

/**
 * Checks and converts what a call was given. Throws the 400 of PVE, which names every bad parameter at once.
 *
 * @param additional whether parameters the schema does not know are let through
 */
export function verifyParameters(
  properties: Properties,
  given: Record<string, unknown>,
  additional = false,
): Parameters {
  // Without a prototype, so that a parameter named __proto__ is one like any other.
  const errors: Record<string, string> = Object.create(null);
  const verified: Parameters = Object.create(null);
  for (const [key, value] of Object.entries(given)) {
    const schema = schemaOf(properties, key) ?? (additional ? {} : undefined);
    if (!schema || !fitsInstance(schema, given)) {
      errors[key] = UNKNOWN;
      continue;
    }
    const result = verifyValue(schema, value, { path: key, given });
    if ('error' in result) errors[key] = result.error;
    else verified[key] = result.value;
    if (schema.requires !== undefined && given[schema.requires] === undefined) {
      errors[schema.requires] ??= `missing property - '${key}' requires this property`;
    }
  }
  for (const [key, schema] of Object.entries(properties)) {
    if (given[key] === undefined && isRequired(key, schema, given)) errors[key] = MISSING;
  }
  if (Object.keys(errors).length > 0) throw invalidParameters(errors);
  return verified;
}

/** Of alternatives, those count that fit the type which the call names. */
export function isRequired(key: string, schema: ParameterSchema, given: Record<string, unknown>): boolean {
  if (schema.optional || key.endsWith('[n]') || !fitsInstance(schema, given)) return false;
  if (!schema.oneOf) return true;
  const { typeProperty } = schema;
  const own = typeProperty === undefined ? {} : { typeProperty };
  const fitting = schema.oneOf.filter((alternative) => fitsInstance({ ...own, ...alternative }, given));
  return fitting.some((alternative) => !alternative.optional);
}

/** Whether a parameter belongs to the kind of object that the call's type parameter names. */
function fitsInstance(
  { typeProperty, instanceTypes }: ParameterSchema,
  given: Record<string, unknown>,
): boolean {
  const type = typeProperty === undefined ? undefined : given[typeProperty];
  return type === undefined || instanceTypes === undefined || instanceTypes.includes(String(type));
}
