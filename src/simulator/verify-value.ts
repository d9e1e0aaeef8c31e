import type { ParameterSchema, ParameterValue } from './verify.ts';
import { formatComplaint } from './verify-format.ts';
import { propertyComplaint } from './verify-property-string.ts';

export type Verdict = { value: ParameterValue } | { error: string };

export interface Place {
  /** What error texts call the value: the parameter, or `net0.bridge` within a property string. */
  path: string;
  /** All parameters of the call: some schemas depend on another one. */
  given: Record<string, unknown>;
}

const TRUE = /^(1|on|yes|true)$/i;
const FALSE = /^(0|off|no|false)$/i;

/** Checks one value against its schema and converts it to the type the schema names. */
export function verifyValue(schema: ParameterSchema, given: unknown, place: Place): Verdict {
  if (schema.oneOf) return verifyAlternatives(schema, schema.oneOf, given, place);
  if (schema.type === 'array') return verifyList(schema, Array.isArray(given) ? given : [given], place);
  const text = asText(given);
  const mismatch = { error: `type check ('${schema.type ?? 'string'}') failed - got '${text}'` };
  switch (schema.type) {
    case 'integer':
      return /^[+-]?\d+$/.test(text) ? verifyNumber(schema, Number(text), place) : mismatch;
    case 'number':
      return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)
        ? verifyNumber(schema, Number(text), place)
        : mismatch;
    case 'boolean':
      if (TRUE.test(text)) return { value: 1 };
      return FALSE.test(text) ? { value: 0 } : mismatch;
    default:
      return Array.isArray(given) ? mismatch : verifyText(schema, text, place);
  }
}

function verifyAlternatives(
  { typeProperty }: ParameterSchema,
  alternatives: readonly ParameterSchema[],
  given: unknown,
  place: Place,
): Verdict {
  const type = typeProperty === undefined ? undefined : place.given[typeProperty];
  const fitting = alternatives.filter(({ instanceTypes }) => {
    return type === undefined || instanceTypes === undefined || instanceTypes.includes(String(type));
  });
  const verdicts = fitting.map((alternative) => verifyValue(alternative, given, place));
  return (
    verdicts.find((verdict) => 'value' in verdict) ??
    verdicts[0] ?? { error: `property is not allowed for type '${String(type)}'` }
  );
}

function verifyList({ items }: ParameterSchema, given: unknown[], place: Place): Verdict {
  const verdicts = given.map((item, position) => {
    return verifyValue(items ?? {}, item, { ...place, path: `${place.path}[${position}]` });
  });
  const wrong = verdicts.find((verdict) => 'error' in verdict);
  if (wrong) return wrong;
  return { value: verdicts.map((verdict) => ('value' in verdict ? String(verdict.value) : '')) };
}

function verifyNumber(schema: ParameterSchema, value: number, place: Place): Verdict {
  const { minimum, maximum, format } = schema;
  if (minimum !== undefined && value < minimum)
    return { error: `value must have a minimum value of ${minimum}` };
  if (maximum !== undefined && value > maximum)
    return { error: `value must have a maximum value of ${maximum}` };
  return enumError(schema, String(value)) ?? formatError(format, String(value), place) ?? { value };
}

function verifyText(schema: ParameterSchema, value: string, place: Place): Verdict {
  const { minLength, maxLength, pattern, format } = schema;
  const length = [...value].length;
  if (minLength !== undefined && length < minLength) {
    return { error: `value must be at least ${minLength} characters long` };
  }
  if (maxLength !== undefined && length > maxLength) {
    return { error: `value may only be ${maxLength} characters long` };
  }
  if (pattern !== undefined && !fitsPattern(pattern, value)) {
    return { error: 'value does not match the regex pattern' };
  }
  return enumError(schema, value) ?? formatError(format, value, place) ?? { value };
}

function formatError(
  format: ParameterSchema['format'],
  value: string,
  place: Place,
): { error: string } | undefined {
  if (format === undefined) return undefined;
  const message =
    typeof format === 'string'
      ? formatComplaint(format, value)
      : propertyComplaint(format, value, place.path, (schema, item, path) => {
          const verdict = verifyValue(schema, item, { ...place, path });
          return 'error' in verdict ? verdict.error : undefined;
        });
  return message === undefined ? undefined : { error: `invalid format - ${message}\n` };
}

function enumError({ enum: values }: ParameterSchema, value: string): { error: string } | undefined {
  if (!values || values.includes(value)) return undefined;
  return { error: `value '${value}' does not have a value in the enumeration '${values.join(', ')}'` };
}

/** Patterns are Perl's: `(?^i:…)` is its way to print one, and what JavaScript can't read passes. */
function fitsPattern(pattern: string, value: string): boolean {
  const translated = pattern
    .replaceAll('(?^:', '(?:')
    .replaceAll(/\(\?\^([a-z]+):/g, (_match, flags: string) => `(?${flags.replaceAll(/[^ims]/g, '')}:`)
    .replaceAll('\\A', '^')
    .replaceAll(/\\[zZ]/g, '$');
  try {
    return new RegExp(`^(?:${translated})$`).test(value);
  } catch {
    return true;
  }
}

/** Perl sees the reference, not what is in it; a client that sends nested objects gets the same surprise here. */
function asText(value: unknown): string {
  if (value === true) return '1';
  if (value === false) return '0';
  if (Array.isArray(value)) return 'ARRAY';
  return typeof value === 'object' ? 'HASH' : String(value);
}
