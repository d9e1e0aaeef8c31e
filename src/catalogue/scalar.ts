import { asUrlEncoded, formatMismatch } from './formats.ts';
import { matchesPattern } from './pattern.ts';
import type { ParameterSchema } from './types.ts';

/** The text that goes to PVE, or why there is none. Messages never repeat the value: it may be a secret. */
export type EncodedText =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly problem: string; readonly hint?: string };

const TRUE = /^(?:1|on|yes|true)$/i;
const FALSE = /^(?:0|off|no|false)$/i;
const INTEGER = /^[+-]?\d+$/;
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

/**
 * Verifies one value that is not a list or an object against its schema, and writes it as PVE wants it:
 * booleans as 1 and 0, numbers as digits. Numeric text is taken for a number.
 */
export function encodeScalar(schema: ParameterSchema, value: unknown): EncodedText {
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') {
    return wrong(`expects ${typeInWords(schema)}, got ${kindOf(value)}`);
  }
  if (schema.type === 'boolean') return encodeBoolean(value);
  if (schema.type === 'integer' || schema.type === 'number') return encodeNumber(schema, value);
  return encodeText(schema, value);
}

function encodeBoolean(value: string | number | boolean): EncodedText {
  const text = String(value);
  if (TRUE.test(text)) return { ok: true, text: '1' };
  if (FALSE.test(text)) return { ok: true, text: '0' };
  return wrong(`expects true or false, got ${kindOf(value)}`);
}

function encodeNumber(schema: ParameterSchema, value: string | number | boolean): EncodedText {
  const text = String(value);
  const shape = schema.type === 'integer' ? INTEGER : NUMBER;
  if (typeof value === 'boolean' || !shape.test(text)) {
    return wrong(`expects ${typeInWords(schema)}, got ${kindOf(value)}`);
  }
  return verifyText(schema, text);
}

function encodeText(schema: ParameterSchema, value: string | number | boolean): EncodedText {
  if (typeof value === 'boolean' && !schema.enum?.includes(value ? '1' : '0')) {
    return wrong('expects text, got a boolean', 'send "1" or "0" as text if PVE wants a number here');
  }
  const plain = typeof value === 'boolean' ? (value ? '1' : '0') : String(value);
  return verifyText(schema, schema.format === 'urlencoded' ? asUrlEncoded(plain) : plain);
}

function verifyText(schema: ParameterSchema, text: string): EncodedText {
  const { minimum, maximum, minLength, maxLength, pattern, format } = schema;
  if (NUMBER.test(text)) {
    if (minimum !== undefined && Number(text) < minimum) return wrong(`must be at least ${minimum}`);
    if (maximum !== undefined && Number(text) > maximum) return wrong(`must be at most ${maximum}`);
  }
  if (schema.enum && !schema.enum.includes(text)) return wrong(`must be one of ${schema.enum.join(', ')}`);
  if (minLength !== undefined && lengthOf(text) < minLength) {
    return wrong(`must have at least ${minLength} characters`);
  }
  if (maxLength !== undefined && lengthOf(text) > maxLength) {
    return wrong(`must have at most ${maxLength} characters`);
  }
  const expected = typeof format === 'string' ? formatMismatch(format, text) : undefined;
  if (expected !== undefined) return wrong(`must be ${expected}`);
  if (pattern !== undefined && !matchesPattern(pattern, text)) {
    return wrong(`must match the pattern ${pattern.slice(0, 200)}`);
  }
  return { ok: true, text };
}

/** PVE counts characters, not UTF-16 code units. */
function lengthOf(text: string): number {
  return [...text].length;
}

/** The type of a parameter in words: `integer (100 to 999999999)`, `one of a, b`, `list of text`. */
export function typeInWords(schema: ParameterSchema): string {
  if (schema.enum) return `one of ${schema.enum.join(', ')}`;
  if (schema.type === 'boolean') return 'true or false';
  if (schema.type === 'integer' || schema.type === 'number') {
    return `${schema.type === 'integer' ? 'an integer' : 'a number'}${rangeInWords(schema)}`;
  }
  if (schema.type === 'array') return `a list, each ${typeInWords(schema.items ?? {})}`;
  if (typeof schema.format === 'object') return 'a property string or an object';
  if (schema.format?.endsWith('-list')) return `a list (${schema.format})`;
  return schema.format === undefined ? 'text' : `text (${schema.format})`;
}

function rangeInWords({ minimum, maximum }: ParameterSchema): string {
  if (minimum !== undefined && maximum !== undefined) return ` (${minimum} to ${maximum})`;
  if (minimum !== undefined) return ` (at least ${minimum})`;
  return maximum === undefined ? '' : ` (at most ${maximum})`;
}

/** What kind of thing a caller sent, in words. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'an object';
  return typeof value === 'string' ? 'other text' : `a ${typeof value}`;
}

function wrong(problem: string, hint?: string): EncodedText {
  return hint === undefined ? { ok: false, problem } : { ok: false, problem, hint };
}
