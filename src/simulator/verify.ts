import { invalidParameters } from './errors.ts';

type ParameterValue = string | number | string[];
export type Parameters = Record<string, ParameterValue>;

/** One parameter, in the shape of PVE's own JSON schema. */
export interface ParameterSchema {
  type: 'string' | 'integer' | 'number' | 'boolean' | 'array';
  optional?: 0 | 1;
  enum?: string[];
  format?: string;
  pattern?: string;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  requires?: string;
}

/** A key that ends in `[n]` stands for a numbered family: `net[n]` takes net0, net1, … */
export type Properties = Record<string, ParameterSchema>;

const UNKNOWN = 'property is not defined in schema and the schema does not allow additional properties';
const MISSING = 'property is missing and it is not optional';

const FORMATS: Record<string, { pattern: RegExp; message: (value: string) => string }> = {
  'pve-vmid': { pattern: /^[1-9]\d{2,8}$/, message: () => 'value does not look like a valid VM ID' },
  'pve-node': {
    pattern: /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/i,
    message: () => 'value does not look like a valid node name',
  },
  'pve-configid': { pattern: /^[a-z][\w-]+$/i, message: (value) => `invalid configuration ID '${value}'` },
  'pve-storage-id': {
    pattern: /^[a-z][\w.-]*[a-z0-9]$/i,
    message: (value) => `storage ID '${value}' contains illegal characters`,
  },
  'dns-name': {
    pattern: /^(?!.*\.\.)[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?$/i,
    message: () => 'value does not look like a valid DNS name',
  },
};

/** @returns the schema of a parameter, of its own or of its numbered family */
export function schemaOf(properties: Properties, key: string): ParameterSchema | undefined {
  const family = key.replace(/(0|[1-9]\d*)$/, '[n]');
  return [key, family].filter((name) => Object.hasOwn(properties, name)).map((name) => properties[name])[0];
}

/** Checks and converts what a call was given. Throws the 400 of PVE, which names every bad parameter at once. */
export function verifyParameters(properties: Properties, given: Record<string, unknown>): Parameters {
  // Without a prototype, so that a parameter named __proto__ is one like any other.
  const errors: Record<string, string> = Object.create(null);
  const verified: Parameters = Object.create(null);
  for (const [key, value] of Object.entries(given)) {
    const schema = schemaOf(properties, key);
    if (!schema) {
      errors[key] = UNKNOWN;
      continue;
    }
    const result = verifyValue(schema, value);
    if ('error' in result) errors[key] = result.error;
    else verified[key] = result.value;
    if (schema.requires !== undefined && given[schema.requires] === undefined) {
      errors[schema.requires] ??= `missing property - '${key}' requires this property`;
    }
  }
  for (const [key, schema] of Object.entries(properties)) {
    if (!schema.optional && given[key] === undefined) errors[key] = MISSING;
  }
  if (Object.keys(errors).length > 0) throw invalidParameters(errors);
  return verified;
}

type Verdict = { value: ParameterValue } | { error: string };

function verifyValue(schema: ParameterSchema, given: unknown): Verdict {
  if (schema.type === 'array') return { value: (Array.isArray(given) ? given : [given]).map(asText) };
  const text = asText(given);
  const mismatch = { error: `type check ('${schema.type}') failed - got '${text}'` };
  switch (schema.type) {
    case 'integer':
      return /^[+-]?\d+$/.test(text) ? verifyNumber(schema, Number(text)) : mismatch;
    case 'number':
      return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)
        ? verifyNumber(schema, Number(text))
        : mismatch;
    case 'boolean':
      if (/^(1|on|yes|true)$/i.test(text)) return { value: 1 };
      return /^(0|off|no|false)$/i.test(text) ? { value: 0 } : mismatch;
    case 'string':
      return Array.isArray(given) ? mismatch : verifyText(schema, text);
  }
}

function verifyNumber(schema: ParameterSchema, value: number): Verdict {
  const { minimum, maximum, format } = schema;
  if (minimum !== undefined && value < minimum)
    return { error: `value must have a minimum value of ${minimum}` };
  if (maximum !== undefined && value > maximum)
    return { error: `value must have a maximum value of ${maximum}` };
  return formatError(format, String(value)) ?? { value };
}

function verifyText(schema: ParameterSchema, value: string): Verdict {
  const { minLength, maxLength, pattern, format } = schema;
  if (minLength !== undefined && value.length < minLength) {
    return { error: `value must be at least ${minLength} characters long` };
  }
  if (maxLength !== undefined && value.length > maxLength) {
    return { error: `value may only be ${maxLength} characters long` };
  }
  if (pattern !== undefined && !new RegExp(`^(?:${pattern})$`).test(value)) {
    return { error: 'value does not match the regex pattern' };
  }
  if (schema.enum && !schema.enum.includes(value)) {
    return { error: `value '${value}' does not have a value in the enumeration '${schema.enum.join(', ')}'` };
  }
  return formatError(format, value) ?? { value };
}

function formatError(name: string | undefined, value: string): { error: string } | undefined {
  const format = name === undefined ? undefined : FORMATS[name];
  if (!format || format.pattern.test(value)) return undefined;
  return { error: `invalid format - ${format.message(value)}\n` };
}

/** Perl sees the reference, not what is in it; a client that sends nested objects gets the same surprise here. */
function asText(value: unknown): string {
  if (value === true) return '1';
  if (value === false) return '0';
  if (Array.isArray(value)) return 'ARRAY';
  return typeof value === 'object' ? 'HASH' : String(value);
}
