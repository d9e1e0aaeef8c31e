import { createHash } from 'node:crypto';
import { failure, invalidParameters } from '../errors.ts';
import type { Parameters } from '../verify.ts';

/** The options of one object, as its section of a configuration file holds them. */
export type Entry = Record<string, string | number | string[]>;
export type Section = Record<string, Entry>;

const CONTROL = ['delete', 'digest', 'node', 'lock-token'];

/** SHA-1 over what the file would hold, independent of the order in which it was written. */
export function digestOf(value: unknown): string {
  return createHash('sha1').update(JSON.stringify(value, sorted)).digest('hex');
}

function sorted(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Refuses a change that was made against an older state than the present one. */
export function refuseStale(given: Parameters, present: unknown): void {
  if (given.digest !== undefined && given.digest !== digestOf(present)) {
    throw failure('detected modified configuration - file changed by other user? Try again.');
  }
}

/** @returns what a call sets, without what says where and how */
export function optionsOf(given: Parameters, ...except: string[]): Entry {
  const kept = Object.entries(given).filter(([key]) => !CONTROL.includes(key) && !except.includes(key));
  return Object.fromEntries(kept);
}

/** Changes an object in place: what is given is set, what `delete` names is taken away. */
export function updateEntry(entry: Entry, given: Parameters, ...except: string[]): void {
  const set = optionsOf(given, ...except);
  const remove = String(given.delete ?? '')
    .split(/[,; ]+/)
    .filter(Boolean);
  for (const key of remove) {
    if (set[key] !== undefined) {
      throw invalidParameters({ [key]: 'duplicate entry in parameter and delete list' });
    }
  }
  for (const key of remove) delete entry[key];
  Object.assign(entry, set);
}

/** Throws PVE's 500 with the given text when the section has no such object. */
export function requireEntry<Value>(section: Record<string, Value>, id: string, message: string): Value {
  const entry = Object.hasOwn(section, id) ? section[id] : undefined;
  if (entry === undefined) throw failure(message);
  return entry;
}
