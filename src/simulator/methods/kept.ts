import type { Place, StoredObject } from '../state/collections.ts';
import { optionsOf } from '../state/section.ts';
import type { Properties } from '../verify.ts';
import { arrays, declare, required, UPDATE } from './declare.ts';
import { type Call, type Method, type Permissions, text } from './method.ts';

/** A collection that the built-in schema is too old for, kept as the generic ones are. */
interface Kept extends Place {
  key: 'id' | 'name';
  permissions: Readonly<Record<'list' | 'create' | 'read' | 'update' | 'remove', Permissions>>;
  /** How a change names the options to reset; a list in one text where absent. */
  removal?: 'array';
  /** Of a new item; those that are required are optional in a change. */
  properties: Properties;
  /** Whether the caller sees an item of the list; all where absent. */
  mayList?: (call: Call, id: string) => boolean;
}

/** The five methods of a collection of named items. */
export function keptMethods(kept: Kept): Method[] {
  const { path, key, permissions, properties, removal, mayList = () => true } = kept;
  const id: Properties = { [key]: required({ type: 'string', format: 'pve-configid' }) };
  const optional = Object.fromEntries(
    Object.entries(properties).map(([name, schema]) => [name, { ...schema, optional: 1 as const }]),
  );
  const change = { ...id, ...optional, ...UPDATE, ...(removal === 'array' ? arrays('delete') : {}) };
  const one = `${path}/{${key}}`;
  const rows = (call: Call): StoredObject[] => {
    const visible = call.state.collections.list(path).filter(([name]) => mayList(call, name));
    return visible.map(([name, item]) => ({ [key]: name, ...item }));
  };
  return [
    declare('GET', path, permissions.list, {}, rows),
    declare('POST', path, permissions.create, { ...id, ...properties }, (call) => createKept(call, kept)),
    declare('GET', one, permissions.read, id, (call) => call.state.collections.read(kept, text(call, key))),
    declare('PUT', one, permissions.update, change, (call) => updateKept(call, kept)),
    declare('DELETE', one, permissions.remove, id, (call) => {
      call.state.collections.remove(kept, text(call, key));
      return null;
    }),
  ];
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
