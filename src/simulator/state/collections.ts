import { createHash } from 'node:crypto';
import { failure, invalidParameters } from '../errors.ts';
import type { ParameterValue } from '../verify.ts';

/** Where a collection is, and what PVE calls one of its items. */
export interface Place {
  path: string;
  noun: string;
}

export type StoredObject = Record<string, ParameterValue>;

/** Options that go in and never come out again. */
const SECRET = /^(password|secret|token|key|private-key|client-key|tokenvalue|eab-hmac-key|new_password)$/;

/**
 * What callers create through methods that have no handler of their own, by concrete path:
 * the items of `/cluster/mapping/pci`, the one object at `/nodes/pve1/dns`.
 */
export class Collections {
  readonly items = new Map<string, Map<string, StoredObject>>();
  readonly singles = new Map<string, StoredObject>();

  has(path: string, id: string): boolean {
    return this.items.get(path)?.has(id) ?? false;
  }

  list(path: string): [string, StoredObject][] {
    return [...(this.items.get(path) ?? [])].map(([id, item]) => [id, open(item)]);
  }

  read(place: Place, id: string): StoredObject {
    return open(this.#require(place, id));
  }

  refuseExisting({ path, noun }: Place, id: string): void {
    if (this.has(path, id)) throw failure(`${noun} '${id}' already exists`);
  }

  create(place: Place, id: string, item: StoredObject): void {
    this.refuseExisting(place, id);
    const { path } = place;
    this.items.set(path, (this.items.get(path) ?? new Map()).set(id, item));
  }

  /** @param remove options to reset; naming one that is set at the same time is refused, as PVE does */
  update(place: Place, id: string, set: StoredObject, remove: string[]): void {
    change(this.#require(place, id), set, remove);
  }

  /** With an item goes everything below it. */
  remove(place: Place, id: string): void {
    this.#require(place, id);
    const { path } = place;
    this.items.get(path)?.delete(id);
    const below = `${path}/${id}/`;
    for (const store of [this.items, this.singles]) {
      for (const key of [...store.keys()]) if (`${key}/`.startsWith(below)) store.delete(key);
    }
  }

  single(path: string): StoredObject {
    return open(this.singles.get(path) ?? {});
  }

  changeSingle(path: string, set: StoredObject, remove: string[]): void {
    const object = this.singles.get(path) ?? {};
    change(object, set, remove);
    this.singles.set(path, object);
  }

  /** A name for a new item that was given none: a number, or `default` and what follows it. */
  freeId(path: string, numbered: boolean): string {
    const nameOf = (index: number): string => {
      if (numbered) return String(index);
      return index === 0 ? 'default' : `default-${index}`;
    };
    let candidate = 0;
    while (this.has(path, nameOf(candidate))) candidate += 1;
    return nameOf(candidate);
  }

  /** One configuration file holds a whole collection, so any change to it changes the digest of all. */
  digest(path: string): string {
    const content = JSON.stringify([[...(this.items.get(path) ?? [])], this.singles.get(path) ?? {}]);
    return createHash('sha1').update(content).digest('hex');
  }

  refuseStale(path: string, digest: string | undefined): void {
    if (digest !== undefined && digest !== this.digest(path)) {
      throw failure('detected modified configuration - file changed by other user? Try again.');
    }
  }

  #require({ path, noun }: Place, id: string): StoredObject {
    const item = this.items.get(path)?.get(id);
    if (!item) throw failure(`${noun} '${id}' does not exist`);
    return item;
  }
}

function change(object: StoredObject, set: StoredObject, remove: string[]): void {
  const twice = remove.find((key) => set[key] !== undefined);
  if (twice !== undefined) {
    throw invalidParameters({ delete: `you can't use '-${twice}' and '-delete ${twice}' at the same time` });
  }
  for (const key of remove) delete object[key];
  Object.assign(object, set);
}

function open(item: StoredObject): StoredObject {
  return Object.fromEntries(Object.entries(item).filter(([key]) => !SECRET.test(key)));
}
