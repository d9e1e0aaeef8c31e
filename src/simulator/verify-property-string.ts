import type { PropertyFormat, PropertySchema } from '../catalogue/types.ts';

export const UNKNOWN =
  'property is not defined in schema and the schema does not allow additional properties';
export const MISSING = 'property is missing and it is not optional';

/** Takes `virtio=BC:24:11:00:00:01,bridge=vmbr0` apart and checks each value, aliases resolved. */
export function propertyComplaint(
  format: PropertyFormat,
  text: string,
  path: string,
  complaint: (schema: PropertySchema, value: string, path: string) => string | undefined,
): string | undefined {
  const values: Record<string, string> = Object.create(null);
  const errors: string[] = [];
  const put = (key: string, value: string): void => {
    if (values[key] !== undefined) errors.push(`duplicate key in comma-separated list property: ${key}`);
    values[key] = value;
  };
  for (const part of text.split(',').filter((candidate) => candidate.trim() !== '')) {
    const [, key = defaultKey(format), value = part] = /^([^=]+)=(.+)$/s.exec(part) ?? [];
    if (key === undefined) return 'value without key, but schema does not define a default key';
    const schema = own(format, key);
    if (schema?.keyAlias !== undefined) put(schema.keyAlias, key);
    put(schema?.alias ?? key, value);
  }
  for (const [key, value] of Object.entries(values)) {
    const schema = own(format, key);
    const at = `${path}.${key}`;
    const wrong = schema ? complaint(schema, value, at) : UNKNOWN;
    if (wrong !== undefined) errors.push(`${at}: ${wrong}`);
  }
  const missing = Object.entries(format).filter(([key, schema]) => isMissing(key, schema, values));
  errors.push(...missing.map(([key]) => `${path}.${key}: ${MISSING}`));
  return errors.length === 0 ? undefined : `format error\n${errors.join('\n')}`;
}

function isMissing(key: string, schema: PropertySchema, values: Record<string, string>): boolean {
  return !schema.optional && schema.alias === undefined && values[key] === undefined;
}

function defaultKey(format: PropertyFormat): string | undefined {
  return Object.entries(format).find(([, schema]) => schema.defaultKey)?.[0];
}

function own<T>(record: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}
