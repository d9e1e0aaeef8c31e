import { isObject } from '../../catalogue/json.ts';
import { propertyString } from '../property-string.ts';

type Options = Readonly<Record<string, unknown>>;

/**
 * Options as Proxmox keeps them, where they may be given as objects: the entries of a mapping, and the headers and
 * secrets of a webhook and the data of a DNS plugin, whose values are plain here and base64 there.
 *
 * @throws CallError INVALID_ARGUMENTS for a value that would begin another option
 */
export function written(options: Options): Options {
  return Object.fromEntries(
    Object.entries(options).map(([name, value]) => {
      if (name === 'map') return [name, each(value, (item) => propertyString(undefined, wordsOf(item)))];
      if (name === 'header' || name === 'secret') return [name, each(value, encoded)];
      // Of a DNS plugin: lines of KEY=value, for its script.
      if (name === 'data' && isObject(value)) return [name, base64(linesOf(value))];
      return [name, value];
    }),
  );
}

function each(value: unknown, write: (item: Options) => string): unknown {
  const one = (item: unknown) => (isObject(item) ? write(item) : item);
  return Array.isArray(value) ? value.map(one) : one(value);
}

function encoded({ name, value = '' }: Options): string {
  return `${propertyString(undefined, { name: String(name) })},value=${base64(String(value))}`;
}

function linesOf(data: Options): string {
  return Object.entries(data)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('');
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

function wordsOf(item: Options): Record<string, string | number | boolean | undefined> {
  return Object.fromEntries(
    Object.entries(item).map(([key, value]) => [
      key,
      typeof value === 'number' || typeof value === 'boolean' || value === undefined ? value : String(value),
    ]),
  );
}
