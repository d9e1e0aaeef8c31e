/** A JSON object of unknown content. */
export type Json = Readonly<Record<string, unknown>>;

/** A type may be a union such as `["string", "null"]`; the first that is not null tells most. */
export function readType(value: unknown): string | undefined {
  if (!Array.isArray(value)) return text(value);
  return value.find((item): item is string => typeof item === 'string' && item !== 'null');
}

/** Leaves out what is undefined, as exactOptionalPropertyTypes wants it. */
export function compact<T extends object>(value: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as T;
}

export function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

// The schemas write some limits as text ("minimum": "0").
export function number(value: unknown): number | undefined {
  const parsed = typeof value === 'string' && value !== '' ? Number(value) : value;
  return typeof parsed === 'number' && Number.isFinite(parsed) ? parsed : undefined;
}

export function scalar(value: unknown): string | number | boolean | undefined {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? value
    : undefined;
}

export function isTrue(value: unknown): boolean {
  return value === true || value === 1 || value === '1';
}

/** PVE's `data` of a list call as rows; anything that is not an object is left out. */
export function rowsOf(data: unknown): Json[] {
  return Array.isArray(data) ? data.filter(isObject) : [];
}

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
