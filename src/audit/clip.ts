import { createHash } from 'node:crypto';

/** A last net under the caller's redaction: what may stand in a line, and how much of it. */
const MOST_CHARACTERS = 1000;
const MOST_DEPTH = 6;
const MOST_MEMBERS = 200;
/** Of one line's parameters, as JSON. */
const MOST_PARAMETER_CHARACTERS = 32_768;
const NOT_PLAIN = '[redacted]';

/**
 * A value as it may stand in the record. Long texts become their length and the start of their SHA-256; an object that
 * is not plain, a Secret above all, becomes `[redacted]` whatever it would serialise itself as.
 */
export function clipped(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return clippedText(value);
  if (typeof value === 'bigint') return String(value);
  if (value === null || typeof value === 'boolean') return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (typeof value !== 'object') return undefined;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString();
  if (depth >= MOST_DEPTH) return `[deeper than ${MOST_DEPTH} levels]`;
  if (Array.isArray(value)) return clippedList(value, depth);
  return isPlain(value) ? clippedMembers(value, depth) : NOT_PLAIN;
}

export function clippedText(text: string): string {
  if (text.length <= MOST_CHARACTERS) return text;
  return `[${text.length} characters, sha256 ${digest(text)}]`;
}

/** The parameters of a call, bounded as a whole: many short values are as long as one long one. */
export function clippedParameters(parameters: Readonly<Record<string, unknown>>): unknown {
  if (Object.keys(parameters).length === 0) return {};
  const kept = clipped(parameters);
  const text = JSON.stringify(kept);
  if (text.length <= MOST_PARAMETER_CHARACTERS) return kept;
  return {
    clipped: `[${text.length} characters of JSON, sha256 ${digest(text)}]`,
    names: Object.keys(parameters).slice(0, MOST_MEMBERS).map(clippedName),
  };
}

function clippedList(list: readonly unknown[], depth: number): unknown[] {
  const kept = list.slice(0, MOST_MEMBERS).map((item) => clipped(item, depth + 1) ?? null);
  return list.length > MOST_MEMBERS ? [...kept, `[${list.length - MOST_MEMBERS} more]`] : kept;
}

function clippedMembers(value: object, depth: number): Record<string, unknown> {
  const all = Object.entries(value);
  const kept = all
    .slice(0, MOST_MEMBERS)
    .map(([name, member]): [string, unknown] => [clippedName(name), clipped(member, depth + 1)]);
  if (all.length > MOST_MEMBERS) kept.push(['…', `[${all.length - MOST_MEMBERS} more]`]);
  // A member named __proto__ or toJSON is data like any other here.
  const made = Object.assign(Object.create(null), {}) as Record<string, unknown>;
  for (const [name, member] of kept) made[name] = member;
  return made;
}

function clippedName(name: string): string {
  return name.length <= 100 ? name : `[name of ${name.length} characters, sha256 ${digest(name)}]`;
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
