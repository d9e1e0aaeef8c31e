import type { Json } from '../catalogue/json.ts';
import { isSecretParameter } from '../catalogue/risk-parameters.ts';

export { rowsOf, text as textOf } from '../catalogue/json.ts';

const DAY_MS = 86_400_000;

/** Drops members that say nothing, so that an answer holds no null noise. */
export function compact<T extends Record<string, unknown>>(row: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(
    Object.entries(row).filter(([, value]) => value !== undefined && value !== null && value !== ''),
  ) as { [K in keyof T]?: NonNullable<T[K]> };
}

/** Options of which those that are secrets show no more than that they are set. */
export function withoutSecrets(template: string, options: Json): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(options).map(([name, value]) => [name, isSecretParameter(template, name) ? 'set' : value]),
  );
}

/** Keeps the named fields of a row, in the order asked for. Without names the row is returned as it is. */
export function pick(
  row: Record<string, unknown>,
  fields: readonly string[] | undefined,
): Record<string, unknown> {
  if (!fields) return row;
  return Object.fromEntries(fields.filter((field) => field in row).map((field) => [field, row[field]]));
}

/**
 * Says which of the fields asked for no row has: a misspelt name must not read as an empty answer.
 *
 * @param columns fields that rows may have, though none of these does
 * @returns a sentence, or undefined where every field is somewhere
 */
export function fieldsNowhere(
  rows: readonly Record<string, unknown>[],
  fields: readonly string[] | undefined,
  columns: readonly string[] = [],
) {
  if (!fields || rows.length === 0) return undefined;
  const known = new Set([...columns, ...rows.flatMap((row) => Object.keys(row))]);
  const nowhere = fields.filter((field) => !known.has(field));
  if (nowhere.length === 0) return undefined;
  return `Nothing here has the field ${nowhere.join(', ')}. The fields are: ${[...known].sort().join(', ')}.`;
}

export function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

/** How much of a whole, with one decimal; undefined where either is not known. */
export function percentOf(part: number | undefined, whole: number | undefined): number | undefined {
  return part === undefined || !whole ? undefined : Math.round((part / whole) * 1000) / 10;
}

/** Joins what is to be noted; no member where nothing is. */
export function noted(...notes: (string | undefined)[]): { note?: string } {
  const note = notes.filter((text) => text !== undefined).join(' ');
  return note === '' ? {} : { note };
}

/** @param milliseconds since the epoch */
export function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

/** @param madeAt epoch milliseconds, as `now` is; days with one decimal */
export function ageDays(madeAt: number | undefined, now: number): number | undefined {
  return madeAt === undefined ? undefined : Math.max(0, Math.round(((now - madeAt) / DAY_MS) * 10) / 10);
}

/** `1 node`, `2 nodes`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
