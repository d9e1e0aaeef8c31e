import { nearestNames } from '../config/nearest.ts';
import { isObject } from './json.ts';
import { encodeScalar, kindOf } from './scalar.ts';
import type { PropertyFormat, PropertySchema } from './types.ts';

/** What is wrong with a property string: at which key (if at one), what, and what to do. */
export interface PropertyProblem {
  readonly key?: string;
  readonly problem: string;
  readonly hint?: string;
}

/** PVE's longest property strings have a few hundred characters. */
const LONGEST = 8192;

/** More would help no one, and finding the nearest names takes time. */
const MOST_PROBLEMS = 20;

type Encoded = { ok: true; text: string } | { ok: false; problems: PropertyProblem[] };

/** Values by canonical key (aliases resolved), and what was wrong on the way. */
interface Collected {
  readonly values: Map<string, string>;
  readonly problems: PropertyProblem[];
}

/**
 * Writes an object as a property string: `{model: 'virtio', bridge: 'vmbr0', firewall: true}` becomes
 * `virtio,bridge=vmbr0,firewall=1`. The default key comes first and bare, the others in the order given.
 */
export function encodePropertyString(
  format: PropertyFormat,
  object: Readonly<Record<string, unknown>>,
): Encoded {
  const collected: Collected = { values: new Map(), problems: [] };
  for (const [key, value] of Object.entries(object)) {
    if (value === null || value === undefined) continue;
    if (collected.problems.length >= MOST_PROBLEMS) break;
    const schema = own(format, key);
    if (schema === undefined) collected.problems.push(unknownKey(format, key));
    else collectValue(format, collected, key, schema, value);
  }
  requireKeys(format, collected);
  if (collected.problems.length > 0) return { ok: false, problems: collected.problems };
  return { ok: true, text: print(format, collected.values) };
}

/** Takes a property string apart into values by canonical key, verifying each key and value. */
export function parsePropertyString(format: PropertyFormat, text: string): Collected {
  const collected: Collected = { values: new Map(), problems: [] };
  if (text.length > LONGEST) {
    collected.problems.push({ problem: `must have at most ${LONGEST} characters` });
    return collected;
  }
  for (const part of text.split(',')) {
    if (part.trim() === '') continue;
    if (collected.problems.length >= MOST_PROBLEMS) break;
    const pair = /^([^=]+)=(.+)$/s.exec(part);
    const key = pair ? pair[1] : part.includes('=') ? undefined : defaultKey(format);
    const schema = key === undefined ? undefined : own(format, key);
    if (key === undefined) collected.problems.push({ problem: 'has a part that is not KEY=VALUE' });
    else if (schema === undefined) collected.problems.push(unknownKey(format, key));
    else collectValue(format, collected, key, schema, pair?.[2] ?? part);
  }
  requireKeys(format, collected);
  return collected;
}

/** The key whose value may stand alone, if the format has one. */
export function defaultKey(format: PropertyFormat): string | undefined {
  return Object.entries(format).find(([, schema]) => schema.defaultKey)?.[0];
}

function collectValue(
  format: PropertyFormat,
  { values, problems }: Collected,
  key: string,
  schema: PropertySchema,
  value: unknown,
): void {
  const target = schema.alias ?? key;
  const targetSchema = schema.alias === undefined ? schema : own(format, schema.alias);
  if (schema.keyAlias !== undefined) {
    if (values.has(schema.keyAlias)) problems.push({ key, problem: `sets ${schema.keyAlias} a second time` });
    values.set(schema.keyAlias, key);
  }
  if (values.has(target)) problems.push({ key, problem: `sets ${target} a second time` });
  const encoded = encodeInner(targetSchema ?? {}, value);
  if (encoded.ok) values.set(target, encoded.text);
  else problems.push({ key, problem: encoded.problem, ...(encoded.hint ? { hint: encoded.hint } : {}) });
}

// Lists within a property string are separated by semicolons, the comma being taken.
function encodeInner(schema: PropertySchema, value: unknown): ReturnType<typeof encodeScalar> {
  if (isObject(value)) return { ok: false, problem: 'can hold no object' };
  if (Array.isArray(value) && value.some((item) => typeof item === 'object')) {
    return { ok: false, problem: `expects plain values, got ${kindOf(value)} of others` };
  }
  const encoded = encodeScalar(schema, Array.isArray(value) ? value.map(String).join(';') : value);
  if (!encoded.ok) return encoded;
  if (encoded.text === '') return { ok: false, problem: 'must not be empty', hint: 'leave the key out' };
  if (encoded.text.includes(','))
    return { ok: false, problem: 'must not hold a comma', hint: 'separate with ;' };
  return encoded;
}

function requireKeys(format: PropertyFormat, { values, problems }: Collected): void {
  for (const [key, schema] of Object.entries(format)) {
    const missing = !values.has(key) && !schema.optional && schema.alias === undefined;
    const wrong = problems.some((problem) => problem.key === key);
    if (missing && !wrong) problems.push({ key, problem: 'is missing' });
    if (values.has(key) && schema.requires !== undefined && !values.has(schema.requires)) {
      problems.push({ key, problem: `needs ${schema.requires} too` });
    }
  }
}

function print(format: PropertyFormat, values: ReadonlyMap<string, string>): string {
  const rest = new Map(values);
  const parts: string[] = [];
  const leading = defaultKey(format);
  const value = leading === undefined ? undefined : rest.get(leading);
  const short = value === undefined ? undefined : own(format, value);
  if (leading !== undefined && value !== undefined) {
    rest.delete(leading);
    const aliased =
      short?.keyAlias === leading && short.alias !== undefined ? rest.get(short.alias) : undefined;
    if (short?.alias !== undefined && aliased !== undefined) {
      rest.delete(short.alias);
      parts.push(`${value}=${aliased}`);
    } else {
      // A bare value with an = in it would be read as a pair.
      parts.push(value.includes('=') ? `${leading}=${value}` : value);
    }
  }
  for (const [key, text] of rest) parts.push(`${key}=${text}`);
  return parts.join(',');
}

function unknownKey(format: PropertyFormat, key: string): PropertyProblem {
  const names = Object.keys(format);
  const near = nearestNames(key, names);
  const listed = names.filter((name) => format[name]?.alias === undefined).slice(0, 40);
  const hint = near.length > 0 ? `did you mean ${near.join(', ')}?` : `keys are ${listed.join(', ')}`;
  return { key, problem: 'is not a key of this property string', hint };
}

function own(format: PropertyFormat, key: string): PropertySchema | undefined {
  return Object.hasOwn(format, key) ? format[key] : undefined;
}
