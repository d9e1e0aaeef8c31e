import type { Place, StoredObject } from '../state/collections.ts';
import { optionsOf } from '../state/section.ts';
import type { Properties } from '../verify.ts';
import { arrays, declare, required, UPDATE } from './declare.ts';
import { type Call, type Method, type Permissions, text } from './method.ts';

/** A collection that the built-in schema is too old for, kept as the generic ones are. */
interface Kept extends Place {
  key: 'id' | 'name';
  read: Permissions;
  change: Permissions;
  /** How a change names the options to reset; a list in one text where absent. */
  removal?: 'array';
  /** Of a new item; those that are required are optional in a change. */
  properties: Properties;
}

/** The five methods of a collection of named items. */
export function keptMethods(kept: Kept): Method[] {
  const { path, key, read, change, properties, removal } = kept;
  const id: Properties = { [key]: required({ type: 'string', format: 'pve-configid' }) };
  const optional = Object.fromEntries(
    Object.entries(properties).map(([name, schema]) => [name, { ...schema, optional: 1 as const }]),
  );
  const one = `${path}/{${key}}`;
  return [
    declare('GET', path, read, {}, (call) => rows(call, kept)),
    declare('POST', path, change, { ...id, ...properties }, (call) => createKept(call, kept)),
    declare('GET', one, read, id, (call) => call.state.collections.read(kept, text(call, key))),
    declare(
      'PUT',
      one,
      change,
      { ...id, ...optional, ...UPDATE, ...(removal === 'array' ? arrays('delete') : {}) },
      (call) => updateKept(call, kept),
    ),
    declare('DELETE', one, change, id, (call) => {
      call.state.collections.remove(kept, text(call, key));
      return null;
    }),
  ];
}

function rows({ state }: Call, { path, key }: Kept): StoredObject[] {
  return state.collections.list(path).map(([id, item]) => ({ [key]: id, ...item }));
}

export function createKept(call: Call, place: Place & { key: 'id' | 'name' }): null {
  call.state.collections.create(place, text(call, place.key), optionsOf(call.parameters, place.key));
  return null;
}

export function updateKept(call: Call, place: Place & { key: 'id' | 'name' }): null {
  const remove = [call.parameters.delete ?? []].flat().flatMap((list) => String(list).split(/[,; ]+/));
  const set = optionsOf(call.parameters, place.key);
  call.state.collections.update(place, text(call, place.key), set, remove.filter(Boolean));
  return null;
}
