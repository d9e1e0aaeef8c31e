import type { ApiMethod } from '../../catalogue/types.ts';
import { placeholderOf, segmentsOf } from '../router.ts';

/**
 * What a method without a handler of its own does, as far as the schema tells.
 * `list`, `create`, `read`, `update` and `remove` work a collection, whose items `item` names;
 * `show`, `change` and `clear` work a single object.
 */
export type Role =
  | { does: 'list' | 'create'; item: string }
  | { does: 'read' | 'createItem' | 'update' | 'remove'; item: string }
  | { does: 'show' | 'change' | 'clear' | 'index' | 'minimal' };

/** These return a text that is not the id of a task. */
const NO_TASKS =
  /\/(wakeonlan|monitor|auth-url|sdn\/lock|storage\/\{storage\}\/content|ticket|vncproxy|execute)$/;

export function startsTask({ method, path, returns }: ApiMethod): boolean {
  return method !== 'GET' && returns?.type === 'string' && !NO_TASKS.test(path);
}

/** Reads the roles of all methods out of how their paths lie to each other. */
export class RoleReader {
  readonly #methods = new Map<string, Map<string, ApiMethod>>();
  readonly #children = new Map<string, Set<string>>();

  constructor(methods: readonly ApiMethod[]) {
    for (const method of methods) {
      const verbs = this.#methods.get(method.path) ?? new Map<string, ApiMethod>();
      this.#methods.set(method.path, verbs.set(method.method, method));
      this.#addPath(method.path);
    }
  }

  /** The literal names right below a path. */
  childrenOf(path: string): string[] {
    const all = [...(this.#children.get(path === '/' ? '' : path) ?? [])];
    return all.filter((segment) => placeholderOf(segment) === undefined).sort();
  }

  /** Whether a path stands for the items of a collection that callers can add to. */
  isStoredItem(path: string): boolean {
    const item = lastPlaceholder(path);
    return item !== undefined && this.#isStored(parentOf(path));
  }

  roleOf(method: ApiMethod): Role {
    const { path } = method;
    const item = lastPlaceholder(path);
    const child = this.#itemOf(path);
    const isItem = item !== undefined && this.isStoredItem(path);
    switch (method.method) {
      case 'GET':
        return this.#readingRole(method, isItem ? item : undefined, child);
      case 'POST':
        if (child !== undefined && this.#creates(path)) return { does: 'create', item: child };
        return isItem && !this.#creates(parentOf(path)) ? { does: 'createItem', item } : { does: 'minimal' };
      case 'PUT':
        if (isItem) return { does: 'update', item };
        return { does: this.#isSingle(path) ? 'change' : 'minimal' };
      case 'DELETE':
        if (isItem) return { does: 'remove', item };
        return { does: this.#isSingle(path) ? 'clear' : 'minimal' };
    }
  }

  #readingRole({ path, returns }: ApiMethod, item: string | undefined, child: string | undefined): Role {
    const below = this.childrenOf(path).length > 0;
    if (child !== undefined && this.#isStored(path)) return { does: 'list', item: child };
    if (item !== undefined && !(returns?.type === 'array' && below)) return { does: 'read', item };
    if (this.#isSingle(path)) return { does: 'show' };
    return { does: below && (returns?.type ?? 'array') === 'array' ? 'index' : 'minimal' };
  }

  #addPath(path: string): void {
    const segments = segmentsOf(path);
    for (const [position, segment] of segments.entries()) {
      const parent = segments
        .slice(0, position)
        .map((part) => `/${part}`)
        .join('');
      this.#children.set(parent, (this.#children.get(parent) ?? new Set()).add(segment));
    }
  }

  #itemOf(path: string): string | undefined {
    const segments = [...(this.#children.get(path) ?? [])];
    return segments.map((segment) => placeholderOf(segment)).find((name) => name !== undefined);
  }

  #verb(path: string, verb: string): ApiMethod | undefined {
    return this.#methods.get(path)?.get(verb);
  }

  #isStored(path: string): boolean {
    const item = `${path}/{${this.#itemOf(path)}}`;
    const made = this.#verb(item, 'POST');
    const kept = this.#verb(item, 'DELETE') ?? this.#verb(item, 'PUT');
    return this.#creates(path) || (made !== undefined && kept !== undefined);
  }

  /** A POST on the collection that names the item, or whose items can be deleted, adds to it. */
  #creates(path: string): boolean {
    const item = this.#itemOf(path);
    const post = this.#verb(path, 'POST');
    if (item === undefined || !post) return false;
    if (Object.hasOwn(post.parameters, item)) return true;
    return !startsTask(post) && this.#verb(`${path}/{${item}}`, 'DELETE') !== undefined;
  }

  #isSingle(path: string): boolean {
    return this.#verb(path, 'PUT') !== undefined && this.#verb(path, 'GET')?.returns?.type === 'object';
  }
}

export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}

function lastPlaceholder(path: string): string | undefined {
  return placeholderOf(segmentsOf(path).at(-1));
}
