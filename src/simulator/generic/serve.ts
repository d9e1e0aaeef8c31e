import { failure } from '../errors.ts';
import type { Call } from '../methods/method.ts';
import { placeholderOf, segmentsOf } from '../router.ts';
import type { Collections, Place, StoredObject } from '../state/collections.ts';
import type { Operation } from './operation.ts';
import { parentOf } from './roles.ts';
import { minimalValue } from './shapes.ts';

/** How a method without a handler of its own is served. */
export interface GenericCall extends Call {
  operation: Operation;
  /** The operation that a path template and a verb name. */
  find: (method: string, path: string) => Operation | undefined;
  /** Whether the caller may use an operation with these parameters. */
  may: (operation: Operation, given: Record<string, unknown>) => boolean;
  /** Whether items of this path template are kept by the generic store. */
  isKept: (path: string) => boolean;
}

type Answer = (call: GenericCall) => unknown;

const CONTROL = ['delete', 'digest'];

const ROLES: Record<Operation['role']['does'], Answer> = {
  index: ({ operation: { children, indexKey } }) => children.map((name) => ({ [indexKey]: name })),
  list: (call) => {
    const path = concrete(call, call.operation.path);
    requireParent(call);
    return collections(call)
      .list(path)
      .flatMap(([id, item]) => visibleRow(call, path, id, item));
  },
  create: (call) => {
    const path = concrete(call, call.operation.path);
    requireParent(call);
    return make(call, { path, noun: nounOf(call.operation.path) });
  },
  createItem: (call) => make(call, item(call)),
  read: (call) => {
    const { id, ...place } = item(call);
    const stored = collections(call).read(place, id);
    if (call.operation.returns?.type === 'array') return [];
    return { ...naming(call, id), ...stored, digest: collections(call).digest(place.path) };
  },
  update: (call) => {
    const { id, ...place } = item(call);
    collections(call).read(place, id);
    collections(call).refuseStale(place.path, digestOf(call));
    return work(call, () => collections(call).update(place, id, options(call), removals(call)));
  },
  remove: (call) => {
    const { id, ...place } = item(call);
    collections(call).read(place, id);
    collections(call).refuseStale(place.path, digestOf(call));
    return work(call, () => collections(call).remove(place, id));
  },
  show: (call) => {
    const path = concrete(call, call.operation.path);
    const digest = Object.hasOwn(call.operation.returns?.properties ?? {}, 'digest');
    return {
      ...collections(call).single(path),
      ...(digest ? { digest: collections(call).digest(path) } : {}),
    };
  },
  change: (call) => {
    const path = concrete(call, call.operation.path);
    collections(call).refuseStale(path, digestOf(call));
    return work(call, () => collections(call).changeSingle(path, options(call), removals(call)));
  },
  clear: (call) => {
    const path = concrete(call, call.operation.path);
    return work(call, () => void collections(call).singles.delete(path));
  },
  minimal: (call) => work(call, () => undefined),
};

/** Serves a method by what the schema says of it alone. */
export function serveGenerically(call: GenericCall): unknown {
  return ROLES[call.operation.role.does](call);
}

/** Does the work at once, or in a task where the method answers with one. */
function work(call: GenericCall, end: () => void): unknown {
  const { operation, state, identity, localNode, parameters } = call;
  if (!operation.task) {
    end();
    return minimalValue(operation.returns);
  }
  const type =
    operation.name ?? segmentsOf(operation.path).findLast((part) => !placeholderOf(part)) ?? 'task';
  const origin = { node: String(parameters.node ?? localNode), type: type.replaceAll(/\W/g, ''), id: '' };
  return state.tasks.start({ ...origin, owner: identity.id }, { end });
}

function make(call: GenericCall, place: Place): unknown {
  const store = collections(call);
  const id = itemId(call, place.path);
  store.refuseExisting(place, id);
  store.refuseStale(place.path, digestOf(call));
  return work(call, () => store.create(place, id, options(call)));
}

function visibleRow(call: GenericCall, path: string, id: string, stored: StoredObject): unknown[] {
  const { operation, find, may, parameters } = call;
  const { role } = operation;
  const name = 'item' in role ? role.item : '';
  const one = find('GET', `${operation.path}/{${name}}`) ?? find('PUT', `${operation.path}/{${name}}`);
  if (one?.permissions?.check && !may(one, { ...parameters, [name]: id })) return [];
  return [{ ...naming(call, id), ...stored, digest: collections(call).digest(path) }];
}

/** What is below an item of a collection is there only as long as the item is. */
function requireParent(call: GenericCall): void {
  const template = call.operation.path;
  const above = placeholderOf(segmentsOf(template).at(-1)) === undefined ? parentOf(template) : template;
  if (placeholderOf(segmentsOf(above).at(-1)) === undefined || !call.isKept(above)) return;
  const parent = concrete(call, above);
  const cut = parent.lastIndexOf('/');
  if (!collections(call).has(parent.slice(0, cut), parent.slice(cut + 1))) {
    throw failure(`${nounOf(above)} '${parent.slice(cut + 1)}' does not exist`);
  }
}

function collections({ state }: GenericCall): Collections {
  return state.collections;
}

function concrete({ parameters }: GenericCall, template: string): string {
  return template.replaceAll(/\{([^}]+)\}/g, (_match, name: string) => String(parameters[name] ?? ''));
}

function item(call: GenericCall): Place & { id: string } {
  const path = concrete(call, parentOf(call.operation.path));
  return { path, noun: nounOf(call.operation.path), id: itemId(call, path) };
}

/** The last literal name of a path, in the singular: what PVE calls an item in its messages, more or less. */
function nounOf(template: string): string {
  const name = segmentsOf(template).findLast((part) => placeholderOf(part) === undefined) ?? 'item';
  if (name.length <= 4) return name;
  return name.endsWith('ses') ? name.slice(0, -2) : name.replace(/s$/, '');
}

/** The name an item is given, what its schema says otherwise, or the next that is free. */
function itemId({ operation, parameters, state }: GenericCall, path: string): string {
  const { role } = operation;
  if (!('item' in role)) return '';
  const schema = operation.parameters[role.item];
  const given = parameters[role.item] ?? schema?.default;
  return given === undefined ? state.collections.freeId(path, schema?.type === 'integer') : String(given);
}

function naming({ operation: { role } }: GenericCall, id: string): StoredObject {
  return 'item' in role ? { [role.item]: /^\d+$/.test(id) ? Number(id) : id } : {};
}

/** What a call sets: everything but what names the object and what steers the call. */
function options({ operation, parameters }: GenericCall): StoredObject {
  const inPath = segmentsOf(operation.path).map((segment) => placeholderOf(segment));
  const name = 'item' in operation.role ? operation.role.item : undefined;
  return Object.fromEntries(
    Object.entries(parameters).filter(
      ([key]) => !CONTROL.includes(key) && key !== name && !inPath.includes(key),
    ),
  );
}

function removals({ parameters }: GenericCall): string[] {
  return [parameters.delete ?? []]
    .flat()
    .flatMap((list) => String(list).split(/[,;\s\0]+/))
    .filter(Boolean);
}

function digestOf({ parameters }: GenericCall): string | undefined {
  return parameters.digest === undefined ? undefined : String(parameters.digest);
}
