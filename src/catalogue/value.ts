import { isObject } from './json.ts';
import { namedFormat } from './named-formats.ts';
import {
  defaultKey,
  encodePropertyString,
  type PropertyProblem,
  parsePropertyString,
} from './property-string.ts';
import { encodeScalar, kindOf, typeInWords } from './scalar.ts';
import type { ParameterSchema, PropertyFormat } from './types.ts';

/** More would help no one. */
const MOST_PROBLEMS = 20;

/** A parameter as it is sent: one value, or several under the same key. */
export type EncodedParameter = string | readonly string[];

export type EncodedValue =
  | { readonly ok: true; readonly encoded: EncodedParameter }
  | { readonly ok: false; readonly problems: readonly PropertyProblem[] };

/**
 * Verifies a parameter's value and writes it as PVE wants it: lists as repeated keys or as comma lists,
 * objects as property strings, scalars as {@link encodeScalar} does.
 *
 * @param others all parameters of the call; some schemas depend on another parameter.
 */
export function encodeValue(
  schema: ParameterSchema,
  value: unknown,
  others: Readonly<Record<string, unknown>> = {},
): EncodedValue {
  if (schema.oneOf) return encodeAlternative(schema, schema.oneOf, value, others);
  if (schema.type === 'array') return encodeList(schema.items ?? {}, Array.isArray(value) ? value : [value]);
  return encodeSingle(schema, value);
}

function encodeAlternative(
  schema: ParameterSchema,
  alternatives: readonly ParameterSchema[],
  value: unknown,
  others: Readonly<Record<string, unknown>>,
): EncodedValue {
  const instance = schema.typeProperty === undefined ? undefined : others[schema.typeProperty];
  const fitting = alternatives.filter(
    (alternative) =>
      instance === undefined || (alternative.instanceTypes?.includes(String(instance)) ?? true),
  );
  if (fitting.length === 0) return failed(`does not go with this ${schema.typeProperty}`);
  const results = fitting.map((alternative) => encodeValue(alternative, value, others));
  return results.find((result) => result.ok) ?? results[0] ?? failed('fits no alternative');
}

function encodeList(items: ParameterSchema, values: readonly unknown[]): EncodedValue {
  const encoded: string[] = [];
  const problems: PropertyProblem[] = [];
  for (const value of values) {
    if (problems.length >= MOST_PROBLEMS) break;
    const item = encodeSingle(items, value);
    if (!item.ok) problems.push(...item.problems);
    else encoded.push(...[item.encoded].flat());
  }
  return problems.length > 0 ? { ok: false, problems } : { ok: true, encoded };
}

function encodeSingle(schema: ParameterSchema, value: unknown): EncodedValue {
  if (typeof schema.format === 'object') return encodeProperties(schema.format, value);
  if (isObject(value)) return encodeNamed(schema, value);
  if (Array.isArray(value)) return encodeJoined(schema, value);
  return fromText(encodeScalar(schema, value));
}

function encodeProperties(format: PropertyFormat, value: unknown): EncodedValue {
  if (isObject(value)) return fromProperties(encodePropertyString(format, value));
  if (typeof value === 'string') {
    const { problems } = parsePropertyString(format, value);
    return problems.length > 0 ? { ok: false, problems } : { ok: true, encoded: value };
  }
  const key = defaultKey(format);
  if (key === undefined || Array.isArray(value)) {
    return failed(`expects a property string or an object, got ${kindOf(value)}`);
  }
  // agent: true and memory: 2048 mean the default key.
  return fromProperties(encodePropertyString(format, { [key]: value }));
}

function encodeNamed(schema: ParameterSchema, value: Readonly<Record<string, unknown>>): EncodedValue {
  const format = namedFormat(schema);
  if (format) return fromProperties(encodePropertyString(format, value));
  return failed(`expects ${typeInWords(schema)}, got an object`);
}

function encodeJoined(schema: ParameterSchema, values: readonly unknown[]): EncodedValue {
  if (typeof schema.format !== 'string' || !schema.format.endsWith('-list')) {
    return failed(`expects ${typeInWords(schema)}, got a list`, 'send one value');
  }
  if (values.some((item) => typeof item !== 'string' && typeof item !== 'number')) {
    return failed('expects a list of plain values');
  }
  return fromText(encodeScalar(schema, values.join(',')));
}

function fromText(result: ReturnType<typeof encodeScalar>): EncodedValue {
  if (result.ok) return { ok: true, encoded: result.text };
  return failed(result.problem, result.hint);
}

function fromProperties(result: ReturnType<typeof encodePropertyString>): EncodedValue {
  return result.ok ? { ok: true, encoded: result.text } : result;
}

function failed(problem: string, hint?: string): EncodedValue {
  return { ok: false, problems: [hint === undefined ? { problem } : { problem, hint }] };
}
